"""Intervals that cover, sequences that may be looked at, and Holm's correction."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from shallow.statistics import (
    clopper_pearson,
    confidence_sequence,
    excess_p_value,
    holm,
    lower_limit,
    trials_needed,
    upper_limit,
)

counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts, st.sampled_from([0.5, 0.9, 0.95, 0.999]))
@settings(max_examples=50)
def test_the_two_sided_interval_is_that_of_scipy(count: tuple[int, int], level: float) -> None:
    exact = binomtest(*count).proportion_ci(confidence_level=level, method="exact")
    low, high = clopper_pearson(*count, level)
    # scipy finds its limits by a root search with absolute tolerance 2e-12
    assert abs(low - exact.low) <= 1e-11
    assert abs(high - exact.high) <= 1e-11


@given(counts, st.sampled_from([0.9, 0.95, 0.99]))
@settings(max_examples=50)
def test_at_a_one_sided_limit_the_counts_seen_have_probability_one_minus_level(
    count: tuple[int, int], level: float
) -> None:
    successes, trials = count
    above, below = upper_limit(successes, trials, level), lower_limit(successes, trials, level)
    if successes < trials:
        assert binom.cdf(successes, trials, above) == pytest.approx(1 - level, rel=1e-9)
    else:
        assert above == 1.0
    if successes > 0:
        assert binom.sf(successes - 1, trials, below) == pytest.approx(1 - level, rel=1e-9)
    else:
        assert below == 0.0


def test_without_trials_nothing_is_known() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    assert confidence_sequence(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("delta", "needed"), [(0.1, 29), (0.01, 299)])
def test_zero_failures_decide_after_the_declared_number_of_trials(delta: float, needed: int) -> None:
    assert trials_needed(delta) == needed
    assert upper_limit(0, needed) <= delta < upper_limit(0, needed - 1)


@given(st.floats(0.005, 0.6), st.integers(0, 4))
@settings(max_examples=30)
def test_trials_needed_is_the_least_number_that_decides(delta: float, failures: int) -> None:
    needed = trials_needed(delta, failures=failures)
    assert upper_limit(failures, needed) <= delta < upper_limit(failures, needed - 1)


def test_the_excess_p_value_is_the_binomial_tail() -> None:
    assert excess_p_value(0, 30, 0.1) == 1.0
    for failures in (1, 4, 30):
        assert excess_p_value(failures, 30, 0.1) == pytest.approx(binom.sf(failures - 1, 30, 0.1), rel=1e-10)


@given(counts)
@settings(max_examples=40)
def test_a_confidence_sequence_holds_the_frequency_and_is_wider_than_the_single_look(
    count: tuple[int, int],
) -> None:
    low, high = confidence_sequence(*count)
    once = clopper_pearson(*count)
    assert 0 <= low <= count[0] / count[1] <= high <= 1
    assert high - low >= once[1] - once[0] - 1e-9


@pytest.mark.parametrize("p", [0.02, 0.5])
def test_a_confidence_sequence_misses_at_no_time_more_often_than_declared(p: float) -> None:
    runs, length, level = 400, 300, 0.9
    draws = np.random.default_rng(5).random((runs, length)) < p
    successes = np.cumsum(draws, axis=1)
    table: dict[tuple[int, int], bool] = {}
    missed = 0
    for path in successes:
        cells = list(zip(path.tolist(), range(1, length + 1)))
        for cell in cells:
            if cell not in table:
                low, high = confidence_sequence(*cell, level)
                table[cell] = low <= p <= high
        missed += not all(table[cell] for cell in cells)
    # the miss probability is at most 0.1: this many misses are then less likely than 1e-6
    assert missed <= binom.isf(1e-6, runs, 1 - level)


def test_looking_often_at_fixed_sample_intervals_misses_far_more_often() -> None:
    """The reason for the sequence: 300 looks at 90 % intervals miss in most runs."""
    draws = np.random.default_rng(5).random((60, 300)) < 0.5
    ends = np.cumsum(draws, axis=1)
    missed = [
        any(
            not low <= 0.5 <= high
            for low, high in (clopper_pearson(int(s), t + 1, 0.9) for t, s in enumerate(p))
        )
        for p in ends
    ]
    assert sum(missed) > 60 * 0.3


def test_holm_by_hand_and_in_any_order() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([0.04, 0.03, 0.01]) == pytest.approx((0.06, 0.06, 0.03))
    assert holm([0.9, 0.8]) == (1.0, 1.0)
    assert holm([]) == ()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
@settings(max_examples=40)
def test_holm_lies_between_the_raw_and_the_Bonferroni_values(p: list[float]) -> None:
    adjusted = holm(p)
    assert all(raw <= value <= min(1.0, len(p) * max(p)) for raw, value in zip(p, adjusted))
    order = np.argsort(p, kind="stable")
    assert np.all(np.diff(np.array(adjusted)[order]) >= 0)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: upper_limit(5, 4), ValueError),
        (lambda: upper_limit(-1, 4), ValueError),
        (lambda: upper_limit(1.0, 4), TypeError),
        (lambda: clopper_pearson(1, 4, level=1.0), ValueError),
        (lambda: trials_needed(0.0), ValueError),
        (lambda: confidence_sequence(1, 2, prior=(0.0, 1.0)), ValueError),
        (lambda: holm([0.5, math.nan]), ValueError),
    ],
)
def test_counts_and_levels_without_meaning_are_refused(call: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        call()
