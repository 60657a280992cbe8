"""What the trials decide about "with probability at least 1 - delta", at the boundaries."""

from __future__ import annotations

import pytest

from proofs_check import Verdict
from proofs_check.check.limits import decide


@pytest.mark.parametrize(
    ("held", "failed", "verdict"),
    [(28, 0, Verdict.UNDECIDED), (29, 0, Verdict.HOLDS), (30, 0, Verdict.HOLDS), (29, 1, Verdict.UNDECIDED),
     (45, 1, Verdict.HOLDS), (24, 6, Verdict.UNDECIDED), (23, 7, Verdict.VIOLATED), (0, 1, Verdict.UNDECIDED),
     (0, 2, Verdict.VIOLATED)],
)  # fmt: skip
def test_verdicts_change_exactly_where_the_limits_cross_delta(
    held: int, failed: int, verdict: Verdict
) -> None:
    found, reason, p_value = decide(held=held, failed=failed, within=0, trivial=0, delta=0.1)
    assert found is verdict
    assert str(failed) in reason
    assert (p_value < 0.05) == (verdict is Verdict.VIOLATED)


def test_a_trial_within_its_error_counts_against_both_sides() -> None:
    assert decide(held=29, failed=0, within=1, trivial=0, delta=0.1)[0] is Verdict.UNDECIDED
    assert decide(held=23, failed=0, within=7, trivial=0, delta=0.1)[0] is Verdict.UNDECIDED


def test_trials_with_nothing_at_stake_do_not_help_a_statement_to_hold() -> None:
    assert decide(held=0, failed=0, within=0, trivial=30, delta=0.1)[0] is Verdict.VACUOUS
    assert decide(held=20, failed=0, within=0, trivial=10, delta=0.1)[0] is Verdict.UNDECIDED
