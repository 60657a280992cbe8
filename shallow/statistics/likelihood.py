"""Binomial regression with a logistic link, and profile-likelihood intervals of what it estimates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["log_likelihood", "maximize", "prior_stiffness", "profile_interval", "read_counts"]

Vector = np.ndarray[Any, np.dtype[np.float64]]

# Prior standard deviation of the change of log P or logit P over one typical step of the grid. A rise steeper
# than this cannot be told from a jump; without it, cleanly separated counts would have no maximum.
_CHANGE_PER_STEP = 10.0


def read_counts(successes: Sequence[int], trials: Sequence[int]) -> tuple[Vector, Vector]:
    """Counts of successes and trials, one of each a cell, checked."""
    s, t = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    if s.ndim != 1 or s.shape != t.shape or s.size == 0:
        raise ValueError(f"successes has shape {s.shape} and trials {t.shape}; one count a cell in each")
    bad = np.flatnonzero(~((s >= 0) & (s <= t) & (t >= 1) & (s == np.floor(s)) & (t == np.floor(t))))
    if bad.size:
        raise ValueError(f"cell {bad[0]} has {s[bad[0]]} successes in {t[bad[0]]} trials; counts must fit")
    return s, t


def prior_stiffness(step: float) -> float:
    """The inverse prior standard deviation of a slope whose variable has typical spacing ``step``."""
    return step / _CHANGE_PER_STEP


def log_likelihood(design: Vector, beta: Vector, successes: Vector, trials: Vector, penalty: Vector) -> float:
    """sum_i s_i log p_i + (t_i - s_i) log(1 - p_i) - |penalty o beta|^2/2 with logit p = design beta.

    Cells with 0 successes, or with successes only, are terms like all others.
    """
    z = design @ beta
    softplus = np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z)))
    return float(successes @ z - trials @ softplus - 0.5 * np.sum((penalty * beta) ** 2))


def maximize(design: Vector, successes: Vector, trials: Vector, penalty: Vector) -> tuple[Vector, float]:
    """The maximiser of the (concave) penalised log-likelihood and its value, by damped Newton steps."""
    beta = np.zeros(design.shape[1])
    value = log_likelihood(design, beta, successes, trials, penalty)
    for _ in range(200):
        z = np.clip(design @ beta, -700.0, 700.0)
        p = 1.0 / (1.0 + np.exp(-z))
        gradient = design.T @ (successes - trials * p) - penalty**2 * beta
        curvature = (design.T * (trials * p * (1.0 - p))) @ design + np.diag(penalty**2)
        # Where everything saturates the curvature is singular; this ridge only damps the steps.
        curvature += 1e-12 * (1.0 + np.trace(curvature)) * np.eye(len(beta))
        step = np.linalg.solve(curvature, gradient)
        size, candidate = 1.0, -math.inf
        while size > 1e-10:
            candidate = log_likelihood(design, beta + size * step, successes, trials, penalty)
            if candidate >= value:
                break
            size *= 0.5
        if candidate <= value + 1e-12 * (1.0 + abs(value)):
            break
        beta, value = beta + size * step, candidate
    return beta, value


def profile_interval(profile: Callable[[float], float], best: float, level: float) -> tuple[float, float]:
    """Where a profile log-likelihood stays within half the chi-squared quantile of its value at ``best``.

    A side on which it never falls that far (within 64 of ``best``) is infinite: the data do not bound it.
    """
    from scipy.special import ndtri

    drop = 0.5 * float(ndtri(0.5 * (1.0 + level))) ** 2
    floor = profile(best) - drop
    return _side(profile, floor, best, -1.0), _side(profile, floor, best, 1.0)


def _side(profile: Callable[[float], float], floor: float, best: float, sign: float) -> float:
    reach = 1.0 / 64.0
    while profile(best + sign * reach) > floor:
        reach *= 2.0
        if reach > 64.0:
            return sign * math.inf
    inside, outside = (0.0 if reach == 1.0 / 64.0 else reach / 2.0), reach
    for _ in range(30):
        middle = 0.5 * (inside + outside)
        inside, outside = (middle, outside) if profile(best + sign * middle) > floor else (inside, middle)
    return best + sign * outside
