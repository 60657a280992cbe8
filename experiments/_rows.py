"""Committed tables, a row each as a record."""

from __future__ import annotations

import csv
import dataclasses
import typing
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["read_rows"]

R = TypeVar("R")


def read_rows(path: Path, kind: type[R]) -> list[R]:
    """The rows of a CSV file with a header as ``kind``, a dataclass of int, float and str fields.

    Columns that are no fields are left out.

    Raises
    ------
    KeyError
        If a field has no column.
    """
    types: dict[str, Any] = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    with path.open(encoding="utf-8", newline="") as stream:
        return [kind(**{name: types[name](row[name]) for name in names}) for row in csv.DictReader(stream)]
