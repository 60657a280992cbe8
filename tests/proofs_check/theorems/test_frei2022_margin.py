"""The margin program and what is said of its solution, on near-orthogonal, orthogonal and impossible data."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs_check import THEOREMS, check
from proofs_check.check import check_mutants
from proofs_check.check.judge import judge
from proofs_check.theorems.frei2022._instances import MarginParameters
from proofs_check.theorems.frei2022._margin import least_distance, linear_margin, two_neurons
from proofs_check.verdict import Outcome, Verdict
from shallow.setting.inputs import NearOrthogonal
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

KEYS = ("frei2022/kkt", "frei2022/kkt-sharp", "frei2022/kkt-orthogonal")
EPS = float(np.finfo(np.float64).eps)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("size", ["quick", "full"])
def test_the_statement_holds_at_its_committed_settings(key: str, size: str) -> None:
    result = check(THEOREMS[key], size=size)
    assert result.verdict is Verdict.HOLDS
    assert result.evaluated > 0


@pytest.mark.parametrize("key", KEYS)
def test_every_mutant_is_refuted(key: str) -> None:
    found = check_mutants(THEOREMS[key], result=check(THEOREMS[key]))
    assert len(found) >= 1
    assert [item.name for item in found if not item.refuted] == []


@pytest.mark.parametrize("seed", range(1, 12))
def test_the_kkt_mutants_are_refuted_whatever_the_seed(seed: int) -> None:
    found = check_mutants(THEOREMS["frei2022/kkt"], seed=seed)
    assert [item.name for item in found if not item.refuted] == []
    assert len(found) == 3


@settings(max_examples=25)
@given(
    n=st.integers(1, 12),
    gamma=st.floats(0.1, 0.9),
    m1=st.integers(1, 30),
    m2=st.integers(1, 30),
    stretch=st.floats(1.0, 1.5),
    seed=st.integers(0, 1000),
)
def test_all_items_hold_wherever_the_ratio_is_met(
    n: int, gamma: float, m1: int, m2: int, stretch: float, seed: int
) -> None:
    # Stretching the norms to R divides the ratio by at most R^6: overlaps and R grow, R_min stays.
    ratio = 3.01 * gamma**-3 * stretch**6
    parameters = MarginParameters(n, 16, gamma, m1, m2, ratio, stretch, test_points=50)
    for key in ("frei2022/kkt", "frei2022/kkt-sharp"):
        result = check(THEOREMS[key], parameters=parameters, seed=seed)
        assert result.verdict is Verdict.HOLDS, result.reason


@pytest.mark.parametrize(("n", "m1", "m2"), [(1, 1, 1), (1, 1, 50), (7, 1, 50), (7, 50, 1), (7, 3, 3)])
def test_on_orthogonal_rows_the_multipliers_are_the_formula(n: int, m1: int, m2: int) -> None:
    gamma, norms = 0.3, np.linspace(1.0, 4.0, n)
    y = np.where(np.arange(n) % 2 == 0, 1.0, -1.0)
    found = two_neurons(np.eye(n, n + 2) * norms[:, None], y, gamma, m1, m2)
    assert found is not None
    own, other = np.where(y > 0, m1, m2), np.where(y > 0, m2, m1)
    expected = (m1 + m2) / ((own + gamma**2 * other) * norms**2)
    assert np.max(np.abs(found.multipliers / expected - 1.0)) <= 100 * n * EPS


def test_the_smallest_multiplier_exceeds_the_sharper_window_of_the_proof() -> None:
    X = NearOrthogonal(24.1).draw(20, 40, Streams(5))
    y = np.where(np.arange(20) < 10, 1.0, -1.0)
    found = two_neurons(X, y, 0.5, 4, 12)
    assert found is not None
    assert found.multipliers.min() >= 1.0 - 0.5 / 2.0


@pytest.mark.parametrize("seed", range(4))
def test_every_kkt_point_that_a_search_from_random_gates_finds_is_the_programs(seed: int) -> None:
    n, d, m1, m2, gamma = 8, 20, 5, 3, 0.5
    X = NearOrthogonal(25.0).draw(n, d, Streams(seed))
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(n) < 0.5, -1.0, 1.0)
    expected = two_neurons(X, y, gamma, m1, m2)
    assert expected is not None
    a = np.concatenate([np.ones(m1), -np.ones(m2)]) / math.sqrt(m1 + m2)
    gates = np.where(rng.random((n, m1 + m2)) < 0.5, 1.0, gamma)
    for _ in range(20):
        features = (y[:, None, None] * (gates * a)[:, :, None] * X[:, None, :]).reshape(n, -1)
        found = least_distance(features)
        assert found is not None
        W = found.theta.reshape(m1 + m2, d)
        new = np.where(X @ W.T > 0, 1.0, gamma)
        if np.array_equal(new, gates):
            break
        gates = new
    assert np.array_equal(new, gates)
    scale = np.linalg.norm(expected.network.W)
    assert np.linalg.norm(W - expected.network.W) <= (expected.error + found.error + n * EPS) * 10 * scale


def test_the_solver_agrees_with_a_general_one() -> None:
    from scipy.optimize import minimize

    G = np.random.default_rng(3).standard_normal((6, 4)) + np.array([3.0, 0, 0, 0])
    found = least_distance(G)
    assert found is not None
    general = minimize(
        lambda t: t @ t / 2,
        np.array([2.0, 0, 0, 0]),
        jac=lambda t: t,
        constraints={"type": "ineq", "fun": lambda t: G @ t - 1, "jac": lambda t: G},
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 500},
    )
    # SLSQP stops on the objective, whose square root is the accuracy of its minimiser.
    assert np.linalg.norm(found.theta - general.x) <= 1e-6
    assert np.all(G @ found.theta >= 1 - 100 * EPS)
    assert np.all(found.multipliers >= 0)


@settings(max_examples=20)
@given(exponent=st.integers(-120, 120), seed=st.integers(0, 100))
def test_the_solution_scales_with_the_data(exponent: int, seed: int) -> None:
    scale = 2.0**exponent
    X = NearOrthogonal(30.0).draw(5, 8, Streams(seed))
    y = np.array([1.0, -1.0, 1.0, 1.0, -1.0])
    one, other = linear_margin(X, y), linear_margin(X * scale, y)
    assert one is not None
    assert other is not None
    assert np.allclose(other.theta * scale, one.theta, rtol=100 * EPS, atol=100 * EPS)


def test_a_point_with_both_labels_has_no_solution_and_the_statement_does_not_apply() -> None:
    X = np.vstack([np.eye(3), np.eye(3)[:1]])
    y = np.array([1.0, 1.0, -1.0, -1.0])
    assert linear_margin(X, y) is None
    result = check(THEOREMS["frei2022/kkt"], problem=Problem(X, y))
    assert result.verdict is Verdict.NOT_APPLICABLE
    assert not result.outside
    assert len(result.duplicates) == 1


def test_labels_that_are_no_signs_are_refused_in_one_line() -> None:
    result = check(THEOREMS["frei2022/kkt"], problem=Problem(np.eye(3), np.array([0.5, 1.0, -1.0])))
    assert result.verdict is Verdict.NOT_APPLICABLE
    assert "labels -1 and +1" in result.reason


def test_a_users_orthonormal_rows_are_judged_like_drawn_ones() -> None:
    problem = Problem(np.eye(6, 9), np.array([1.0, -1.0, 1.0, -1.0, -1.0, 1.0]), name="mine")
    for key in KEYS:
        assert check(THEOREMS[key], problem=problem).verdict is Verdict.HOLDS


def test_a_sign_without_neurons_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one neuron"):
        check(THEOREMS["frei2022/kkt"], set={"m2": 0})


def test_correlated_data_break_the_two_neuron_form() -> None:
    statement = THEOREMS["frei2022/kkt"]
    parameters = dataclasses.replace(statement.presets["quick"], gamma=0.02, ratio=1.0)
    case = statement.instance(parameters, Streams(0), None)
    outcomes = [judge(claim).outcome for claim in statement.claims(case, statement.evidence(case))]  # type: ignore[misc]
    assert Outcome.FAILED in outcomes
