"""The one text of a configuration, from which its identity is hashed."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from shallow.configuration.model import RunModel

__all__ = ["DIGITS", "LATER", "canonical", "content_digest", "rounded"]

LATER: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "problem": (
            "radius",
            "teacher_slope",
            "search_from",
            "search_evaluations",
            "search_move",
            "test_n",
        ),
        "network": ("c_W", "c_a", "law_a", "rate_power", "model"),
    }
)
"""Fields that came after the first identities were given."""

DIGITS = 12
"""Significant digits of a number in a configuration: 0.1 + 0.2 and 0.3 are one value."""


def rounded(value: float) -> float:
    """``value`` to 12 significant digits, so that an axis written in two ways has one set of values."""
    return float(f"{value:.{DIGITS - 1}e}")


def canonical(model: RunModel) -> str:
    """JSON of everything but the seed that decides a run, in one spelling.

    Keys are sorted, numbers rounded to 12 digits, and a data file stands as the hash of its content, wherever
    it lies. Fields that are None are left out, and so are those of ``LATER`` at their defaults: a field that
    is added keeps old identities.
    """
    tree = model.model_dump(mode="json", exclude_none=True, exclude={"seed"})
    for table, names in LATER.items():
        fields = type(getattr(model, table)).model_fields
        for name in names:
            if tree[table].get(name) == fields[name].default:
                tree[table].pop(name, None)
    for name in ("data", "test_data"):
        file = getattr(model.problem, name)
        if file is not None:
            tree["problem"][name] = content_digest(file)
    if model.problem.data is not None:
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
