"""The pictures of the family's fits: the clean error's fall with s, and the limits along a descent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from proofs_check.statement import FitPoints
from proofs_check.theorems._fits import interval_words, limit_picture, line_picture, weighted_middle
from proofs_check.theorems.frei2022._clean_error import Summary
from proofs_check.theorems.frei2022._descent import Moments

if TYPE_CHECKING:
    from shallow.statistics import CountFit, LimitFit

__all__ = ["fall_of", "limit_of"]

# In a sentence, and on an axis.
_NAMES = {
    "sigma_3/sigma_1": (r"$\sigma_3/\sigma_1$", r"$\sigma_3/\sigma_1$"),
    "distance of W/||W|| from the program's solution": (
        r"distance of $W/\|W\|$ from the program's solution",
        r"distance of $W/\|W\|$",
    ),
    "share of points where sign f(x) is not sign <z, x>": (
        r"share of points where $\operatorname{sign} f(x)$ is not "
        r"$\operatorname{sign} \langle z, x \rangle$",
        "share that disagrees",
    ),
}


def fall_of(
    found: Sequence[Summary], errors: Sequence[int], trials: Sequence[int], fit: CountFit
) -> FitPoints:
    """Clean errors with their exact intervals over s^(1/2), and the line fitted to their logarithm."""
    from shallow.statistics import clopper_pearson

    u = [math.sqrt(one.s) for one in found]
    ends = [clopper_pearson(e, t) for e, t in zip(errors, trials, strict=True)]
    middle = weighted_middle(u, errors)
    return line_picture(
        u,
        [e / t for e, t in zip(errors, trials, strict=True)],
        [low for low, _ in ends],
        [high for _, high in ends],
        slope=fit.slope,
        interval=fit.interval,
        middle=(middle, math.exp(fit.intercept + fit.slope * middle)),
        law=0.0,
        log_x=False,
        x_name=r"$s^{1/2}$, $s = n\|\mu\|^4/p$",
        y_name="clean error",
        reference_name="slope 0: no fall",
        words=f"Clean error on fresh samples: slope of its logarithm in $s^{{1/2}}$ "
        f"{interval_words(fit.slope, fit.interval)}, fitted over $s^{{1/2}}$ from {fit.range[0]:.2g} to "
        f"{fit.range[1]:.2g}; the law asks for a slope below 0.",
    )


def limit_of(name: str, coarse: Moments, fine: Moments, row: int, near: Any, fit: LimitFit) -> FitPoints:
    """The moments near the end; each bar is the distance to the same moment of the coarser descent."""
    words, axis = _NAMES.get(name, (name, name))
    u, values = fine.u[near], fine.values[row][near]
    other = np.interp(u, coarse.u[::-1], coarse.values[row][::-1])
    return limit_picture(
        u,
        values,
        np.abs(values - other),
        slope=fit.slope,
        limit=fit.limit,
        half_width=(fit.interval[1] - fit.interval[0]) / 2.0,
        x_name="$u = 1/\\log(1/L)$",
        y_name=axis,
        reference_name="claimed limit, 0",
        words=f"{words}: limit {interval_words(fit.limit, fit.interval)}, seen from $u$ in "
        f"{fit.range[0]:.2g} to {fit.range[1]:.2g} ($L$ from $10^{{-{1 / fit.range[1] / math.log(10):.0f}}}$ "
        f"to $10^{{-{1 / fit.range[0] / math.log(10):.0f}}}$); claimed: 0. Bars: what half the step changes.",
    )
