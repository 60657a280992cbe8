"""The matrix of Theorem D and the step it allows, with every rounding bounded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.certificates.eigenvalue import lambda_max_upper_bound
from proofs_check.certificates.floating import down, product_up, sum_up, up
from proofs_check.certificates.proposal import Stage
from proofs_check.certificates.rounded import Rounded, add_up, blocks
from proofs_check.certificates.rounded_bounds import (
    Gates,
    Lower,
    first_layer,
    gated_gram,
    nothing,
    second_layer,
)

__all__ = ["Step", "descent_matrix", "missing_multiplier", "step_of", "weights_between"]

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class Step:
    """c^- rounded down, c^+ rounded up (m,), (1 + tau) L' and th rounded up; th is infinite from 2 on."""

    low: Array
    high: Array
    length: float
    stretch: float


def weights_between(rounded: Rounded, radius_a: Array) -> tuple[Array, Array]:
    """Bounds (m,), (m,) of eta_W s^2 a'_k^2 for |a'_k - a_k| <= alpha_k, rounded outward."""
    instance = rounded.instance
    size, square = np.abs(instance.a), instance.scale * instance.scale
    least = np.maximum(down(size - radius_a), 0.0)
    most = up(size + radius_a)
    low = down(
        max(down(instance.rate_W * max(down(square), 0.0)), 0.0) * np.maximum(down(least * least), 0.0)
    )
    return np.maximum(low, 0.0), up(up(instance.rate_W * up(square)) * up(most * most))


def step_of(rounded: Rounded, gates: Gates, features: Lower, stage: Stage, before: float) -> Step:
    """Bounds over the stage's region for steps that start at residuals up to ``before``.

    Cost O(m n^2 + n^3).
    """
    instance = rounded.instance
    low, high = weights_between(rounded, stage.radius_a)
    first = 0.0
    if rounded.trained_W:
        largest = up(math.sqrt(_largest(gated_gram(rounded, gates.middle, high))))
        crossed = up(math.sqrt(float(np.max(product_up(high, gates.uncertain.astype(np.float64))))))
        first = float(up(add_up(largest, up(up(gates.theta * rounded.spectral) * crossed))))
    total = up(first * first)
    if rounded.trained_a:
        norm = up(abs(instance.scale) * up(math.sqrt(_largest(features))))
        reach = up(norm + stage.spread)
        total = add_up(total, up(instance.rate_a * up(reach * reach)))
    if rounded.trained_a and rounded.trained_W:
        rates = up(math.sqrt(float(up(instance.rate_W * instance.rate_a))))
        moved = up(up(abs(instance.scale) * rounded.lipschitz) * up(rounded.spectral * before))
        total = add_up(total, up(rates * moved))
    length = float(up(up(1 + stage.split) * total))
    left = down(2 - length)
    if not (stage.split > 0 and left > 0):
        return Step(low, high, length, math.inf)
    stretched = up(2 + up(up(1 + up(1 / stage.split)) * total))
    return Step(low, high, length, float(up(stretched / left)))


def _largest(bound: Lower) -> float:
    """An upper bound of the largest eigenvalue, the errors being entrywise; infinite when undecided."""
    above = bound.matrix.copy()
    above[np.diag_indices(len(above))] = up(np.diag(above) + bound.shift)
    return max(lambda_max_upper_bound(above), 0.0) if np.all(np.isfinite(above)) else math.inf


def missing_multiplier(rounded: Rounded, gates: Gates, step: Step, multiplier: Array) -> float:
    """The largest th (c^+/c^-) Lam0_kj / Lam_kj over uncertain pairs of neurons with c^- > 0, rounded up."""
    worst = 0.0
    alive = step.low > 0
    ratio = np.where(alive, up(step.stretch * up(step.high / np.where(alive, step.low, 1.0))), 0.0)
    for rows in blocks(len(ratio)):
        mask = gates.uncertain[rows]
        if np.any(mask):
            needed = up(ratio[rows, None] * row_sums(rounded, gates, rows))
            worst = float(np.maximum(worst, np.max(up(needed / multiplier[rows])[mask])))
    return worst


def row_sums(rounded: Rounded, gates: Gates, rows: slice) -> Array:
    """Lam0 (rows, n): at least sum_{i in U_k} |K_ji| for every j; meant on U_k."""
    return product_up(gates.uncertain[rows].astype(np.float64), rounded.K_up)


def descent_matrix(rounded: Rounded, gates: Gates, features: Lower, step: Step, stage: Stage) -> Array:
    """An exact float matrix M_f <= M_d, provided it is positive definite.

    M_d = c M with c = 1 - (1 + tau) L'/2. If c' <= c is a float and M_f <= c' M' for M' <= M, then M_f > 0
    gives M' > 0 and M_d >= c M' >= c' M' >= M_f.
    """
    multiplier = np.broadcast_to(stage.multiplier, rounded.Z.shape)
    bound = nothing(rounded.instance.n)
    if rounded.trained_W:
        bound = first_layer(rounded, gates, step.low, multiplier)
        bound = bound.lowered(_dead(rounded, gates, step))
    if rounded.trained_a:
        bound = bound.plus(second_layer(rounded, features, stage.spread, stage.share))
    return bound.scaled(max(float(down(1 - step.length / 2)), 0.0)).assembled()


def _dead(rounded: Rounded, gates: Gates, step: Step) -> Array:
    """sum over neurons with c^- = 0 of th c^+ theta^2 Lam0, rounded up, (n,)."""
    total = np.zeros(rounded.instance.n)
    weights = np.where(step.low > 0, 0.0, step.high)
    factor = up(step.stretch * up(gates.theta * gates.theta))
    for rows in blocks(len(weights)):
        mask = gates.uncertain[rows] & (weights[rows, None] > 0)
        if np.any(mask):
            sums = np.where(mask, row_sums(rounded, gates, rows), 0.0)
            total = add_up(total, sum_up(up(up(factor * weights[rows])[:, None] * sums), axis=0))
    return np.asarray(total)
