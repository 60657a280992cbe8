"""On exactly orthogonal data the multipliers of the margin problem have a formula."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from proofs_check.statement import Claim, Grade, Hypothesis, Mutant, Statement
from proofs_check.theorems.frei2022._instances import (
    MarginEvidence,
    MarginInstance,
    MarginParameters,
    evidence,
    instance,
)
from proofs_check.theorems.frei2022._kkt_claims import infeasible
from proofs_check.theorems.frei2022._products import diagonal_weights, multiplier_products
from proofs_check.theorems.frei2022._sources import frei22

__all__ = ["STATEMENT"]


def _claims(case: MarginInstance, seen: MarginEvidence) -> Sequence[Claim]:
    return [infeasible() if seen.solution is None else multiplier_products(case, seen.solution)]


def _swapped(case: MarginInstance, seen: MarginEvidence) -> Sequence[Claim]:
    plus, minus = diagonal_weights(case)
    return [
        infeasible() if seen.solution is None else multiplier_products(case, seen.solution, (minus, plus))
    ]


def _other_convention(case: MarginInstance, seen: MarginEvidence) -> Sequence[Claim]:
    plus, minus = diagonal_weights(case)
    doubled = (2.0 * plus, 2.0 * minus)
    return [infeasible() if seen.solution is None else multiplier_products(case, seen.solution, doubled)]


def _hypotheses(case: MarginInstance) -> Sequence[Hypothesis]:
    return [
        Hypothesis.fact(
            "orthogonality", r"\langle x_i, x_j \rangle = 0, i \neq j", math.isinf(case.ratio), "X"
        ),
        Hypothesis.fact("leak", r"0 < \gamma \leq 1", 0 < case.gamma <= 1, "gamma"),
    ]


def _mutants() -> Sequence[Mutant]:
    def variant(name: str, claims: object) -> Statement:
        return dataclasses.replace(STATEMENT, key=f"{STATEMENT.key}~{name}", mutants=tuple, claims=claims)  # type: ignore[arg-type]

    quick = STATEMENT.presets["quick"]
    return [
        Mutant(
            "m1 and m2 exchanged",
            "a positive sample is carried by the positive neurons",
            variant("exchanged", _swapped),
            quick,
        ),
        Mutant(
            "half the multiplier",
            "that belongs to the objective ||W||_F^2, not ||W||_F^2/2",
            variant("convention", _other_convention),
            quick,
        ),
    ]


STATEMENT = Statement(
    key="frei2022/kkt-orthogonal",
    title="On orthogonal data the multipliers have a formula",
    kind="lemma",
    family="frei2022",
    source=frei22("Theorem 3.2, its multipliers on orthogonal data"),
    grade=Grade.DERIVED,
    mathematics=(
        r"If $\langle x_i, x_j \rangle = 0$ for $i \ne j$, then "
        r"$$\lambda_i = \frac{m}{(m_1 + \gamma^2 m_2) \|x_i\|^2} \quad \text{for } y_i = +1,$$ "
        r"and with $m_1, m_2$ exchanged for $y_i = -1$."
    ),
    symbols={
        r"\lambda_i": "multiplier of sample i",
        r"\gamma": "the leak",
        "m_1": "neurons with outer weight +",
    },
    presets={
        "quick": MarginParameters(ratio=math.inf, norm_ratio=3.0),
        "full": MarginParameters(n=200, d=300, m1=96, m2=32, ratio=math.inf, norm_ratio=10.0),
        "beyond": MarginParameters(ratio=1.0),
    },
    instance=instance,
    hypotheses=_hypotheses,
    evidence=evidence,
    claims=_claims,
    mutants=_mutants,
)
