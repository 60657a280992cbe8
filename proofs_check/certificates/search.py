"""The search for Theorem F1: heuristics that propose decays, radii, multipliers and shares. No proof."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.certificates.bounds import first_layer, second_layer
from proofs_check.certificates.constants import Spectrum, output_constants, pair_constants, spectrum_of
from proofs_check.certificates.geometry import Geometry, features_spread, gates_of
from proofs_check.certificates.multipliers import SMALLEST, improved
from proofs_check.certificates.proposal import Proposal, Stage

__all__ = ["Plan", "Stuck", "search_flow"]

Array = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]


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
    """

    stages: int = 10
    shifts: tuple[float, ...] = (0.45, 0.6, 0.75, 0.9)
    tuned: bool = True
    slack: float = 1e-6
    attempts: int = 60


@dataclass(frozen=True)
class Stuck:
    """Where a search gave up.

    Parameters
    ----------
    stage : int
        From 1.
    inequality : str
        "spectrum": no decay is left on the region the stage needs; "travel": its radii outgrow every region.
    closes : float
        About the largest residual norm for which the inequalities close at these weights; 0 if none was
        found.
    """

    stage: int
    inequality: str
    closes: float = 0.0

    def advice(self, residual_norm: float, help_: str) -> str:
        """The reason and what would help, in one sentence."""
        what = (
            "no decay is left on the region that the path may reach"
            if self.inequality == "spectrum"
            else "the radii that the path needs outgrow every region tried"
        )
        if not self.closes > 0:
            return (
                f"{self.inequality}: {what}, at every residual norm down to 1e-9 of the present one; {help_}"
            )
        return (
            f"{self.inequality}: {what} (stage {self.stage}): the residual norm {residual_norm:.3g} is about "
            f"{residual_norm / self.closes:.3g} times what closes here, {self.closes:.3g}; {help_}"
        )


@dataclass(frozen=True, eq=False)
class _Demand:
    """What a region has to allow for: path integrals of every pair and output, and the path S."""

    pair: Array
    output: Array
    path: float

    def within(self, other: _Demand, geometry: Geometry) -> bool:
        mine, theirs = self.capped(geometry), other.capped(geometry)
        return bool(np.all(mine[0] <= theirs[0]) and np.all(mine[1] <= theirs[1]) and self.path <= other.path)

    def capped(self, geometry: Geometry) -> tuple[Array, Array]:
        """Pair radii and output radii: a displacement is at most its own path and the whole network's."""
        cap_W = math.sqrt(geometry.instance.rate_W) * self.path
        cap_a = math.sqrt(geometry.instance.rate_a) * self.path
        return np.minimum(self.pair, geometry.norms * cap_W), np.minimum(self.output, cap_a)

    def scaled(self, factor: float) -> _Demand:
        return _Demand(self.pair * factor, self.output * factor, self.path * factor)

    def raised_to(self, needed: _Demand, factor: float) -> _Demand:
        """Only components that were too small grow: inflating all of them would never stop adding pairs."""
        return _Demand(
            np.where(needed.pair > self.pair, needed.pair * factor, self.pair),
            np.where(needed.output > self.output, needed.output * factor, self.output),
            needed.path * factor if needed.path > self.path else self.path,
        )


@dataclass(frozen=True, eq=False)
class _Region:
    """A region that was evaluated: the stage it would make, M's spectrum and the constants on it."""

    stage: Stage
    pair: Array
    output: Array
    multiplier: Array


def search_flow(geometry: Geometry, plan: Plan) -> Proposal | Stuck:
    """A proposal for Theorem F1, or where the search got stuck. The instance has a positive residual."""
    m, n = geometry.Z.shape
    start = geometry.residual_norm * (1 + 1e-9) + geometry.residual_error
    levels = start * np.linspace(1, 0, plan.stages + 1)
    paid = _Demand(np.zeros((m, n)), np.zeros(m), 0.0)
    scale = float(np.max(np.diag(geometry.K)))
    region = _evaluate(geometry, plan, paid, np.full((m, n), SMALLEST * scale), 0.0)
    stages: list[Stage] = []
    for j in range(1, plan.stages + 1):
        if region is None:
            return Stuck(j, "spectrum")
        found = _stage(geometry, plan, paid, region, float(levels[j - 1] - levels[j]), float(levels[j]))
        if isinstance(found, Stuck):
            closes = start - float(levels[j - 1]) if j > 1 else _closing(geometry, plan, paid, region, start)
            return dataclasses.replace(found, stage=j, closes=closes)
        region, paid = found
        stages.append(region.stage)
    return Proposal(start, tuple(stages))


def _closing(geometry: Geometry, plan: Plan, paid: _Demand, region: _Region, start: float) -> float:
    """About the largest drop from the present weights that closes in one stage, by factors of 2."""
    quick = dataclasses.replace(plan, attempts=4)
    drop = start / plan.stages
    for _ in range(30):
        drop /= 2
        if not isinstance(_stage(geometry, quick, paid, region, drop, 0.0), Stuck):
            return drop
    return 0.0


def _needed(geometry: Geometry, paid: _Demand, region: _Region, drop: float, output: Array) -> _Demand:
    """What the path to the end of the stage may cost with the region's constants."""
    reach = geometry.step_W * (np.abs(geometry.instance.a) + output) * drop
    return _Demand(
        paid.pair + reach[:, None] * region.pair,
        paid.output + geometry.step_a * region.output * drop,
        paid.path + drop / math.sqrt(region.stage.decay),
    )


def _stage(
    geometry: Geometry, plan: Plan, paid: _Demand, region: _Region, drop: float, end: float
) -> tuple[_Region, _Demand] | Stuck:
    room = 1 + plan.slack
    guess = _needed(geometry, paid, region, drop, paid.capped(geometry)[1]).scaled(room * (1 + 1e-6))
    multiplier, share = region.multiplier, region.stage.share
    for attempt in range(plan.attempts):
        found = _evaluate(geometry, plan, guess, multiplier, share, end)
        if found is None:
            return Stuck(0, "spectrum")
        multiplier, share = found.multiplier, found.stage.share
        needed = _needed(geometry, paid, found, drop, found.stage.radius_a).scaled(room)
        if needed.within(guess, geometry):
            return found, needed.scaled(1 / room)
        guess = guess.raised_to(needed, 1 + (1e-6 if attempt < 8 else 1e-4 if attempt < 20 else 1e-3))
    return Stuck(0, "travel")


def _evaluate(
    geometry: Geometry, plan: Plan, demand: _Demand, multiplier: Array, share: float, end: float = 0.0
) -> _Region | None:
    """The bounds and constants on the region that allows for ``demand``; None where no decay is left."""
    instance = geometry.instance
    radius, radius_a = demand.capped(geometry)
    if not geometry.trained_W:
        radius = np.zeros_like(radius)
    rounding = 1e-13 * geometry.norms * np.linalg.norm(instance.W, axis=1, keepdims=True)
    uncertain = (np.abs(geometry.Z) <= radius * (1 + 1e-9) + rounding) & geometry.trained_W
    gates = gates_of(geometry, uncertain)
    middle, half, spread = features_spread(geometry, radius)
    cap = (
        abs(instance.scale)
        * geometry.lipschitz
        * geometry.spectral
        * math.sqrt(instance.rate_W)
        * demand.path
    )
    spread = min(spread, cap) * (1 + 1e-9) if geometry.trained_a and geometry.trained_W else 0.0
    left = np.maximum(np.abs(instance.a) - radius_a, 0.0)
    weights = instance.rate_W * instance.scale**2 * left**2
    M = first_layer(geometry, gates, weights, multiplier)
    share, spectrum = _best_share(geometry, M, spread, share)
    if not spectrum.values[0] > 0:
        return None
    decay = float(spectrum.values[0]) * (1 - plan.slack)
    shifts = decay * np.asarray(plan.shifts)
    pair = pair_constants(geometry, gates, spectrum, shifts) if geometry.trained_W else np.zeros_like(radius)
    output = (
        output_constants(middle, half, spectrum, shifts) if geometry.trained_a else np.zeros_like(radius_a)
    )
    stage = Stage(end, decay, radius, uncertain, radius_a, spread, share, multiplier, shifts)
    if plan.tuned:
        multiplier = improved(geometry, gates, multiplier, spectrum, 0.75 * decay)
    return _Region(stage, pair, output, multiplier)


def _best_share(geometry: Geometry, M: Array, spread: float, share: float) -> tuple[float, Spectrum]:
    """The share t of Lemma 7 with the largest lambda_min, near the given one; the bound is concave in t."""
    if not geometry.trained_a:
        return 0.0, spectrum_of(M)
    if spread == 0:
        return 0.0, spectrum_of(M + second_layer(geometry, 0.0, 0.0))

    def smallest(t: float) -> float:
        return float(np.linalg.eigvalsh(M + second_layer(geometry, spread, t))[0])

    best = share if share > 0 else 0.02
    value, ratio = smallest(best), 2.0
    while ratio > 1.05:
        for other in (min(best * ratio, 1.0), best / ratio):
            moved = smallest(other)
            if moved > value:
                best, value = other, moved
                break
        else:
            ratio = math.sqrt(ratio)
    return best, spectrum_of(M + second_layer(geometry, spread, best))
