"""Two noisy clusters, the smoothed leaky network and assumptions (A1) to (A6) (Frei, Chatterji, Bartlett)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.statement import Hypothesis
from shallow.setting.inputs import ClusterSample, TwoClusters
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = ["ClusterInstance", "Parameters", "assumptions", "draw", "in_span"]

Matrix = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Parameters:
    """Sizes of the paper, with alpha and omega as multiples of what (A5) and (A6) allow at C = 1.

    ``mean_square`` is ||mu||^2, ``eta`` the probability that a label is flipped, ``H`` the smoothness of the
    leaky ReLU, ``T`` the number of steps.
    """

    n: int = 4
    p: int = 64
    m: int = 4
    gamma: float = 0.9
    H: float = 1.0
    mean_square: float = 3.8
    eta: float = 0.1
    delta: float = 0.1
    rate: float = 0.99
    start: float = 0.99
    T: int = 100_000


@dataclass(frozen=True, eq=False)
class ClusterInstance:
    """A training sample, its start, the step alpha of the mean loss, and where fresh samples come from."""

    parameters: Parameters
    sample: ClusterSample
    start: Network
    alpha: float
    streams: Streams

    @property
    def law(self) -> TwoClusters:
        """The law of the samples."""
        return TwoClusters(math.sqrt(self.parameters.mean_square), self.parameters.eta)


def draw(p: Parameters, streams: Streams) -> ClusterInstance:
    """Draw the clusters and the start W ~ N(0, omega^2), a = +-1/sqrt(m)."""
    law = TwoClusters(math.sqrt(p.mean_square), p.eta)
    sample = law.draw_problem(p.n, p.p, streams)
    alpha = p.rate / (max(1.0, p.H / math.sqrt(p.m)) * p.p**2)
    omega = p.start * alpha / math.sqrt(p.m * p.p)
    W = omega * streams.generator("W", d=p.p).standard_normal((p.m, p.p))
    a = np.where(streams.generator("a", law="signs").random(p.m) < 0.5, -1.0, 1.0)
    start = Network(W, a, scale=1.0 / math.sqrt(p.m), slope=p.gamma, smoothing=1.0 / p.H)
    return ClusterInstance(p, sample, start, alpha, streams)


def assumptions(case: ClusterInstance) -> Sequence[Hypothesis]:
    """(A1) to (A6), each up to the paper's constant C, which is only said to be large enough."""
    p = case.parameters
    log_n, mean = math.log(p.n / p.delta), p.mean_square
    omega = p.start * case.alpha

    def upto(name: str, text: str, variable: str, have: float, sense: Any, need: float) -> Hypothesis:
        return Hypothesis.inequality(
            name, text, variable=variable, have=have, sense=sense, need=need, up_to_constant=True
        )

    return [
        upto("A1", r"n \geq C \log(1/\delta)", "n", p.n, ">=", math.log(1.0 / p.delta)),
        upto(
            "A2",
            r"p \geq C \max(n \|\mu\|^2, n^2 \log(n/\delta))",
            "p",
            p.p,
            ">=",
            max(p.n * mean, p.n**2 * log_n),
        ),
        upto("A3", r"\|\mu\|^2 \geq C \log(n/\delta)", "||mu||^2", mean, ">=", log_n),
        upto("A4", r"\eta \leq 1/C", "eta", p.eta, "<=", 1.0),
        upto(
            "A5",
            r"\alpha \leq \frac{1}{C \max(1, H/\sqrt{m}) p^2}",
            "alpha",
            case.alpha,
            "<=",
            1.0 / (max(1.0, p.H / math.sqrt(p.m)) * p.p**2),
        ),
        upto("A6", r"\omega \sqrt{m p} \leq \alpha", "omega", omega, "<=", case.alpha),
    ]


def in_span(problem: Problem, net: Network) -> tuple[Problem, Network, Matrix]:
    """The same training in the coordinates of the rows' span, and its orthonormal basis Q, (d, min(n, d)).

    Descent moves W within that span only, so X Q and W Q train like X and W (a rotation), in n dimensions.
    """
    Q, R = np.linalg.qr(np.asarray(problem.X).T)
    return problem.replace(X=np.ascontiguousarray(R.T)), net.replace(W=np.asarray(net.W) @ Q), Q
