"""Descent to a loss of 1e-100: where the limit is seen, and where the check must refuse to see it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from proofs_check import THEOREMS, check
from proofs_check.check import check_mutants
from proofs_check.theorems.frei2022._descent import QUANTITIES, steps_to
from proofs_check.verdict import Evidence, Verdict
from shallow.setting.problem import Problem

STATEMENT = THEOREMS["frei2022/dynamics"]
SHALLOW = dataclasses.replace(STATEMENT.presets["quick"], decades=40.0, test_points=4000)


def test_the_limit_is_seen_at_the_committed_setting_and_every_mutant_is_refuted() -> None:
    result = check(STATEMENT)
    assert result.verdict is Verdict.HOLDS
    assert result.evidence is Evidence.NUMERIC
    assert result.claims[-1].observed.min() >= 100.0  # decades of loss
    assert [claim.name.partition(":")[0] for claim in result.claims[:-1]] == list(QUANTITIES)
    found = check_mutants(STATEMENT, result=result)
    assert {"rank 1", "the leak dropped (ReLU)"} <= {item.name for item in found}
    assert [item.name for item in found if not item.refuted] == []


@pytest.mark.parametrize("changes", [{"m1": 1, "m2": 1}, {"n": 1}, {"m1": 15, "m2": 1}, {"omega": 1e-6}])
def test_the_limit_does_not_depend_on_widths_or_start(changes: dict[str, float]) -> None:
    result = check(STATEMENT, parameters=dataclasses.replace(SHALLOW, **changes))
    failed = [claim.name for claim in result.claims if claim.outcome.name == "FAILED"]
    assert failed == []
    assert result.verdict is not Verdict.VIOLATED


def test_the_limit_does_not_depend_on_the_units_of_the_data() -> None:
    X = np.eye(6, 8) * 1e3
    y = np.array([1.0, -1.0, 1.0, 1.0, -1.0, -1.0])
    result = check(STATEMENT, parameters=SHALLOW, problem=Problem(X, y))
    assert result.verdict is Verdict.HOLDS


def test_data_with_conflicting_labels_have_no_limit_to_train_to() -> None:
    X = np.vstack([np.eye(2, 4), np.eye(2, 4)[:1]])
    result = check(STATEMENT, parameters=SHALLOW, problem=Problem(X, np.array([1.0, 1.0, -1.0])))
    assert result.verdict is Verdict.NOT_APPLICABLE
    assert not result.outside


def test_the_number_of_steps_follows_the_multipliers_and_has_a_ceiling() -> None:
    assert steps_to(100.0, [1.0, 1.0], 1.0, 64) == math.ceil(1.02 * 100 * math.log(10) * 2) + 50
    with pytest.raises(ValueError, match="fewer decades"):
        steps_to(100.0, [1e6], 1.0, 64)
    with pytest.raises(ValueError, match="fewer decades"):
        steps_to(100.0, [1.0, 1.0], 1.0, 10**8)


def test_a_start_too_large_for_the_horizon_decides_nothing() -> None:
    assert check(STATEMENT, parameters=dataclasses.replace(SHALLOW, omega=100.0)).verdict is Verdict.UNDECIDED
