"""The one text of a configuration, from which its identity is hashed."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import Any

from shallow.configuration.model import RunModel

__all__ = ["DIGITS", "canonical", "content_digest", "rounded"]

DIGITS = 12
"""Significant digits of a number in a configuration: 0.1 + 0.2 and 0.3 are one value."""


def rounded(value: float) -> float:
    """``value`` to 12 significant digits, so that an axis written in two ways has one set of values."""
    return float(f"{value:.{DIGITS - 1}e}")


def canonical(model: RunModel) -> str:
    """JSON of everything but the seed that decides a run, in one spelling.

    Keys are sorted, numbers rounded to 12 digits, fields that are None left out (so that a later optional
    field keeps old identities), and a data file stands as the hash of its content, wherever it lies.
    """
    tree = model.model_dump(mode="json", exclude_none=True, exclude={"seed"})
    if model.problem.data is not None:
        tree["problem"]["data"] = content_digest(model.problem.data)
        for name in ("inputs", "labels", "n", "d"):
            del tree["problem"][name]
    return json.dumps(_rounded(tree), sort_keys=True, separators=(",", ":"), allow_nan=False)


def content_digest(path: Path) -> str:
    """The BLAKE2b hash of a file's content, in hexadecimal; read again when the file has changed."""
    about = path.stat()
    return _digest(path, about.st_mtime_ns, about.st_size)


@functools.lru_cache(maxsize=64)
def _digest(path: Path, modified: int, size: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return rounded(value)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value
