"""The search for Theorem D: a region, multipliers and a split for descent with given steps. No proof."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.certificates.constants import spectrum_of
from proofs_check.certificates.geometry import Geometry, features_spread, gates_of
from proofs_check.certificates.proposal import Proposal, Stage
from proofs_check.certificates.search import Plan, Stuck
from proofs_check.certificates.steps import StepBound, descent_matrix, step_bound, step_prices

__all__ = ["search_descent"]

Array = np.ndarray[Any, np.dtype[np.float64]]

_SPLITS = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 2.0)
_SHARES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0)


@dataclass(frozen=True, eq=False)
class _Paid:
    """Displacements so far and the largest prices so far, for pairs and outputs."""

    pair: Array
    output: Array
    price: Array
    price_a: Array


@dataclass(frozen=True, eq=False)
class _Region:
    stage: Stage
    pair: Array
    output: Array
    step: Array
    step_a: Array


def search_descent(geometry: Geometry, plan: Plan) -> Proposal | Stuck:
    """A proposal for Theorem D in the fewest stages of 1, 2, 4, ... that close, or where it got stuck."""
    stages, stuck = 1, Stuck(1, "spectrum")
    best: Proposal | None = None
    while stages <= plan.stages:
        found = _staged(geometry, plan, stages)
        if isinstance(found, Proposal):
            best = found
            break
        stuck = found
        stages *= 2
    return best if best is not None else _closing(geometry, plan, stuck)


def _staged(geometry: Geometry, plan: Plan, count: int) -> Proposal | Stuck:
    m, n = geometry.Z.shape
    start = geometry.residual_norm * (1 + 1e-9) + geometry.residual_error
    levels = start * np.linspace(1, 0, count + 1)
    return _through(geometry, plan, [float(level) for level in levels], (m, n))


def _through(geometry: Geometry, plan: Plan, levels: list[float], shape: tuple[int, int]) -> Proposal | Stuck:
    paid = _Paid(np.zeros(shape), np.zeros(shape[0]), np.zeros(shape), np.zeros(shape[0]))
    region = _evaluate(geometry, plan, paid.pair, paid.output, levels[0], 0.0)
    stages: list[Stage] = []
    for j in range(1, len(levels)):
        if region is None:
            return Stuck(j, "spectrum")
        found = _stage(geometry, plan, paid, region, levels[j - 1], levels[j])
        if isinstance(found, Stuck):
            return dataclasses.replace(found, stage=j)
        region, paid = found
        stages.append(region.stage)
    return Proposal(levels[0], tuple(stages))


def _stage(
    geometry: Geometry, plan: Plan, paid: _Paid, region: _Region, before: float, end: float
) -> tuple[_Region, _Paid] | Stuck:
    room = 1 + plan.slack
    pair, output = (value * room * (1 + 1e-6) for value in _needed(paid, region, before, end)[:2])
    for attempt in range(plan.attempts):
        found = _evaluate(geometry, plan, pair, output, before, end)
        if found is None:
            return Stuck(0, "spectrum")
        need, need_a, after = _needed(paid, found, before, end)
        need, need_a = need * room, need_a * room
        if np.all(need <= pair) and np.all(need_a <= output):
            return found, after
        grow = 1 + (1e-6 if attempt < 8 else 1e-4 if attempt < 20 else 1e-3)
        pair = np.where(need > pair, need * grow, pair)
        output = np.where(need_a > output, need_a * grow, output)
    return Stuck(0, "travel")


def _needed(paid: _Paid, region: _Region, before: float, end: float) -> tuple[Array, Array, _Paid]:
    """Radii the stage needs, and what will have been paid after it."""
    price, price_a = np.maximum(paid.price, region.pair), np.maximum(paid.price_a, region.output)
    overshoot = before if end > 0 else 0.0
    pair, output = paid.pair + price * (before - end), paid.output + price_a * (before - end)
    after = _Paid(pair, output, price, price_a)
    return pair + region.step * overshoot, output + region.step_a * overshoot, after


def _evaluate(
    geometry: Geometry, plan: Plan, radius: Array, radius_a: Array, before: float, end: float
) -> _Region | None:
    """M_d and the prices on the region of the given radii, with the best split and share."""
    radius, radius_a = _moving(radius), _moving(radius_a)
    if not geometry.trained_W:
        radius = np.zeros_like(radius)
    if not geometry.trained_a:
        radius_a = np.zeros_like(radius_a)
    rounding = 1e-13 * geometry.norms * np.linalg.norm(geometry.instance.W, axis=1, keepdims=True)
    uncertain = (np.abs(geometry.Z) <= radius * (1 + 1e-9) + rounding) & geometry.trained_W
    gates = gates_of(geometry, uncertain)
    middle, half, spread = features_spread(geometry, radius)
    both = geometry.trained_a and geometry.trained_W
    spread = spread * (1 + plan.slack) if both else 0.0
    bound = step_bound(geometry, gates, radius_a, spread, before)

    def matrix(split: float, share: float) -> Array:
        multiplier = _multiplier(bound, split)
        return descent_matrix(geometry, gates, bound, multiplier, split, spread, share)

    shares = _SHARES if spread > 0 else (0.0,)
    best, smallest = None, 0.0
    share = shares[len(shares) // 2]
    splits = [split for split in _SPLITS if (1 + split) * bound.length < 2]
    for split in splits:
        value = float(np.linalg.eigvalsh(matrix(split, share))[0])
        if best is None or value > smallest:
            best, smallest = (split, share), value
    if best is None:
        return None
    for other in shares:
        value = float(np.linalg.eigvalsh(matrix(best[0], other))[0])
        if value > smallest:
            best, smallest = (best[0], other), value
    if not smallest > 0:
        return None
    split, share = best
    spectrum = spectrum_of(matrix(split, share))
    decay = float(spectrum.values[0]) * (1 - plan.slack)
    shifts = decay * np.asarray(plan.shifts)
    multiplier = np.maximum(_multiplier(bound, split), np.finfo(np.float64).tiny)
    stage = Stage(end, decay, radius, uncertain, radius_a, spread, share, multiplier, shifts, split)
    return _Region(stage, *step_prices(geometry, gates, stage, spectrum, middle, half))


def _moving(radius: Array) -> Array:
    """At least 1e-9 of the largest: the inequalities are strict, also for a neuron that does not move."""
    return np.maximum(radius, 1e-9 * float(np.max(radius)))


def _multiplier(bound: StepBound, split: float) -> Array:
    """The least multiplier allowed, with a little room, and 1 where none is used."""
    least = bound.least_multiplier(split)
    return np.where(least > 0, least * (1 + 1e-9), 1.0)


def _closing(geometry: Geometry, plan: Plan, stuck: Stuck) -> Stuck:
    """The same failure with about the largest residual norm that closes, by factors of 2."""
    start = geometry.residual_norm * (1 + 1e-9)
    quick = dataclasses.replace(plan, attempts=6)
    for halvings in range(1, 31):
        level = start * 2.0**-halvings
        if isinstance(_through(geometry, quick, [level, 0.0], geometry.Z.shape), Proposal):
            return dataclasses.replace(stuck, closes=level)
    return stuck if math.isfinite(start) else Stuck(1, "spectrum")
