"""LMIN-1: the first layer's kernel of a wide network is positive from the start, with every constant.

Proof. H_W(0) = (1/m) sum_r Z_r with independent 0 <= Z_r <= ||X||^2 I and mean H^infty. Tropp's matrix
Chernoff bound gives P(lambda_min(H_W(0)) <= (1 - e) lambda0) <= n exp(-e^2 m lambda0/(2 ||X||^2)); e =
1/2 is used.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from proofs_check.statement import (
    Claim,
    Constant,
    Grade,
    Hypothesis,
    Mutant,
    Probability,
    Requirement,
    Statement,
)
from proofs_check.theorems._decay import EPS
from proofs_check.theorems._first_layer import FirstLayer, draw_first_layer
from proofs_check.theorems._inequalities import at_least
from proofs_check.theorems._mutation import tightened, without
from proofs_check.theorems.certificates._pieces import SYMBOLS, source
from shallow.exact.ntk import empirical_ntk
from shallow.setting.initialization import ntk_signs
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = ["STATEMENT", "Parameters"]


@dataclass(frozen=True)
class Parameters:
    """Rows of any norms."""

    n: int = 20
    d: int = 40
    m: int = 700
    label_scale: float = 1.0
    delta: float = 0.1
    labels: str = "signs"
    inputs: str = "sphere"


def _instance(parameters: Parameters, streams: Streams, problem: Problem | None) -> FirstLayer:
    return draw_first_layer(parameters, ntk_signs(), streams, problem)


def _spectral(instance: FirstLayer) -> float:
    return float(np.linalg.norm(np.asarray(instance.problem.X), 2))


def _width(instance: FirstLayer) -> float:
    if instance.lambda0 == 0:
        return math.inf
    return 8 * _spectral(instance) ** 2 / instance.lambda0 * math.log(instance.n / instance.parameters.delta)


def _hypotheses(instance: FirstLayer) -> list[Hypothesis]:
    positive = f"lambda0 > 0: no two rows in one direction, none 0; here lambda0 = {instance.lambda0:.3g}"
    return [
        Hypothesis.fact("lambda0", positive, instance.lambda0 > 0, "X"),
        at_least("width", "m >= 8 (||X||^2/lambda0) ln(n/delta)", "m", instance.network.m, _width(instance)),
    ]


def _claims(instance: FirstLayer, evidence: None) -> Sequence[Claim]:
    H = np.asarray(empirical_ntk(instance.network, instance.problem.X, rate_W=1.0, rate_a=0.0))
    error = (instance.network.m + instance.problem.d + instance.n) * EPS * float(np.linalg.norm(H))
    smallest, floor = float(np.linalg.eigvalsh(H)[0]), instance.lambda0 / 2
    return [
        Claim.from_arrays("lambda_min(H_W(0))", smallest, lower=floor, trivial=0.0, numerical_error=error)
    ]


def _mutants() -> list[Mutant]:
    quick = STATEMENT.presets["quick"]
    return [
        Mutant(
            "tightened",
            "lambda_min of a mean of random matrices lies below the mean's lambda_min in most draws",
            tightened(STATEMENT, 2.2),
            quick,
        ),
        Mutant(
            "narrow",
            "with m d < n the kernel is singular",
            without(STATEMENT, "width"),
            dataclasses.replace(quick, d=4, m=4),
        ),
        Mutant(
            "gates forgotten",
            "half of the neurons are inactive on a sample: the kernel's mean is H^infty, not 2 H^infty",
            tightened(STATEMENT, 4.0, name="gates-forgotten"),
            quick,
        ),
    ]


STATEMENT: Statement = Statement(
    key="certificates/lmin-1",
    title="The first layer's kernel starts above half of its limit's smallest eigenvalue (LMIN-1)",
    kind="lemma",
    family="certificates",
    source=source("LMIN-1"),
    grade=Grade.DERIVED,
    mathematics=(
        r"\lambda_0 = \lambda_{\min}(H^\infty) > 0,\quad a_r = \pm 1,\quad s = m^{-1/2},\quad"
        r" {m} \ge 8 \frac{\|X\|^2}{\lambda_0} \ln\frac{{n}}{\delta} \\"
        r"\mathbb{P}\left[\, \lambda_{\min}(H_W(0)) \ge \frac{\lambda_0}{2} \,\right] \ge 1 - \delta"
    ),
    symbols=SYMBOLS | {"H_W": "the first layer's kernel", "H^infty": "its mean, the infinite-width kernel"},
    presets={
        "quick": Parameters(),
        "full": Parameters(n=60, d=60, m=3000, delta=0.01),
        "beyond": Parameters(m=5),
    },
    instance=_instance,
    hypotheses=_hypotheses,
    claims=_claims,
    constants=(Constant("8", "in front of the width", 8.0),),
    probability=Probability({"quick": 0.1, "full": 0.01}, frozenset({"init"}), {"quick": 30, "full": 299}),
    requirement=lambda instance: Requirement(width=_width(instance)),
    mutants=_mutants,
)
