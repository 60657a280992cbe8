"""The threshold width along each edge of d <= n <= d^2, beside the fitted and the allowed growth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from proofs_check.statement import FitPoints
from proofs_check.theorems._fits import interval_words, line_picture
from proofs_check.theorems.oymak2020._cells import Summary

if TYPE_CHECKING:
    from shallow.statistics import ThresholdFit

__all__ = ["picture", "rays"]

_EDGES = {"d^2/n": "n = d", "n/d": "n = d^2"}


def rays(sizes: Sequence[tuple[int, int]]) -> dict[str, list[float]]:
    """d^2/n and n/d, in which n^a d^b has exponents a+b and 2a+b: its growth along n = d and n = d^2."""
    return {"d^2/n": [d * d / n for n, d in sizes], "n/d": [n / d for n, d in sizes]}


def picture(cells: Sequence[Summary], fit: ThresholdFit, name: str, allowed: float) -> FitPoints:
    """The threshold of each (n, d), with the other ray's fitted growth divided out, over this ray's size."""
    from shallow.statistics.thresholds import local_threshold

    sizes = sorted({(cell.n, cell.d) for cell in cells})
    along = rays(sizes)
    (other,) = set(along) - {name}
    x = np.array(along[name])
    rest = np.array(along[other]) ** fit.exponents[other]
    found = []
    for n, d in sizes:
        here = [cell for cell in cells if (cell.n, cell.d) == (n, d)]
        found.append(
            local_threshold(
                [cell.m for cell in here],
                [cell.successes for cell in here],
                [cell.trials for cell in here],
                steepness=fit.steepness,
            )
        )
    estimate, low, high = np.array(found).T / rest
    middle = math.exp(float(np.log(x).mean()))
    exponent = fit.exponents[name]
    edge = _EDGES[name]
    return line_picture(
        x,
        estimate,
        low,
        high,
        slope=exponent,
        interval=fit.intervals[name],
        middle=(middle, fit.constant * middle**exponent),
        law=allowed,
        log_x=True,
        x_name=f"${name}$, which grows along ${edge}$",
        y_name=f"$m^* / ({other})^{{{fit.exponents[other]:.2g}}}$",
        reference_name=f"allowed: {allowed:g}",
        words=f"Growth of the threshold width along ${edge}$: exponent "
        f"{interval_words(exponent, fit.intervals[name])}, fitted over ${name}$ from {x.min():.3g} to "
        f"{x.max():.3g}; the law allows at most {allowed:g}. Each point is one (n, d) with the growth in "
        f"${other}$ divided out.",
    )
