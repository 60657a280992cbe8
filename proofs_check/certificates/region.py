"""One region of Theorem F1's search: from the displacements it allows for to the constants. No proof."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.certificates.bounds import first_layer, second_layer
from proofs_check.certificates.constants import Spectrum, output_constants, pair_constants, spectrum_of
from proofs_check.certificates.geometry import Geometry, blocks, features_reach, features_spread, gates_of
from proofs_check.certificates.multipliers import improved
from proofs_check.certificates.proposal import Stage

__all__ = ["Demand", "Plan", "Region", "crowded", "evaluate"]

Array = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
_STILL = 1e-9


@dataclass(frozen=True)
class Plan:
    """How hard to search.

    Parameters
    ----------
    stages : int
        J; levels are equal steps of the residual norm.
    shifts : tuple of float
        nu as fractions of the decay; empty for the crude constants, O(m n^2) instead of O(m n^2 d).
    tuned : bool
        Whether multipliers are improved while the region is solved for; else the smallest are used.
    slack : float
        Relative room left in every inequality for the rounding of a proof.
    attempts : int
        Evaluations of a region allowed for each stage.
    crowd : float
        The share of uncertain pairs beyond which a region is given up: each costs up to O(n^2).
    """

    stages: int = 10
    shifts: tuple[float, ...] = (0.45, 0.65, 0.85)
    tuned: bool = True
    slack: float = 1e-6
    attempts: int = 60
    crowd: float = 1.0

    @staticmethod
    def suited(n: int, d: int, m: int) -> Plan:
        """Everything up to about (200, 20, 2000); beyond, fewer stages, then crude constants in one stage."""
        quadratic = m * n * n * min(n, d)
        if quadratic <= 2e9:
            return Plan()
        if quadratic <= 2e10:
            return Plan(stages=4)
        return Plan(stages=1, shifts=(), tuned=False, crowd=0.01)


@dataclass(frozen=True, eq=False)
class Demand:
    """What a region has to allow for: path integrals of every pair and output, and the path S."""

    pair: Array
    output: Array
    path: float

    def within(self, other: Demand, geometry: Geometry) -> bool:
        """Whether a region that allows for ``other`` allows for this. Row by row: the arrays are large."""
        if self.path > other.path:
            return False
        (cap_W, cap_a), (most_W, most_a) = self._caps(geometry), other._caps(geometry)
        if not np.all(_clipped(self.output, cap_a) <= _clipped(other.output, most_a)):
            return False
        return all(
            bool(np.all(_clipped(self.pair[rows], cap_W) <= _clipped(other.pair[rows], most_W)))
            for rows in blocks(*self.pair.shape)
        )

    def capped(self, geometry: Geometry) -> tuple[Array, Array]:
        """Pair radii and output radii: a displacement is at most its own path and the whole network's."""
        cap_W, cap_a = self._caps(geometry)
        return _clipped(self.pair, cap_W), _clipped(self.output, cap_a)

    def _caps(self, geometry: Geometry) -> tuple[Array, Array]:
        cap_W = geometry.norms * math.sqrt(geometry.instance.rate_W) * self.path
        return cap_W, np.asarray(math.sqrt(geometry.instance.rate_a) * self.path)

    def scaled(self, factor: float) -> Demand:
        """Every entry times ``factor``."""
        return Demand(self.pair * factor, self.output * factor, self.path * factor)

    def excess(self, guess: Demand) -> float:
        """How much of this ``guess`` does not allow for, relative and summed."""
        parts = (
            (self.pair, guess.pair),
            (self.output, guess.output),
            (np.array([self.path]), np.array([guess.path])),
        )
        over = [np.sum(a, where=a > b) - np.sum(b, where=a > b) for a, b in parts]
        return float(sum(gap / max(float(np.sum(a)), 1e-300) for gap, (a, _) in zip(over, parts)))

    def raised_to(self, needed: Demand, beyond: float, extra: float) -> Demand:
        """Entries that were too small grow, by ``beyond`` of what was missing and a share ``extra`` further.

        The others stay: inflating all of them would never stop adding pairs.
        """

        def raised(old: Any, new: Any) -> Any:
            grown = np.array(old, copy=True)
            for rows in blocks(len(grown), max(1, grown[0].size)):
                before, after = grown[rows], new[rows]
                more = after * (1 + extra) + beyond * (after - before)
                grown[rows] = np.where(after > before, more, before)
            return grown

        pair, output = raised(self.pair, needed.pair), raised(self.output, needed.output)
        path = raised(np.array([self.path]), np.array([needed.path]))
        return Demand(pair, output, float(path[0]))


def _clipped(values: Array, cap: Array) -> Array:
    """At most the cap and at least ``_STILL`` of it: inequalities are strict, also where nothing moves."""
    return np.asarray(np.clip(values, _STILL * cap, cap))


@dataclass(frozen=True, eq=False)
class Region:
    """A region that was evaluated: the stage it would make, and what to use next.

    ``pair`` (m, n) and ``output`` (m,) are path constants, ``multiplier`` and ``share`` better ones to try.
    """

    stage: Stage
    pair: Array
    output: Array
    multiplier: Array
    share: float


def crowded(geometry: Geometry, plan: Plan, demand: Demand) -> bool:
    """Whether the region that allows for ``demand`` leaves more pairs uncertain than the plan allows."""
    if plan.crowd >= 1:
        return False
    return bool(np.mean(_reached(geometry, demand.capped(geometry)[0])) > plan.crowd)


def evaluate(
    geometry: Geometry, plan: Plan, demand: Demand, multiplier: Array, share: float, end: float
) -> Region | None:
    """Bounds and constants on the region that allows for ``demand``; None where no decay is left."""
    instance = geometry.instance
    radius, radius_a = demand.capped(geometry)
    gates = gates_of(geometry, _reached(geometry, radius))
    uncertain = gates.uncertain
    middle, half, spread = _features(geometry, plan, radius)
    size = abs(instance.scale) * geometry.lipschitz * geometry.spectral
    spread = min(spread, size * math.sqrt(instance.rate_W) * demand.path) * (1 + 1e-9)
    both = geometry.trained_a and geometry.trained_W
    spread, share = (spread, share or _SHARE) if both else (0.0, 0.0)
    weights = instance.rate_W * instance.scale**2 * np.maximum(np.abs(instance.a) - radius_a, 0.0) ** 2
    M = first_layer(geometry, gates, weights, multiplier)
    if geometry.trained_a:
        M = M + second_layer(geometry, spread, share)
    spectrum = spectrum_of(M)
    if not spectrum.values[0] > 0:
        return None
    decay = float(spectrum.values[0]) * (1 - plan.slack)
    shifts = decay * np.asarray(plan.shifts)
    pair, output = np.zeros_like(radius), np.zeros_like(radius_a)
    if geometry.trained_W:
        pair = pair_constants(geometry, gates, spectrum, shifts)
    if geometry.trained_a:
        output = middle / spectrum.values[0]
        if plan.shifts:
            output = output_constants(middle, half, spectrum, shifts)
    stage = Stage(end, decay, radius, uncertain, radius_a, spread, share, multiplier, shifts)
    weight = _weight(spectrum, 0.75 * decay)
    if plan.tuned:
        multiplier = improved(geometry, gates, multiplier, weight)
    if both and spread > 0:
        share = math.sqrt(share * _best_share(geometry, weight, spread))
    return Region(stage, pair, output, multiplier, share)


_SHARE = 0.05


def _reached(geometry: Geometry, radius: Array) -> Mask:
    """Pairs whose kink is within the radius, or within 1e-13 |w_k| |x_i| of it, where rounding decides."""
    uncertain = np.zeros(radius.shape, dtype=np.bool_)
    size = np.linalg.norm(geometry.instance.W, axis=1, keepdims=True)
    for rows in blocks(len(radius), geometry.instance.n) if geometry.trained_W else ():
        room = radius[rows] * (1 + 1e-9) + 1e-13 * size[rows] * geometry.norms
        uncertain[rows] = np.abs(geometry.Z[rows]) <= room
    return uncertain


def _features(geometry: Geometry, plan: Plan, radius: Array) -> tuple[Array, Array, float]:
    """Middles and half-widths of phi (m, n), or with crude constants the norms of its largest values (m,)."""
    if plan.shifts:
        return features_spread(geometry, radius)
    norms, spread = features_reach(geometry, radius)
    return norms, norms, spread


def _weight(spectrum: Spectrum, shift: float) -> Array:
    """Q (n, n) of trace 1: the directions in which M is small, (M - shift I)^{-4} normalised."""
    weights = (spectrum.values / shift - 1) ** -4.0
    return np.asarray((spectrum.vectors * (weights / np.sum(weights))) @ spectrum.vectors.T)


def _best_share(geometry: Geometry, weight: Array, spread: float) -> float:
    """The share t that maximises (1 - t) tr(Q F F^T) - (1/t - 1) e^2."""
    size = float(np.sum(weight * geometry.second))
    return min(1.0, spread / math.sqrt(size)) if size > 0 else 1.0
