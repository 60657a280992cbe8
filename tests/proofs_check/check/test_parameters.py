"""Parameters by name: types are read, mistakes are named, the data settles its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from proofs_check import Statement, check, check_sweep
from proofs_check.check.parameters import choose, fit_to_data, parse_assignments, with_changes
from shallow.setting.problem import Problem


@dataclass(frozen=True)
class Every:
    n: int = 1
    rate: float = 0.5
    law: str = "signs"
    layer: Literal["both", "first"] = "both"
    paired: bool = True
    sizes: tuple[int, ...] = (1, 2)
    bound: float | None = None


@pytest.mark.parametrize(
    ("text", "value"),
    [("n=7", 7), ("n=1e3", 1000), ("rate=1e-3", 1e-3), ("law=teacher", "teacher"), ("layer=first", "first"),
     ("paired=false", False), ("sizes=3,5,7", (3, 5, 7)), ("bound=2", 2.0), ("bound=none", None)],
)  # fmt: skip
def test_text_is_read_as_the_fields_type(text: str, value: Any) -> None:
    changes = parse_assignments([text])
    made = with_changes(Every(), changes, "toy")
    found = getattr(made, next(iter(changes)))
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "needle"),
    [("n=abc", "--set n=abc"), ("n=1.5", "integer"), ("rate=nan", "finite"), ("rate=inf", "finite"),
     ("layer=third", "one of both, first"), ("paired=maybe", "true or false"), ("sizes=1,x", "number"),
     ("rates=1", "did you mean 'rate'"), ("bound=much", "number")],
)  # fmt: skip
def test_a_mistake_names_the_flag_and_what_would_do(text: str, needle: str) -> None:
    with pytest.raises(ValueError, match=needle):
        with_changes(Every(), parse_assignments([text]), "toy")


@pytest.mark.parametrize("words", [["n"], ["=3"], ["n="], ["n=1", "n=2"]])
def test_an_assignment_is_a_name_and_a_value_once(words: list[str]) -> None:
    with pytest.raises(ValueError, match="--set"):
        parse_assignments(words)


def test_values_from_python_are_checked_like_text() -> None:
    assert with_changes(Every(), {"n": 3, "sizes": [4]}, "toy") == Every(n=3, sizes=(4,))
    with pytest.raises(ValueError, match="integer"):
        with_changes(Every(), {"n": 2.5}, "toy")
    with pytest.raises(ValueError, match="no parameters"):
        with_changes(None, {"n": 2}, "toy")


def test_an_unknown_size_names_those_there_are(decay: Callable[..., Statement]) -> None:
    with pytest.raises(ValueError, match="quick, full"):
        choose(decay(), "huge", None, None)


def test_n_and_d_and_the_label_scale_come_from_the_data(decay: Callable[..., Statement]) -> None:
    data = Problem([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [3.0, 3.0, -3.0])
    statement = decay()
    fitted = fit_to_data(statement, statement.presets["quick"], data)
    assert (fitted.n, fitted.d, fitted.label_scale) == (3, 2, 3.0)
    asked = choose(statement, "quick", None, {"n": 7})
    with pytest.raises(ValueError, match="takes n from your data"):
        fit_to_data(statement, asked, data, {"n": 7})


def test_a_sweep_checks_each_value_in_order_through_any_executor(decay: Callable[..., Statement]) -> None:
    backwards: list[int] = []

    def executor(function: Callable[[Any], Any], grid: Any) -> list[Any]:
        backwards.append(len(grid))
        return [function(cell) for cell in reversed(grid)][::-1]

    values = [0.1, 0.5, 2.0]
    found = check_sweep(decay(), "decay", values)
    assert [result.parameters.decay for result in found] == values
    assert [result.failed for result in found] == [1, 0, 0]
    again = check_sweep(decay(), "decay", values, executor=executor)
    assert backwards == [3]
    assert [result.verdict for result in again] == [result.verdict for result in found]
    with pytest.raises(ValueError, match="did you mean 'decay'"):
        check_sweep(decay(), "decays", values)
    assert check(decay(), set={"decay": 2}).verdict is found[-1].verdict
