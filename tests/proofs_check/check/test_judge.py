"""The judge: where a bound holds, where it says something, how tight it is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs_check import Claim, Comparison, Outcome
from proofs_check.check.judge import judge, tighten, tighten_to_measured

positive = st.floats(1e-6, 1e6)
factors = st.floats(1.01, 100.0)


def claim(observed: Any, **arguments: Any) -> Claim:
    return Claim.from_arrays("claim", observed, **arguments)


@given(positive, factors)
@settings(max_examples=50)
def test_an_upper_bounds_tightness_is_bound_over_observed(observed: float, factor: float) -> None:
    found = judge(claim(observed, upper=factor * observed))
    assert found.outcome is Outcome.HELD
    assert found.tightness == pytest.approx(factor, rel=1e-12)
    assert found.room == pytest.approx(factor, rel=1e-12)
    assert found.detectable == pytest.approx(factor, rel=1e-12)


@given(positive, factors)
@settings(max_examples=50)
def test_a_lower_bounds_tightness_is_at_most_one_and_its_room_the_reciprocal(
    observed: float, factor: float
) -> None:
    found = judge(claim(observed, lower=observed / factor))
    assert found.outcome is Outcome.HELD
    assert found.tightness == pytest.approx(1 / factor, rel=1e-12)
    assert found.room == pytest.approx(factor, rel=1e-12)


@given(st.floats(0.1, 3.0), st.floats(1.05, 5.0), st.floats(0.0, 5.0))
@settings(max_examples=50)
def test_a_decays_tightness_is_the_ratio_of_exponents(proved: float, faster: float, offset: float) -> None:
    t = np.arange(1.0, 30.0)
    found = judge(
        claim(
            np.exp(-offset - proved * faster * t),
            upper=np.exp(-proved * t),
            index=t,
            trivial=1.0,
            comparison=Comparison.DECAY,
        )
    )
    # The largest |log| over the smallest spread of the fit bounds what one rounding of exp and log can move.
    tolerance = 30 * 30 * np.finfo(np.float64).eps * (offset + proved * faster * 30) / (proved * faster)
    assert found.tightness == pytest.approx(1 / faster, rel=tolerance + 1e-14)


@given(factors, st.sampled_from(["upper", "lower", "two-sided", "decay"]))
@settings(max_examples=60)
def test_tightening_beyond_the_room_fails_and_short_of_it_holds(factor: float, shape: str) -> None:
    t = np.arange(1.0, 6.0)
    made = {
        "upper": claim(t, upper=factor * t),
        "lower": claim(t, lower=t / factor),
        "two-sided": claim(t + 1, lower=t - factor, upper=t + factor),
        "decay": claim(
            np.exp(-factor * t), upper=np.exp(-t), index=t, trivial=1.0, comparison=Comparison.DECAY
        ),
    }[shape]
    found = judge(made)
    assert found.outcome is Outcome.HELD
    assert found.room is not None
    assert judge(tighten(made, found.room * 1.001)).outcome is Outcome.FAILED
    assert judge(tighten(made, found.room * 0.999)).outcome is not Outcome.FAILED


def test_the_smallest_detectable_tightening_counts_the_numerical_error() -> None:
    made = claim(1.0, upper=2.0, numerical_error=0.5)
    assert judge(made).detectable == pytest.approx(4.0)
    assert judge(tighten(made, 3.9)).outcome is Outcome.WITHIN_ERROR
    assert judge(tighten(made, 4.1)).outcome is Outcome.FAILED


def test_a_value_under_its_error_makes_no_tightening_detectable() -> None:
    assert judge(claim(1e-16, upper=1.0, numerical_error=1e-12)).detectable == math.inf


@pytest.mark.parametrize(
    ("slack", "outcome"),
    [(2e-3, Outcome.HELD), (1e-3, Outcome.HELD), (5e-4, Outcome.WITHIN_ERROR), (0.0, Outcome.WITHIN_ERROR),
     (-5e-4, Outcome.WITHIN_ERROR), (-1e-3, Outcome.WITHIN_ERROR), (-2e-3, Outcome.FAILED)],
)  # fmt: skip
def test_the_numerical_error_decides_between_held_and_failed(slack: float, outcome: Outcome) -> None:
    assert judge(claim(0.0, upper=slack, numerical_error=1e-3)).outcome is outcome


def test_equality_with_a_bound_counts_as_held_when_arithmetic_is_exact() -> None:
    assert judge(claim([1.0, 2.0], upper=[1.0, 2.0])).outcome is Outcome.HELD
    assert judge(claim([1.0, 2.0], lower=[1.0, 2.0])).outcome is Outcome.HELD


@pytest.mark.parametrize(("gap", "outcome"), [(0.5e-9, Outcome.HELD), (2e-9, Outcome.FAILED)])
def test_equal_means_within_the_error(gap: float, outcome: Outcome) -> None:
    made = claim(1.0 + gap, lower=1.0, upper=1.0, numerical_error=1e-9, comparison=Comparison.EQUAL)
    assert judge(made).outcome is outcome
    assert judge(made).tightness is None


def test_an_equality_that_its_error_makes_empty_is_trivial() -> None:
    made = claim(1.0, lower=1.0, upper=1.0, trivial=1.5, numerical_error=0.4, comparison=Comparison.EQUAL)
    assert judge(made).outcome is Outcome.TRIVIAL


@pytest.mark.parametrize(
    ("upper", "trivial", "informative"),
    [(1.0, 10.0, True), (1.0, 9.9, False), (0.0, 1.0, True), (-1.0, 0.0, True), (0.0, 0.0, False),
     (-10.0, -1.0, True), (-5.0, -1.0, False), (1.0, math.inf, True), (1.0, math.nan, True)],
)  # fmt: skip
def test_an_upper_bound_informs_from_ten_times_below_what_is_known(
    upper: float, trivial: float, informative: bool
) -> None:
    found = judge(claim(upper - 1.0, upper=upper, trivial=trivial))
    assert (found.evaluated == 1) is informative
    assert found.outcome is (Outcome.HELD if informative else Outcome.TRIVIAL)


@pytest.mark.parametrize(
    ("lower", "trivial", "informative"),
    [(10.0, 1.0, True), (9.9, 1.0, False), (1e-9, 0.0, True), (0.0, 0.0, False), (-0.1, -1.0, True),
     (-0.5, -1.0, False), (0.0, -math.inf, True)],
)  # fmt: skip
def test_a_lower_bound_informs_from_ten_times_above_what_is_known(
    lower: float, trivial: float, informative: bool
) -> None:
    assert (judge(claim(lower + 1.0, lower=lower, trivial=trivial)).evaluated == 1) is informative


def test_a_failure_where_the_bound_is_trivial_is_still_a_failure() -> None:
    assert judge(claim([2.0, 0.0], upper=[1.0, 1.0], trivial=1.0)).outcome is Outcome.FAILED


def test_nan_observed_fails_everywhere_and_infinity_only_against_a_bound() -> None:
    assert judge(claim(math.nan, upper=1.0)).outcome is Outcome.FAILED
    assert judge(claim(math.nan, lower=0.0, upper=0.0, comparison=Comparison.EQUAL)).outcome is Outcome.FAILED
    assert judge(claim(math.inf, lower=1.0)).outcome is Outcome.HELD
    assert judge(claim(math.inf, upper=1.0)).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    "arguments",
    [{"upper": [math.nan], "comparison": Comparison.UPPER}, {"upper": 1.0, "numerical_error": -1.0},
     {"upper": 1.0, "numerical_error": math.nan}, {"lower": 2.0, "upper": 1.0}],
)  # fmt: skip
def test_an_ill_formed_claim_is_an_error_and_never_a_verdict(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="claim"):
        judge(claim(0.5, **arguments))


def test_without_an_index_nothing_is_judged() -> None:
    empty = np.empty(0)
    found = judge(Claim("none", empty, empty, empty, empty, empty, empty, Comparison.UPPER))
    assert (found.outcome, found.evaluated, found.tightness) == (Outcome.TRIVIAL, 0, None)


@pytest.mark.parametrize("scale", [5e-324, 1e-300, 1e300])
def test_extreme_scales_are_judged_like_any_other(scale: float) -> None:
    assert judge(claim(scale, upper=scale)).outcome is Outcome.HELD
    assert judge(claim(4 * scale, upper=scale)).outcome is Outcome.FAILED


@pytest.mark.parametrize("factor", [0.0, -1.0, math.nan, math.inf])
def test_a_tightening_is_a_positive_number(factor: float) -> None:
    with pytest.raises(ValueError, match="factor"):
        tighten(claim(1.0, upper=2.0), factor)


def test_a_noisy_claim_is_tightened_beyond_its_noise() -> None:
    noisy = claim(1.0, upper=5.0, numerical_error=0.5)
    made = tighten_to_measured(noisy, 1.25)
    assert made is not None
    assert judge(made).outcome is Outcome.FAILED
    assert made.upper[0] == pytest.approx(5.0 / (1.25 * 10.0))
    assert tighten_to_measured(claim(1.0, lower=1.0, upper=1.0, comparison=Comparison.EQUAL), 1.25) is None
