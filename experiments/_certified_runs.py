"""One cell of the certified phase diagram: train its seeds, and find from where on training is proved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from experiments._certified_problems import start
from proofs_check.certificates import certify_flow
from proofs_check.certificates.initial import certify_initial
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.training import FlowScaled, GradientDescent, KernelScaled, Trajectory, train_many
from shallow.training.schedules import Schedule

__all__ = ["CLOSED_FORMS", "CONVERGED", "KINDS", "TRAINING", "Cell", "Run", "rounding", "run_cell"]

CONVERGED = 1e-5
CLOSED_FORMS = ("CERT-A", "CERT-B", "CERT-AB+", "CERT-F", "CERT-F+")
KINDS: Mapping[str, str] = MappingProxyType(
    {
        "closed": "proved at the start in closed form",
        "start": "proved at the start by Theorem F1",
        "later": "proved from a later step on by F1",
        "converged": "converged without proof",
        "stationary": "stationary",
        "undecided": "undecided: out of steps, no proof",
        "diverged": "diverged",
    }
)
"""Every run is of one kind, the first that is true of it."""

# Real data have kernels of condition 1000: more steps, of one length, which need no eigenvalues.
TRAINING: Mapping[str, tuple[Schedule, int]] = MappingProxyType(
    {
        "widths": (FlowScaled(0.5), 3000),
        "rates": (FlowScaled(0.5), 3000),
        "diabetes": (KernelScaled(0.5), 10_000),
        "digits": (KernelScaled(0.5), 10_000),
    }
)
"""Panel -> the steps in units of 1/lambda_max (of the present or the initial kernel), and how many."""

_LEVELS = 10.0 ** -(np.arange(31) / 6)
_RECORDED = 140
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Cell:
    """A panel and a place in it."""

    panel: str
    m: int
    label_scale: float
    rate_W: float = 1.0
    rate_a: float = 1.0


@dataclass(frozen=True)
class Run:
    """What became of one seed of a cell.

    Parameters
    ----------
    cell : Cell
    seed : int
    closed_forms : str
        Those of :data:`CLOSED_FORMS` that hold at the start (NUMERIC), separated by spaces.
    firing : float
        ||r||/||r_0|| where Theorem F1 first proves (VERIFIED) that the flow from there converges; 1 is the
        start, NaN nowhere.
    firing_step : int
        The step of that; -1 for nowhere.
    outcome : str
        Of the descent: "converged" is ||r|| <= 1e-5 ||r_0||; the others are the engine's words.
    steps : int
    residual : float
        ||r||/||r_0|| at the end.
    distance : float
        E = sup_t ||f_t - f_tangent,t||/||r_0||.
    """

    cell: Cell
    seed: int
    closed_forms: str
    firing: float
    firing_step: int
    outcome: str
    steps: int
    residual: float
    distance: float

    @property
    def kind(self) -> str:
        """The first of :data:`KINDS` that is true of the run."""
        if self.closed_forms:
            return "closed"
        if self.firing_step >= 0:
            return "later" if self.firing_step > 0 else "start"
        return "undecided" if self.outcome == "out of budget" else self.outcome


def run_cell(cell: Cell, seeds: Sequence[int]) -> list[Run]:
    """Train the seeds of a cell until ``CONVERGED``, and certify each run."""
    problems, networks = zip(*(start(cell.panel, cell.m, cell.label_scale, seed) for seed in seeds))
    schedule, steps = TRAINING[cell.panel]
    # Every step at first, then ever fewer: between two the residual falls by about a level at most.
    at = [0, *(int(k) for k in np.unique(np.round(np.geomspace(1, steps, _RECORDED)).astype(int)))]
    # f_0 = 0: ||r_0|| = ||y|| is the same for every seed.
    floor = CONVERGED * float(np.linalg.norm(problems[0].y))
    runs = train_many(
        networks,
        problems,
        GradientDescent(rate_W=cell.rate_W, rate_a=cell.rate_a, schedule=schedule),
        steps=steps,
        at=at,
        record=["residual_norm", "tangent_distance", {"weights": at}],
        until=("residual_norm", floor),
    )
    return [_judged(cell, seed, run) for seed, run in zip(seeds, runs)]


def rounding(run: Run) -> float:
    """A first-order bound on what rounding does to ``residual`` and ``distance``, if steps do not enlarge it.

    One evaluation of f errs by (m + d + 2) eps times scale sum_k |a_k| ||w_k|| ||X||_F; a step rounds each
    weight by eps of itself, which moves f by twice that. (Moving W by one unit in the last place moved both
    by less than 1e-14 in the cells where that was tried.)
    """
    problem, network = start(run.cell.panel, run.cell.m, run.cell.label_scale, run.seed)
    total = abs(network.scale) * float(np.abs(network.a) @ np.linalg.norm(network.W, axis=1))
    size = total * float(np.linalg.norm(problem.X)) / float(np.linalg.norm(problem.y)) + 1
    return (network.m + network.d + 2 + 2 * run.steps) * _EPS * size


def _judged(cell: Cell, seed: int, run: Trajectory) -> Run:
    rates = (cell.rate_W, cell.rate_a)
    relative = run.series["residual_norm"] / np.linalg.norm(run.problem.y)
    places = _places(relative)
    networks = [_network(run, place) for place in places]
    closed = certify_initial(networks[0], run.problem, rates)
    first = _first_proved(networks, run.problem, rates)
    return Run(
        cell=cell,
        seed=seed,
        closed_forms=" ".join(name for name in CLOSED_FORMS if closed[name].certified),
        firing=math.nan if first is None else float(relative[places[first]]),
        firing_step=-1 if first is None else int(run.steps[places[first]]),
        outcome=run.outcome.value,
        steps=run.last_step,
        residual=float(relative[-1]),
        distance=float(run.series["tangent_distance"][-1]),
    )


def _places(relative: Any) -> list[int]:
    """The start, the first recorded step at or below each level, and the end."""
    found = {0, len(relative) - 1}
    for level in _LEVELS:
        below = np.flatnonzero(relative <= level)
        found |= {int(below[0])} if below.size else set()
    return sorted(found)


def _network(run: Trajectory, place: int) -> Network:
    found = run.network if place == len(run.steps) - 1 else run.snapshots[int(run.steps[place])]
    if not isinstance(found, Network):
        raise TypeError(f"a run of networks holds a {type(found).__name__}")
    return found


def _first_proved(networks: Sequence[Network], problem: Problem, rates: tuple[float, float]) -> int | None:
    """The first network from which on the flow is proved to converge.

    By bisection in NUMERIC, as if a proof at one place meant one at every later place; then the first from
    there on that VERIFIED proves.
    """

    def fires(place: int) -> bool:
        return certify_flow(networks[place], problem, rates, "numeric").certified

    low, first = 0, len(networks) - 1
    if fires(low):
        first = low
    elif not fires(first):
        return None
    while first - low > 1:
        middle = (low + first) // 2
        low, first = (low, middle) if fires(middle) else (middle, first)
    for place in range(first, len(networks)):
        if certify_flow(networks[place], problem, rates, "verified").certified:
            return place
    return None
