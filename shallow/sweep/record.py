"""What the ledger keeps of one run, and how arrays become bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["FAILED", "POISON", "Record", "Series", "pack_arrays", "unpack_arrays"]

FAILED = "FAILED"
"""The outcome of a run that raised an error, which is its ``error``."""
POISON = "POISON"
"""The outcome of a run that killed its own worker three times."""

HostArray = np.ndarray[Any, Any]
Series = Mapping[str, HostArray]


@dataclass(frozen=True, eq=False)
class Record:
    """One finished run.

    Parameters
    ----------
    cell : str
        The key of its configuration.
    seed : int
    outcome : str
        CONVERGED, STATIONARY, OUT_OF_BUDGET, DIVERGED, FAILED or POISON.
    outcome_step : int
    steps : int
        The last finite step.
    time : float
        The flow time there, the sum of the step factors.
    scalars : mapping of name to float
        At the end: each recorded series of numbers, and ``relative_residual``.
    series : mapping of name to array
        ``steps``, ``time`` and the recorded series, all of one length.
    versions : mapping of package to version
    seconds : float
        The run's share of its batch's wall clock.
    host : str
    error : str
        Empty unless FAILED or POISON.
    """

    cell: str
    seed: int
    outcome: str
    outcome_step: int = 0
    steps: int = 0
    time: float = 0.0
    scalars: Mapping[str, float] = field(default_factory=dict)
    series: Series = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    host: str = ""
    error: str = ""


def pack_arrays(arrays: Series) -> tuple[str, bytes]:
    """A description (JSON) and the bytes of arrays, as little-endian int64 and float64."""
    about, parts = [], []
    for name, values in arrays.items():
        kind = "<i8" if np.asarray(values).dtype.kind in "iu" else "<f8"
        array = np.ascontiguousarray(values, dtype=kind)
        about.append([name, kind, list(array.shape)])
        parts.append(array.tobytes())
    return json.dumps(about, separators=(",", ":")), b"".join(parts)


def unpack_arrays(about: str, content: bytes) -> dict[str, HostArray]:
    """What :func:`pack_arrays` packed."""
    arrays, place = {}, 0
    for name, kind, shape in json.loads(about):
        count = int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(content, dtype=kind, count=count, offset=place).reshape(shape)
        place += count * 8
    return arrays
