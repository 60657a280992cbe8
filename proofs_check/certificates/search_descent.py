"""The search for Theorem D: a region, multipliers and a split for descent with given steps. No proof."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.certificates.constants import spectrum_of
from proofs_check.certificates.geometry import Gates, Geometry, features_spread, gates_of
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
    length = _least_length(geometry)
    if not (1 + _SPLITS[0]) * length < 2:
        return Stuck(1, "step", step=2 / length)
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


def _least_length(geometry: Geometry) -> float:
    """L' of a single point at residual 0: the largest eigenvalue of the tangent kernel of the two steps."""
    still = np.zeros(geometry.Z.shape, dtype=np.bool_)
    return step_bound(geometry, gates_of(geometry, still), np.zeros(geometry.instance.m), 0.0, 0.0).length


def _staged(geometry: Geometry, plan: Plan, count: int) -> Proposal | Stuck:
    m, n = geometry.Z.shape
    start = geometry.residual_norm * (1 + 1e-9) + geometry.residual_error
    levels = start * np.linspace(1, 0, count + 1)
    return _through(geometry, plan, [float(level) for level in levels], (m, n))


def _through(geometry: Geometry, plan: Plan, levels: list[float], shape: tuple[int, int]) -> Proposal | Stuck:
    paid = _Paid(np.zeros(shape), np.zeros(shape[0]), np.zeros(shape), np.zeros(shape[0]))
    region = _evaluate(geometry, plan, paid.pair, paid.output, levels[0], 0.0, (0.2, 0.1))
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
    choice = (region.stage.split, region.stage.share)
    for attempt in range(plan.attempts):
        found = _evaluate(geometry, plan, pair, output, before, end, choice)
        if found is None:
            return Stuck(0, "spectrum")
        choice = (found.stage.split, found.stage.share)
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
    geometry: Geometry,
    plan: Plan,
    radius: Array,
    radius_a: Array,
    before: float,
    end: float,
    choice: tuple[float, float],
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

    best, smallest = _best_matrix(geometry, gates, bound, spread, choice)
    if best is None or not smallest > 0:
        return None
    split, share = best
    spectrum = spectrum_of(_matrix(geometry, gates, bound, spread, split, share))
    decay = float(spectrum.values[0]) * (1 - plan.slack)
    shifts = decay * np.asarray(plan.shifts)
    multiplier = np.maximum(_multiplier(bound, split), np.finfo(np.float64).tiny)
    stage = Stage(end, decay, radius, uncertain, radius_a, spread, share, multiplier, shifts, split)
    return _Region(stage, *step_prices(geometry, gates, stage, spectrum, middle, half))


def _moving(radius: Array) -> Array:
    """At least 1e-9 of the largest: the inequalities are strict, also for a neuron that does not move."""
    return np.maximum(radius, 1e-9 * float(np.max(radius)))


def _matrix(
    geometry: Geometry, gates: Gates, bound: StepBound, spread: float, split: float, share: float
) -> Array:
    return descent_matrix(geometry, gates, bound, _multiplier(bound, split), split, spread, share)


def _best_matrix(
    geometry: Geometry, gates: Gates, bound: StepBound, spread: float, choice: tuple[float, float]
) -> tuple[tuple[float, float] | None, float]:
    """Split and share with the largest lambda_min(M_d), climbing on the two grids from ``choice``."""
    splits = [split for split in _SPLITS if (1 + split) * bound.length < 2]
    shares = _SHARES if spread > 0 else (0.0,)
    if not splits:
        return None, 0.0
    seen: dict[tuple[int, int], float] = {}

    def value(at: tuple[int, int]) -> float:
        if at not in seen:
            M = _matrix(geometry, gates, bound, spread, splits[at[0]], shares[at[1]])
            seen[at] = float(np.linalg.eigvalsh(M)[0])
        return seen[at]

    here = (_nearest(splits, choice[0]), _nearest(shares, choice[1]))
    while True:
        around = [(here[0] + i, here[1] + j) for i, j in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))]
        inside = [at for at in around if 0 <= at[0] < len(splits) and 0 <= at[1] < len(shares)]
        best = max(inside, key=value)
        if best == here:
            return (splits[here[0]], shares[here[1]]), seen[here]
        here = best


def _nearest(grid: Sequence[float], value: float) -> int:
    return min(range(len(grid)), key=lambda i: abs(grid[i] - value))


def _multiplier(bound: StepBound, split: float) -> Array:
    """The least multiplier allowed, with a little room, and 1 where none is used."""
    least = bound.least_multiplier(split)
    return np.where(least > 0, least * (1 + 1e-9), 1.0)


def _closing(geometry: Geometry, plan: Plan, stuck: Stuck) -> Stuck:
    """The same failure with about the largest residual norm that closes, by factors of 4."""
    quick = dataclasses.replace(plan, attempts=5)
    for power in range(1, 12):
        level = geometry.residual_norm * 4.0**-power
        if isinstance(_through(geometry, quick, [level, 0.0], geometry.Z.shape), Proposal):
            return dataclasses.replace(stuck, closes=level)
    return stuck
