"""What the margin theorem says of the program's solution, item by item."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from proofs_check.statement import Claim, Comparison
from proofs_check.theorems.frei2022._instances import MarginEvidence, MarginInstance
from proofs_check.theorems.frei2022._margin import TwoNeurons
from shallow.exact.gradient import jacobian, predict

__all__ = ["accuracy", "by_sample", "infeasible", "margin_claims", "norm_factor", "window"]

_EPS = float(np.finfo(np.float64).eps)


def infeasible() -> Claim:
    """The failure when no network of this shape has a positive margin: the best margin is 0."""
    return Claim.from_arrays("(c) the program is feasible: best margin over norm", 0.0, lower=_EPS)


def by_sample(case: MarginInstance) -> dict[str, Any]:
    """Index of the claims with one entry a sample."""
    return {"index": np.arange(1, case.problem.n + 1), "index_name": "sample i"}


def accuracy(case: MarginInstance, found: TwoNeurons) -> float:
    """Relative error of what is computed from the multipliers: theirs, and the rounding of the sums."""
    return found.error + 4.0 * (case.problem.d + case.m) * _EPS


def window(case: MarginInstance) -> tuple[float, float]:
    """(a): 1/(2 R_max^2) and 3/(2 gamma^2 R_min^2)."""
    return 0.5 / case.largest_norm**2, 1.5 / (case.gamma * case.smallest_norm) ** 2


def norm_factor(case: MarginInstance) -> float:
    """(f): 2/(kappa + gamma)."""
    kappa = math.sqrt(min(case.m1 / case.m2, case.m2 / case.m1))
    return 2.0 / (kappa + case.gamma)


def margin_claims(
    case: MarginInstance,
    seen: MarginEvidence,
    interval: Callable[[MarginInstance], tuple[float, float]] = window,
    factor: Callable[[MarginInstance], float] = norm_factor,
) -> Sequence[Claim]:
    """Items (a) to (f), each with the solver's error."""
    found = seen.solution
    if found is None:
        return [infeasible()]
    X, y, net = case.problem.X, np.asarray(case.problem.y), found.network
    error = accuracy(case, found)
    low, high = interval(case)
    gradients = jacobian(net, X).W  # with the gates the network really has
    combination = np.tensordot(found.multipliers * y, gradients, axes=1)
    gap = float(np.linalg.norm(net.W - combination) / np.linalg.norm(net.W))
    margins = y * predict(net, X)
    points = case.test_points
    disagreement = np.sign(predict(net, points)) != np.sign(points @ found.z)
    z_norm = float(np.linalg.norm(found.z))
    largest = float(found.multipliers.max())
    sample = by_sample(case)
    return [
        Claim.from_arrays(
            "(a) multipliers",
            found.multipliers,
            lower=low,
            upper=high,
            numerical_error=found.error * largest,
            **sample,
        ),
        Claim.from_arrays(
            "(a) every sample has margin 1",
            margins,
            lower=1.0,
            upper=1.0,
            numerical_error=error * max(1.0, float(np.sqrt(found.multipliers.sum()) * case.largest_norm)),
            comparison=Comparison.EQUAL,
            **sample,
        ),
        Claim.from_arrays(
            "(b) two distinct neurons: relative KKT residual",
            gap,
            lower=0.0,
            upper=0.0,
            trivial=1.0,
            numerical_error=error,
            comparison=Comparison.EQUAL,
        ),
        Claim.from_arrays(
            "(c) no duality gap: ||W||^2 over the sum of multipliers",
            float(np.sum(net.W**2) / found.multipliers.sum()),
            lower=1.0,
            upper=1.0,
            numerical_error=2.0 * error,
            comparison=Comparison.EQUAL,
        ),
        Claim.from_arrays(
            "(d) share of points where sign f(x) is not sign <z, x>",
            float(np.mean(disagreement)),
            lower=0.0,
            upper=0.0,
            trivial=0.5,
            comparison=Comparison.EQUAL,
        ),
        Claim.from_arrays(
            "(e) linear margins y_i <z, x_i>",
            y * (np.asarray(X) @ found.z),
            lower=1.0,
            numerical_error=error * z_norm * case.largest_norm,
            **sample,
        ),
        Claim.from_arrays(
            "(f) ||z|| against the hardest linear margin",
            z_norm / seen.linear_norm,
            upper=factor(case),
            numerical_error=(error + seen.linear_error) * z_norm / seen.linear_norm,
        ),
    ]
