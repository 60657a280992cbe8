"""The matrix M_d of Theorem D and the step size it allows, in plain floating point."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.certificates.bounds import first_layer, row_sums, second_layer
from proofs_check.certificates.constants import Spectrum, output_constants, pair_constants, pair_reach
from proofs_check.certificates.geometry import Gates, Geometry, blocks
from proofs_check.certificates.proposal import Stage

__all__ = ["StepBound", "descent_matrix", "step_bound", "step_prices"]

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class StepBound:
    """c^-, c^+ (m,), L' = Lbar + om, and Lam0 (m, n)."""

    low: Array
    high: Array
    length: float
    sums: Array

    def stretch(self, split: float) -> float:
        """th = (2 + (1 + 1/tau) L')/(2 - (1 + tau) L'); infinite where (1 + tau) L' >= 2."""
        left = 2 - (1 + split) * self.length
        return (2 + (1 + 1 / split) * self.length) / left if left > 0 and split > 0 else math.inf

    def least_multiplier(self, split: float) -> Array:
        """th (c^+/c^-) Lam0, 0 for neurons with c^- = 0 (where no multiplier is used) and off U."""
        ratio = np.divide(self.high, self.low, out=np.zeros_like(self.high), where=self.low > 0)
        stretch = self.stretch(split)
        return np.where(self.sums > 0, stretch * ratio[:, None] * self.sums, 0.0)


def step_bound(
    geometry: Geometry, gates: Gates, radius_a: Array, spread: float, residual_norm: float
) -> StepBound:
    """Bounds over a region for steps that start at residuals up to ``residual_norm``. Cost O(m n^2)."""
    instance = geometry.instance
    size = np.abs(instance.a)
    factor = instance.rate_W * instance.scale**2
    low, high = factor * np.maximum(size - radius_a, 0.0) ** 2, factor * (size + radius_a) ** 2
    middle = np.zeros_like(geometry.K)
    for block in blocks(instance.m, instance.n):
        part = gates.middle_of(block)
        middle += (part * high[block, None]).T @ part
    middle *= geometry.K
    largest = math.sqrt(max(float(np.linalg.eigvalsh(middle)[-1]), 0.0))
    crossed = math.sqrt(float(np.max(high @ gates.uncertain)))
    first = largest + gates.theta * geometry.spectral * crossed
    second = instance.rate_a * (geometry.features_norm + spread) ** 2
    rates = math.sqrt(instance.rate_W * instance.rate_a)
    om = rates * abs(instance.scale) * geometry.lipschitz * geometry.spectral * residual_norm
    return StepBound(low, high, first**2 + second + om, row_sums(geometry, gates))


def descent_matrix(
    geometry: Geometry,
    gates: Gates,
    bound: StepBound,
    multiplier: Array,
    split: float,
    spread: float,
    share: float,
) -> Array:
    """M_d (n, n) of Theorem D."""
    M = first_layer(geometry, gates, bound.low, multiplier)
    dead = np.where(bound.low > 0, 0.0, bound.high)
    M[np.diag_indices(len(M))] -= bound.stretch(split) * gates.theta**2 * (dead @ bound.sums)
    if geometry.trained_a:
        M = M + second_layer(geometry, spread, share)
    return np.asarray((1 - (1 + split) * bound.length / 2) * M)


def step_prices(
    geometry: Geometry, gates: Gates, stage: Stage, spectrum: Spectrum, middle: Array, half: Array
) -> tuple[Array, Array, Array, Array]:
    """Displacement per unit of residual dropped (pairs, outputs), and in one step per unit of residual."""
    m, n = geometry.Z.shape
    price, reach, price_a, reach_a = np.zeros((m, n)), np.zeros((m, n)), np.zeros(m), np.zeros(m)
    if geometry.trained_W:
        size = geometry.step_W * (np.abs(geometry.instance.a) + stage.radius_a)[:, None]
        price = size * pair_constants(geometry, gates, spectrum, stage.shifts)
        reach = size * pair_reach(geometry, gates)
    if geometry.trained_a:
        price_a = geometry.step_a * output_constants(middle, half, spectrum, stage.shifts)
        reach_a = geometry.step_a * np.linalg.norm(np.abs(middle) + half, axis=1)
    return price, price_a, reach, reach_a
