"""The pictures of fitted laws: a power of a size, a logarithm's slope, a limit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from proofs_check.statement import FitPoints

__all__ = ["interval_words", "limit_picture", "line_picture", "weighted_middle"]

_LINE = 60


def interval_words(value: float, interval: Sequence[float]) -> str:
    """``$-0.8$ (95 %: $-1.1$ to $-0.5$)``."""
    low, high = interval
    return f"{_tex(value)} (95 %: {_tex(low)} to {_tex(high)})"


def _tex(value: float) -> str:
    digits, _, power = f"{value:.3g}".partition("e")
    return f"${digits} \\times 10^{{{int(power)}}}$" if power else f"${digits}$"


def line_picture(
    x: Any,
    y: Any,
    y_low: Any,
    y_high: Any,
    *,
    slope: float,
    interval: Sequence[float],
    middle: tuple[float, float],
    law: float,
    log_x: bool,
    **words: Any,
) -> FitPoints:
    """A line of log y in log x (or in x): ``slope``, its interval and the ``law``'s slope through ``middle``.

    The middle, (x, y), is where the line is known best; the band between the ends of the interval has its
    waist there.
    """
    across = np.geomspace if log_x else np.linspace
    line = np.asarray(across(float(np.min(x)), float(np.max(x)), _LINE))
    away = np.log(line / middle[0]) if log_x else line - middle[0]

    def through(exponent: float) -> Any:
        finite = min(
            max(exponent, -1e300), 1e300
        )  # an open end of the interval: infinity times 0 is no number
        return middle[1] * np.exp(np.clip(finite * away, -600.0, 600.0))

    ends = np.array([through(end) for end in interval])
    return FitPoints(
        x=x,
        y=y,
        y_low=y_low,
        y_high=y_high,
        line_x=line,
        line_y=through(slope),
        line_low=ends.min(axis=0),
        line_high=ends.max(axis=0),
        reference=through(law),
        log_x=log_x,
        log_y=True,
        **words,
    )


def limit_picture(
    u: Any, values: Any, spread: Any, *, slope: float, limit: float, half_width: float, **words: Any
) -> FitPoints:
    """A line in u followed to u = 0, where its limit is known to ``half_width``, beside the claimed limit 0.

    The band narrows from there to the middle of the points it was fitted to, the smaller half of u.
    """
    x = np.asarray(u, dtype=np.float64)
    near = x <= np.median(x)
    waist = float(x[near].mean())
    line = np.linspace(0.0, float(x.max()), _LINE)
    centre = limit + slope * line
    width = half_width * np.abs(1.0 - line / waist)
    return FitPoints(
        x=x,
        y=values,
        y_low=np.asarray(values) - spread,
        y_high=np.asarray(values) + spread,
        line_x=line,
        line_y=centre,
        line_low=centre - width,
        line_high=centre + width,
        reference=np.zeros(_LINE),
        **words,
    )


def weighted_middle(x: Any, weights: Any) -> float:
    """The mean of x over ``weights``; the plain mean where they vanish."""
    total = float(np.sum(weights))
    return float(np.dot(x, weights) / total) if total > 0 and math.isfinite(total) else float(np.mean(x))
