"""The runs of a directory as one table, sorted by the axes and the seed; needs nothing but NumPy."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shallow.sweep.folder import GridNote, grid_note, readable
from shallow.sweep.ledger import Ledger
from shallow.sweep.record import Series, unpack_arrays

__all__ = ["TIMINGS", "Table", "read_series", "read_table"]

HostArray = np.ndarray[Any, Any]
TIMINGS = ("seconds", "host")
"""The columns that differ from one machine or day to another; they are left out unless asked for."""

_RUNS = """
SELECT grid.place, runs.seed, runs.outcome, runs.outcome_step, runs.steps, runs.time, runs.names,
    runs.scalars, cells.method, runs.error, runs.seconds, runs.host
FROM runs JOIN grid ON grid.cell = runs.cell JOIN cells ON cells.id = runs.cell
"""
_SERIES = """
SELECT grid.place, runs.seed, trajectories.layout, trajectories.content
FROM trajectories JOIN runs ON runs.id = trajectories.run JOIN grid ON grid.cell = runs.cell
"""


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length, one entry a recorded run.

    Parameters
    ----------
    note : GridNote
        The grid: axes and seeds, also of runs that are not recorded yet.
    columns : mapping of name to array
        The axes, ``seed``, ``outcome``, ``outcome_step``, ``last_step``, ``flow_time``, the scalars,
        ``method_used``, ``error``, ``seconds``, ``host``.
    places : (R, axes) integers
        For each run and axis, which label of the note it has.
    """

    note: GridNote
    columns: Mapping[str, HostArray]
    places: HostArray

    @property
    def missing(self) -> int:
        """How many runs of the grid are not recorded."""
        return self.note.runs - len(self.columns["seed"])


def read_table(out: str | Path) -> Table:
    """The recorded runs of the directory's grid, those of its shards included.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no ledger, or one is corrupt, or shards speak of different grids.
    """
    with readable(Path(out)) as ledgers:
        note, ledgers = _of_one_grid(ledgers)
        rows: dict[tuple[int, int], tuple[Any, ...]] = {}
        for ledger in ledgers:
            texts = _texts(ledger)
            for row in ledger.connection.execute(_RUNS):
                rows.setdefault((row[0], row[1]), (*row[:6], texts[row[6]], *row[7:]))
    seeds = set(note.seeds)
    kept = [row for row in rows.values() if row[1] in seeds]
    columns = [list(column) for column in zip(*kept)] or [[] for _ in range(12)]
    places = _unravelled(np.array(columns[0], dtype=np.int64), note)
    named = {
        **{
            name: _labels(labels)[places[:, i]]
            for i, (name, labels) in enumerate(zip(note.names, note.labels))
        },
        "seed": np.array(columns[1], dtype=np.int64),
        "outcome": _words(columns[2]),
        "outcome_step": np.array(columns[3], dtype=np.int64),
        "last_step": np.array(columns[4], dtype=np.int64),
        "flow_time": np.array(columns[5], dtype=np.float64),
        **_scalars(columns[6], columns[7]),
        "method_used": _words(columns[8]),
        "error": _words(columns[9]),
        "seconds": np.array(columns[10], dtype=np.float64),
        "host": _words(columns[11]),
    }
    ranks = [_ranks(labels)[places[:, i]] for i, labels in enumerate(note.labels)]
    order = np.lexsort((named["seed"], *reversed(ranks)))
    return Table(note, {name: values[order] for name, values in named.items()}, places[order])


def read_series(out: str | Path) -> Iterator[tuple[tuple[int, ...], int, Series]]:
    """For each recorded run its place on every axis, its seed and its series; one at a time."""
    with readable(Path(out)) as ledgers:
        note, ledgers = _of_one_grid(ledgers)
        seen: set[tuple[int, int]] = set()
        for ledger in ledgers:
            texts = _texts(ledger)
            for place, seed, layout, content in ledger.connection.execute(_SERIES):
                if seed in note.seeds and (place, seed) not in seen:
                    seen.add((place, seed))
                    where = tuple(int(i) for i in _unravelled(np.array([place]), note)[0])
                    yield where, seed, unpack_arrays(texts[layout], content)


def _of_one_grid(ledgers: Sequence[Ledger]) -> tuple[GridNote, list[Ledger]]:
    """The grid of the first ledger, and the ledgers to read in its places."""
    notes = [grid_note(ledger) for ledger in ledgers]
    if notes[0] is None:
        raise ValueError(f"{ledgers[0].path} has no grid yet: the sweep was stopped before it began")
    others = [ledger.path.name for ledger, note in zip(ledgers, notes) if note not in (None, notes[0])]
    if others:
        raise ValueError(
            f"{ledgers[0].path} and {', '.join(others)} were made for different grids; start the sweep again "
            "without --shard, or merge: shallow sweep merge DIR"
        )
    return notes[0], [ledger for ledger, note in zip(ledgers, notes) if note is not None]


def _texts(ledger: Ledger) -> dict[int, str]:
    return dict(ledger.connection.execute("SELECT id, text FROM texts"))


def _unravelled(places: HostArray, note: GridNote) -> HostArray:
    if not note.labels:
        return np.zeros((len(places), 0), dtype=np.int64)
    shape = tuple(len(labels) for labels in note.labels)
    return np.stack(np.unravel_index(places, shape), axis=1).astype(np.int64)


def _words(values: Sequence[Any]) -> HostArray:
    words = np.empty(len(values), dtype=object)
    words[:] = values
    return words


def _labels(labels: Sequence[Any]) -> HostArray:
    """Labels as an array: integers, floats, or objects for words and truth values."""
    if all(isinstance(v, int) and not isinstance(v, bool) for v in labels):
        return np.array(labels, dtype=np.int64)
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in labels):
        return np.array(labels, dtype=np.float64)
    words: list[Any] = [v if isinstance(v, bool) else str(v) for v in labels]
    return _words(words)


def _ranks(labels: Sequence[Any]) -> HostArray:
    """The position of each label when they are sorted: numbers by size, words by alphabet."""
    numeric = all(isinstance(v, int | float) for v in labels)
    order = sorted(range(len(labels)), key=lambda i: labels[i] if numeric else str(labels[i]))
    ranks = np.empty(len(labels), dtype=np.int64)
    ranks[order] = np.arange(len(labels))
    return ranks


def _scalars(names: Sequence[str], blobs: Sequence[bytes]) -> dict[str, HostArray]:
    """The scalars of all runs by name, NaN where a run has none."""
    rows_of: dict[str, list[int]] = {}
    for row, text in enumerate(names):
        rows_of.setdefault(text, []).append(row)
    columns: dict[str, HostArray] = {}
    for text in sorted(rows_of, key=lambda text: (-len(json.loads(text)), text)):
        rows = rows_of[text]
        kept = json.loads(text)
        values = np.frombuffer(b"".join(blobs[row] for row in rows), dtype="<f8").reshape(
            len(rows), len(kept)
        )
        for place, name in enumerate(kept):
            column = columns.setdefault(name, np.full(len(names), np.nan))
            column[rows] = values[:, place]
    return columns
