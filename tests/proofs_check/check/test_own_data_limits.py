"""What a check may cost on a user's own data, and what it says of data it does not take."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest

from proofs_check import THEOREMS, Verdict, check, check_sweep
from proofs_check.check.data import looks, prepare, too_large
from shallow.setting.problem import Problem


@dataclass(frozen=True)
class Sizes:
    m: int = 1000
    max_steps: int = 400


SMALL = Problem(np.eye(3), [1.0, -1.0, 1.0])
WIDE = Problem(np.ones((2, 6000)), [1.0, -1.0])
LONG = Problem(np.ones((400, 400)), np.ones(400))


def test_a_preset_is_kept_on_data_of_its_own_size() -> None:
    statement = THEOREMS["du2019/flow-explicit"]
    preset = statement.presets["quick"]
    _, chosen = prepare(statement, Problem(np.eye(2), [0.1, -0.1]), preset, None, 0)
    assert chosen.max_steps == preset.max_steps
    assert too_large(preset, SMALL, 5, None) == ""
    assert looks(preset, SMALL, 3) == 3


def test_a_run_on_large_data_is_short_unless_its_length_was_asked_for() -> None:
    statement = THEOREMS["du2019/flow-explicit"]
    asked = dataclasses.replace(statement.presets["quick"], max_steps=300)
    _, chosen = prepare(statement, LONG, asked, None, 0)
    assert chosen.max_steps == 1 + 10**10 // (400 * 400 * asked.m + 400**3 // 10)
    _, chosen = prepare(statement, LONG, asked, {"max_steps": 300}, 0)
    assert chosen.max_steps == 300
    assert looks(asked, LONG, 3) == 1


def test_data_too_large_is_refused_in_a_line_that_says_what_to_do() -> None:
    many = too_large(Sizes(), LONG, 100, None)
    assert many.startswith("one step at n = 400, d = 400, m = 1000 in 100 trials takes")
    assert "fewer rows" in many
    assert "6000 weights" in too_large(Sizes(), WIDE, 1, None)
    assert too_large(Sizes(), LONG, 100, {"m": 1000}) == ""


def test_a_statement_refuses_data_too_large_and_trains_nothing() -> None:
    problem = Problem(np.random.default_rng(0).standard_normal((2, 400)), [1.0, -1.0])
    result = check(THEOREMS["du2019/flow-explicit"], problem=problem)
    assert (result.verdict, result.trials, result.data) == (Verdict.NOT_APPLICABLE, 0, "data")
    assert result.reason.startswith("its network has m d = 26704 x 400 weights")


@pytest.mark.parametrize(
    "key", ["frei2022/kkt", "frei2022/kkt-sharp", "frei2022/dynamics", "frei2022/loss-ratio-explicit"]
)
def test_a_zero_input_is_named_where_no_network_can_separate_it(key: str) -> None:
    result = check(THEOREMS[key], problem=Problem([[1.0, 0.0], [0.0, 0.0]], [1.0, -1.0]))
    assert result.verdict is Verdict.NOT_APPLICABLE
    assert "row 1 (counted from 0) is 0" in result.reason


def test_a_key_in_place_of_a_statement_and_an_empty_sweep_say_what_to_give() -> None:
    with pytest.raises(TypeError, match="give a Statement"):
        check("du2019/lemma-3.3")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="give at least one"):
        check_sweep(THEOREMS["du2019/lemma-3.3"], "m", [])
