"""Across a report, chance violations are taken back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from proofs_check import Claim, Probability, Statement, Verdict, check
from proofs_check.check import adjust


def failing(decay: Callable[..., Statement], failures: int) -> Any:
    statement = decay(
        instance=lambda parameters, streams, problem: streams.trial,
        hypotheses=lambda instance: [],
        claims=lambda instance, evidence: [
            Claim.from_arrays("success", 2.0 if instance < failures else 0.5, upper=1.0)
        ],
        probability=Probability({"quick": 0.1}, frozenset({"init"}), {"quick": 30}),
    )
    return check(statement)


def test_a_lone_violation_among_many_is_undecided_and_an_overwhelming_one_stays(
    decay: Callable[..., Statement],
) -> None:
    close, clear = failing(decay, 7), failing(decay, 25)
    assert close.verdict is Verdict.VIOLATED
    many = adjust([close, clear, *[failing(decay, 0)] * 8, check(decay())])
    assert [item.verdict for item in many[:3]] == [Verdict.UNDECIDED, Verdict.VIOLATED, Verdict.HOLDS]
    assert "Holm" in many[0].reason
    assert many[-1].p_adjusted is None
    alone = adjust([dataclasses.replace(close)])
    assert alone[0].verdict is Verdict.VIOLATED
