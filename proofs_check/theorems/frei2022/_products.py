"""How near the multipliers are to their formula on orthogonal data.

Write the program's constraints as Q lambda >= 1 with Q_ij = c_ij <x_i, x_j>, where c is (m1 + gamma^2 m2)/m
between positive samples, (m2 + gamma^2 m1)/m between negative ones, and -gamma across. Without overlaps Q is
diagonal and lambda_i = 1/Q_ii. With overlaps at most M, and where every sample is a support vector,
L_i = Q_ii lambda_i has |L_i - 1| <= epsilon max L for epsilon = (n-1) M max c/(R_min^2 min c), hence
|L_i - 1| <= epsilon/(1 - epsilon).
"""

from __future__ import annotations

import math

import numpy as np

from proofs_check.statement import Claim, Comparison
from proofs_check.theorems.frei2022._instances import MarginInstance
from proofs_check.theorems.frei2022._kkt_claims import accuracy, by_sample
from proofs_check.theorems.frei2022._margin import TwoNeurons

__all__ = ["diagonal_weights", "multiplier_products"]


def diagonal_weights(case: MarginInstance) -> tuple[float, float]:
    """c between positive samples, and between negative ones."""
    leak = case.gamma**2
    return (case.m1 + leak * case.m2) / case.m, (case.m2 + leak * case.m1) / case.m


def multiplier_products(
    case: MarginInstance, found: TwoNeurons, weights: tuple[float, float] | None = None
) -> Claim:
    """Q_ii lambda_i against 1 +- epsilon/(1 - epsilon), an equality when the data are exactly orthogonal.

    ``weights`` are c between positive and between negative samples; None takes the right ones.
    """
    plus, minus = diagonal_weights(case) if weights is None else weights
    X, y = np.asarray(case.problem.X), np.asarray(case.problem.y)
    products = np.where(y > 0, plus, minus) * np.sum(X * X, axis=1) * found.multipliers
    epsilon = _epsilon(case)
    spread = epsilon / (1.0 - epsilon) if epsilon < 1 else math.inf
    return Claim.from_arrays(
        "multiplier over its formula at orthogonal data",
        products,
        lower=max(0.0, 1.0 - spread),
        upper=1.0 + spread,
        numerical_error=4.0 * accuracy(case, found) * float(products.max()),
        comparison=Comparison.EQUAL if epsilon == 0 else Comparison.TWO_SIDED,
        **by_sample(case),
    )


def _epsilon(case: MarginInstance) -> float:
    weights = diagonal_weights(case)
    n = case.problem.n
    overlap_sum = (n - 1) / (n * case.ratio) * case.smallest_norm**4 / case.largest_norm**2
    return overlap_sum * max(weights) / (case.smallest_norm**2 * min(weights))
