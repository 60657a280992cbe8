"""The matrix M_d of Theorem D and the step size it allows, in balls; formulas in :mod:`~.proposal`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.certificates.balls import Balls, ball, balls, largest_eigenvalue_up, midpoints, product, up
from proofs_check.certificates.checks import missed
from proofs_check.certificates.enclosed_bounds import (
    Gates,
    Quantities,
    first_layer,
    root_of,
    row_sums,
    second_layer,
)
from proofs_check.certificates.proposal import Finding, Stage

__all__ = ["StepBound", "descent_matrix", "failed_step", "step_bound"]

Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, eq=False)
class StepBound:
    """c^-, c^+ (m,), which c^- are positive, L' from above, th, and Lam0 (m, n) on ``uncertain``."""

    low: Balls
    high: Balls
    used: Mask
    length: Any
    stretch: Any
    sums: Balls
    uncertain: Mask


def step_bound(quantities: Quantities, gates: Gates, stage: Stage, residual_norm: float) -> StepBound:
    """Bounds over a stage's region for steps from residuals up to ``residual_norm``. Cost O(m n^2 + n^3)."""
    instance, sizes, alpha = quantities.instance, quantities.sizes, balls(stage.radius_a)
    factor = ball(instance.scale) ** 2 * instance.rate_W
    zero = ball(0.0)
    used = np.abs(instance.a) > stage.radius_a
    low = np.where(used, (sizes - alpha) * (sizes - alpha) * factor, zero)
    high = (sizes + alpha) * (sizes + alpha) * factor
    middle = quantities.K * product(gates.middle.T * high, gates.middle)
    crossed = zero
    for column in product(high[None, :], gates.uncertain.astype(np.float64))[0]:
        crossed = crossed.max(column)
    first = root_of(largest_eigenvalue_up(middle)) + gates.theta * quantities.spectral * root_of(crossed)
    second = (quantities.features_norm + stage.spread) ** 2 * instance.rate_a
    rates = (ball(instance.rate_W) * instance.rate_a).sqrt()
    om = rates * quantities.scale * quantities.lipschitz * quantities.spectral * residual_norm
    length = (first * first + second + om).upper()
    split = ball(stage.split)
    stretch = (2 + (1 + 1 / split) * length) / (2 - (1 + split) * length)
    return StepBound(low, high, used, length, stretch, row_sums(quantities, gates), gates.uncertain)


def failed_step(bound: StepBound, stage: Stage, multiplier: Balls, j: int) -> Finding | None:
    """D3 and D4: tau > 0, (1 + tau) L' < 2, and c^- Lam >= th c^+ Lam0 on U where c^- > 0."""
    length = (1 + ball(stage.split)) * bound.length
    if not (stage.split > 0 and length < 2):
        return missed(j, "step", up(length), 2.0)
    where = bound.uncertain & bound.used[:, None]
    needed = (bound.high[:, None] * bound.sums)[where] * bound.stretch
    available = (bound.low[:, None] * multiplier)[where]
    if bool(np.all(np.asarray(available >= needed, dtype=bool))):
        return None
    need, have = midpoints(needed), midpoints(available)
    worst = int(np.argmax(need / np.where(have > 0, have, np.finfo(np.float64).tiny)))
    return missed(j, "multiplier", float(need[worst]), float(have[worst]))


def descent_matrix(
    quantities: Quantities, gates: Gates, bound: StepBound, stage: Stage, multiplier: Balls
) -> Balls:
    """M_d (n, n) of Theorem D."""
    M = first_layer(quantities, gates, bound.low, bound.used, multiplier)
    dead = np.where(bound.used, ball(0.0), bound.high)
    lost = product(dead[None, :], bound.sums)[0] * (bound.stretch * gates.theta * gates.theta)
    M[np.diag_indices(len(M))] -= lost
    if quantities.trained_a:
        M = M + second_layer(quantities, stage)
    return np.asarray(M * (1 - (1 + ball(stage.split)) * bound.length / 2))
