"""Every refusal says why, and what would help."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from proofs_check.certificates import Plan, certify_descent, certify_flow, merge_equal_inputs
from shallow.exact.gradient import predict
from shallow.setting.network import Network
from shallow.setting.problem import Problem


def near(seed: int, n: int, d: int, m: int, size: float) -> tuple[Any, Any, Any, Any, Any]:
    """A network and labels at residual ``size``: easy to certify unless something forbids it."""
    rng = np.random.default_rng(seed)
    X, W, a = rng.standard_normal((n, d)), rng.standard_normal((m, d)), rng.standard_normal(m)
    y = predict(Network(W, a), X) + size * rng.standard_normal(n)
    return rng, X, y, W, a


def refuse(X: Any, y: Any, W: Any, a: Any, word: str, rates: tuple[float, float] = (1.0, 1.0)) -> None:
    for certify in (certify_flow, certify_descent):
        c = certify(Network(W, a), Problem(X, y), rates, "numeric")
        assert not c.certified
        assert c.decay == 0
        assert word in c.reason, c.reason


def test_the_recipe_that_fooled_a_prototype() -> None:
    rng = np.random.default_rng(1881)
    n, d, m = 5, 4, 6
    X = rng.normal(size=(n, d))
    X[1] = X[0]
    y = rng.normal(size=n)
    y[1] = -y[0]
    W, a = rng.normal(size=(m, d)), rng.normal(size=m)
    refuse(X, y, W, a, "no", rates=(1.0, 0.0))
    refuse(X, y, W, a, "conflicting")


@pytest.mark.parametrize("seed", range(20))
def test_equal_inputs_are_refused_whatever_their_labels(seed: int) -> None:
    rng, X, y, W, a = near(seed, 4, 5, 12, 1e-6)
    X[2], y[2] = X[0], y[0]
    refuse(X, y, W, a, "merge_equal_inputs")
    y[2] = y[0] * (1 + 2.0 ** -int(rng.integers(1, 52)))
    refuse(X, y, W, a, "conflicting")


@pytest.mark.parametrize("seed", range(20))
def test_positive_multiples_are_refused(seed: int) -> None:
    rng, X, y, W, a = near(seed, 4, 5, 12, 1e-6)
    c = float(rng.choice([0.5, 2.0, 3.0, 1024.0, 2.0**-30]))
    X[0] = np.round(X[0] * 2**20) / 2**20
    X[3], y[3] = c * X[0], c * y[0]
    refuse(X, y, W, a, "multiples")


def test_antipodal_inputs_are_not_refused() -> None:
    _, X, _, W, a = near(3, 3, 4, 40, 0.0)
    X[1] = -X[0]
    y = predict(Network(W, a), X) + 1e-6
    assert certify_flow(Network(W, a), Problem(X, y), rigour="numeric").certified


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_a_zero_input_is_refused(label: float) -> None:
    _, X, y, W, a = near(0, 4, 3, 12, 1e-6)
    X[2], y[2] = 0.0, label
    refuse(X, y, W, a, "drop the sample" if label == 0 else "every network is 0 there")


@pytest.mark.parametrize("seed", range(10))
def test_more_samples_than_m_d_are_refused_with_both_layers_too(seed: int) -> None:
    for n in (7, 9):
        _, X, y, W, a = near(seed, n, 2, 3, 1e-9)
        refuse(X, y, W, a, "m d = 6")


def test_frozen_layers_have_fewer_parameters() -> None:
    _, X, y, W, a = near(0, 7, 3, 4, 1e-9)
    refuse(X, y, W, a, "only the second layer", rates=(0.0, 1.0))
    refuse(X, y, W, np.array([1.0, 0.0, 0.0, 2.0]), "neurons with a != 0", rates=(1.0, 0.0))
    refuse(X, y, W, a, "nothing is trained", rates=(0.0, 0.0))


def test_a_dead_network_is_refused() -> None:
    _, X, y, W, a = near(0, 4, 3, 12, 1e-6)
    refuse(np.abs(X), y, -np.abs(W), a, "dead")


def test_a_sample_that_no_neuron_sees_is_refused() -> None:
    X, W = np.array([[1.0, 0.0], [-1.0, 0.1]]), np.array([[1.0, 0.0], [2.0, 0.1], [1.0, 0.3]])
    refuse(X, np.zeros(2), W, np.ones(3), "sample 1")


def test_what_the_theorem_does_not_speak_of_is_an_error() -> None:
    network, problem = Network(np.ones((3, 2)), np.ones((3, 2))), Problem(np.ones((1, 2)), np.ones((1, 2)))
    with pytest.raises(ValueError, match="outputs"):
        certify_flow(network, problem)
    scalar = Network(np.ones((3, 2)), np.ones(3))
    with pytest.raises(ValueError, match="rate_a"):
        certify_flow(scalar, Problem(np.ones((1, 2)), np.ones(1)), (1.0, float("nan")))
    with pytest.raises(ValueError, match="smoothed"):
        certify_flow(scalar.replace(smoothing=0.1), Problem(np.ones((1, 2)), np.ones(1)))
    with pytest.raises(ValueError, match="dimension"):
        certify_flow(scalar, Problem(np.ones((1, 3)), np.ones(1)))
    with pytest.raises(ValueError, match="rigour"):
        certify_flow(scalar, Problem(np.ones((1, 2)), np.ones(1)), rigour="sure")  # type: ignore[arg-type]


def test_numbers_that_overflow_are_refused() -> None:
    _, X, y, W, a = near(0, 3, 3, 12, 1e-6)
    with np.errstate(over="ignore", invalid="ignore"):
        refuse(X * 1e200, y, W, a, "overflow")


def test_a_residual_far_above_what_closes_says_by_what_factor() -> None:
    _, X, y, W, a = near(0, 4, 5, 12, 10.0)
    c = certify_flow(Network(W, a), Problem(X, y), rigour="numeric")
    assert not c.certified
    assert "times what closes" in c.reason
    assert "train further" in c.reason


def test_too_long_a_step_is_named() -> None:
    _, X, y, W, a = near(0, 4, 5, 12, 1e-6)
    c = certify_descent(Network(W, a), Problem(X, y), (10.0, 10.0), "numeric")
    assert not c.certified
    assert c.reason.startswith("step: lambda_max")


def test_merging_four_equal_rows_keeps_the_gradient() -> None:
    _, X, y, W, a = near(0, 6, 4, 12, 0.1)
    X[1:4], y[1:4] = X[0], y[0]
    merged = merge_equal_inputs(Problem(X, y))
    assert merged.n == 3
    from shallow.exact.gradient import gradient

    whole, short = gradient(Network(W, a), Problem(X, y)), gradient(Network(W, a), merged)
    np.testing.assert_allclose(whole.W, short.W, rtol=1e-12, atol=1e-13)
    assert certify_flow(Network(W, a), merged, (1.0, 1.0), "numeric").reason.count("merge") == 0


def test_a_large_hopeless_search_gives_up_before_most_pairs_are_uncertain() -> None:
    """Every uncertain pair costs up to n^2: at n = 2000, m = 10000 such a region would take an hour."""
    rng = np.random.default_rng(0)
    X, W, a = rng.standard_normal((40, 4)), rng.standard_normal((100, 4)), rng.choice([-1.0, 1.0], 100)
    network = Network(W, a, scale=0.1)
    y = 0.1 * np.maximum(X @ W.T, 0) @ a + 3 * rng.standard_normal(40)
    plan = Plan(stages=1, shifts=(), tuned=False, crowd=0.01)
    assert Plan.suited(2000, 20, 10000) == plan
    found = certify_flow(network, Problem(X, y), rigour="numeric", plan=plan)
    assert not found.certified
    assert found.reason.startswith("travel: the radii that the path needs outgrow every region tried")
