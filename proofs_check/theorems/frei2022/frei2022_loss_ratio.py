"""Frei, Chatterji, Bartlett 2022, Lemma 11: no sample's loss derivative runs away from another's."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from proofs_check.statement import Claim, Constant, Grade, Mutant, Statement
from proofs_check.theorems.frei2022._clusters import (
    ClusterInstance,
    Parameters,
    assumptions,
    draw,
    in_span,
)
from proofs_check.theorems.frei2022._sources import fcb22
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = ["STATEMENT", "smallest_derivative"]

_EPS = float(np.finfo(np.float64).eps)


def smallest_derivative(now: Any) -> float:
    """Min g_i of g = 1/(1 + exp(y f))."""
    return math.exp(-float(np.logaddexp(0.0, (now.y * now.outputs).max())))


def _instance(p: Parameters, streams: Streams, problem: Problem | None) -> ClusterInstance:
    return draw(p, streams)


def _evidence(case: ClusterInstance) -> Any:
    from shallow.training import GradientDescent, train

    problem, net, _ = in_span(case.sample.problem, case.start)
    # The paper descends on the mean loss with step alpha; ours is the sum.
    rule = GradientDescent(rate_W=case.alpha / problem.n, rate_a=0.0, loss="logistic")
    record = ["loss_ratio", "tangent_distance", smallest_derivative]
    return train(net, problem, rule, steps=case.parameters.T, record=record)


def _separation(case: ClusterInstance) -> float:
    """C1: the least constant >= 1 for which events E.1 and E.2 (norms and overlaps) hold on these data."""
    p, X = case.parameters, np.asarray(case.sample.problem.X)
    gram = X @ X.T
    squares = np.diag(gram).copy()
    np.fill_diagonal(gram, 0.0)
    overlap = float(np.abs(gram).max()) / (p.mean_square + math.sqrt(p.p * math.log(p.n / p.delta)))
    return max(1.0, float(squares.max()) / p.p, p.p / float(squares.min()), overlap)


def _claims(case: ClusterInstance, run: Any, factor: float | None = None) -> Sequence[Claim]:
    later = run.steps > 0
    bound = (16.0 * _separation(case) ** 2 if factor is None else factor) / case.parameters.gamma**2
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


def _run(case: ClusterInstance, run: Any) -> Any:
    return run


def _conflicting(p: Parameters, streams: Streams, problem: Problem | None) -> ClusterInstance:
    """The instance with its first two samples made one point with two labels."""
    case = draw(p, streams)
    X, y = np.array(case.sample.problem.X), np.array(case.sample.problem.y)
    X[1], y[1] = X[0], -y[0]
    sample = dataclasses.replace(case.sample, problem=case.sample.problem.replace(X=X, y=y))
    return dataclasses.replace(case, sample=sample)


def _mutants() -> Sequence[Mutant]:
    def variant(name: str, **changes: Any) -> Statement:
        return dataclasses.replace(STATEMENT, key=f"{STATEMENT.key}~{name}", mutants=tuple, **changes)

    return [
        Mutant(
            "gamma^-2 without 16 C1^2",
            "the first samples to be fitted run ahead by more than that",
            variant("no-16", claims=lambda case, run: _claims(case, run, factor=1.0)),
            Parameters(T=20_000),
        ),
        Mutant(
            "independent samples not required",
            "one point with both labels keeps g near 1/2 while the others' g tends to 0",
            variant("conflict", instance=_conflicting),
            Parameters(n=6, rate=200.0, T=20_000),
        ),
    ]


STATEMENT = Statement(
    key="frei2022/loss-ratio",
    title="Loss derivatives stay comparable: the lemma behind benign overfitting",
    kind="lemma",
    family="frei2022",
    source=fcb22("Lemma 11"),
    grade=Grade.READ,
    mathematics=(
        r"$x = z + \tilde y \mu$, labels flipped with probability $\eta$; descent with step $\alpha$ on the "
        r"mean "
        r"logistic loss of a smoothed leaky ReLU network, $W^{(0)} \sim \mathcal{N}(0, \omega^2)$. Under "
        r"(A1) to (A6), "
        r"$$\max_{i,j} \frac{g_i^{(t)}}{g_j^{(t)}} \le \frac{16 C_1^2}{\gamma^2} \quad \text{for all } t "
        r"\ge 0, \quad "
        r"g_i = \frac{1}{1 + e^{y_i f(x_i)}}.$$"
    ),
    symbols={
        "g_i": "minus the derivative of the logistic loss at sample i",
        "C_1": "p/C_1 <= ||x_i||^2 <= C_1 p, |<x_i,x_j>| <= C_1 (||mu||^2 + sqrt(p log(n/delta)))",
        r"\gamma": "the leak",
        "H": "smoothness of the activation",
    },
    presets={
        "quick": Parameters(),
        "full": Parameters(n=8, p=240, m=16, gamma=0.8, H=2.0, mean_square=9.0, T=2_000_000),
        "beyond": Parameters(n=24, p=6, T=4_000),
    },
    instance=_instance,
    hypotheses=assumptions,
    evidence=_evidence,
    claims=_claims,
    run=_run,
    accepts_data="no: it speaks of two clusters with a known mean; frei2022/loss-ratio-explicit takes data",
    constants=[Constant("C", "large enough, in (A1) to (A6); not given in the source")],
    mutants=_mutants,
    notes=(
        "C is only called large enough, so (A1) to (A6) are shown at C = 1 and no run can refute the lemma.",
        "C_1 is taken from the data, as the lemma allows any constant with those two properties.",
    ),
)
