"""The loss-ratio lemmas and benign overfitting on two noisy clusters."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs_check import THEOREMS, check
from proofs_check.check import check_mutants
from proofs_check.theorems.frei2022._clean_error import Summary, independent_counts
from proofs_check.theorems.frei2022._clusters import draw, in_span
from proofs_check.verdict import HypothesisStatus, Verdict
from shallow.exact.gradient import predict
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams
from shallow.training import GradientDescent, train

RATIO = THEOREMS["frei2022/loss-ratio"]
EXPLICIT = THEOREMS["frei2022/loss-ratio-explicit"]
BENIGN = THEOREMS["frei2022/benign-overfitting"]
EPS = float(np.finfo(np.float64).eps)


def test_the_papers_lemma_is_consistent_with_every_assumption_met_at_c_1() -> None:
    result = check(RATIO)
    assert result.verdict is Verdict.CONSISTENT
    assert result.evaluated > 0
    assert {item.status for item in result.hypotheses} == {HypothesisStatus.UP_TO_CONSTANT}
    assert min(item.ratio for item in result.hypotheses) >= 1.0
    found = check_mutants(RATIO, result=result)
    assert len(found) >= 2
    assert [item.name for item in found if not item.refuted] == []


def test_the_explicit_lemma_holds_and_its_mutants_are_refuted() -> None:
    result = check(EXPLICIT)
    assert result.verdict is Verdict.HOLDS
    found = check_mutants(EXPLICIT, result=result)
    assert len(found) >= 2
    assert [item.name for item in found if not item.refuted] == []


@settings(max_examples=15)
@given(
    n=st.integers(1, 10),
    m=st.integers(1, 12),
    gamma=st.floats(0.4, 1.0),
    rate=st.floats(1e-3, 0.05),
    seed=st.integers(0, 1000),
)
def test_the_explicit_bound_is_never_passed_inside_its_hypothesis(
    n: int, m: int, gamma: float, rate: float, seed: int
) -> None:
    parameters = dataclasses.replace(
        EXPLICIT.presets["quick"], n=n, m=m, gamma=gamma, rate=rate, ratio=60.0, T=300
    )
    result = check(EXPLICIT, parameters=parameters, seed=seed)
    assert result.verdict in (Verdict.HOLDS, Verdict.VACUOUS), result.reason


def test_the_explicit_lemma_takes_a_users_orthogonal_data() -> None:
    problem = Problem(np.eye(5, 7), np.array([1.0, -1.0, 1.0, -1.0, 1.0]))
    assert check(EXPLICIT, problem=problem).verdict is Verdict.HOLDS


def test_a_step_too_large_is_outside_the_explicit_lemma() -> None:
    assert check(EXPLICIT, set={"rate": 5.0, "T": 50}).verdict is Verdict.NOT_APPLICABLE


def test_a_kink_in_place_of_the_smoothing_is_outside_the_explicit_lemma() -> None:
    assert check(EXPLICIT, set={"H": 1e6, "T": 50}).verdict is Verdict.NOT_APPLICABLE


def test_training_in_the_span_of_the_samples_is_training() -> None:
    case = draw(dataclasses.replace(RATIO.presets["quick"], rate=100.0, T=50), Streams(2))
    rule = GradientDescent(rate_W=case.alpha / 4, rate_a=0.0, loss="logistic")
    whole = train(case.start, case.sample.problem, rule, steps=50).network
    small_problem, small_start, basis = in_span(case.sample.problem, case.start)
    small = train(small_start, small_problem, rule, steps=50).network
    back = case.start.W + (small.W - small_start.W) @ basis.T
    assert np.linalg.norm(back - whole.W) <= 50 * 64 * EPS * np.linalg.norm(whole.W)
    f = predict(whole, case.sample.problem.X)
    assert np.max(np.abs(predict(small, small_problem.X) - f)) <= 50 * 64 * EPS * np.max(np.abs(f))


def test_clean_error_falls_and_noisy_labels_are_fitted() -> None:
    result = check(BENIGN)
    assert result.verdict is Verdict.CONSISTENT
    slope, fitted = result.claims
    assert slope.observed[0] + slope.numerical_error[0] < 0
    assert np.count_nonzero(fitted.observed) == 0
    assert fitted.trivial[0] > 0
    found = check_mutants(BENIGN)
    assert len(found) == 2
    assert [item.name for item in found if not item.refuted] == []


def test_two_values_of_the_mean_identify_no_slope() -> None:
    parameters = dataclasses.replace(BENIGN.presets["quick"], mean_squares=(4.0, 9.0))
    with pytest.raises(ValueError, match="identify no slope"):
        check(BENIGN, parameters=parameters)


def test_counts_are_reduced_by_the_spread_between_data_sets_and_a_zero_stays_zero() -> None:
    spread = Summary(1.0, (0, 100, 0, 100), 1000, 0)
    tight = Summary(2.0, (50, 50, 50, 50), 1000, 0)
    empty = Summary(3.0, (0, 0, 0, 0), 1000, 0)
    errors, trials = independent_counts([spread, tight, empty])
    excess = np.var(spread.errors, ddof=1) / (1000 * 0.05 * 0.95)
    assert trials == [round(4000 / excess), 4000, round(4000 / excess)]
    assert errors == [round(200 / excess), 200, 0]


def test_cluster_statements_refuse_data_in_words() -> None:
    problem = Problem(np.eye(4), np.array([1.0, -1.0, 1.0, -1.0]))
    for statement in (RATIO, BENIGN):
        result = check(statement, problem=problem)
        assert result.verdict is Verdict.NOT_APPLICABLE
        assert "mean" in result.reason
