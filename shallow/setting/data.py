"""A user's own data: reading CSV and NPZ files, finding duplicate rows, rows of norm 1."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

from shallow.setting.arrays import host, namespace
from shallow.setting.duplicates import Duplicate, find_duplicates
from shallow.setting.problem import Problem

__all__ = ["Duplicate", "find_duplicates", "read_problem", "unit_rows"]

_LABEL_NAMES = ("y", "label", "labels", "target")
_DELIMITERS = (",", ";", "\t")


def read_problem(path: str | Path) -> Problem:
    """The problem in a ``.csv`` or ``.npz`` file.

    A CSV file holds one sample a row, with or without a header; cells are separated by commas, semicolons or
    tabs; blank lines and lines that start with # are skipped. Labels are the column named y, label, labels or
    target, and otherwise the last one. An NPZ file holds X (n, d) and y, (n,) or (n, k).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is empty, of another kind, ragged, or holds a cell that is no finite number; the message
        names the file, the line and the column.
    """
    source = Path(path)
    if not source.is_file():
        what = "is a folder; name a file" if source.is_dir() else "no such file"
        raise FileNotFoundError(f"{source}: {what}")
    suffix = source.suffix.lower()
    if suffix == ".csv":
        return _read_csv(source)
    if suffix == ".npz":
        try:
            return Problem.load(source)
        except (TypeError, ValueError) as error:
            text = str(error)
            raise ValueError(text if str(source) in text else f"{source}: {text}") from None
    raise ValueError(f"{source} ends in {suffix or 'nothing'!r}; give a .csv or an .npz file")


def _read_csv(source: Path) -> Problem:
    rows = _cells(source)
    if not rows:
        raise ValueError(f"{source} is empty: it has no row of numbers")
    header = _header(rows[0][1])
    body = rows[1:] if header else rows
    if not body:
        raise ValueError(f"{source} has a header and no row of numbers below it")
    width = len(rows[0][1])
    names = header or [str(j + 1) for j in range(width)]
    if width < 2:
        raise ValueError(
            f"{source} has one column; it needs at least one input and the label, "
            "separated by a comma, a semicolon or a tab"
        )
    label = _label_column(source, header, width)
    table = np.empty((len(body), width))
    for i, (line, cells) in enumerate(body):
        if len(cells) != width:
            raise ValueError(
                f"{source}, line {line}: {len(cells)} cells, but line {rows[0][0]} has {width}; "
                "every row needs the same number"
            )
        for j, cell in enumerate(cells):
            table[i, j] = _number(source, line, names[j], cell)
    inputs = np.delete(table, label, axis=1)
    return Problem(inputs, table[:, label], name=source.stem)


def _cells(source: Path) -> list[tuple[int, list[str]]]:
    """Line number (from 1) and stripped cells of every row that is not blank or a comment."""
    try:
        text = source.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{source} is no text in UTF-8 ({error.reason} at byte {error.start})") from None
    kept = [
        (number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    delimiter = max(_DELIMITERS, key=kept[0][1].count) if kept else ","
    parsed = csv.reader([line for _, line in kept], delimiter=delimiter)
    try:
        return [(number, [cell.strip() for cell in cells]) for (number, _), cells in zip(kept, parsed)]
    except csv.Error as error:
        raise ValueError(f"{source} is no CSV file: {error}") from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _header(cells: list[str]) -> list[str] | None:
    """The column names if the first row holds names: no numbers at all, or a label's name among them."""
    if any(cell.lower() in _LABEL_NAMES for cell in cells) or not any(_is_number(cell) for cell in cells):
        return cells
    return None


def _label_column(source: Path, header: list[str] | None, width: int) -> int:
    found = [j for j, name in enumerate(header or []) if name.lower() in _LABEL_NAMES]
    if len(found) > 1:
        named = ", ".join((header or [])[j] for j in found)
        raise ValueError(f"{source} has {len(found)} label columns ({named}); keep one")
    return found[0] if found else width - 1


def _number(source: Path, line: int, column: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        what = "is empty" if not cell else f"holds {cell[:40]!r}"
        raise ValueError(f"{source}, line {line}, column {column} {what}; a number is needed") from None
    if not math.isfinite(value):
        raise ValueError(f"{source}, line {line}, column {column} is {value}; a finite number is needed")
    return value


def unit_rows(problem: Problem) -> Problem:
    """The problem with every input divided by its norm; labels are kept. Huge and tiny rows lose no digit.

    Raises
    ------
    ValueError
        If a row is 0 and has no direction.
    """
    xp = namespace(problem.X)
    largest = xp.max(xp.abs(problem.X), axis=1, keepdims=True)
    zero = np.flatnonzero(host(largest)[:, 0] == 0)
    if zero.size:
        raise ValueError(f"input {zero[0]} (counted from 0) is the zero vector, which cannot be given norm 1")
    X = problem.X / largest
    return problem.replace(X=X / xp.sqrt(xp.sum(X * X, axis=1, keepdims=True)))
