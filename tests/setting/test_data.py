"""A user's own data: what is read, and what is refused with the place named."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shallow.setting.data import read_problem, unit_rows
from shallow.setting.network import Network
from shallow.setting.problem import Problem

EPS = np.finfo(np.float64).eps
X = [[1.0, 2.5], [-3.0, 4e-310], [0.0, 1e300]]
Y = [1.0, -1.0, 0.5]


def csv(folder: Path, text: str, name: str = "mine.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "1,2.5,1\n-3,4e-310,-1\n0,1e300,0.5\n",
        "u,v,y\n1,2.5,1\n-3,4e-310,-1\n0,1e300,0.5\n",
        "Label;u;v\n1;1;2.5\n-1;-3;4e-310\n0.5;0;1e300\n",
        "\ufeffu\ty\tv\r\n\r\n1\t1\t2.5\r\n# remark, with comma\r\n-3\t-1\t4e-310\r\n0\t0.5\t1e300\r\n\r\n",
        '"0","1","label"\n1, 2.5, 1\n-3, 4e-310, -1\n0, 1e300, 0.5',
    ],
    ids=[
        "bare",
        "header",
        "label first, semicolons",
        "byte order mark, tabs, blanks, remarks",
        "quoted numbers",
    ],
)
def test_a_csv_is_read_with_its_label_column(tmp_path: Path, text: str) -> None:
    problem = read_problem(csv(tmp_path, text))
    assert problem.X.tolist() == X
    assert problem.y.tolist() == Y
    assert problem.name == "mine"


@given(
    st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3), min_size=1)
)
@settings(max_examples=30)
def test_numbers_written_in_full_come_back_bit_for_bit(
    tmp_path_factory: object, rows: list[list[float]]
) -> None:
    text = "\n".join(",".join(repr(value) for value in row) for row in rows)
    problem = read_problem(csv(tmp_path_factory.mktemp("csv"), text))
    table = np.column_stack([problem.X, problem.y])
    assert table.tobytes() == np.array(rows).tobytes()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("\n \n# only a remark\n", "is empty"),
        ("u,v,y\n", "header and no row"),
        ("1\n2\n", "one column"),
        ("1 2 3\n4 5 6\n", "separated by a comma"),
        ("1,2,3\n4,5\n", "line 2: 2 cells, but line 1 has 3"),
        ("u,v,y\n1,2,3\n\n1,two,3\n", "line 4, column v holds 'two'"),
        ("1,2,3\n1,,3\n", "line 2, column 2 is empty"),
        ("1,nan,3\n1,2,3\n", "line 1, column 2 is nan"),
        ("u,v,y\n1,2,-inf\n", "line 2, column y is -inf"),
        ("y,v,label\n1,2,3\n", "2 label columns (y, label)"),
        ("1,2,three\n1,2,3\n", "line 1, column 3 holds 'three'"),
    ],
)
def test_a_bad_csv_is_refused_with_line_and_column(tmp_path: Path, text: str, words: str) -> None:
    path = csv(tmp_path, text)
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        read_problem(path)
    assert str(path) in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(b"1,2,3\n\xff\xfe,1,2\n")
    with pytest.raises(ValueError, match="UTF-8"):
        read_problem(path)


def test_an_npz_keeps_its_type_and_several_outputs(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    np.savez(path, X=np.ones((3, 2), dtype=np.float32), y=np.ones((3, 4), dtype=np.float32))
    problem = read_problem(path)
    assert (problem.X.dtype, problem.y.shape, problem.name) == (np.float32, (3, 4), "mine")
    problem.save(tmp_path / "again.npz")
    assert read_problem(tmp_path / "again.npz").equals(problem)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"X": np.ones((2, 2))}, "lacks y"),
        ({"X": np.ones((2, 2)), "y": np.ones(3)}, "2 samples"),
        ({"X": np.ones((0, 2)), "y": np.ones(0)}, "X is empty"),
        ({"X": np.array([[1.0, math.nan]]), "y": np.ones(1)}, "X[0, 1] is nan"),
        ({"X": np.array([["a"]]), "y": np.ones(1)}, "dtype"),
        ({"X": np.array([[None]]), "y": np.ones(1)}, "pickled"),
        ({"X": np.ones(2), "y": np.ones(2)}, "axes"),
    ],
)
def test_a_bad_npz_is_refused_with_its_name(tmp_path: Path, fields: dict[str, object], words: str) -> None:
    path = tmp_path / "mine.npz"
    np.savez(path, **fields)
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        read_problem(path)
    assert str(path) in str(caught.value)


def test_files_that_are_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is a folder"):
        read_problem(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_problem(tmp_path / "absent.csv")
    with pytest.raises(ValueError, match=r"give a \.csv or an \.npz file"):
        read_problem(csv(tmp_path, "1,2", name="mine.txt"))
    with pytest.raises(ValueError, match="0 bytes"):
        read_problem(csv(tmp_path, "", name="mine.npz"))
    with pytest.raises(ValueError, match="not a readable NPZ"):
        read_problem(csv(tmp_path, "PK not really", name="mine.npz"))
    Network(np.ones((1, 1)), np.ones(1)).save(tmp_path / "net.npz")
    with pytest.raises(ValueError, match="holds a network"):
        read_problem(tmp_path / "net.npz")


@given(st.floats(-300, 300), st.integers(1, 6), st.integers(1, 6))
@settings(max_examples=30)
def test_unit_rows_have_norm_one_at_any_size(exponent: float, n: int, d: int) -> None:
    rows = np.random.default_rng(n * 7 + d).uniform(0.5, 1, (n, d)) * 10.0**exponent
    problem = unit_rows(Problem(rows, np.arange(n)))
    np.testing.assert_allclose(np.sum(problem.X**2, axis=1), 1.0, rtol=4 * EPS * (d + 4))
    assert problem.y.tolist() == list(range(n))


def test_a_subnormal_row_has_a_direction_and_a_zero_row_has_none() -> None:
    assert unit_rows(Problem([[5e-324, 0.0]], [1.0])).X.tolist() == [[1.0, 0.0]]
    with pytest.raises(ValueError, match="input 1"):
        unit_rows(Problem([[1.0, 0.0], [0.0, -0.0]], [1.0, 1.0]))
