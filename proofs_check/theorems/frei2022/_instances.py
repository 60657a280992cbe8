"""What the margin statements speak of: signed data near orthogonality and the numbers m1, m2 of neurons."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.statement import Hypothesis
from proofs_check.theorems.frei2022._margin import (
    TwoNeurons,
    linear_margin,
    require_nonzero_rows,
    signs_of,
    two_neurons,
)
from shallow.setting.inputs import NearOrthogonal, Orthonormal, orthogonality_ratio
from shallow.setting.labels import RandomSigns
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = [
    "MarginEvidence",
    "MarginInstance",
    "MarginParameters",
    "evidence",
    "instance",
    "near_orthogonality",
]

Vector = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class MarginParameters:
    """n samples in d dimensions, leak gamma, m1 positive and m2 negative neurons, orthogonality ratio.

    Unit rows at ``ratio`` (inf: exactly orthogonal) are stretched to norms spread evenly from 1 to
    ``norm_ratio``.
    """

    n: int = 16
    d: int = 40
    gamma: float = 0.5
    m1: int = 24
    m2: int = 8
    ratio: float = 30.0
    norm_ratio: float = 1.0
    test_points: int = 2000


@dataclass(frozen=True, eq=False)
class MarginInstance:
    """The data with its norms and ratio, and fresh Gaussian points for the decision boundary."""

    problem: Problem
    gamma: float
    m1: int
    m2: int
    test_points: Vector
    ratio: float
    smallest_norm: float
    largest_norm: float

    @property
    def m(self) -> int:
        """All neurons."""
        return self.m1 + self.m2


@dataclass(frozen=True, eq=False)
class MarginEvidence:
    """The solved program and the hardest linear margin; None where infeasible."""

    solution: TwoNeurons | None
    linear_norm: float
    linear_error: float


def instance(p: MarginParameters, streams: Streams, problem: Problem | None) -> MarginInstance:
    """Draw the data, or take the user's; labels must be signs."""
    if p.m1 < 1 or p.m2 < 1:
        raise ValueError(f"m1 = {p.m1} and m2 = {p.m2}; each sign needs at least one neuron")
    if problem is None:
        law = Orthonormal() if math.isinf(p.ratio) else NearOrthogonal(p.ratio)
        X = law.draw(p.n, p.d, streams)
        X = X * np.linspace(1.0, p.norm_ratio, p.n)[:, None]
        problem = Problem(X, RandomSigns().draw(X, streams), name="near-orthogonal")
    signs_of(problem.y, "the margin problem")
    require_nonzero_rows(problem.X, "the margin problem")
    norms = np.linalg.norm(problem.X, axis=1)
    points = streams.generator("test points", d=problem.d).standard_normal((p.test_points, problem.d))
    return MarginInstance(
        problem,
        p.gamma,
        p.m1,
        p.m2,
        points,
        orthogonality_ratio(problem.X),
        float(norms.min()),
        float(norms.max()),
    )


def near_orthogonality(case: MarginInstance, factor: float = 3.0, power: float = 3.0) -> list[Hypothesis]:
    """Assumption A, rho_perp(X) >= factor gamma^-power, and the range of the leak."""
    need = factor * case.gamma**-power if case.gamma > 0 or power == 0 else np.inf
    return [
        Hypothesis.inequality(
            "near-orthogonality",
            rf"R_{{min}}^2 \geq {factor:g} \gamma^{{-{power:g}}} R^2 n"
            r" \max_{i \neq j} |\langle x_i, x_j \rangle|",
            variable="rho_perp",
            have=case.ratio,
            sense=">=",
            need=need,
        ),
        Hypothesis.fact("leak", r"0 < \gamma < 1", 0 < case.gamma < 1, "gamma"),
    ]


def evidence(case: MarginInstance) -> MarginEvidence:
    """Solve the convex program (c) and the linear margin problem."""
    X, y = np.asarray(case.problem.X), np.asarray(case.problem.y)
    linear = linear_margin(X, y)
    return MarginEvidence(
        two_neurons(X, y, case.gamma, case.m1, case.m2),
        np.inf if linear is None else float(np.linalg.norm(linear.theta)),
        0.0 if linear is None else linear.error,
    )
