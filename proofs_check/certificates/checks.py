"""Checks of a proposal that are exact in every arithmetic: shapes, ranges, order of the levels."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from proofs_check.certificates.instance import Instance
from proofs_check.certificates.proposal import Finding, Proposal, Stage

__all__ = ["failed_levels", "failed_numbers", "missed"]

Array = np.ndarray[Any, np.dtype[np.float64]]


def failed_levels(residual_norm: float, proposal: Proposal) -> Finding | None:
    """L1: the levels start at or above the residual norm (an upper bound of it) and fall strictly to 0."""
    levels = [proposal.start, *(stage.end for stage in proposal.stages)]
    if not (math.isfinite(proposal.start) and proposal.start >= residual_norm):
        return missed(0, "levels", residual_norm, proposal.start)
    falls = all(high > low >= 0 for high, low in itertools.pairwise(levels))
    if not (proposal.stages and falls and levels[-1] == 0):
        return missed(0, "levels", math.inf, 1.0)
    return None


def failed_numbers(instance: Instance, stage: Stage, j: int) -> Finding | None:
    """L2: every proposed number is finite and in its range, and every array has its shape. All exact."""
    m, n = instance.m, instance.n
    bad = Finding(False, 0.0, math.inf, j, "numbers", math.inf)
    if not (0 <= instance.rate_W < math.inf and 0 <= instance.rate_a < math.inf):
        return bad  # a NaN is not above 0 either, and would pass for a frozen layer
    if stage.radius.shape != (m, n) or stage.uncertain.shape != (m, n) or stage.radius_a.shape != (m,):
        return bad
    if stage.uncertain.dtype != np.bool_ or stage.shifts.ndim != 1:
        return bad
    arrays = (stage.radius, stage.radius_a, stage.multiplier, stage.shifts)
    numbers = (stage.end, stage.decay, stage.spread, stage.share, stage.split)
    if any(array.dtype != np.float64 or type(array) is not np.ndarray for array in arrays):
        return bad  # comparisons of masked arrays leave entries out
    if not (all(np.all(np.isfinite(array)) for array in arrays) and all(map(math.isfinite, numbers))):
        return bad
    if not (np.all(stage.radius >= 0) and np.all(stage.radius_a >= 0) and stage.spread >= 0):
        return bad
    if not (stage.decay > 0 and np.all(stage.shifts > 0) and np.all(stage.shifts < stage.decay)):
        return bad
    if not (0 <= stage.share <= 1 and (stage.share > 0 or stage.spread == 0)):
        return bad
    try:
        multiplier = np.broadcast_to(stage.multiplier, (m, n))
    except ValueError:
        return bad
    return None if np.all(multiplier[stage.uncertain] > 0) and _frozen(instance, stage) else bad


def _frozen(instance: Instance, stage: Stage) -> bool:
    """A frozen first layer has e = 0 and moves no pair; a frozen second layer has alpha = 0."""
    still_W = instance.rate_W > 0 or (stage.spread == 0 and not np.any(stage.radius))
    return still_W and (instance.rate_a > 0 or not np.any(stage.radius_a))


def missed(j: int, inequality: str, needed: float, available: float) -> Finding:
    """A finding that names the inequality which failed at stage j, and needed over available."""
    factor = needed / available if available > 0 else math.inf
    return Finding(False, 0.0, math.inf, j, inequality, factor if factor > 0 else math.inf)
