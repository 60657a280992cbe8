"""Past its hypotheses each statement has a setting where one fails widely and training still goes on."""

from __future__ import annotations

import math

import pytest

from proofs_check import THEOREMS, Regime, Result, Verdict, check
from proofs_check.report.conclusions import shortfalls
from proofs_check.report.crosstable import Reach, Seen, cross_table

_KEYS = [key for key, statement in THEOREMS.items() if "beyond" in statement.presets]


@pytest.fixture(scope="module")
def found() -> list[Result]:
    return [check(THEOREMS[key], size="beyond") for key in _KEYS]


def test_a_hypothesis_fails_by_a_factor_of_at_least_one_and_a_half(found: list[Result]) -> None:
    assert len(found) >= 15
    worst = {result.key: min(_ratio(item.ratio) for item in shortfalls(result)) for result in found}
    assert {key: ratio for key, ratio in worst.items() if ratio > 2 / 3} == {}


def _ratio(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def test_no_theorem_is_judged_there(found: list[Result]) -> None:
    verdicts = {result.verdict for result in found}
    assert verdicts <= {Verdict.NOT_APPLICABLE, Verdict.UNDECIDED}
    assert {result.trials for result in found} == {3}


def test_every_regime_has_conclusions_seen_and_conclusions_failed(found: list[Result]) -> None:
    seen = {cell.regime: cell.trials for cell in cross_table(found) if cell.reach is Reach.FAILED}
    assert {Regime.LAZY, Regime.BETWEEN, Regime.NOT_LAZY} <= set(seen)
    for regime in (Regime.LAZY, Regime.BETWEEN, Regime.NOT_LAZY):
        assert seen[regime][Seen.YES] > 0
    assert seen[Regime.NOT_LAZY][Seen.NO] > 0
