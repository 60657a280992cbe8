"""The ledger: an SQLite file in which finished runs are never lost.

Rollback journal and ``synchronous=FULL`` on every disk, one transaction a batch, one writer.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from shallow.sweep.record import Record, pack_arrays

__all__ = ["SCHEMA", "Ledger", "open_ledger", "read_ledger"]

SCHEMA = 1
_APPLICATION = 0x5348414C
_HEADER = b"SQLite format 3\x00"

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE texts (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE cells (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, configuration TEXT NOT NULL,
    method TEXT NOT NULL);
CREATE TABLE grid (place INTEGER PRIMARY KEY, cell INTEGER NOT NULL REFERENCES cells(id));
CREATE TABLE runs (id INTEGER PRIMARY KEY, cell INTEGER NOT NULL REFERENCES cells(id), seed INTEGER NOT NULL,
    outcome TEXT NOT NULL, outcome_step INTEGER NOT NULL, steps INTEGER NOT NULL, time REAL NOT NULL,
    names INTEGER NOT NULL REFERENCES texts(id), scalars BLOB NOT NULL,
    versions INTEGER NOT NULL REFERENCES texts(id), seconds REAL NOT NULL, host TEXT NOT NULL,
    error TEXT NOT NULL, UNIQUE (cell, seed));
CREATE TABLE trajectories (run INTEGER PRIMARY KEY REFERENCES runs(id),
    layout INTEGER NOT NULL REFERENCES texts(id), content BLOB NOT NULL);
"""


class Ledger:
    """An open ledger. Make one with :func:`open_ledger` or :func:`read_ledger`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path, self.connection = path, connection

    def meta(self) -> dict[str, str]:
        """What the ledger says of itself: numerics, axes, seeds, the file."""
        return dict(self.connection.execute("SELECT name, value FROM meta"))

    def methods(self) -> dict[str, str]:
        """The method of every cell, by the cell's key."""
        return dict(self.connection.execute("SELECT key, method FROM cells"))

    def finished(self, outcomes_left_out: Sequence[str] = ()) -> set[tuple[str, int]]:
        """Cell key and seed of every recorded run."""
        rows = self.connection.execute(
            "SELECT cells.key, seed, outcome FROM runs JOIN cells ON cells.id = runs.cell"
        )
        return {(key, seed) for key, seed, outcome in rows if outcome not in outcomes_left_out}

    def set_grid(self, meta: Mapping[str, str], cells: Iterable[tuple[str, str, str]]) -> None:
        """Note the grid: ``cells`` has (key, configuration, method) in the order of places.

        A cell that is known keeps the method it has: it is fixed before its first run.
        """
        with self.transaction() as db:
            db.execute("DELETE FROM grid")
            for place, (key, configuration, method) in enumerate(cells):
                db.execute(
                    "INSERT OR IGNORE INTO cells (key, configuration, method) VALUES (?, ?, ?)",
                    (key, configuration, method),
                )
                db.execute("INSERT INTO grid SELECT ?, id FROM cells WHERE key = ?", (place, key))
            db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", meta.items())

    def add(self, records: Iterable[Record]) -> int:
        """Add finished runs in one transaction; a run that is recorded already stays as it is.

        Returns
        -------
        int
            How many were new.

        Raises
        ------
        OSError
            If the disk is full or fails; nothing of the batch is then recorded, and all else is kept.
        """
        with self.transaction() as db:
            return sum(_insert(db, record) for record in records)

    def remove(self, outcomes: Sequence[str]) -> None:
        """Forget the runs with these outcomes, so that they are tried again."""
        marks = ", ".join("?" for _ in outcomes)
        which = f"SELECT id FROM runs WHERE outcome IN ({marks})"
        with self.transaction() as db:
            db.execute(f"DELETE FROM trajectories WHERE run IN ({which})", tuple(outcomes))
            db.execute(f"DELETE FROM runs WHERE outcome IN ({marks})", tuple(outcomes))

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it on the disk at the end, or none of it."""
        with _said(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the file."""
        self.connection.close()


def _insert(db: sqlite3.Connection, record: Record) -> int:
    scalars = np.array(list(record.scalars.values()), dtype="<f8").tobytes()
    done = db.execute(
        "INSERT OR IGNORE INTO runs (cell, seed, outcome, outcome_step, steps, time, names, scalars,"
        " versions, seconds, host, error)"
        " SELECT id, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM cells WHERE key = ?",
        (
            record.seed,
            record.outcome,
            record.outcome_step,
            record.steps,
            record.time,
            _text(db, json.dumps(list(record.scalars))),
            scalars,
            _text(db, json.dumps(dict(record.versions), sort_keys=True)),
            record.seconds,
            record.host,
            record.error,
            record.cell,
        ),
    )
    if done.rowcount == 1 and record.series:
        layout, content = pack_arrays(record.series)
        db.execute("INSERT INTO trajectories VALUES (?, ?, ?)", (done.lastrowid, _text(db, layout), content))
    return done.rowcount


def _text(db: sqlite3.Connection, text: str) -> int:
    """The number of a text that many rows share."""
    db.execute("INSERT OR IGNORE INTO texts (text) VALUES (?)", (text,))
    return int(db.execute("SELECT id FROM texts WHERE text = ?", (text,)).fetchone()[0])


@contextmanager
def _said(path: Path) -> Iterator[None]:
    """SQLite's errors as one sentence that names the file."""
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "full" in text or "disk I/O" in text:
            raise OSError(
                errno.ENOSPC,
                f"{path}: {text}; this batch is not recorded and all earlier ones are safe: make room, and "
                "start again to do exactly what is missing",
            ) from None
        raise OSError(f"{path}: {text}") from None
    except sqlite3.DatabaseError as error:
        raise ValueError(_corrupt(path, error)) from None


def _corrupt(path: Path, why: object) -> str:
    return (
        f"{path} is no ledger that can be read ({why}); it is left as it is: move it away to start a new one"
    )


def open_ledger(path: Path, numerics: str, *, accept: Callable[[str], bool] | None = None) -> Ledger:
    """The ledger at ``path`` for writing, made if there is none. The caller holds the lock.

    Parameters
    ----------
    path : Path
    numerics : str
        The version of the arithmetic of the runs to come.
    accept : (stored version) -> bool, optional
        Whether to add to a ledger of another numerics version; never, when left out.

    Raises
    ------
    ValueError
        If the file is corrupt, foreign, of another schema or of another numerics version. It is untouched.
    OSError
        If the disk is full.
    """
    if not path.exists() or path.stat().st_size == 0:
        _create(path, numerics)
    ledger = _connect(path)
    try:
        _check_whole(ledger)
        stored = json.loads(ledger.meta()["numerics"])
        if numerics not in stored:
            if accept is None or not accept(", then ".join(stored)):
                raise ValueError(
                    f"{path} was written with {', then '.join(stored)}, and this is {numerics}: runs would "
                    "not be comparable bit for bit. Start in a new directory, or pass --any-numerics to mix"
                )
            with ledger.transaction() as db:
                db.execute(
                    "UPDATE meta SET value = ? WHERE name = 'numerics'", [json.dumps([*stored, numerics])]
                )
    except BaseException:
        ledger.close()
        raise
    return ledger


def read_ledger(path: Path) -> Ledger:
    """The ledger at ``path`` for reading; a sweep may be writing to it.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is none, or it is corrupt, foreign or of another schema.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such ledger")
    ledger = _connect(path)
    # Not opened read-only: a reader, too, must roll back what a killed writer left half written.
    ledger.connection.execute("PRAGMA query_only=ON")
    return ledger


def _create(path: Path, numerics: str) -> None:
    """Make the file under another name first: a ledger is never seen without its tables."""
    fresh = path.with_name(f".{path.name}.new")
    for leftover in (fresh, fresh.with_name(fresh.name + "-journal")):
        leftover.unlink(missing_ok=True)
    with _said(path):
        connection = sqlite3.connect(fresh, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous=FULL")
            connection.executescript(f"BEGIN; {_TABLES} COMMIT;")
            connection.execute("INSERT INTO meta VALUES ('numerics', ?)", (json.dumps([numerics]),))
            connection.execute(f"PRAGMA application_id={_APPLICATION}")
            connection.execute(f"PRAGMA user_version={SCHEMA}")
        finally:
            connection.close()
    os.replace(fresh, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _connect(path: Path) -> Ledger:
    with path.open("rb") as stream:
        if stream.read(len(_HEADER)) != _HEADER:
            raise ValueError(_corrupt(path, "it is no SQLite file"))
    with _said(path):
        connection = sqlite3.connect(
            f"file:{_quoted(path)}?mode=rw", uri=True, isolation_level=None, timeout=30.0
        )
        try:
            application = _pragma(connection, "application_id")
            schema = _pragma(connection, "user_version")
            connection.execute("PRAGMA synchronous=FULL")
        except BaseException:
            connection.close()
            raise
    if application != _APPLICATION or schema != SCHEMA:
        connection.close()
        why = "it is another program's" if application != _APPLICATION else f"schema {schema}, not {SCHEMA}"
        raise ValueError(_corrupt(path, why))
    return Ledger(path, connection)


def _quoted(path: Path) -> str:
    from urllib.parse import quote

    return quote(str(path.resolve()))


def _pragma(connection: sqlite3.Connection, name: str) -> Any:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def _check_whole(ledger: Ledger) -> None:
    with _said(ledger.path):
        found = ledger.connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if _pragma(ledger.connection, "journal_mode") != "delete":
            ledger.connection.execute("PRAGMA journal_mode=DELETE")
    if found != "ok":
        raise ValueError(_corrupt(ledger.path, found))
