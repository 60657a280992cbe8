"""Ways to make a false statement out of a true one, each definite enough to be refuted by a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from proofs_check.check.judge import tighten
from proofs_check.statement import Claim, Hypothesis, Statement
from proofs_check.verdict import HypothesisStatus

__all__ = ["definite", "tightened", "with_claims", "without"]


def definite(statement: Statement) -> Statement:
    """The statement with its unspecified constants read as whatever the instance at hand has."""

    def settle(items: Sequence[Hypothesis]) -> list[Hypothesis]:
        return [
            dataclasses.replace(item, status=HypothesisStatus.TRUE)
            if item.status is HypothesisStatus.UP_TO_CONSTANT
            else item
            for item in items
        ]

    return dataclasses.replace(
        statement, hypotheses=lambda instance: settle(statement.hypotheses(instance)), mutants=tuple
    )


def without(statement: Statement, *names: str) -> Statement:
    """The statement with these hypotheses dropped, before training and along it."""
    kept = definite(statement)

    def hypotheses(instance: Any) -> list[Hypothesis]:
        return [item for item in kept.hypotheses(instance) if item.name not in names]

    def along(instance: Any, evidence: Any) -> list[Hypothesis]:
        return [item for item in kept.hypotheses_along(instance, evidence) if item.name not in names]

    key = f"{statement.key}-without-{'-'.join(names)}"
    return dataclasses.replace(kept, key=key, hypotheses=hypotheses, hypotheses_along=along)


def with_claims(statement: Statement, name: str, claims: Callable[[Any, Any], Sequence[Claim]]) -> Statement:
    """The statement with another conclusion."""
    return dataclasses.replace(definite(statement), key=f"{statement.key}-{name}", claims=claims)


def tightened(
    statement: Statement, factor: float | Callable[[Any], float], *, name: str = "tightened", place: int = 0
) -> Statement:
    """The statement with one of its claims alone, tightened by a factor or a function of the instance."""
    original = statement.claims
    if original is None:
        raise ValueError(f"{statement.key} states a law over a grid, not claims on an instance")

    def claims(instance: Any, evidence: Any) -> list[Claim]:
        chosen = factor(instance) if callable(factor) else factor
        return [tighten(original(instance, evidence)[place], chosen)]

    return with_claims(statement, name, claims)
