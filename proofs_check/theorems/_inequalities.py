"""Hypotheses that are inequalities, in one line each."""

from __future__ import annotations

from proofs_check.statement import Hypothesis

__all__ = ["at_least", "at_most", "order_at_least", "order_at_most"]


def at_least(name: str, text: str, variable: str, have: float, need: float) -> Hypothesis:
    """``variable`` >= need."""
    return Hypothesis.inequality(name, text, variable=variable, have=have, sense=">=", need=need)


def at_most(name: str, text: str, variable: str, have: float, need: float) -> Hypothesis:
    """``variable`` <= need."""
    return Hypothesis.inequality(name, text, variable=variable, have=have, sense="<=", need=need)


def order_at_least(name: str, text: str, variable: str, have: float, need: float) -> Hypothesis:
    """``variable`` >= C need with C unspecified."""
    return Hypothesis.inequality(
        name, text, variable=variable, have=have, sense=">=", need=need, up_to_constant=True
    )


def order_at_most(name: str, text: str, variable: str, have: float, need: float) -> Hypothesis:
    """``variable`` <= C need with C unspecified."""
    return Hypothesis.inequality(
        name, text, variable=variable, have=have, sense="<=", need=need, up_to_constant=True
    )
