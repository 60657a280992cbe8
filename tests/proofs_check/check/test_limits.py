"""Failure probabilities: the exact limits, and what they decide at the boundaries."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs_check import Verdict
from proofs_check.check.limits import decide, holm, lower_limit, trials_needed, upper_limit


@given(st.integers(1, 400))
@settings(max_examples=40)
def test_without_failures_the_upper_limit_is_closed_form(trials: int) -> None:
    assert upper_limit(0, trials) == pytest.approx(-math.expm1(math.log(0.05) / trials), rel=1e-9)
    assert lower_limit(0, trials) == 0.0
    assert upper_limit(trials, trials) == 1.0


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
@settings(max_examples=40)
def test_a_limit_leaves_five_percent_of_the_binomial_beyond_it(case: tuple[int, int]) -> None:
    trials, failures = case
    high, low = upper_limit(failures, trials), lower_limit(failures, trials)

    def tail(p: float, outcomes: range) -> float:
        return math.fsum(math.comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in outcomes)

    assert low <= failures / trials <= high
    # SciPy's beta quantiles are good to about 1e-8 relative; the tail's slope in log p is at most `trials`.
    assert high == 1.0 or tail(high, range(failures + 1)) == pytest.approx(0.05, rel=1e-6)
    assert low == 0.0 or tail(low, range(failures, trials + 1)) == pytest.approx(0.05, rel=1e-6)


@pytest.mark.parametrize(("delta", "trials"), [(0.1, 29), (0.01, 299), (0.5, 5)])
def test_the_fewest_trials_that_decide_without_a_failure(delta: float, trials: int) -> None:
    assert trials_needed(delta) == trials
    assert upper_limit(0, trials) <= delta < upper_limit(0, trials - 1)


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


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
@settings(max_examples=50)
def test_holm_raises_p_values_keeps_their_order_and_stops_at_one(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    assert max(adjusted) <= min(1.0, max(max(p_values), len(p_values) * max(p_values)))
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    assert [adjusted[i] for i in order] == sorted(adjusted)
    assert min(adjusted) == min(1.0, len(p_values) * min(p_values))


def test_holms_example_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
