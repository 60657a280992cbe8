"""Laws of the labels that need only X: random signs, Gaussian, a teacher network.

For every law the root mean square of y is exactly the label scale tau (up to rounding): labels are drawn
standard and then scaled, so that changing tau changes nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shallow.setting.arrays import Array, host
from shallow.setting.streams import Streams

__all__ = ["GaussianLabels", "RandomSigns", "Teacher", "with_label_scale"]

Vector = np.ndarray[Any, np.dtype[np.float64]]


def with_label_scale(values: Array, label_scale: float) -> Vector:
    """``values`` times the positive number that makes their root mean square ``label_scale``.

    Raises
    ------
    ValueError
        If all values are 0 and the label scale is not, for then no factor exists.
    """
    y = host(values).astype(np.float64)
    largest = float(np.max(np.abs(y)))
    if largest == 0:
        if label_scale == 0:
            return y
        raise ValueError(f"all labels drawn are 0, so no factor gives them label scale {label_scale}")
    y = y / largest  # squares of huge or subnormal labels stay in range
    return y * (label_scale / math.sqrt(float(np.mean(y * y))))


def _require_label_scale(value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"label_scale is {value}; it must be a finite number >= 0")


@dataclass(frozen=True)
class RandomSigns:
    """Fair independent signs times ``label_scale``, whatever X is."""

    label_scale: float = 1.0
    name: str = field(default="random-signs", init=False)

    def __post_init__(self) -> None:
        _require_label_scale(self.label_scale)

    def draw(self, X: Array, streams: Streams) -> Vector:
        """Labels of shape (n,), each +-label_scale; the first n are the same for every larger n."""
        coins = streams.generator("labels", law="signs").random(X.shape[0])
        return np.where(coins < 0.5, -1.0, 1.0) * self.label_scale


@dataclass(frozen=True)
class GaussianLabels:
    """Independent normal labels, scaled so that their root mean square is ``label_scale``."""

    label_scale: float = 1.0
    name: str = field(default="gaussian-labels", init=False)

    def __post_init__(self) -> None:
        _require_label_scale(self.label_scale)

    def draw(self, X: Array, streams: Streams) -> Vector:
        """Labels of shape (n,); before scaling, the first n are the same for every larger n."""
        z = streams.generator("labels", law="gaussian").standard_normal(X.shape[0])
        return with_label_scale(z, self.label_scale)


@dataclass(frozen=True)
class Teacher:
    """Labels of a random ReLU network with m neurons, W and a standard normal, scaled to ``label_scale``."""

    m: int = 1
    label_scale: float = 1.0
    slope: float = 0.0
    name: str = field(default="teacher", init=False)

    def __post_init__(self) -> None:
        _require_label_scale(self.label_scale)
        if isinstance(self.m, bool) or not isinstance(self.m, int | np.integer) or self.m < 1:
            raise ValueError(f"the teacher has m = {self.m!r} neurons; it must be a positive integer")
        if not math.isfinite(self.slope):
            raise ValueError(f"slope is {self.slope}; it must be a finite number")

    def draw(self, X: Array, streams: Streams) -> Vector:
        """Labels of shape (n,).

        Raises
        ------
        ValueError
            If every teacher neuron is dead on every input, so that all labels are 0.
        """
        inputs = host(X).astype(np.float64)
        largest = float(np.max(np.abs(inputs)))
        # The teacher is homogeneous: the size of X does not matter, and huge or tiny rows stay in range.
        inputs = inputs / (largest if largest > 0 else 1.0)
        d = inputs.shape[1]
        W = streams.generator("teacher W", d=d).standard_normal((self.m, d))
        a = streams.generator("teacher a").standard_normal(self.m)
        z = inputs @ W.T
        return with_label_scale(np.where(z > 0, z, self.slope * z) @ a, self.label_scale)
