"""The ledger keeps what it is given, once, and touches nothing that is not its own."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shallow.sweep.ledger import SCHEMA, Ledger, open_ledger, read_ledger
from shallow.sweep.record import Record, pack_arrays, unpack_arrays

NUMERICS = "numerics 1, numpy 2.0"


def fresh(path: Path) -> Ledger:
    ledger = open_ledger(path, NUMERICS)
    ledger.set_grid({"file": ""}, [("k0", "{}", "numpy"), ("k1", "{}", "numpy")])
    return ledger


def record(cell: str, seed: int, value: float = 1.0) -> Record:
    return Record(
        cell, seed, "CONVERGED", scalars={"loss": value}, series={"steps": np.arange(3), "loss": np.ones(3)}
    )


@given(
    hnp.arrays(np.float64, hnp.array_shapes(max_dims=2, max_side=5, min_side=0), elements=st.floats()),
    hnp.arrays(np.int64, 4),
)
def test_arrays_come_back_bit_for_bit(values: np.ndarray, steps: np.ndarray) -> None:
    back = unpack_arrays(*pack_arrays({"steps": steps, "values": values}))
    assert back["values"].tobytes() == values.tobytes()
    assert back["values"].shape == values.shape
    np.testing.assert_array_equal(back["steps"], steps)


def test_a_run_is_recorded_once_and_stays_as_it_was(tmp_path: Path) -> None:
    ledger = fresh(tmp_path / "ledger.sqlite")
    assert ledger.add([record("k0", 0, 1.0), record("k0", 1)]) == 2
    assert ledger.add([record("k0", 0, 2.0), record("k1", 0)]) == 1
    assert ledger.finished() == {("k0", 0), ("k0", 1), ("k1", 0)}
    (blob,) = ledger.connection.execute("SELECT scalars FROM runs WHERE seed = 0 AND cell = 1").fetchone()
    assert np.frombuffer(blob).tolist() == [1.0]
    assert ledger.connection.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert ledger.connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete"
    ledger.close()


def test_a_batch_is_recorded_whole_or_not_at_all(tmp_path: Path) -> None:
    ledger = fresh(tmp_path / "ledger.sqlite")
    spoiled = Record("k1", 0, "CONVERGED", scalars={"loss": "no number"})  # type: ignore[dict-item]
    with pytest.raises(ValueError):
        ledger.add([record("k0", 0), spoiled])
    assert ledger.finished() == set()
    ledger.close()


def test_the_method_of_a_cell_is_fixed_by_whoever_names_it_first(tmp_path: Path) -> None:
    ledger = fresh(tmp_path / "ledger.sqlite")
    ledger.set_grid({"file": ""}, [("k1", "{}", "numba"), ("k2", "{}", "numba")])
    assert ledger.methods() == {"k0": "numpy", "k1": "numpy", "k2": "numba"}
    ledger.close()


def test_another_numerics_version_is_refused_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    fresh(path).close()
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"written with numerics 1, numpy 2\.0, and this is numerics 2"):
        open_ledger(path, "numerics 2")
    assert path.read_bytes() == before
    open_ledger(path, "numerics 2", accept=lambda stored: True).close()
    open_ledger(path, "numerics 2").close()


def cut_short(path: Path) -> None:
    fresh(path).close()
    path.write_bytes(path.read_bytes()[:5000])


def overwritten(path: Path) -> None:
    ledger = fresh(path)
    ledger.add([record("k0", seed) for seed in range(200)])
    ledger.close()
    content = bytearray(path.read_bytes())
    content[4096:-4096] = b"\x55" * (len(content) - 8192)
    path.write_bytes(content)


def no_database(path: Path) -> None:
    path.write_text("n,d,m\n1,2,3\n" * 100)


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()


def another_schema(path: Path) -> None:
    fresh(path).close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version={SCHEMA + 1}")
    db.close()


@pytest.mark.parametrize("spoil", [cut_short, overwritten, no_database, foreign, another_schema])
def test_what_is_no_ledger_is_named_and_left_untouched(tmp_path: Path, spoil: object) -> None:
    path = tmp_path / "ledger.sqlite"
    spoil(path)  # type: ignore[operator]
    before = path.read_bytes()
    with pytest.raises(ValueError) as caught:
        open_ledger(path, NUMERICS)
    assert str(path) in str(caught.value)
    assert "left as it is" in str(caught.value)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["ledger.sqlite"]


def test_an_empty_file_is_a_new_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.touch()
    fresh(path).close()
    with pytest.raises(FileNotFoundError, match="no such ledger"):
        read_ledger(tmp_path / "other.sqlite")


def test_a_reader_may_look_while_a_writer_writes(tmp_path: Path) -> None:
    ledger = fresh(tmp_path / "ledger.sqlite")
    ledger.add([record("k0", 0)])
    reader = read_ledger(tmp_path / "ledger.sqlite")
    ledger.add([record("k0", 1)])
    assert len(reader.finished()) == 2
    reader.close()
    ledger.close()
