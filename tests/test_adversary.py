"""Labels chosen against training: the bottom eigenvector is the slowest, a search only ever improves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shallow.adversary import best_labels, searched, slowness, worst_labels
from shallow.exact.gradient import predict
from shallow.exact.ntk import empirical_ntk, ntk_gram
from shallow.setting.initialization import doubled, ntk
from shallow.setting.inputs import Sphere
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams
from shallow.training import GradientDescent

EPS = np.finfo(np.float64).eps


def kernel(n: int, seed: int = 0) -> np.ndarray:
    return ntk_gram(Sphere().draw(n, 4, Streams(seed)))


@given(st.integers(1, 8), st.floats(1e-100, 1e100), st.integers(0, 3))
@settings(max_examples=30)
def test_worst_and_best_labels_lie_along_the_extreme_eigenvectors(n: int, tau: float, seed: int) -> None:
    H = kernel(n, seed)
    values = np.linalg.eigvalsh(H)
    for labels, value in ((worst_labels(H, tau), values[0]), (best_labels(H, tau), values[-1])):
        v = labels / (tau * math.sqrt(n))
        assert np.linalg.norm(v) == pytest.approx(1.0, rel=8 * EPS * (n + 4))
        # an eigenpair from a backward stable solver has a residual of a small multiple of n eps ||H||
        assert np.linalg.norm(H @ v - value * v) <= 32 * n * EPS * values[-1]
        assert v[np.argmax(np.abs(v))] > 0


def test_no_residual_decays_more_slowly_under_the_flow_of_the_kernel() -> None:
    H = kernel(6)
    values, vectors = np.linalg.eigh(H)

    def left(y: np.ndarray) -> float:
        return float(np.linalg.norm(vectors @ (np.exp(-3.0 * values) * (vectors.T @ y))) / np.linalg.norm(y))

    slow, fast = left(worst_labels(H, 1.0)), left(best_labels(H, 1.0))
    rng = np.random.default_rng(0)
    random = np.array([left(rng.standard_normal(6)) for _ in range(50)])
    assert np.all((fast * (1 - 1e-12) <= random) & (random <= slow * (1 + 1e-12)))


def test_the_start_of_the_network_is_added_so_that_the_residual_is_the_eigenvector() -> None:
    X = Sphere().draw(5, 4, Streams(0))
    net = ntk().draw(30, Problem(X, np.zeros(5)), Streams(0))
    H = empirical_ntk(net, X)
    f = predict(net, X)
    residual = worst_labels(H, 0.3, f) - f
    np.testing.assert_allclose(residual, worst_labels(H, 0.3), atol=4 * EPS * (np.max(np.abs(f)) + 1))
    with pytest.raises(ValueError, match="start has shape"):
        worst_labels(H, 0.3, f[:4])


def test_several_outputs_share_one_eigenvector() -> None:
    H = np.einsum("ij,kl->ikjl", kernel(4), np.diag([1.0, 2.0]))
    y = worst_labels(H, 1.0)
    assert y.shape == (4, 2)
    np.testing.assert_allclose(y[:, 1], 0.0, atol=64 * EPS)
    assert math.sqrt(np.mean(y**2)) == pytest.approx(1.0, rel=16 * EPS)


def test_a_kernel_that_is_not_symmetric_is_refused() -> None:
    with pytest.raises(ValueError, match="not symmetric"):
        worst_labels(np.array([[1.0, 2.0], [0.0, 1.0]]), 1.0)


@pytest.mark.parametrize("move", ["flip", "rotate"])
def test_a_search_keeps_the_label_scale_and_never_gets_worse(move: str) -> None:
    H, rng = kernel(7), np.random.default_rng(1)
    start = 0.5 * np.where(rng.random(7) < 0.5, -1.0, 1.0)

    def objective(y: np.ndarray) -> float:
        return -float(y @ H @ y)

    found = searched(objective, start, evaluations=400, rng=rng, move=move)
    again = searched(objective, start, evaluations=400, rng=np.random.default_rng(1), move=move)
    assert found.start_value == objective(start) < found.value == objective(found.labels)
    assert found.evaluations == again.evaluations == 400
    assert math.sqrt(np.mean(found.labels**2)) == pytest.approx(0.5, rel=400 * 8 * EPS)
    bound = objective(worst_labels(H, 0.5))
    assert found.value <= bound + 8 * EPS * abs(bound)
    if move == "rotate":
        # on the sphere, 400 moves in 7 dimensions get close to the minimum of the quadratic form
        assert found.value >= 1.2 * bound
    else:
        assert set(np.abs(found.labels)) == {0.5}


def test_a_search_over_signs_finds_the_worst_of_all_sign_vectors_at_small_n() -> None:
    H = kernel(5)
    signs = [np.array([1.0 if k >> i & 1 else -1.0 for i in range(5)]) for k in range(32)]

    def objective(y: np.ndarray) -> float:
        return -float(y @ H @ y)

    found = searched(objective, signs[0], evaluations=400, rng=np.random.default_rng(0))
    assert found.value == pytest.approx(max(objective(y) for y in signs), rel=16 * EPS)


def test_a_search_stops_at_a_run_that_diverged_and_refuses_nan() -> None:
    rng = np.random.default_rng(0)
    found = searched(lambda y: math.inf, np.ones(3), evaluations=50, rng=rng)
    assert (found.value, found.evaluations) == (math.inf, 1)
    with pytest.raises(ValueError, match="NaN"):
        searched(lambda y: math.nan, np.ones(3), evaluations=5, rng=rng)
    assert searched(lambda y: float(y[0]), [-1.0], evaluations=9, rng=rng, move="rotate").labels[0] == 1.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"evaluations": 0}, "at least 1"),
        ({"move": "jump"}, "choose flip, rotate"),
        ({"start": np.zeros(2)}, "labels 0"),
    ],
)
def test_a_search_without_ground_is_refused(change: dict[str, object], words: str) -> None:
    arguments = {"start": np.ones(2), "evaluations": 3, "rng": np.random.default_rng(0), **change}
    with pytest.raises(ValueError, match=words):
        searched(lambda y: 0.0, **arguments)


def test_slowness_is_what_training_leaves_and_diverging_is_infinitely_slow() -> None:
    X = Sphere().draw(4, 3, Streams(0))
    problem = Problem(X, np.ones(4))
    net = doubled(ntk()).draw(200, problem, Streams(0))
    H = empirical_ntk(net, X)
    tame = slowness(net, X, GradientDescent(rate_W=0.2, rate_a=0.2), steps=40)
    tau = 1e-3  # so small that the kernel hardly moves: the labels' order is that of the fixed kernel
    assert 0 < tame(best_labels(H, tau)) < tame(worst_labels(H, tau)) < 1
    assert tame(predict(net, X)) == 0.0
    wild = slowness(net, X, GradientDescent(rate_W=1e9, rate_a=1e9), steps=40)
    assert wild(np.ones(4)) == math.inf
