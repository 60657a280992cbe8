"""The inequalities of Theorems F1 and D in plain float64: for searching and comparing, never a proof."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from proofs_check.certificates.bounds import first_layer, second_layer
from proofs_check.certificates.checks import failed_levels, failed_numbers, missed
from proofs_check.certificates.constants import output_constants, pair_constants, spectrum_of
from proofs_check.certificates.geometry import Geometry, features_spread, gates_of, geometry_of
from proofs_check.certificates.instance import Instance
from proofs_check.certificates.proposal import Finding, Proposal, Stage
from proofs_check.certificates.steps import descent_matrix, step_bound, step_prices

__all__ = ["prove_descent", "prove_flow"]

Array = np.ndarray[Any, np.dtype[np.float64]]


def prove_flow(instance: Instance, proposal: Proposal) -> Finding:
    """Check Theorem F1 in float64, without regard to rounding.

    Cost: one evaluation of the bounds and constants a stage, see :mod:`.constants`.
    """
    geometry = geometry_of(instance)
    failed = failed_levels(geometry.residual_norm, proposal)
    if failed:
        return failed
    m, n = geometry.Z.shape
    paid, paid_a, path, before = np.zeros((m, n)), np.zeros(m), 0.0, proposal.start
    for j, stage in enumerate(proposal.stages, 1):
        failed = failed_numbers(instance, stage, j) or _failed_separation(geometry, stage, j)
        if failed:
            return failed
        gates = gates_of(geometry, stage.uncertain & geometry.trained_W)
        M = first_layer(geometry, gates, _weights(instance, -stage.radius_a), _multiplier(stage, (m, n)))
        spectrum = spectrum_of(M + _second(geometry, stage))
        if not spectrum.values[0] > stage.decay:
            return missed(j, "spectrum", stage.decay, float(spectrum.values[0]))
        drop = before - stage.end
        middle, half, spread = features_spread(geometry, stage.radius)
        path += drop / math.sqrt(stage.decay)
        if geometry.trained_W:
            reach = geometry.step_W * (np.abs(instance.a) + stage.radius_a)[:, None]
            paid = paid + reach * pair_constants(geometry, gates, spectrum, stage.shifts) * drop
            allowed = np.minimum(paid, geometry.norms * math.sqrt(instance.rate_W) * path)
            if not np.all(stage.radius > allowed):
                return missed(j, "travel", *_worst(allowed, stage.radius))
        if geometry.trained_a:
            paid_a = paid_a + geometry.step_a * output_constants(middle, half, spectrum, stage.shifts) * drop
            allowed = np.minimum(paid_a, math.sqrt(instance.rate_a) * path)
            if not np.all(stage.radius_a > allowed):
                return missed(j, "output", *_worst(allowed, stage.radius_a))
        if geometry.trained_a and geometry.trained_W:
            size = abs(instance.scale) * geometry.lipschitz * geometry.spectral
            cap = size * math.sqrt(instance.rate_W) * path
            if not (stage.spread >= spread or stage.spread > cap):
                return missed(j, "features", min(spread, cap), stage.spread)
        before = stage.end
    return Finding(True, min(stage.decay for stage in proposal.stages), path)


def _multiplier(stage: Stage, shape: tuple[int, int]) -> Array:
    return np.broadcast_to(stage.multiplier, shape)


def _failed_separation(geometry: Geometry, stage: Stage, j: int) -> Finding | None:
    outside = ~stage.uncertain & geometry.trained_W
    sizes, radii = np.abs(geometry.Z)[outside], stage.radius[outside]
    if np.all(sizes > radii):
        return None
    return missed(j, "separation", *_worst(radii, sizes))


def _weights(instance: Instance, change: Array) -> Array:
    """eta_W s^2 [|a_k| + change_k]_+^2."""
    return instance.rate_W * instance.scale**2 * np.maximum(np.abs(instance.a) + change, 0.0) ** 2


def _second(geometry: Geometry, stage: Stage) -> Array:
    if not geometry.trained_a:
        return np.zeros_like(geometry.K)
    return second_layer(geometry, stage.spread, stage.share)


def _worst(needed: Array, available: Array) -> tuple[float, float]:
    """The entry with the largest needed over available."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(available > 0, needed / available, np.inf)
    worst = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
    return float(needed[worst]), float(available[worst])


def prove_descent(instance: Instance, proposal: Proposal) -> Finding:
    """Check Theorem D in float64, without regard to rounding."""
    geometry = geometry_of(instance)
    failed = failed_levels(geometry.residual_norm, proposal)
    if failed:
        return failed
    m, n = geometry.Z.shape
    paid, paid_a, price, price_a = np.zeros((m, n)), np.zeros(m), np.zeros((m, n)), np.zeros(m)
    before = proposal.start
    for j, stage in enumerate(proposal.stages, 1):
        failed = failed_numbers(instance, stage, j) or _failed_separation(geometry, stage, j)
        if failed:
            return failed
        gates = gates_of(geometry, stage.uncertain & geometry.trained_W)
        bound = step_bound(geometry, gates, stage.radius_a, stage.spread, before)
        if not (stage.split > 0 and (1 + stage.split) * bound.length < 2):
            return missed(j, "step", (1 + stage.split) * bound.length, 2.0)
        least, multiplier = bound.least_multiplier(stage.split), _multiplier(stage, (m, n))
        if not np.all((multiplier >= least) | (least == 0)):
            return missed(j, "multiplier", *_worst(least, multiplier))
        M = descent_matrix(geometry, gates, bound, multiplier, stage.split, stage.spread, stage.share)
        spectrum = spectrum_of(M)
        if not spectrum.values[0] > stage.decay:
            return missed(j, "spectrum", stage.decay, float(spectrum.values[0]))
        middle, half, spread = features_spread(geometry, stage.radius)
        prices = step_prices(geometry, gates, stage, spectrum, middle, half)
        price, price_a = np.maximum(price, prices[0]), np.maximum(price_a, prices[1])
        overshoot = before if stage.end > 0 else 0.0
        paid, paid_a = paid + price * (before - stage.end), paid_a + price_a * (before - stage.end)
        if geometry.trained_W and not np.all(stage.radius > paid + prices[2] * overshoot):
            return missed(j, "travel", *_worst(paid + prices[2] * overshoot, stage.radius))
        if geometry.trained_a and not np.all(stage.radius_a > paid_a + prices[3] * overshoot):
            return missed(j, "output", *_worst(paid_a + prices[3] * overshoot, stage.radius_a))
        if geometry.trained_a and geometry.trained_W and not stage.spread >= spread:
            return missed(j, "features", spread, stage.spread)
        before = stage.end
    return Finding(True, min(stage.decay for stage in proposal.stages), math.inf)
