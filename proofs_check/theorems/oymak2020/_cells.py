"""One cell of the width law: data on the sphere, the paper's start and step, success or not."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from shallow.exact.ntk import ntk_gram
from shallow.exact.spectrum import smallest_eigenvalue
from shallow.setting.initialization import oymak
from shallow.setting.inputs import Sphere
from shallow.setting.labels import RandomSigns
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = ["Draw", "Instance", "Parameters", "Summary", "draw", "successes"]

_LOOKS = 8


@dataclass(frozen=True)
class Parameters:
    """The grid: pairs (n, d), widths as multiples of n/d, replicates a cell, and the constant c of the decay.

    A run succeeds when ||r|| <= ``target`` ||r_0|| within the steps that the decay
    1 - c eta_bar lambda(X)/||X||^2 needs for it.
    """

    sizes: tuple[tuple[int, int], ...] = (
        (8, 4),
        (16, 8),
        (32, 16),
        (18, 6),
        (36, 12),
        (32, 8),
        (64, 16),
    )
    widths: tuple[float, ...] = (2.0, 3.0, 4.0, 8.0)
    replicates: int = 24
    target: float = 1e-3
    eta_bar: float = 1.0
    c: float = 0.25


@dataclass(frozen=True, eq=False)
class Draw:
    """One replicate, with lambda(X), the smallest eigenvalue of the limit kernel, and ||X||."""

    problem: Problem
    start: Network
    eigenvalue: float
    spectral_norm: float

    @property
    def width_needed(self) -> float:
        """n ||X||^6 / lambda(X)^4, the sufficient width up to its constant."""
        return (
            self.problem.n * self.spectral_norm**6 / self.eigenvalue**4 if self.eigenvalue > 0 else math.inf
        )


@dataclass(frozen=True, eq=False)
class Instance:
    """The replicates of one cell (n, d, m)."""

    parameters: Parameters
    m: int
    draws: tuple[Draw, ...]


@dataclass(frozen=True)
class Summary:
    """How many replicates of (n, d, m) succeeded."""

    n: int
    d: int
    m: int
    successes: int
    trials: int


def draw(p: Parameters, streams: Streams, problem: Problem | None) -> Instance:
    """The replicates of a cell whose parameters hold one size and one width; or the user's data, once."""
    n, d = (problem.n, problem.d) if problem is not None else p.sizes[0]
    m = 2 * max(1, round(p.widths[0] * n / d / 2.0))
    count = p.replicates if problem is None else 1
    draws = []
    for r in range(count):
        own = dataclasses.replace(streams, independent=(*streams.independent, f"replicate {r}"))
        if problem is None:
            X = Sphere().draw(n, d, own)
            data = Problem(X, RandomSigns().draw(X, own), name="sphere")
        else:
            data = problem
        eigenvalue = float(smallest_eigenvalue(ntk_gram(data.X, layer="first")))
        spectral = float(np.linalg.norm(np.asarray(data.X), 2))
        draws.append(Draw(data, oymak().draw(m, data, own), eigenvalue, spectral))
    return Instance(p, m, tuple(draws))


def successes(case: Instance) -> Summary:
    """Train the first layer of every replicate by the paper's step, eta_bar n/(||y||^2 ||X||^2)."""
    p, count = case.parameters, 0
    for one in case.draws:
        size = one.spectral_norm**2
        rate = p.eta_bar / (one.problem.label_scale**2 * size)
        steps = math.ceil(math.log(1.0 / p.target) * size / (p.c * p.eta_bar * one.eigenvalue))
        count += _reaches(one, rate, steps, p.target)
    first = case.draws[0].problem
    return Summary(first.n, first.d, case.m, count, len(case.draws))


def _reaches(one: Draw, rate: float, steps: int, target: float) -> bool:
    """Whether ||r|| <= target ||r_0|| within the steps, looked at after each eighth of them."""
    from shallow.training import GradientDescent, train

    part = -(-steps // _LOOKS)
    rule = GradientDescent(rate_W=rate, rate_a=0.0)
    # All cells together repay compiling, which a plan for one short run cannot know.
    run = train(
        one.start, one.problem, rule, steps=part, record="residual_norm", at=[0, part], method="numba"
    )
    start = run.series["residual_norm"][0]
    for _ in range(_LOOKS - 1):
        if run.series["residual_norm"][-1] <= target * start:
            return True
        run = train(run, part, at=part)
    return bool(run.series["residual_norm"][-1] <= target * start)
