"""Frei et al. 2022: KKT points of the margin problem of a leaky network on nearly orthogonal data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from proofs_check.statement import Grade, Hypothesis, Mutant, Statement
from proofs_check.theorems.frei2022._instances import (
    MarginInstance,
    MarginParameters,
    evidence,
    instance,
    near_orthogonality,
)
from proofs_check.theorems.frei2022._kkt_claims import margin_claims
from proofs_check.theorems.frei2022._sources import frei22

__all__ = ["STATEMENT"]


def _window_with_norms_swapped(case: MarginInstance) -> tuple[float, float]:
    return 0.5 / case.largest_norm**2, 1.5 / (case.gamma * case.largest_norm) ** 2


def _norm_factor_without_kappa(case: MarginInstance) -> float:
    return 2.0 / (1.0 + case.gamma)


def _hypotheses(case: MarginInstance) -> Sequence[Hypothesis]:
    return near_orthogonality(case)


def _mutants() -> Sequence[Mutant]:
    def variant(name: str, **changes: object) -> Statement:
        return dataclasses.replace(STATEMENT, key=f"{STATEMENT.key}~{name}", mutants=tuple, **changes)  # type: ignore[arg-type]

    return [
        Mutant(
            "gamma^-3 dropped from the hypothesis",
            "at gamma = 0.005 and rho_perp = 3 overlaps exceed what the leak leaves: gates change sign",
            variant("ratio-3", hypotheses=lambda case: near_orthogonality(case, power=0.0)),
            MarginParameters(gamma=0.005, ratio=3.01, m1=16, m2=16),
        ),
        Mutant(
            "R_max for R_min in the upper window",
            "short samples need large multipliers: 2/((1 + gamma^2) R_min^2) on orthogonal rows",
            variant("window", claims=lambda c, e: margin_claims(c, e, interval=_window_with_norms_swapped)),
            MarginParameters(ratio=math.inf, norm_ratio=3.0, m1=16, m2=16),
        ),
        Mutant(
            "kappa = 1 in (f) whatever m1 and m2",
            "positive samples with one positive neuron lean on the leak of the rest: 1/gamma in z",
            variant("kappa", claims=lambda c, e: margin_claims(c, e, factor=_norm_factor_without_kappa)),
            MarginParameters(n=12, gamma=0.2, m1=1, m2=400, ratio=math.inf),
        ),
    ]


STATEMENT = Statement(
    key="frei2022/kkt",
    title="KKT points on nearly orthogonal data: two neurons, all samples supports, a linear boundary",
    kind="theorem",
    family="frei2022",
    source=frei22("Theorem 3.2"),
    grade=Grade.RECALL_HIGH,
    mathematics=(
        r"$$f(x) = \sum_{j=1}^m a_j \phi(\langle w_j, x \rangle), \quad \phi(q) = \max(\gamma q, q), \quad "
        r"a_j = \pm 1/\sqrt{m},$$ $m_1$ of them plus and $m_2$ minus. If "
        r"$$R_{\min}^2 \ge 3 \gamma^{-3} R^2 n \max_{i \ne j} |\langle x_i, x_j \rangle|,$$ "
        r"every KKT point of $\min \|W\|_F^2 / 2$ under $y_i f(x_i) \ge 1$ has rank at most 2, solves a "
        r"convex program, "
        r"$$\frac{1}{2 R_{\max}^2} < \lambda_i < \frac{3}{2 \gamma^2 R_{\min}^2},$$ "
        r"and $\operatorname{sign} f(x) = \operatorname{sign} \langle z, x \rangle$ with $y_i \langle z, "
        r"x_i \rangle \ge 1$ and "
        r"$$\|z\| \le \frac{2}{\kappa + \gamma} \min \{ \|z\| : y_i \langle z, x_i \rangle \ge 1 \}.$$"
    ),
    symbols={
        r"\gamma": "the leak, slope on the negative side",
        "m_1": "neurons with outer weight +1/sqrt(m)",
        "m_2": "neurons with outer weight -1/sqrt(m)",
        r"R_{\min}": "smallest input norm",
        "R": "R_max/R_min",
        r"\lambda_i": "multiplier of sample i, for the objective ||W||_F^2/2",
        r"\kappa": "sqrt(min(m_1/m_2, m_2/m_1))",
        "z": "(m_1 v - m_2 u)/sqrt(m), with v and u the two distinct neurons",
    },
    presets={
        "quick": MarginParameters(),
        "full": MarginParameters(n=120, d=400, m1=96, m2=32, ratio=25.0, norm_ratio=1.001, test_points=20000),
        "beyond": MarginParameters(ratio=0.2),
    },
    instance=instance,
    hypotheses=_hypotheses,
    evidence=evidence,
    claims=margin_claims,
    accepts_data="yes",
    mutants=_mutants,
    notes=(
        "The window in (a), v, u, z and the hypothesis are read in Frei, Vardi, Bartlett and Srebro 2023 "
        "(arXiv:2303.01462, Lemma 16, m1 = m2); items (c), (e), (f) and unequal m1, m2 are recalled; "
        "all of (a) to (f) were re-derived here for any m1, m2 >= 1.",
        "Under the hypothesis the KKT point is unique, so that the program's solution is every KKT point.",
    ),
)
