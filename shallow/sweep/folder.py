"""What lies in a sweep's directory: one ledger, or one for each shard, each with its lock."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shallow.sweep.ledger import Ledger, open_ledger, read_ledger
from shallow.sweep.lock import one_writer

__all__ = ["GridNote", "Shard", "grid_note", "ledger_paths", "merge", "readable", "writable"]

_MAIN = "ledger.sqlite"


@dataclass(frozen=True)
class Shard:
    """Part ``index`` (from 1) of ``count``: every count-th run of the grid."""

    index: int
    count: int

    @staticmethod
    def read(text: str) -> Shard:
        """The shard that ``"2/8"`` means.

        Raises
        ------
        ValueError
            If the text is not of that form with 1 <= index <= count.
        """
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise ValueError(f"--shard {text!r}: write i/N with i from 1 to N, such as 2/8")
        return Shard(int(found[1]), int(found[2]))

    @property
    def file(self) -> str:
        """The name of its ledger."""
        return f"ledger-{self.index}-of-{self.count}.sqlite"


@dataclass(frozen=True)
class GridNote:
    """The grid as a ledger remembers it: names and labels of the axes, and the seeds."""

    names: tuple[str, ...]
    labels: tuple[tuple[Any, ...], ...]
    seeds: tuple[int, ...]

    def to_meta(self, text: str) -> dict[str, str]:
        """The rows of the ledger's table ``meta``."""
        axes = [{"name": name, "labels": list(labels)} for name, labels in zip(self.names, self.labels)]
        return {"axes": json.dumps(axes), "seeds": json.dumps(list(self.seeds)), "file": text}

    @property
    def runs(self) -> int:
        """How many runs the grid has."""
        count = len(self.seeds)
        for labels in self.labels:
            count *= len(labels)
        return count


def grid_note(ledger: Ledger) -> GridNote | None:
    """The grid that the ledger was last used for; None before the first."""
    meta = ledger.meta()
    if "axes" not in meta:
        return None
    axes = json.loads(meta["axes"])
    return GridNote(
        tuple(axis["name"] for axis in axes),
        tuple(tuple(axis["labels"]) for axis in axes),
        tuple(json.loads(meta["seeds"])),
    )


def ledger_paths(out: Path) -> list[Path]:
    """The ledgers of a directory, the one without a shard first.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    found = sorted(out.glob("ledger-*-of-*.sqlite"))
    if (out / _MAIN).exists():
        found.insert(0, out / _MAIN)
    if not found:
        raise FileNotFoundError(f"{out} holds no ledger; start one with: shallow sweep FILE.toml --out {out}")
    return found


@contextmanager
def readable(out: Path) -> Iterator[list[Ledger]]:
    """The ledgers of a directory, open for reading."""
    ledgers: list[Ledger] = []
    try:
        for path in ledger_paths(out):
            ledgers.append(read_ledger(path))
        yield ledgers
    finally:
        for ledger in ledgers:
            ledger.close()


@contextmanager
def writable(
    out: Path, numerics: str, *, shard: Shard | None = None, any_numerics: bool = False
) -> Iterator[Ledger]:
    """The directory's ledger, or its shard's, locked and open for writing; made if there is none."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / (_MAIN if shard is None else shard.file)
    with one_writer(path.with_suffix(".lock")):
        ledger = open_ledger(path, numerics, accept=(lambda stored: True) if any_numerics else None)
        try:
            yield ledger
        finally:
            ledger.close()


def merge(out: Path, numerics: str, *, any_numerics: bool = False) -> int:
    """Copy the runs of all shards into the directory's one ledger; the shards' files stay.

    Returns
    -------
    int
        How many runs were new to it.
    """
    shards = [path for path in ledger_paths(out) if path.name != _MAIN]
    new = 0
    with writable(out, numerics, any_numerics=any_numerics) as main:
        for path in shards:
            with one_writer(path.with_suffix(".lock")):
                source = open_ledger(path, numerics, accept=(lambda stored: True) if any_numerics else None)
                source.close()
                new += _copy(main, path)
    return new


_COPY = (
    "INSERT OR IGNORE INTO main.texts (text) SELECT text FROM shard.texts",
    "INSERT OR IGNORE INTO main.cells (key, configuration, method)"
    " SELECT key, configuration, method FROM shard.cells",
    "INSERT OR IGNORE INTO main.meta SELECT * FROM shard.meta",
)
_COPY_GRID = """
INSERT INTO main.grid SELECT g.place, mine.id FROM shard.grid g
    JOIN shard.cells theirs ON theirs.id = g.cell JOIN main.cells mine ON mine.key = theirs.key
"""
_COPY_RUNS = """
INSERT OR IGNORE INTO main.runs (cell, seed, outcome, outcome_step, steps, time, names, scalars, versions,
        seconds, host, error)
    SELECT mine.id, r.seed, r.outcome, r.outcome_step, r.steps, r.time, n.id, r.scalars, v.id,
        r.seconds, r.host, r.error
    FROM shard.runs r
    JOIN shard.cells theirs ON theirs.id = r.cell JOIN main.cells mine ON mine.key = theirs.key
    JOIN shard.texts tn ON tn.id = r.names JOIN main.texts n ON n.text = tn.text
    JOIN shard.texts tv ON tv.id = r.versions JOIN main.texts v ON v.text = tv.text
"""
_COPY_TRAJECTORIES = """
INSERT OR IGNORE INTO main.trajectories
    SELECT mine_run.id, l.id, t.content
    FROM shard.trajectories t JOIN shard.runs r ON r.id = t.run
    JOIN shard.cells theirs ON theirs.id = r.cell JOIN main.cells mine ON mine.key = theirs.key
    JOIN main.runs mine_run ON mine_run.cell = mine.id AND mine_run.seed = r.seed
    JOIN shard.texts tl ON tl.id = t.layout JOIN main.texts l ON l.text = tl.text
"""


def _copy(main: Ledger, path: Path) -> int:
    db = main.connection
    db.execute("ATTACH DATABASE ? AS shard", (str(path),))
    try:
        with main.transaction():
            for statement in _COPY:
                db.execute(statement)
            if db.execute("SELECT count(*) FROM main.grid").fetchone()[0] == 0:
                db.execute(_COPY_GRID)
            new = db.execute(_COPY_RUNS).rowcount
            db.execute(_COPY_TRAJECTORIES)
    finally:
        db.execute("DETACH DATABASE shard")
    return new
