"""Sharper forms near orthogonality, proved here.

For (f): v = p z*/sqrt(m1) and u = -p z*/sqrt(m2) are feasible for
p = sqrt(m)/(sqrt(m_min) + gamma sqrt(m_max)), and ||z||^2 <= m1 ||v||^2 + m2 ||u||^2 at the optimum, so
||z|| <= sqrt(2 (1 + kappa^2))/(kappa + gamma) ||z*||, which implies
the theorem's 2/(kappa + gamma) as kappa <= 1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from proofs_check.statement import Claim, Grade, Mutant, Statement
from proofs_check.theorems.frei2022._instances import (
    MarginEvidence,
    MarginInstance,
    MarginParameters,
    evidence,
    instance,
    near_orthogonality,
)
from proofs_check.theorems.frei2022._kkt_claims import accuracy, infeasible, norm_factor
from proofs_check.theorems.frei2022._products import multiplier_products
from proofs_check.theorems.frei2022._sources import frei22

__all__ = ["STATEMENT"]


def _claims(case: MarginInstance, seen: MarginEvidence, power: float = 0.5) -> Sequence[Claim]:
    if seen.solution is None:
        return [infeasible()]
    found = seen.solution
    kappa_squared = min(case.m1 / case.m2, case.m2 / case.m1)
    factor = norm_factor(case) * ((1.0 + kappa_squared) / 2.0) ** power
    observed = float(np.linalg.norm(found.z)) / seen.linear_norm
    error = (accuracy(case, found) + seen.linear_error) * observed
    return [
        multiplier_products(case, found),
        Claim.from_arrays(
            "(f) with its constant kept: ||z||/||z*||", observed, upper=factor, numerical_error=error
        ),
    ]


def _mutants() -> Sequence[Mutant]:
    wrong = dataclasses.replace(
        STATEMENT,
        key=f"{STATEMENT.key}~power",
        mutants=tuple,
        claims=lambda case, seen: _claims(case, seen, power=1.5),
    )
    witness = MarginParameters(n=12, d=40, gamma=0.5, m1=1, m2=400, ratio=1e4)
    why = "for kappa near 0, ||z||/||z*|| is sqrt(n_+/n)/gamma, and the factor would be 1/(sqrt(2) gamma)"
    return [Mutant("(1 + kappa^2)/2 to the power 3/2", why, wrong, witness)]


STATEMENT = Statement(
    key="frei2022/kkt-sharp",
    title="Near orthogonality: the multipliers are near their formula, and (f) keeps its constant",
    kind="lemma",
    family="frei2022",
    source=frei22("Theorem 3.2 (a) and (f), sharpened"),
    grade=Grade.DERIVED,
    mathematics=(
        r"$$Q_{ii} \lambda_i \in \left[1 - \frac{\epsilon}{1 - \epsilon}, 1 + \frac{\epsilon}{1 - "
        r"\epsilon}\right], \quad "
        r"\epsilon = \frac{(n-1) \max c}{n R^2 \rho \min c},$$ "
        r"$$\|z\| \le \frac{\sqrt{2 (1 + \kappa^2)}}{\kappa + \gamma} \|z^*\|.$$"
    ),
    symbols={
        "Q_{ii}": "||x_i||^2 (m_1 + gamma^2 m_2)/m for y_i = +1, exchanged for y_i = -1",
        "c": "those two factors",
        r"\rho": "the orthogonality ratio rho_perp(X)",
        "z^*": "the hardest linear margin's solution",
    },
    presets={
        "quick": MarginParameters(m1=16, m2=16),
        "full": MarginParameters(n=120, d=400, m1=96, m2=64, ratio=40.0, norm_ratio=1.001),
        "beyond": MarginParameters(gamma=0.1, m1=16, m2=16, ratio=0.2),
    },
    instance=instance,
    hypotheses=near_orthogonality,
    evidence=evidence,
    claims=_claims,
    mutants=_mutants,
)
