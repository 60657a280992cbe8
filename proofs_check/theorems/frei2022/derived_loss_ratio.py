"""The loss-ratio lemma with explicit constants, proved here, for any data near orthogonality.

Write q_i = y_i f(x_i), g_i = 1/(1 + e^{q_i}), G = max g, M the largest |<x_i, x_j>|, kappa = (1 - gamma) H/2 >=
|phi''|, B = R_max^2 + (n-1) M, and nu = (n-1) M + rate n kappa R_max^2 B/(2 sqrt(m)). One step of descent on the
summed loss moves q_i by rate times a number in [gamma^2 R_min^2 g_i - nu G, R_max^2 g_i + nu G]: the diagonal
of the tangent kernel, its off-diagonal, and Taylor's remainder. Let delta_0 = rate (R_max^2 + 2 nu), and assume
nu e^{delta_0} <= gamma^2 R_min^2/4. Then min q never falls: a q_i within delta_0 of it rises, any other falls by
at most delta_0. Take a pair with q_j - q_i within delta_0 of D. Then G <= e^{delta_0} g_i, and
g_j <= e^{delta_0 - D} (1 + e^{q_0}) g_i with q_0 = max |f_0|, so that q_j - q_i does not grow as soon as
e^D >= 2 e^{delta_0} (1 + e^{q_0}) R^2/gamma^2; other pairs stay below D in any case. Hence max q - min q stays
below max(D, its start), and g_i/g_j <= e^{q_j - q_i}.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.statement import Claim, Grade, Hypothesis, Mutant, Statement
from proofs_check.theorems.frei2022._clusters import in_span
from proofs_check.theorems.frei2022._margin import signs_of
from proofs_check.theorems.frei2022._sources import fcb22
from proofs_check.theorems.frei2022.frei2022_loss_ratio import smallest_derivative
from shallow.exact.gradient import predict
from shallow.setting.inputs import NearOrthogonal
from shallow.setting.labels import RandomSigns
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = ["STATEMENT", "Parameters"]

_EPS = float(np.finfo(np.float64).eps)


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


def _instance(p: Parameters, streams: Streams, problem: Problem | None) -> Instance:
    if problem is None:
        X = NearOrthogonal(p.ratio).draw(p.n, p.d, streams)
        problem = Problem(X, RandomSigns().draw(X, streams), name="near-orthogonal")
    signs_of(problem.y, "the loss-ratio lemma")
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


def _hypotheses(case: Instance) -> Sequence[Hypothesis]:
    gamma = case.start.slope
    return [
        Hypothesis.inequality(
            "near-orthogonality and step",
            r"\nu e^{\delta_0} \leq \gamma^2 R_{min}^2 / 4",
            variable="nu e^delta_0",
            have=case.nu * math.exp(min(case.largest_move, 700.0)),
            sense="<=",
            need=gamma**2 * case.smallest_square / 4.0,
        ),
        Hypothesis.fact("leak", r"0 < \gamma \leq 1", 0 < gamma <= 1, "gamma"),
    ]


def _evidence(case: Instance) -> Any:
    from shallow.training import GradientDescent, train

    problem, net, _ = in_span(case.problem, case.start)
    rule = GradientDescent(rate_W=case.rate, rate_a=0.0, loss="logistic")
    return train(net, problem, rule, steps=case.T, record=["loss_ratio", smallest_derivative])


def _claims(case: Instance, run: Any, power: float = 2.0) -> Sequence[Claim]:
    later = run.steps > 0
    q = np.asarray(case.problem.y) * np.asarray(predict(case.start, case.problem.X))
    spread = case.largest_square / (case.start.slope**power * case.smallest_square)
    proved = 2.0 * math.exp(case.largest_move) * (1.0 + math.exp(float(np.abs(q).max()))) * spread
    bound = max(math.exp(float(q.max() - q.min())), proved)
    return [
        Claim.from_arrays(
            "largest over smallest loss derivative",
            run.series["loss_ratio"][later],
            upper=bound,
            index=run.steps[later],
            index_name="step t",
            trivial=1.0 / run.series["smallest_derivative"][later],  # as g <= 1
            numerical_error=bound * _EPS * run.steps[later],
            log_scale=True,
        )
    ]


def _run(case: Instance, run: Any) -> Any:
    return run


def _conflicting(p: Parameters, streams: Streams, problem: Problem | None) -> Instance:
    X = np.eye(p.n, p.d)
    X[1] = X[0]
    y = np.ones(p.n)
    y[1] = -1.0
    return _instance(p, streams, Problem(X, y, name="one point with both labels"))


def _mutants() -> Sequence[Mutant]:
    def without_orthogonality(case: Instance) -> Sequence[Hypothesis]:
        return _hypotheses(case)[1:]

    dropped = dataclasses.replace(
        STATEMENT,
        key=f"{STATEMENT.key}~overlap",
        mutants=tuple,
        instance=_conflicting,
        hypotheses=without_orthogonality,
    )
    why = "one point with both labels keeps g near 1/2 while the others' g tends to 0"
    return [Mutant("near-orthogonality dropped", why, dropped, Parameters())]


STATEMENT = Statement(
    key="frei2022/loss-ratio-explicit",
    title="Loss derivatives stay comparable, with every constant explicit",
    kind="lemma",
    family="frei2022",
    source=fcb22("Lemma 11, with explicit constants"),
    grade=Grade.DERIVED,
    mathematics=(
        r"$$\nu = (n-1) M + \frac{\eta n (1-\gamma) H R_{\max}^2 (R_{\max}^2 + (n-1) M)}{4 \sqrt{m}},$$ "
        r"$$\delta_0 = \eta (R_{\max}^2 + 2 \nu).$$ If $\nu e^{\delta_0} \le \gamma^2 R_{\min}^2 / 4$, then "
        r"for all $t$ "
        r"$$\max_{i,j} \frac{g_i}{g_j} \le \max\left(\frac{2 e^{\delta_0} (1 + e^{q_0}) R^2}{\gamma^2}, "
        r"e^{D_0}\right).$$"
    ),
    symbols={
        "M": "largest |<x_i, x_j>|, i != j",
        r"\eta": "rate of the summed loss",
        "q_0": "largest |f_0(x_i)|",
        "D_0": "range of y_i f_0(x_i)",
        "g_i": "1/(1 + exp(y_i f(x_i)))",
    },
    presets={"quick": Parameters(), "full": Parameters(n=40, d=120, m=64, ratio=36.0, rate=0.02, T=200_000)},
    instance=_instance,
    hypotheses=_hypotheses,
    evidence=_evidence,
    claims=_claims,
    run=_run,
    mutants=_mutants,
)
