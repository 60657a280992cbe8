"""The numbers nu and delta_0 of the loss-ratio lemma with explicit constants, and why it holds.

Write q_i = y_i f(x_i), g_i = 1/(1 + e^{q_i}), G = max g, M the largest |<x_i, x_j>|, B = R_max^2 + (n-1) M
and kappa = (1 - gamma) H/2 >= |phi''|, with nu = (n-1) M + rate n kappa R_max^2 B/(2 sqrt(m)). One step of
descent on the summed loss moves q_i by rate times a number in [gamma^2 R_min^2 g_i - nu G, R_max^2 g_i + nu
G], by the tangent kernel's diagonal, its off-diagonal, and Taylor's remainder. Let delta_0 = rate (R_max^2
+ 2 nu) and assume nu e^{delta_0} <= gamma^2 R_min^2/4. Then min q never falls: a q_i within delta_0 of it
rises, any other falls by at most delta_0. Suppose max q - min q <= D so far. A pair with q_j - q_i <= D -
delta_0 stays below D. Any other pair has G <= e^{delta_0} g_i and g_j <= e^{delta_0 - D} (1 + e^{q_0}) g_i
with q_0 = max |f_0|, so that q_j - q_i does not grow as soon as e^D >= 2 e^{delta_0} (1 + e^{q_0})
R^2/gamma^2. Hence max q - min q stays below D if it starts there, and g_i/g_j <= max(1, e^{q_j - q_i}).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from proofs_check.theorems.frei2022._margin import require_nonzero_rows, signs_of
from shallow.setting.inputs import NearOrthogonal
from shallow.setting.labels import RandomSigns
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = ["Instance", "Parameters", "instance"]


@dataclass(frozen=True)
class Parameters:
    """Sizes, leak, smoothness H, orthogonality ratio, rate of the summed loss, start and number of steps."""

    n: int = 8
    d: int = 20
    m: int = 16
    gamma: float = 0.5
    H: float = 1.0
    ratio: float = 32.0
    rate: float = 0.05
    omega: float = 0.01
    T: int = 20_000


@dataclass(frozen=True, eq=False)
class Instance:
    """Data, start, and the numbers of the proof."""

    problem: Problem
    start: Network
    rate: float
    T: int
    nu: float
    largest_move: float
    smallest_square: float
    largest_square: float


def instance(p: Parameters, streams: Streams, problem: Problem | None) -> Instance:
    """Data, start and the numbers; labels must be signs."""
    if problem is None:
        X = NearOrthogonal(p.ratio).draw(p.n, p.d, streams)
        problem = Problem(X, RandomSigns().draw(X, streams), name="near-orthogonal")
    signs_of(problem.y, "the loss-ratio lemma")
    require_nonzero_rows(problem.X, "the loss-ratio lemma")
    W = p.omega * streams.generator("W", d=problem.d).standard_normal((p.m, problem.d))
    a = np.where(streams.generator("a", law="signs").random(p.m) < 0.5, -1.0, 1.0)
    start = Network(W, a, scale=1.0 / math.sqrt(p.m), slope=p.gamma, smoothing=1.0 / p.H)
    gram = np.asarray(problem.X) @ np.asarray(problem.X).T
    squares = np.diag(gram).copy()
    np.fill_diagonal(gram, 0.0)
    n, largest = problem.n, float(squares.max())
    overlap = (n - 1) * float(np.abs(gram).max())
    curvature = p.rate * n * (1.0 - p.gamma) * p.H / 2.0 * largest * (largest + overlap)
    nu = overlap + curvature / (2.0 * math.sqrt(p.m))
    return Instance(
        problem, start, p.rate, p.T, nu, p.rate * (largest + 2.0 * nu), float(squares.min()), largest
    )
