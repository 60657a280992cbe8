"""The search for Theorem F1: heuristics that propose decays, radii, multipliers and shares. No proof."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from proofs_check.certificates.geometry import Geometry
from proofs_check.certificates.multipliers import SMALLEST
from proofs_check.certificates.proposal import Proposal, Stage
from proofs_check.certificates.region import Array, Demand, Plan, Region, crowded, evaluate

__all__ = ["Plan", "Stuck", "search_flow"]


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
    step: float = 0.0

    def advice(self, residual_norm: float, help_: str) -> str:
        """The reason and what would help, in one sentence."""
        if self.inequality == "step":
            return (
                f"step: lambda_max(rate_W H_W + rate_a H_a) = {2 / self.step:.3g} and must be below 2; "
                f"multiply both rates by less than {self.step:.3g}"
            )
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


def search_flow(geometry: Geometry, plan: Plan) -> Proposal | Stuck:
    """A proposal for Theorem F1, or where the search got stuck. The instance has a positive residual."""
    m, n = geometry.Z.shape
    start = geometry.residual_norm * (1 + 1e-9) + geometry.residual_error
    levels = start * np.linspace(1, 0, plan.stages + 1)
    paid = Demand(np.zeros((m, n)), np.zeros(m), 0.0)
    region = evaluate(geometry, plan, paid, _first_multiplier(geometry, plan), 0.0, 0.0)
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


def _first_multiplier(geometry: Geometry, plan: Plan) -> Array:
    """The smallest multiplier for every pair; without tuning it stays one number, broadcast."""
    least = SMALLEST * float(np.max(np.diag(geometry.K)))
    return np.full(geometry.Z.shape, least) if plan.tuned else np.broadcast_to(least, geometry.Z.shape)


def _closing(geometry: Geometry, plan: Plan, paid: Demand, region: Region, start: float) -> float:
    """About the largest drop from the present weights that closes in one stage, by factors of 2."""
    quick = dataclasses.replace(plan, attempts=4)
    drop = start / plan.stages
    for _ in range(30):
        drop /= 2
        if not isinstance(_stage(geometry, quick, paid, region, drop, 0.0), Stuck):
            return drop
    return 0.0


def _needed(geometry: Geometry, paid: Demand, region: Region, drop: float, output: Array) -> Demand:
    """What the path to the end of the stage may cost with the region's constants."""
    reach = geometry.step_W * (np.abs(geometry.instance.a) + output) * drop
    pair = reach[:, None] * region.pair
    pair += paid.pair
    return Demand(
        pair,
        paid.output + geometry.step_a * region.output * drop,
        paid.path + drop / math.sqrt(region.stage.decay),
    )


def _stage(
    geometry: Geometry, plan: Plan, paid: Demand, region: Region, drop: float, end: float
) -> tuple[Region, Demand] | Stuck:
    """A region that the path to the stage's end cannot leave: hastily, and if that fails step by step."""
    found = _solved(geometry, plan, paid, region, drop, end, hasty=True)
    if isinstance(found, Stuck):
        found = _solved(geometry, plan, paid, region, drop, end, hasty=False)
    return found


def _solved(
    geometry: Geometry, plan: Plan, paid: Demand, region: Region, drop: float, end: float, *, hasty: bool
) -> tuple[Region, Demand] | Stuck:
    """Raise a guess to what its own region needs until it is enough.

    The gaps shrink about geometrically; the hasty way steps ahead to their sum, and 1e-4 further.
    """
    room = 1 + plan.slack
    guess = _needed(geometry, paid, region, drop, paid.capped(geometry)[1]).scaled(room * (1 + 1e-6))
    multiplier, share, before = region.multiplier, region.share, math.inf
    for attempt in range(plan.attempts):
        if crowded(geometry, plan, guess):
            return Stuck(0, "travel")
        found = evaluate(geometry, plan, guess, multiplier, share, end)
        if found is None:
            return Stuck(0, "spectrum")
        if attempt < 3:
            multiplier, share = found.multiplier, found.share
        needed = _needed(geometry, paid, found, drop, found.stage.radius_a).scaled(room)
        if needed.within(guess, geometry):
            return found, needed.scaled(1 / room)
        gap = needed.excess(guess)
        ratio = min(gap / before, 0.8) if math.isfinite(before) else 0.3
        beyond, extra = (ratio / (1 - ratio), 1e-4) if hasty else (0.0, 1e-6 if attempt < 12 else 1e-4)
        guess, before = guess.raised_to(needed, beyond, extra), gap
        del found, needed  # at n m = 2e7 each of their arrays is 160 MB
    return Stuck(0, "travel")
