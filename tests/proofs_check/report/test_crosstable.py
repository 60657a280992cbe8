"""The cross-table counts each trial once, in the row of what was known of its hypotheses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from proofs_check.check.result import Result
from proofs_check.report.crosstable import Reach, Seen, cross_table, reach
from proofs_check.statement import Hypothesis
from proofs_check.verdict import HypothesisStatus, Outcome, Regime, Verdict

TRUE, FALSE = HypothesisStatus.TRUE, HypothesisStatus.FALSE
OPEN, LAW = HypothesisStatus.UP_TO_CONSTANT, HypothesisStatus.NOT_CHECKABLE


@pytest.mark.parametrize(
    ("statuses", "row"),
    [
        ((), Reach.MET),
        ((TRUE, TRUE), Reach.MET),
        ((TRUE, LAW), Reach.LAW),
        ((LAW, OPEN), Reach.OPEN),
        ((TRUE, OPEN, LAW, FALSE), Reach.FAILED),
    ],
)
def test_the_weakest_hypothesis_decides_the_row(statuses: tuple[HypothesisStatus, ...], row: Reach) -> None:
    assert reach(statuses) is row


def test_trials_outside_the_hypotheses_stand_in_the_bottom_row(make_result: Callable[..., Result]) -> None:
    outcomes = (Outcome.HELD,) * 7 + (Outcome.FAILED,) * 2 + (Outcome.TRIVIAL,)
    mixed = make_result(outcomes=outcomes, trials=10, inside=4, held=4, failed=0)
    cells = {cell.reach: cell.trials for cell in cross_table([mixed])}
    assert cells[Reach.MET] == {Seen.YES: 4, Seen.NO: 0, Seen.UNCLEAR: 0}
    assert cells[Reach.FAILED] == {Seen.YES: 3, Seen.NO: 2, Seen.UNCLEAR: 1}


def test_results_in_one_cell_add_up(make_result: Callable[..., Result]) -> None:
    (cell,) = cross_table([make_result("a/1"), make_result("a/2")])
    assert cell.keys == ("a/1", "a/2")
    assert cell.trials[Seen.YES] == 60
    assert cell.regime is Regime.LAZY


def test_a_conclusion_seen_without_its_hypotheses_stands_in_the_bottom_row(
    make_result: Callable[..., Result],
) -> None:
    failing = Hypothesis.fact("width", "wide", False)
    outside = make_result("a/3", Verdict.NOT_APPLICABLE, hypotheses=(failing,), inside=0, outside=True)
    (cell,) = cross_table([outside])
    assert cell.reach is Reach.FAILED
    assert cell.trials[Seen.YES] == 30
