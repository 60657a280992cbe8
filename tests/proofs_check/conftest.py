"""A small true statement that each test may bend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from proofs_check import Claim, Grade, Hypothesis, Mutant, Requirement, Source, Statement


@dataclass(frozen=True)
class Sizes:
    n: int = 5
    d: int = 3
    m: int = 100
    label_scale: float = 1.0
    decay: float = 1.0
    rates: tuple[float, ...] = (0.1, 0.2)


def decaying(**changes: Any) -> Statement:
    """exp(-decay t) <= exp(-t/2) for t in 1..10, provided m >= 10 n: true for decay >= 1/2."""

    def hypotheses(instance: Any) -> list[Hypothesis]:
        return [
            Hypothesis.inequality(
                "width", "m >= 10 n", variable="m", have=instance.m, sense=">=", need=10.0 * instance.n
            )
        ]

    def claims(instance: Any, evidence: Any) -> list[Claim]:
        t = np.arange(1.0, 11.0)
        return [
            Claim.from_arrays(
                "decay",
                np.exp(-instance.decay * t),
                upper=np.exp(-t / 2),
                index=t,
                trivial=1.0,
                log_scale=True,
            )
        ]

    def mutants() -> list[Mutant]:
        return [Mutant("slow", "a decay of 0.1 is under one half", statement, Sizes(decay=0.1))]

    fields: dict[str, Any] = {
        "key": "toy/decay",
        "title": "An exponential decays",
        "kind": "lemma",
        "family": "toy",
        "source": Source(
            "A. Tester", "On decay", 2024, "Lemma 1", bibtex="@article{tester2024, year = {2024}}"
        ),
        "grade": Grade.OWN,
        "mathematics": r"{m} \ge 10 {n} \Rightarrow \frac{1}{n} \sum_i \mathrm{d} \le e^{-t/2}",
        "symbols": {"n": "samples", "m": "neurons"},
        "presets": {"quick": Sizes(), "full": Sizes(n=10, m=200)},
        "instance": lambda parameters, streams, problem: parameters,
        "hypotheses": hypotheses,
        "claims": claims,
        "requirement": lambda instance: Requirement(width=10.0 * instance.n, decay=0.5),
        "mutants": mutants,
        **changes,
    }
    statement = Statement(**fields)
    return statement


@pytest.fixture
def decay() -> Callable[..., Statement]:
    """The factory of the statement above."""
    return decaying
