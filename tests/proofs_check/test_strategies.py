"""The strategies make what they say, corners included, and report how often hypotheses are met."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs_check.strategies import instances, networks, problems, rates, share_inside
from shallow.exact.gradient import predict
from shallow.setting.network import Network
from shallow.setting.problem import Problem


@given(problems(n=(2, 5), d=(1, 4), unit_rows=True, signs=True))
@settings(max_examples=50)
def test_problems_stay_in_their_ranges(problem: Problem) -> None:
    assert 2 <= problem.n <= 5
    assert 1 <= problem.d <= 4
    # A row of d entries divided by its norm: each rounding moves the norm by at most one eps.
    assert np.abs(np.linalg.norm(problem.X, axis=1) - 1).max() <= (problem.d + 3) * np.finfo(np.float64).eps
    assert set(np.unique(problem.y)) <= {-1.0, 1.0}


@given(instances())
@settings(max_examples=50)
def test_a_network_and_its_problem_share_their_inputs(pair: tuple[Network, Problem]) -> None:
    network, problem = pair
    assert predict(network, problem.X).shape == (problem.n,)


@given(rates(smallest=1e-3, largest=10.0))
@settings(max_examples=50)
def test_rates_are_within_their_range(rate: float) -> None:
    assert 1e-3 <= rate <= 10.0


@pytest.mark.parametrize(
    ("smallest", "largest"), [(0.0, 1.0), (2.0, 1.0), (1.0, float("inf")), (-1.0, 1.0), (float("nan"), 1.0)]
)
def test_an_impossible_range_of_rates_is_refused(smallest: float, largest: float) -> None:
    with pytest.raises(ValueError, match="rates run from"):
        rates(smallest=smallest, largest=largest)


def has_duplicates(problem: Problem) -> bool:
    return len(np.unique(problem.X, axis=0)) < problem.n


def on_kink(pair: tuple[Network, Problem]) -> bool:
    network, problem = pair
    return bool((np.asarray(problem.X) @ np.asarray(network.W).T == 0).any())


def test_corners_come_up_often_enough_to_be_tested() -> None:
    assert share_inside(problems(), has_duplicates, at_least=0.1) < 0.9
    assert share_inside(instances(), on_kink, at_least=0.1) < 0.9
    assert share_inside(networks(), lambda network: network.m == 1, at_least=0.02) < 0.9


def test_generic_problems_mostly_meet_the_hypothesis_of_distinct_rows() -> None:
    assert share_inside(problems(distinct=True), lambda problem: not has_duplicates(problem)) == 1.0


def test_too_small_a_share_inside_the_hypotheses_is_an_error() -> None:
    with pytest.raises(AssertionError, match="of 100 examples are inside"):
        share_inside(st.integers(0, 99), lambda k: k == 7, examples=100)
