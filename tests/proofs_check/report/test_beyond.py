"""Past the hypotheses: each kind of outcome has its words, and every trial its place in the cross-table."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from proofs_check.check.result import Result
from proofs_check.report.beyond import past_the_hypotheses
from proofs_check.report.conclusions import changed, conclusion_words, shortfalls
from proofs_check.report.crosstable import Reach, Seen, cross_table
from proofs_check.report.page import page
from proofs_check.statement import Hypothesis
from proofs_check.verdict import Outcome, Regime, Verdict

Maker = Callable[..., Result]

_WIDTH = Hypothesis.inequality("width", "wide", variable="m", have=100.0, sense=">=", need=26702.0)
_GRAM = Hypothesis.inequality("gram", "wide", variable="m", have=100.0, sense=">=", need=400.0)
_OPEN = Hypothesis.inequality(
    "step", "small", variable="eta", have=1.0, sense="<=", need=0.25, up_to_constant=True
)


@pytest.fixture
def beyond(make_result: Maker) -> Result:
    outcomes = (Outcome.HELD, Outcome.FAILED, Outcome.TRIVIAL)
    parameters = make_result().statement.presets["quick"].__class__(m=100, label_scale=10.0)
    return make_result(
        verdict=Verdict.NOT_APPLICABLE,
        parameters=parameters,
        size="beyond",
        hypotheses=(_OPEN, _GRAM, _WIDTH),
        outcomes=outcomes,
        trials=3,
        inside=0,
        held=1,
        failed=1,
        regime=Regime.NOT_LAZY,
        regime_value=0.653,
    )


def test_outcomes_are_counted_in_words(beyond: Result, make_result: Maker) -> None:
    assert conclusion_words(beyond) == "✓ seen in 1 of 3, ✗ failed in 1 of 3, ? not decided in 1 of 3"
    assert conclusion_words(make_result(outcomes=())) == "no trial"


def test_only_what_differs_from_the_usual_setting_is_named(beyond: Result, make_result: Maker) -> None:
    assert changed(beyond) == "m = 100, label_scale = 10"
    assert changed(make_result()) == ""


def test_the_worst_false_hypothesis_comes_first_and_an_open_one_only_without_any(
    beyond: Result, make_result: Maker
) -> None:
    assert [item.name for item in shortfalls(beyond)] == ["width", "gram"]
    assert [item.name for item in shortfalls(make_result(hypotheses=(_OPEN,)))] == ["step"]


def test_the_table_says_what_fails_by_how_much_and_the_regime(beyond: Result) -> None:
    html = past_the_hypotheses([beyond])
    for needed in ('id="beyond"', "26702", "0.00375", "not lazy", "0.653", "✗ failed in 1 of 3"):
        assert needed in html
    assert past_the_hypotheses([]) == ""


def test_both_kinds_count_in_the_cross_table_and_a_key_is_named_once_a_cell(
    beyond: Result, make_result: Maker
) -> None:
    inside = make_result(regime=Regime.NOT_LAZY, hypotheses=(_WIDTH,), inside=0)
    (cell,) = cross_table([inside, beyond])
    assert (cell.reach, cell.regime) == (Reach.FAILED, Regime.NOT_LAZY)
    assert cell.keys == ("made2024/theorem-1",)
    assert cell.trials == {Seen.YES: 31, Seen.NO: 1, Seen.UNCLEAR: 1}


def test_the_page_links_its_cross_table_to_the_section(beyond: Result, make_result: Maker) -> None:
    html = page([make_result()], 0, [beyond])
    assert '<a href="#beyond">' in html
    assert html.count('id="beyond"') == 1
    assert 'href="#beyond"' not in page([make_result()], 0)
