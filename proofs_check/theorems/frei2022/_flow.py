"""A start on nearly orthogonal data, and two Euler approximations of the flow from there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from proofs_check.theorems.frei2022._descent import Moments, descend, steps_to
from proofs_check.theorems.frei2022._instances import MarginInstance, MarginParameters
from proofs_check.theorems.frei2022._instances import instance as margin_instance
from proofs_check.theorems.frei2022._margin import two_neurons
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = ["Instance", "Parameters", "evidence", "instance"]


@dataclass(frozen=True)
class Parameters:
    """The margin statement's sizes, the start's deviation omega/R_max, and how far the loss is driven."""

    n: int = 10
    d: int = 24
    gamma: float = 0.5
    m1: int = 10
    m2: int = 6
    ratio: float = 30.0
    omega: float = 0.5
    step: float = 1.0
    decades: float = 100.0
    test_points: int = 40_000


@dataclass(frozen=True, eq=False)
class Instance:
    """Data, start, step and depth of the descent."""

    data: MarginInstance
    start: Network
    step: float
    decades: float


def instance(p: Parameters, streams: Streams, problem: Problem | None) -> Instance:
    """The margin statement's data with a Gaussian start."""
    sizes = MarginParameters(
        n=p.n, d=p.d, gamma=p.gamma, m1=p.m1, m2=p.m2, ratio=p.ratio, test_points=p.test_points
    )
    data = margin_instance(sizes, streams, problem)
    d = data.problem.d
    W = p.omega / data.largest_norm * streams.generator("W", d=d).standard_normal((data.m, d))
    a = np.concatenate([np.ones(p.m1), -np.ones(p.m2)])
    # No sample moves faster than ||x||^2 <= R_max^2 for a unit of time, so the step is counted in that unit.
    return Instance(
        data,
        Network(W, a, scale=1.0 / math.sqrt(data.m), slope=p.gamma),
        p.step / data.largest_norm**2,
        p.decades,
    )


def evidence(case: Instance) -> tuple[Moments, Moments] | None:
    """The descent and the same with half the step: two Euler approximations of one flow."""
    X, y = np.asarray(case.data.problem.X), np.asarray(case.data.problem.y)
    solution = two_neurons(X, y, case.data.gamma, case.data.m1, case.data.m2)
    if solution is None:
        return None
    last = steps_to(case.decades, solution.multipliers, case.step, np.size(case.start.W))
    steps = np.unique(np.ceil(np.geomspace(last / 16.0, last, 25)).astype(int))
    whole = descend(case.data, case.start, solution, step=case.step, steps=steps.tolist())
    half = descend(case.data, case.start, solution, step=case.step / 2.0, steps=(2 * steps).tolist())
    return whole, half
