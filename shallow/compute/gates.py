"""Activation and gate written into given arrays, without temporaries the size of the pre-activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Gating", "gating"]

HostArray = np.ndarray[Any, Any]
Gating = Callable[[HostArray, HostArray, HostArray], None]


def gating(slope: float, smoothing: float) -> tuple[Gating, type[np.bool_] | None]:
    """A function ``(Z, gate, features)`` that fills phi'(Z) and phi(Z), and the gate's dtype.

    The dtype is bool for the ReLU, whose gate is a mask, and None where it is that of Z.
    """
    if smoothing > 0:
        return _smooth(slope, smoothing), None
    if slope == 0:
        return _relu, np.bool_
    return (_leaky(slope) if 0 < slope <= 1 else _two_slopes(slope)), None


def _relu(Z: HostArray, gate: HostArray, features: HostArray) -> None:
    np.greater(Z, 0, out=gate)
    np.maximum(Z, 0, out=features)


def _leaky(slope: float) -> Gating:
    def fill(Z: HostArray, gate: HostArray, features: HostArray) -> None:
        np.greater(Z, 0, out=gate)
        np.maximum(gate, slope, out=gate)
        np.multiply(Z, gate, out=features)

    return fill


def _two_slopes(slope: float) -> Gating:
    def fill(Z: HostArray, gate: HostArray, features: HostArray) -> None:
        gate.fill(slope)
        np.copyto(gate, 1, where=Z > 0)
        np.multiply(Z, gate, out=features)

    return fill


def _smooth(slope: float, smoothing: float) -> Gating:
    middle, half_rise = (1 + slope) / 2, (1 - slope) / 2

    def fill(Z: HostArray, gate: HostArray, features: HostArray) -> None:
        # With t = clip(Z / h, -1, 1): phi' = (1+s)/2 + (1-s)/2 t, exactly s or 1 outside, and
        # phi = h t ((1+s)/2 + (1-s)/4 t) + phi' (Z - h t), whose last term vanishes inside.
        t = np.divide(Z, smoothing, out=gate)
        np.clip(t, -1, 1, out=t)
        outside = Z - smoothing * t
        inside = t * (half_rise / 2)
        inside += middle
        inside *= smoothing * t
        left, right = t <= -1, t >= 1
        gate *= half_rise
        gate += middle
        np.copyto(gate, slope, where=left)
        np.copyto(gate, 1, where=right)
        outside *= gate
        np.add(inside, outside, out=features)

    return fill
