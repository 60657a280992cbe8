"""The problems of the certified phase diagram: drawn ones, and the first rows of two real data sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from shallow.setting.archive import read_archive
from shallow.setting.data import unit_rows
from shallow.setting.initialization import doubled, ntk
from shallow.setting.inputs import Sphere
from shallow.setting.labels import RandomSigns
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = ["DIMENSION", "PROBLEMS", "SAMPLES", "start"]

Array = np.ndarray[Any, np.dtype[np.float64]]
SAMPLES, DIMENSION = 12, 6
_DATA = Path(__file__).parent / "data"


def start(panel: str, m: int, label_scale: float, seed: int) -> tuple[Problem, Network]:
    """The problem of a panel and the network at the start: the doubled NTK law, so that f_0 = 0."""
    problem = PROBLEMS[panel](label_scale, Streams(seed))
    return problem, doubled(ntk()).draw(m, problem, Streams(seed))


def _sphere(label_scale: float, streams: Streams) -> Problem:
    """Inputs uniform on the unit sphere, random signs times the label scale."""
    X = Sphere().draw(SAMPLES, DIMENSION, streams)
    return Problem(X, RandomSigns(label_scale).draw(X, streams), name="sphere")


def _diabetes(label_scale: float, streams: Streams) -> Problem:
    """50 patients: 10 standardised measurements as unit rows, and the standardised progression."""
    X, y = _rows("diabetes")
    return unit_rows(Problem(_standardised(X), _standardised(y) * label_scale, name="diabetes"))


def _digits(label_scale: float, streams: Streams) -> Problem:
    """60 images of 4 x 4 block means, centred, as unit rows; +1 for an even digit, -1 for an odd one."""
    X, y = _rows("digits")
    blocks = X.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16)
    return unit_rows(Problem(blocks - blocks.mean(axis=0), (1 - 2 * (y % 2)) * label_scale, name="digits"))


PROBLEMS: Mapping[str, Callable[[float, Streams], Problem]] = MappingProxyType(
    {"widths": _sphere, "rates": _sphere, "diabetes": _diabetes, "digits": _digits}
)
"""Panel -> the problem at a label scale. Real data are the same for every seed."""


def _rows(name: str) -> tuple[Array, Array]:
    fields = read_archive(_DATA / f"{name}.npz", kind="problem", required=("X", "y"))
    return fields["X"].astype(np.float64), fields["y"].astype(np.float64)


def _standardised(values: Array) -> Array:
    return np.asarray((values - values.mean(axis=0)) / values.std(axis=0))
