"""Drive a sweep: find what is missing, have it made, and write it down batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TextIO

from shallow.sweep.batches import Batch, Batches
from shallow.sweep.folder import GridNote, Shard, ledger_paths, writable
from shallow.sweep.grid import Grid, read_grid
from shallow.sweep.key import cell_key, numerics_version
from shallow.sweep.ledger import Ledger, read_ledger
from shallow.sweep.plan import Cell, cells_of
from shallow.sweep.progress import Progress
from shallow.sweep.record import FAILED, POISON, Record
from shallow.sweep.task import run_batch

__all__ = ["Done", "Executor", "Outline", "Summary", "outline", "run_sweep", "serial"]

Done = Callable[[Batch, Sequence[Record]], None]


class Executor(Protocol):
    """Makes batches, anywhere and in any order."""

    @property
    def workers(self) -> int:
        """How many batches are made at the same time."""

    def __call__(self, batches: Batches, done: Done) -> None:
        """Make every batch and hand each batch's records to ``done``, in this thread."""


class _Serial:
    workers = 1

    def __call__(self, batches: Batches, done: Done) -> None:
        for batch in batches:
            done(batch, run_batch(batch))


serial = _Serial()
"""One batch after the other in this process; needs no extra."""


@dataclass(frozen=True)
class Outline:
    """A sweep before it starts.

    Parameters
    ----------
    cells, runs : int
        Configurations, and runs of this call (its shard).
    missing : int
        Runs not recorded yet.
    seconds : float
        Predicted for the missing ones on one worker.
    methods : mapping of method to number of cells
    """

    cells: int
    runs: int
    missing: int
    seconds: float
    methods: dict[str, int]


@dataclass(frozen=True)
class Summary:
    """What a call did.

    Parameters
    ----------
    runs, before, made, failed : int
        Runs of this call, recorded before it, recorded by it, and those of the latter that failed.
    """

    runs: int
    before: int
    made: int
    failed: int

    @property
    def complete(self) -> bool:
        """Whether every run is recorded."""
        return self.before + self.made == self.runs


def outline(file: str | Path, out: str | Path | None = None, *, shard: Shard | None = None) -> Outline:
    """Validate a grid and say what running it would take; nothing is written.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`shallow.sweep.grid.read_grid`, and if a forced method cannot run a configuration.
    """
    grid = read_grid(file)
    finished: set[tuple[str, int]] = set()
    methods: dict[str, str] = {}
    if out is not None and Path(out).is_dir():
        for path in _existing(Path(out)):
            ledger = read_ledger(path)
            finished |= ledger.finished()
            methods |= ledger.methods()
            ledger.close()
    cells = cells_of(grid.models(), cell_key, methods)
    mine = _share(cells, grid.seeds, shard)
    todo = [(cell, seed) for cell, seed in mine if (cell.key, seed) not in finished]
    counted: dict[str, int] = {}
    for cell in cells:
        counted[cell.method] = counted.get(cell.method, 0) + 1
    return Outline(grid.cells, len(mine), len(todo), sum(cell.seconds for cell, _ in todo), counted)


def run_sweep(
    file: str | Path | Grid,
    out: str | Path,
    *,
    executor: Executor = serial,
    shard: Shard | None = None,
    any_numerics: bool = False,
    retry: bool = False,
    stream: TextIO | None = None,
) -> Summary:
    """Make the runs of a grid that the directory does not hold yet.

    May be stopped at any time, by any means, and called again: finished runs are kept, and exactly the
    missing ones are made. The results are the same for any executor, order, shard or restart.

    Parameters
    ----------
    file : path or Grid
    out : path
        The directory of the ledger; made if there is none.
    executor : Executor
    shard : Shard, optional
        Make only this part, into a ledger of its own.
    any_numerics : bool
        Add to a ledger that was written with other versions of the arithmetic.
    retry : bool
        Make the runs again that failed.
    stream : file, optional
        Where progress goes; standard error by default.

    Raises
    ------
    ValueError, OSError
        For a fault in the grid, a ledger that cannot be used, or a full disk.
    """
    grid = file if isinstance(file, Grid) else read_grid(file)
    target = Path(out)
    with writable(target, numerics_version(), shard=shard, any_numerics=any_numerics) as ledger:
        cells = _enter(ledger, grid)
        if retry:
            ledger.remove((FAILED, POISON))
        finished = _finished(ledger, target, left_out=(FAILED, POISON) if retry else ())
        mine = _share(cells, grid.seeds, shard)
        todo = [(cell, seed) for cell, seed in mine if (cell.key, seed) not in finished]
        progress = Progress(len(mine), len(mine) - len(todo), stream)
        batches = Batches(todo, executor.workers)
        made = failed = 0

        def done(batch: Batch, records: Sequence[Record]) -> None:
            nonlocal made, failed
            new = ledger.add(records)
            errors = sum(record.outcome in (FAILED, POISON) for record in records)
            made, failed = made + new, failed + errors
            batches.learn(batch, sum(record.seconds for record in records))
            progress.add(new, errors, batches.seconds_left / executor.workers)

        try:
            if todo:
                executor(batches, done)
        finally:
            progress.close()
    return Summary(len(mine), len(mine) - len(todo), made, failed)


def _enter(ledger: Ledger, grid: Grid) -> list[Cell]:
    """Plan the grid and note it, with the method of each cell, before the first run."""
    cells = cells_of(grid.models(), cell_key, ledger.methods())
    note = GridNote(
        tuple(axis.name for axis in grid.axes), tuple(axis.labels for axis in grid.axes), grid.seeds
    )
    ledger.set_grid(note.to_meta(grid.text), ((cell.key, cell.configuration, cell.method) for cell in cells))
    return cells


def _share(cells: Sequence[Cell], seeds: Sequence[int], shard: Shard | None) -> list[tuple[Cell, int]]:
    """The runs of this call: all of them, or every count-th."""
    runs = [(cell, seed) for cell in cells for seed in seeds]
    return runs if shard is None else runs[shard.index - 1 :: shard.count]


def _existing(out: Path) -> list[Path]:
    try:
        return ledger_paths(out)
    except FileNotFoundError:
        return []


def _finished(ledger: Ledger, out: Path, left_out: Sequence[str]) -> set[tuple[str, int]]:
    """Runs recorded in this ledger or another of the directory."""
    finished = ledger.finished(left_out)
    for path in ledger_paths(out):
        if path != ledger.path:
            other = read_ledger(path)
            finished |= other.finished(left_out)
            other.close()
    return finished
