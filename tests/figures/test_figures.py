"""Figures for papers: no LaTeX needed, the numbers beside each, the same bytes on every run."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallow import figures
from shallow.figures import Bound, Curve, convergence, exponent_fit, latex_table, style, write_csv
from shallow.figures.tables import latex_escape

STEPS = np.arange(50)


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def _curves() -> list[Curve]:
    run = SimpleNamespace(steps=STEPS, series={"loss": np.exp(-0.2 * STEPS)})
    return [Curve.of("$m = 100$", run), Curve("ends at zero", STEPS, np.maximum(1 - STEPS / 20, 0.0))]


def test_a_convergence_plot_has_its_numbers_beside_it(tmp_path: Path) -> None:
    bounds = [
        Bound("certified", STEPS, np.exp(-0.1 * STEPS)),
        Bound("hoped", STEPS, 0.5**STEPS, applies=False),
    ]
    pdf, numbers = convergence(_curves(), bounds, tmp_path / "deep" / "plot.pdf")
    rows = _rows(numbers)
    assert {row["kind"] for row in rows} == {"trajectory", "bound"}
    assert len(rows) == 4 * len(STEPS)
    read = [float(row["value"]) for row in rows if row["label"] == "$m = 100$"]
    assert read == list(np.exp(-0.2 * STEPS))
    assert {row["applies"] for row in rows if row["label"] == "hoped"} == {"False"}
    assert numbers == pdf.with_suffix(".csv")


def test_the_same_plot_has_the_same_bytes_and_keeps_its_text(tmp_path: Path) -> None:
    first = convergence(_curves(), [], tmp_path / "one")[0].read_bytes()
    assert convergence(_curves(), [], tmp_path / "two")[0].read_bytes() == first
    assert b"/Type3" not in first
    assert b"CreationDate" not in first


def test_the_style_ends_with_its_block() -> None:
    import matplotlib

    before = matplotlib.rcParams["pdf.fonttype"]
    with style():
        assert matplotlib.rcParams["pdf.fonttype"] == 42
        assert matplotlib.rcParams["text.usetex"] is False
    assert matplotlib.rcParams["pdf.fonttype"] == before


def test_what_was_not_recorded_is_named() -> None:
    run = SimpleNamespace(steps=STEPS, series={"loss": STEPS})
    with pytest.raises(ValueError, match="did not record 'margin_min'; it recorded loss"):
        Curve.of("run", run, "margin_min")


@pytest.mark.parametrize(
    ("steps", "values", "named"),
    [
        ([0, 1], [1.0], "two arrays of one length"),
        ([0, 1], [1.0, math.nan], "position 1 is not a number"),
        ([[0, 1]], [[1.0, 2.0]], "two arrays of one length"),
    ],
)
def test_a_curve_that_cannot_be_drawn_says_why(steps: Any, values: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Curve("c", steps, values)


def test_no_curve_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no curve"):
        convergence([], [], tmp_path / "plot")


def test_an_exponent_fit_has_its_points_beside_it(tmp_path: Path) -> None:
    sizes = np.array([10.0, 20.0, 40.0])
    pdf, numbers = exponent_fit(
        sizes, sizes**2.1, tmp_path / "fit", exponent=2.1, interval=(1.9, 2.3), predicted=2.0
    )
    assert pdf.read_bytes().startswith(b"%PDF")
    rows = _rows(numbers)
    assert [float(row["n"]) for row in rows] == list(sizes)
    assert {row["exponent_lower"] for row in rows} == {"1.9"}


@pytest.mark.parametrize(
    ("sizes", "values", "named"),
    [
        ([10.0, 10.0], [1.0, 2.0], "one size alone"),
        ([10.0, -1.0], [1.0, 2.0], "sizes must be"),
        ([10.0, 20.0], [1.0, math.inf], "values must be"),
        ([10.0, 20.0], [1.0], "2 sizes and 1 values"),
    ],
)
def test_a_fit_without_a_slope_is_refused(tmp_path: Path, sizes: Any, values: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        exponent_fit(sizes, values, tmp_path / "fit", exponent=1.0, interval=(0.5, 1.5))


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=8))
def test_numbers_in_csv_read_back_to_the_same_bits(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "numbers.csv"
    write_csv(path, ("x",), [(np.float64(value),) for value in values])
    assert [float(row["x"]).hex() for row in _rows(path)] == [value.hex() for value in values]


def test_a_ragged_row_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="row 1 has 1 entries, the header 2"):
        write_csv(tmp_path / "t.csv", ("a", "b"), [(1, 2), (3,)])
    with pytest.raises(ValueError, match="row 0 has 3 entries"):
        latex_table(("a", "b"), [("1", "2", "3")], tmp_path / "t.tex")
    assert list(tmp_path.iterdir()) == []


def test_a_latex_table_has_one_line_a_row(tmp_path: Path) -> None:
    path = latex_table(
        ("a", "b"), [("1", latex_escape("50 % of x_1"))], tmp_path / "t.tex", caption="C", label="tab:t"
    )
    text = path.read_text(encoding="utf-8")
    assert r"    1 & 50 \% of x\_1 \\" in text.splitlines()
    assert text.count(r"\begin") == text.count(r"\end") == 2


def test_names_of_the_package_exist() -> None:
    assert len(figures.__all__) > 0
    for name in figures.__all__:
        assert getattr(figures, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'plot'"):
        _ = figures.plot
