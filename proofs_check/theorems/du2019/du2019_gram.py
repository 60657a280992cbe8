"""Du, Zhai, Poczos and Singh (2019), Lemma 3.1: the kernel of a wide network starts near its mean.

The source leaves the constant open; the 8 is derived here. Nothing is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from proofs_check.statement import Claim, Grade, Hypothesis, Probability, Requirement, Statement
from proofs_check.theorems._first_layer import FirstLayer, sphere_hypotheses
from proofs_check.theorems._inequalities import at_least
from proofs_check.theorems.du2019._mutants import gram_mutants
from proofs_check.theorems.du2019._source import SYMBOLS, gram_width, source
from proofs_check.theorems.du2019._start import DELTAS, TRIALS, Parameters, draw_start, rounding, start_kernel

__all__ = ["GRAM"]


def _limit_kernel(instance: FirstLayer) -> Any:
    return (instance.eigenvectors * instance.eigenvalues) @ instance.eigenvectors.T


def _gram_hypotheses(instance: FirstLayer) -> list[Hypothesis]:
    need = gram_width(instance, instance.parameters.delta)
    text = "m >= 8 n^2 ln(2 n^2/delta)/lambda0^2"
    return [
        *sphere_hypotheses(instance),
        at_least("width", text, "m", instance.network.m, need),
    ]


def _gram_claims(instance: FirstLayer, evidence: None) -> Sequence[Claim]:
    H = start_kernel(instance)
    error = rounding(instance)
    gap = float(np.linalg.norm(H - _limit_kernel(instance), 2))
    smallest = float(np.linalg.eigvalsh(H)[0])
    bound, floor = instance.lambda0 / 4, 3 * instance.lambda0 / 4
    return [
        Claim.from_arrays("||H(0) - H^infty||", gap, upper=bound, numerical_error=error),
        Claim.from_arrays("lambda_min(H(0))", smallest, lower=floor, trivial=0.0, numerical_error=error),
    ]


GRAM: Statement = Statement(
    key="du2019/lemma-3.1",
    title="The kernel of a wide network starts near its mean",
    kind="lemma",
    family="du2019",
    source=source("Lemma 3.1, with constants"),
    grade=Grade.DERIVED,
    mathematics=(
        r"\|x_i\| = 1,\quad {m} \ge \frac{8 {n}^2 \ln(2 {n}^2/\delta)}{\lambda_0^2} \\"
        r"\mathbb{P}\left[\, \|H(0) - H^\infty\| \le \frac{\lambda_0}{4} \ \text{and}\ "
        r"\lambda_{\min}(H(0)) \ge \frac{3 \lambda_0}{4} \,\right] \ge 1 - \delta"
    ),
    symbols=SYMBOLS,
    presets={
        "quick": Parameters(),
        "full": Parameters(n=10, m=120000, delta=0.01),
        "beyond": Parameters(m=50),
    },
    instance=draw_start,
    hypotheses=_gram_hypotheses,
    claims=_gram_claims,
    probability=Probability(DELTAS, frozenset({"init"}), TRIALS),
    requirement=lambda instance: Requirement(width=gram_width(instance, instance.parameters.delta)),
    mutants=lambda: gram_mutants(GRAM),
    notes=("the form m = Omega(n^2/lambda0^2 log(n/delta)) is the source's, the constant 8 is derived",),
)
