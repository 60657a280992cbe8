"""Claims about a residual that decays along a run, and how far to train for them to say something."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from proofs_check.statement import Claim, Comparison
from shallow.setting.arrays import host
from shallow.setting.network import Network
from shallow.setting.problem import Problem

__all__ = [
    "EPS",
    "affordable",
    "at_most_along",
    "decay_claim",
    "evaluated",
    "horizon",
    "log_factor",
    "rounding_error",
]

Matrix = np.ndarray[Any, np.dtype[np.float64]]

EPS = float(np.finfo(np.float64).eps)
FALL = 12.0  # bounds fall to 1/12 of their start; a claim needs 1/10 to be non-trivial
_SHORT = 40  # steps of a run that cannot reach a bound worth checking
_FLOOR = 1e-12  # residuals under this share of their start are rounding


def horizon(exponent: float, *, fall: float = FALL) -> float:
    """The time at which exp(-exponent t) has fallen to 1/``fall``; 1 where nothing decays."""
    return math.log(fall) / exponent if exponent > 0 else 1.0


def affordable(steps: float, most: int) -> int:
    """``steps``, at least 2; a short run where more than ``most`` are needed, since no bound could tell."""
    return max(2, math.ceil(steps)) if steps <= most else min(most, _SHORT)


def log_factor(fraction: float) -> float:
    """log(1 - fraction), one step's factor; where that is 0 or negative, the log of the smallest number."""
    return math.log1p(-fraction) if fraction < 1 else math.log(5e-324)


def evaluated(residual: Matrix) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which records count: not the first, and none under the rounding floor. A NaN counts (and fails)."""
    keep: np.ndarray[Any, np.dtype[np.bool_]] = ~(residual <= _FLOOR * residual[0])
    keep[0] = False
    return keep


def rounding_error(network: Network, problem: Problem, steps: int) -> float:
    """A first-order bound on the rounding error of ||f - y|| after ``steps`` steps.

    One evaluation of f errs by at most (m + d + 2) eps times the same sum with absolute values; each step
    rounds every weight by at most eps of itself, which changes f by 2 eps of that sum. What the dynamics
    contract is not credited.
    """
    X, W, a = (np.asarray(host(array), dtype=np.float64) for array in (problem.X, network.W, network.a))
    total = abs(network.scale) * float(np.abs(a) @ np.linalg.norm(W, axis=1))
    size = total * float(np.linalg.norm(X)) + float(np.linalg.norm(host(problem.y)))
    return (network.m + network.d + 2 + 2 * steps) * EPS * size


def decay_claim(
    name: str,
    index: Matrix,
    residual: Matrix,
    log_bound: Matrix,
    *,
    error: float | Matrix,
    index_name: str,
) -> Claim:
    """||r|| <= exp(log_bound) ||r_0||, where it is not so by construction and above the rounding floor."""
    keep = evaluated(residual)
    start = residual[0]
    return Claim(
        name=name,
        index=np.asarray(index, dtype=np.float64)[keep],
        observed=residual[keep],
        lower=-math.inf,
        upper=(start * np.exp(log_bound))[keep],
        trivial=start,
        numerical_error=np.broadcast_to(np.asarray(error, dtype=np.float64), residual.shape)[keep],
        comparison=Comparison.DECAY,
        index_name=index_name,
        unit="residual norm",
        log_scale=True,
    )


def at_most_along(
    name: str, index_name: str, index: Matrix, observed: Matrix, upper: float, error: float | Matrix
) -> Claim:
    """How far weights have gone, under one bound at every index; any finite bound says something."""
    return Claim(
        name=name,
        index=index,
        observed=observed,
        lower=-math.inf,
        upper=upper,
        trivial=math.nan,
        numerical_error=error,
        comparison=Comparison.UPPER,
        index_name=index_name,
        unit="weight",
    )
