"""What a check past the hypotheses showed, in plain words for every kind of report."""

from __future__ import annotations

import math

from proofs_check.check.result import Result, parameter_values
from proofs_check.report.crosstable import Seen, seen_of
from proofs_check.report.words import number
from proofs_check.statement import Hypothesis
from proofs_check.verdict import HypothesisStatus

__all__ = ["changed", "conclusion_words", "shortfalls"]

_SIGNS = {Seen.YES: "✓", Seen.NO: "✗", Seen.UNCLEAR: "?"}


def changed(result: Result) -> str:
    """The parameters that differ from the quick setting, as ``m = 60, label_scale = 10``."""
    usual = parameter_values(result.statement.presets["quick"])
    values = parameter_values(result.parameters)
    return ", ".join(f"{name} = {_value(value)}" for name, value in values.items() if usual[name] != value)


def _value(value: object) -> str:
    return number(float(value)) if isinstance(value, int | float) else str(value)


def shortfalls(result: Result) -> tuple[Hypothesis, ...]:
    """The false hypotheses, worst first; where none is false, the one furthest from met at C = 1."""
    false = [item for item in result.hypotheses if item.status is HypothesisStatus.FALSE]
    left_open = [item for item in result.hypotheses if item.status is HypothesisStatus.UP_TO_CONSTANT]
    ranked = sorted(false or left_open, key=lambda item: math.inf if math.isnan(item.ratio) else item.ratio)
    return tuple(ranked if false else ranked[:1])


def conclusion_words(result: Result) -> str:
    """``✓ seen in 2 of 3, ✗ failed in 1 of 3``."""
    counts = {seen: sum(seen_of(outcome) is seen for outcome in result.outcomes) for seen in Seen}
    total = len(result.outcomes)
    parts = [f"{_SIGNS[seen]} {seen.value} in {count} of {total}" for seen, count in counts.items() if count]
    return ", ".join(parts) or "no trial"
