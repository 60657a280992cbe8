"""What statements ask for, and their text with numbers in it, without training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from proofs_check import Statement, compare, explain
from proofs_check.check.explain import substitute
from shallow.setting.problem import Problem


def untrained(instance: Any) -> Any:
    raise AssertionError("compare must not gather evidence")


def test_compare_gives_width_decay_and_the_failing_hypothesis_and_trains_nothing(
    decay: Callable[..., Statement],
) -> None:
    rows = compare([decay(evidence=untrained), decay(key="toy/wide")], set={"m": 20})
    assert [row.key for row in rows] == ["toy/decay", "toy/wide"]
    content = rows[0].to_json()
    assert (content["required_m"], content["have_m"], content["promised_decay"]) == (50.0, 20, 0.5)
    assert "ratio 0.4" in content["failing"]
    assert content["allowed_step"] is None
    assert content["missing"]["allowed_step"] == "the statement names no step"


def test_compare_on_data_takes_its_size_and_says_in_a_line_who_cannot(
    decay: Callable[..., Statement],
) -> None:
    data = Problem([[1.0, 0.0], [0.0, 1.0]], [1.0, -1.0])
    taking, refusing = compare([decay(), decay(accepts_data="no: it draws its own law")], problem=data)
    assert taking.to_json()["required_m"] == 20.0
    assert taking.failing is None
    assert refusing.refusal == "it takes no data: it draws its own law"


def test_compare_refuses_a_name_that_no_statement_has(decay: Callable[..., Statement]) -> None:
    with pytest.raises(ValueError, match="--set width: no statement"):
        compare([decay()], set={"width": 3})


def test_explain_puts_the_numbers_into_the_statement(decay: Callable[..., Statement]) -> None:
    text = str(explain(decay(), set={"n": 40, "m": 1000}))
    assert r"{1000} \ge 10 {40}" in text
    assert r"\frac{1}{40}" in text
    assert r"\mathrm{d}" in text
    assert "have 1e+03 (ratio 2.5)" in text
    assert "a user's own statement" in text
    assert "@article{tester2024" in text


@pytest.mark.parametrize(
    ("tex", "filled"),
    [(r"\frac{n}{m}", r"\frac{5}{7}"), (r"\mathbb{n}", r"\mathbb{n}"), (r"\text{n}", r"\text{n}"),
     (r"x_{n}", r"x_{5}"), (r"{nm}", r"{nm}"), (r"\sqrt{{n}}", r"\sqrt{{5}}")],
)  # fmt: skip
def test_only_groups_that_name_a_parameter_are_filled(tex: str, filled: str) -> None:
    assert substitute(tex, {"n": 5, "m": 7, "law": "signs"}) == filled
