"""The mean tangent kernel: each law's factors, its width dependence, and the networks it is the mean of."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shallow import Network, Problem, Streams, empirical_ntk, limit_kernel, ntk_gram
from shallow.setting import initialization as laws

EPS = float(np.finfo(np.float64).eps)


def inputs(n=3, d=4):
    return np.random.default_rng(21).normal(size=(n, d))


def test_the_ntk_law_gives_the_gram_itself():
    X = inputs()
    np.testing.assert_array_equal(limit_kernel(laws.ntk(), X), ntk_gram(X))
    np.testing.assert_array_equal(limit_kernel(laws.ntk_signs(), X, 1.0, 0.0), ntk_gram(X, layer="first"))
    np.testing.assert_array_equal(limit_kernel(laws.ntk(), X, 0.0, 1.0), ntk_gram(X, layer="second"))
    np.testing.assert_array_equal(
        limit_kernel(laws.ntk(slope=0.3), X, Z=X[:2]), ntk_gram(X, X[:2], slope=0.3)
    )
    np.testing.assert_array_equal(limit_kernel(laws.ntk(), X, m=1000), limit_kernel(laws.ntk(), X))


@pytest.mark.parametrize(
    ("law", "first", "second"),
    [
        (laws.ntk_signs(kappa=0.1), 1.0, 0.01),
        (laws.lecun(), 1.0, 64 / 4),
        (laws.he(), 2.0, 64 * 2 / 4),
        (laws.mean_field(), 1 / 64, 1 / 64),
        (laws.mup(), 1.0, 1.0),
        (laws.balanced(0.5), 64 * 4 * 0.25, 64 * 0.25),
        (laws.power_law(c_s=2.0, p=1.0, c_W=3.0, q=0.5, c_a=5.0, r=0.0), 100 / 64, 36 / 64**2),
        (laws.doubled(laws.ntk()), 1.0, 1.0),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_each_law_weighs_the_layers_by_its_moments(law, first, second):
    X = inputs()
    expected = 0.5 * first * ntk_gram(X, layer="first") + 3.0 * second * ntk_gram(X, layer="second")
    size = float(np.abs(expected).max())
    np.testing.assert_allclose(limit_kernel(law, X, 0.5, 3.0, m=64), expected, rtol=0, atol=32 * EPS * size)


def test_a_law_that_looks_at_the_labels_asks_for_them():
    X = inputs()
    problem = Problem(X, [1.0, -2.0, 2.0])
    expected = problem.label_scale**2 * ntk_gram(X, layer="first")
    H = limit_kernel(laws.oymak(), X, 1.0, 0.0, problem=problem)
    np.testing.assert_allclose(H, expected, rtol=8 * EPS)
    with pytest.raises(ValueError, match="problem"):
        limit_kernel(laws.oymak(), X, 1.0, 0.0)


def test_a_mean_that_depends_on_the_width_asks_for_it():
    X = inputs()
    with pytest.raises(ValueError, match=r"under lecun .* grows like m\^1; give the width m"):
        limit_kernel(laws.lecun(), X)
    # A frozen layer's width dependence does not matter.
    np.testing.assert_array_equal(limit_kernel(laws.lecun(), X, 1.0, 0.0), ntk_gram(X, layer="first"))


def test_a_smoothed_law_is_refused_and_a_negative_rate_too():
    with pytest.raises(ValueError, match="no closed form; set smoothing=0"):
        limit_kernel(laws.ntk(smoothing=0.1), inputs())
    with pytest.raises(ValueError, match="rate_W is -1"):
        limit_kernel(laws.ntk(), inputs(), -1.0)
    with pytest.raises(ValueError, match="rate_a is nan"):
        empirical_ntk(Network([[1.0]], [1.0]), [[1.0]], rate_a=float("nan"))


@pytest.mark.parametrize(
    "law",
    [
        laws.ntk(slope=0.2),
        laws.lecun(),
        laws.mean_field(),
        laws.oymak(),
        laws.balanced(0.3, slope=-0.5),
        laws.doubled(laws.ntk()),
    ],
    ids=lambda law: law.name,
)
def test_it_is_the_mean_of_the_networks_kernels(law):
    X = inputs()
    problem = Problem(X, [1.0, -1.0, 2.0])
    m, trials = 400, 60
    kernels = np.stack(
        [
            empirical_ntk(law.draw(m, problem, Streams(seed)), X, 0.7, 1.3)
            for seed in range(1000, 1000 + trials)
        ]
    )
    error = kernels.std(axis=0, ddof=1) / math.sqrt(trials)
    expected = limit_kernel(law, X, 0.7, 1.3, m=m, problem=problem)
    # Student's t with 59 degrees of freedom leaves [-5.5, 5.5] with probability 1e-6, times 6 entries.
    assert (np.abs(kernels.mean(axis=0) - expected) <= 5.5 * error).all()


@pytest.mark.parametrize("slope", [0.0, 0.4, 1.0])
def test_the_gram_is_the_limit_of_wide_networks_within_a_concentration_bound(slope):
    n, m, failure = 5, 200_000, 1e-9
    X = inputs(n)
    rng = np.random.default_rng(22)
    net = Network(
        rng.normal(size=(m, X.shape[1])), rng.choice([-1.0, 1.0], size=m), scale=m**-0.5, slope=slope
    )
    log_term = math.log(2 * 2 * n * n / failure)
    lengths = np.outer(*[np.linalg.norm(X, axis=1)] * 2)
    # Gates lie in [0, 1]: Hoeffding. Features: E|phi(u) phi(v)|^p <= E g^2p = (2p-1)!! <= p! 2^p / sqrt(2 pi)
    # for p >= 2 and unit rows, so Bernstein holds with variance 8/sqrt(2 pi) and scale 2.
    hoeffding = math.sqrt(log_term / (2 * m))
    bernstein = math.sqrt(2 * 8 / math.sqrt(2 * math.pi) * log_term / m) + 2 * log_term / m
    H_W, H_a = empirical_ntk(net, X, 1.0, 0.0), empirical_ntk(net, X, 0.0, 1.0)
    assert bernstein < 0.05
    assert (np.abs(H_W - ntk_gram(X, layer="first", slope=slope)) <= hoeffding * np.abs(X @ X.T)).all()
    assert (np.abs(H_a - ntk_gram(X, layer="second", slope=slope)) <= bernstein * lengths).all()
