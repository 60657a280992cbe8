"""The loss-ratio lemma with explicit constants, proved here, for any data near orthogonality."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from proofs_check.statement import Claim, Grade, Hypothesis, Mutant, Statement
from proofs_check.theorems.frei2022._clusters import in_span
from proofs_check.theorems.frei2022._loss_ratio import Instance, Parameters, instance
from proofs_check.theorems.frei2022._sources import fcb22
from proofs_check.theorems.frei2022.frei2022_loss_ratio import smallest_derivative
from shallow.exact.gradient import predict
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = ["STATEMENT"]

_EPS = float(np.finfo(np.float64).eps)


def _hypotheses(case: Instance) -> Sequence[Hypothesis]:
    gamma = case.start.slope
    return [
        Hypothesis.inequality(
            "near-orthogonality and step",
            r"\nu e^{\delta_0} \leq \gamma^2 R_{min}^2 / 4",
            variable="nu e^{delta_0}",
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
    return train(
        net, problem, rule, steps=case.T, record=["loss_ratio", "tangent_distance", smallest_derivative]
    )


def _claims(case: Instance, run: Any) -> Sequence[Claim]:
    later = run.steps > 0
    q = np.asarray(case.problem.y) * np.asarray(predict(case.start, case.problem.X))
    spread = case.largest_square / (case.start.slope**2 * case.smallest_square)
    start = float(np.abs(q).max())
    proved = case.largest_move + math.log(2.0 * spread) + float(np.logaddexp(0.0, start))
    bound = math.exp(min(700.0, max(float(q.max() - q.min()), proved)))  # exp(700) binds nothing
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
    return instance(p, streams, Problem(X, y, name="one point with both labels"))


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
    presets={
        "quick": Parameters(),
        "full": Parameters(n=40, d=120, m=64, ratio=36.0, rate=0.02, T=200_000),
        "beyond": Parameters(n=16, ratio=0.2, T=5_000),
    },
    instance=instance,
    hypotheses=_hypotheses,
    evidence=_evidence,
    claims=_claims,
    run=_run,
    mutants=_mutants,
)
