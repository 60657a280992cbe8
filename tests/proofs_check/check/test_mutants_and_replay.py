"""False relatives are refuted, and what decided can be replayed from its file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from proofs_check import (
    Claim,
    Grade,
    Hypothesis,
    Mutant,
    Probability,
    Statement,
    Verdict,
    check,
    check_mutants,
    replay,
    tightened,
)
from proofs_check.check.replay import save_case, save_cases
from shallow.setting.archive import read_archive


def test_a_false_relative_and_a_tightened_bound_are_refuted(decay: Callable[..., Statement]) -> None:
    statement = decay()
    found = check_mutants(statement, result=check(statement))
    assert [item.name for item in found] == ["slow", "tightened-1.25"]
    assert all(item.refuted for item in found)
    assert found[0].verdict is Verdict.VIOLATED


def test_a_true_relative_is_no_refuted_mutant(decay: Callable[..., Statement]) -> None:
    statement = decay()
    true = dataclasses.replace(
        statement, mutants=lambda: [Mutant("same", "it is not", statement, statement.presets["quick"])]
    )
    assert [item.refuted for item in check_mutants(true)] == [False]


def test_a_mutant_outside_its_own_hypotheses_is_not_refuted(decay: Callable[..., Statement]) -> None:
    statement = decay()
    outside = dataclasses.replace(statement.presets["quick"], decay=0.1, m=1)
    mutated = dataclasses.replace(statement, mutants=lambda: [Mutant("narrow", "m = 1", statement, outside)])
    found = check_mutants(mutated)
    assert [(item.refuted, item.verdict) for item in found] == [(False, Verdict.NOT_APPLICABLE)]


def test_the_tightened_statement_fails_on_the_instance_where_it_was_measured(
    decay: Callable[..., Statement],
) -> None:
    assert check(tightened(decay())).verdict is Verdict.VIOLATED
    assert check(tightened(decay(), factor=0.9)).verdict is Verdict.HOLDS


def test_a_numerical_error_too_large_to_see_a_tightening_leaves_it_unrefuted(
    decay: Callable[..., Statement],
) -> None:
    blurred = decay(
        claims=lambda instance, evidence: [
            Claim.from_arrays("bounded", 1e-9, upper=1.0, trivial=100.0, numerical_error=1e-3)
        ],
        mutants=tuple,
    )
    result = check(blurred)
    assert result.verdict is Verdict.HOLDS
    assert [item.refuted for item in check_mutants(blurred, result=result)] == [False]


def test_a_violation_is_saved_with_three_lines_that_replay_it(
    decay: Callable[..., Statement], tmp_path: Path
) -> None:
    statement = decay()
    result = check(statement, set={"decay": 0.1}, seed=4)
    (path,) = save_cases(result, tmp_path / "cases")
    fields = read_archive(path, kind="case", required=("replay", "claim0_observed"))
    assert len(str(fields["replay"]).splitlines()) == 3
    assert np.array_equal(fields["claim0_observed"], result.claims[0].observed)
    again = replay(path, statement)
    assert again.verdict is Verdict.VIOLATED
    assert again.parameters == result.parameters
    assert np.array_equal(again.claims[0].observed, result.claims[0].observed)


def test_refuted_mutants_replay_as_violations(decay: Callable[..., Statement], tmp_path: Path) -> None:
    statement = decay()
    result = check(statement)
    result = dataclasses.replace(result, mutants=check_mutants(statement, result=result))
    paths = save_cases(result, tmp_path)
    assert [path.name for path in paths] == ["toy-decay-slow.npz", "toy-decay-tightened-1.25.npz"]
    assert [replay(path, statement).verdict for path in paths] == [Verdict.VIOLATED] * 2


def test_a_case_of_another_statement_is_refused(decay: Callable[..., Statement], tmp_path: Path) -> None:
    path = save_case(check(decay()), tmp_path)
    with pytest.raises(ValueError, match="is a case of toy/decay"):
        replay(path, decay(key="toy/other"))
    with pytest.raises(FileNotFoundError):
        replay(tmp_path / "nothing.npz", decay())


def test_the_three_lines_of_a_result_repeat_it(
    decay: Callable[..., Statement], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    published = decay(grade=Grade.READ)
    result = check(published, set={"decay": 0.1, "rates": (0.5,)}, trials=2, seed=3, assume=["nothing"])
    assert len(result.replay.splitlines()) == 3
    monkeypatch.setattr("proofs_check.THEOREMS", {"toy/decay": published})
    exec(result.replay, {})
    assert capsys.readouterr().out.strip() == f"{result.verdict.name} {result.reason}"


def test_a_statement_of_ones_own_is_repeated_by_its_own_name(
    decay: Callable[..., Statement], capsys: pytest.CaptureFixture[str]
) -> None:
    own = decay(grade=Grade.OWN)
    result = check(own, seed=3)
    exec(result.replay, {"statement": own})
    assert capsys.readouterr().out.strip() == f"{result.verdict.name} {result.reason}"


def test_an_open_constant_or_a_probability_does_not_hide_a_refuted_mutant_from_its_replay(
    decay: Callable[..., Statement], tmp_path: Path
) -> None:
    width = Hypothesis.inequality(
        "width", "m >= C n", variable="m", have=1, sense=">=", need=9, up_to_constant=True
    )
    chance = Probability({"quick": 0.1}, frozenset({"init"}), {"quick": 30})
    statement = decay(hypotheses=lambda instance: [width], probability=chance)
    result = check(statement)
    assert result.verdict is Verdict.CONSISTENT
    found = check_mutants(statement, result=result)
    assert [item.refuted for item in found] == [True, True]
    paths = save_cases(dataclasses.replace(result, mutants=found), tmp_path)
    assert len(paths) == 2
    assert [replay(path, statement).verdict for path in paths] == [Verdict.VIOLATED] * 2
