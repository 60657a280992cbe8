"""Frei et al. 2022: gradient flow on nearly orthogonal data ends at the two-neuron solution."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from proofs_check.statement import Claim, Comparison, Grade, Hypothesis, Mutant, Statement
from proofs_check.theorems.frei2022._descent import QUANTITIES, SECOND, Moments
from proofs_check.theorems.frei2022._flow import Instance, Parameters, evidence, instance
from proofs_check.theorems.frei2022._instances import near_orthogonality
from proofs_check.theorems.frei2022._kkt_claims import infeasible
from proofs_check.theorems.frei2022._pictures import limit_of
from proofs_check.theorems.frei2022._sources import frei22

__all__ = ["STATEMENT"]


def _hypotheses(case: Instance) -> Sequence[Hypothesis]:
    return near_orthogonality(case.data)


def _undecided(fine: Moments) -> float:
    """0, or inf while the start is over 1/20 of the weights: the run is not on its way to a limit yet."""
    late = np.linalg.norm(fine.run.network.W) >= 20.0 * np.linalg.norm(fine.run.initial.W)
    return 0.0 if late else math.inf


def _limit(name: str, coarse: Moments, fine: Moments, row: int) -> Claim:
    """The limit at u = 0, by a line through the moments with u within 4 of the last one's.

    Known without it: the largest value among those moments; for signs, that half of them agree.
    """
    from shallow.statistics import extrapolate

    near = [side.u <= 4.0 * side.u.min() for side in (coarse, fine)]
    first = extrapolate(coarse.u[near[0]], coarse.values[row][near[0]])
    second = extrapolate(fine.u[near[1]], fine.values[row][near[1]])
    error = abs(first.limit - second.limit)
    half_width = (second.interval[1] - second.interval[0]) / 2.0
    return Claim.from_arrays(
        f"{name}: limit as u = 1/log(1/L) tends to 0",
        second.limit,
        lower=-half_width,
        upper=half_width,
        trivial=0.5 if "share" in name else float(fine.values[row][near[1]].max()),
        numerical_error=error + _undecided(fine),
        comparison=Comparison.LIMIT,
        fit=(limit_of(name, coarse, fine, row, near[1], second),),
    )


def _claims(
    case: Instance, seen: tuple[Moments, Moments] | None, names: Sequence[str] = QUANTITIES
) -> Sequence[Claim]:
    if seen is None:
        return [infeasible()]
    coarse, fine = seen
    depth = 1.0 / (fine.u.min() * math.log(10.0)) if fine.u.size else 0.0
    reached = Claim.from_arrays(
        "the loss tends to 0: log10(1/L) at the end",
        depth,
        lower=case.decades,
        numerical_error=_undecided(fine),
    )
    if min(coarse.u.size, fine.u.size) < 8:
        return [reached]
    return [*(_limit(name, coarse, fine, row) for row, name in enumerate(names)), reached]


def _run(case: Instance, seen: tuple[Moments, Moments] | None) -> Any:
    return None if seen is None else seen[1].run


def _mutants() -> Sequence[Mutant]:
    def without_leak(case: Instance) -> Sequence[Hypothesis]:
        return near_orthogonality(case.data, power=0.0)[:1]

    relu = dataclasses.replace(STATEMENT, key=f"{STATEMENT.key}~relu", mutants=tuple, hypotheses=without_leak)
    rank_one = dataclasses.replace(
        STATEMENT,
        key=f"{STATEMENT.key}~rank-1",
        mutants=tuple,
        claims=lambda case, seen: _claims(case, seen, (*QUANTITIES, SECOND)),
    )
    return [
        Mutant(
            "rank 1",
            "with both labels present v and u are two directions, and sigma_2/sigma_1 stays",
            rank_one,
            Parameters(decades=40.0, test_points=2000),
        ),
        Mutant(
            "the leak dropped (ReLU)",
            "each ReLU neuron keeps its own set of active samples, and the rank stays above 2",
            relu,
            Parameters(gamma=0.0, decades=40.0, step=0.5, test_points=2000),
        ),
    ]


STATEMENT = Statement(
    key="frei2022/dynamics",
    title="Training ends in rank 2, at the margin problem's solution, with a linear boundary",
    kind="theorem",
    family="frei2022",
    source=frei22("Theorem 3.2 with Corollary 3.5"),
    grade=Grade.RECALL_HIGH,
    mathematics=(
        r"Gradient flow on $\sum_i e^{-y_i f(x_i)}$ over $W$ from any $W(0)$, with $a_j = \pm 1/\sqrt{m}$ "
        r"fixed. If "
        r"$$R_{\min}^2 \ge 3 \gamma^{-3} R^2 n \max_{i \ne j} |\langle x_i, x_j \rangle|,$$ "
        r"then $L \to 0$ and $W/\|W\|$ converges to a KKT point of the margin problem, so "
        r"$$\frac{\sigma_3(W)}{\sigma_1(W)} \to 0, \quad \operatorname{sign} f(x) \to \operatorname{sign} "
        r"\langle z, x \rangle.$$"
    ),
    symbols={
        r"\gamma": "the leak",
        "L": "the loss, summed over samples",
        r"\sigma_k": "k-th singular value",
        "z": "the linear classifier that W tends to",
    },
    presets={
        "quick": Parameters(),
        "full": Parameters(n=24, d=60, m1=40, m2=24, ratio=26.0, decades=300.0, test_points=200_000),
        "beyond": Parameters(ratio=0.2, decades=40.0, test_points=2000),
    },
    instance=instance,
    hypotheses=_hypotheses,
    evidence=evidence,
    claims=_claims,
    run=_run,
    mutants=_mutants,
    notes=(
        "No rate is given; along the solution the gap closes like 1/log(1/L), hence the axis.",
        "Descent with factor c/L is Euler's method for the same flow in the time dt = c dt'/L; the runs "
        "with c and c/2 give the numerical error.",
        "The statement for m1 = m2 is read second hand (arXiv:2303.01462, Lemma 16).",
    ),
)
