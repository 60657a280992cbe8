"""The mathematics of every statement in the library can be shown."""

from __future__ import annotations

import pytest

from proofs_check.report.markup import formula, symbol
from proofs_check.report.mathml import mathml, prose
from proofs_check.theorems import THEOREMS


def test_there_are_statements_to_show() -> None:
    assert len(THEOREMS) >= 10


@pytest.mark.parametrize("key", list(THEOREMS))
def test_a_statements_mathematics_convert(key: str) -> None:
    mathematics = THEOREMS[key].mathematics
    html = prose(mathematics) if "$" in mathematics else mathml(mathematics)
    assert html.count("<math") >= 1
    assert "<code>" not in formula(mathematics)


@pytest.mark.parametrize("key", list(THEOREMS))
def test_a_statements_symbols_convert(key: str) -> None:
    statement = THEOREMS[key]
    shown = [
        symbol(name) for name in [*statement.symbols, *(constant.symbol for constant in statement.constants)]
    ]
    assert len(shown) > 0
    assert [html for html in shown if "as typed" in html] == []
    assert [name for name in statement.symbols if "$" in name] == []
