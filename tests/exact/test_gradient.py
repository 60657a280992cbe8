"""The literal formulas against loops in rationals, against differences in extended precision, and twins."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shallow import Network, Problem
from shallow.exact.gradient import (
    gradient,
    jacobian,
    loss,
    per_sample_gradient,
    preactivations,
    predict,
    residual,
)
from shallow.exact.ntk import empirical_ntk, layer_kernels

EPS = float(np.finfo(np.float64).eps)
LONG_EPS = float(np.finfo(np.longdouble).eps)


# First oracle: loops over samples and neurons in rationals.


def phi(z, s, h):
    if h == 0 or abs(z) >= h:
        offset = (1 - s) * h / 4
        return (z if z > 0 else s * z) - offset
    return (1 + s) * z / 2 + (1 - s) * z * z / (4 * h)


def phi_prime(z, s, h):
    if h == 0 or abs(z) >= h:
        return Fraction(1) if z > 0 else s
    return s + (1 - s) * (z + h) / (2 * h)


def rationals(array):
    return np.vectorize(Fraction, otypes=[object])(np.asarray(array))


def literal(net, problem):
    """Outputs, gradients and Jacobian, entry by entry; a and y with an axis of outputs."""
    X, W = rationals(problem.X), rationals(net.W)
    a = rationals(np.reshape(net.a, (net.m, -1)))
    y = rationals(np.reshape(problem.y, (problem.n, -1)))
    scale, s, h = Fraction(net.scale), Fraction(net.slope), Fraction(net.smoothing)
    n, (m, d), k = problem.n, W.shape, a.shape[1]
    f = np.zeros((n, k), dtype=object)
    J_W, J_a = np.zeros((n, k, m, d), dtype=object), np.zeros((n, k, m, k), dtype=object)
    for i in range(n):
        for r in range(m):
            z = sum(W[r, j] * X[i, j] for j in range(d))
            for o in range(k):
                f[i, o] += scale * a[r, o] * phi(z, s, h)
                J_a[i, o, r, o] = scale * phi(z, s, h)
                for j in range(d):
                    J_W[i, o, r, j] = scale * a[r, o] * phi_prime(z, s, h) * X[i, j]
    c = f - y
    samples_W = (c[:, :, None, None] * J_W).sum(axis=1)
    samples_a = (c[:, :, None, None] * J_a).sum(axis=1)
    return {"f": f, "r": c, "J_W": J_W, "J_a": J_a, "samples_W": samples_W, "samples_a": samples_a}


@st.composite
def dyadic_cases(draw):
    """Networks and problems of small integers: no float64 operation rounds, and kinks are hit exactly."""
    n, d, m = (draw(st.integers(1, 4)) for _ in range(3))
    k = draw(st.sampled_from([None, 1, 2]))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))

    def integers(*shape):
        return rng.integers(-2, 3, size=shape).astype(np.float64)

    outputs = () if k is None else (k,)
    net = Network(
        W=integers(m, d),
        a=integers(m, *outputs),
        scale=draw(st.sampled_from([1.0, 0.5, -2.0])),
        slope=draw(st.sampled_from([0.0, 0.25, 1.0, -0.5])),
        smoothing=draw(st.sampled_from([0.0, 0.5, 2.0])),
    )
    return net, Problem(X=integers(n, d), y=integers(n, *outputs))


def equal(values, exact):
    shape = np.shape(values)
    return np.array_equal(rationals(values), np.reshape(exact, shape))


@settings(max_examples=50)
@given(case=dyadic_cases())
def test_everything_equals_the_literal_loops_exactly(case):
    net, problem = case
    exact = literal(net, problem)
    assert equal(predict(net, problem.X), exact["f"])
    assert equal(residual(net, problem), exact["r"])
    assert Fraction(loss(net, problem)) == (exact["r"] ** 2).sum() / 2
    g, by_sample, J = gradient(net, problem), per_sample_gradient(net, problem), jacobian(net, problem.X)
    assert g.W.shape == net.W.shape
    assert g.a.shape == net.a.shape
    assert equal(g.W, exact["samples_W"].sum(axis=0))
    assert equal(g.a, exact["samples_a"].sum(axis=0))
    assert equal(by_sample.W, exact["samples_W"])
    assert equal(by_sample.a, exact["samples_a"])
    assert equal(J.W, exact["J_W"])
    assert equal(J.a, exact["J_a"])


@settings(max_examples=50)
@given(
    case=dyadic_cases(), rates=st.sampled_from([(1.0, 1.0), (0.5, 4.0), (0.0, 1.0), (2.0, 0.0), (0.0, 0.0)])
)
def test_the_tangent_kernel_is_the_jacobian_times_its_transpose_exactly(case, rates):
    net, problem = case
    exact = literal(net, problem)
    J_W = exact["J_W"].reshape(exact["f"].size, -1)
    J_a = exact["J_a"].reshape(exact["f"].size, -1)
    H = empirical_ntk(net, problem.X, *rates)
    k = () if net.a.ndim == 1 else (net.a.shape[1],)
    assert H.shape == (problem.n, *k, problem.n, *k)
    assert equal(H, Fraction(rates[0]) * (J_W @ J_W.T) + Fraction(rates[1]) * (J_a @ J_a.T))
    H_W, H_a = layer_kernels(net, problem.X)
    assert equal(H_W, J_W @ J_W.T)
    assert equal(H_a, J_a @ J_a.T)
    cross = empirical_ntk(net, problem.X, *rates, Z=problem.X[:1, :])
    np.testing.assert_array_equal(cross, H[..., :1] if not k else H[:, :, :1, :])


@settings(max_examples=20)
@given(case=dyadic_cases())
def test_the_jacobian_matrix_is_ordered_like_the_weights(case):
    net, problem = case
    J = jacobian(net, problem.X)
    matrix = J.matrix
    assert matrix.shape == (problem.y.size, net.W.size + net.a.size)
    g = gradient(net, problem)
    r = residual(net, problem).reshape(-1)
    np.testing.assert_array_equal(matrix.T @ r, np.concatenate([g.W.reshape(-1), g.a.reshape(-1)]))


# Second oracle: central differences in extended precision.


def long_loss(name, W, a, net, X, y):
    z = X @ W.T
    h, s = np.longdouble(net.smoothing), np.longdouble(net.slope)
    if net.smoothing:
        offset = (1 - s) * h / 4
        inside = (1 + s) * z / 2 + (1 - s) * z * z / (4 * h)
        features = np.where(np.abs(z) <= h, inside, np.where(z > 0, z, s * z) - offset)
    else:
        features = np.where(z > 0, z, s * z)
    f = np.longdouble(net.scale) * (features @ a)
    q = y * f
    return {
        "squared": lambda: 0.5 * np.sum((f - y) ** 2),
        "logistic": lambda: np.sum(np.log1p(np.exp(-q))),
        "exponential": lambda: np.sum(np.exp(-q)),
        "hinge": lambda: np.sum(np.where(q < 1, 1 - q, 0 * q)),
    }[name]()


def central_difference(function, parameters, h):
    slopes = np.zeros(parameters.shape, dtype=np.longdouble)
    for index in np.ndindex(parameters.shape):
        step = np.zeros_like(slopes)
        step[index] = h
        slopes[index] = (function(parameters + step) - function(parameters - step)) / (2 * h)
    return slopes


@pytest.mark.parametrize("name", ["squared", "logistic", "exponential", "hinge"])
@pytest.mark.parametrize("k", [None, 2])
@pytest.mark.parametrize(("slope", "smoothing"), [(0.0, 0.0), (0.1, 0.0), (0.2, 0.7)])
def test_the_gradient_matches_central_differences(name, k, slope, smoothing):
    rng = np.random.default_rng([7, 0 if k is None else k])
    n, d, m, outputs = 4, 3, 5, () if k is None else (k,)
    net = Network(
        rng.normal(size=(m, d)), rng.normal(size=(m, *outputs)), scale=0.4, slope=slope, smoothing=smoothing
    )
    problem = Problem(rng.normal(size=(n, d)), rng.choice([-1.0, 1.0], size=(n, *outputs)))
    X, y, W, a = (np.longdouble(v) for v in (problem.X, problem.y, net.W, net.a))
    h = np.longdouble(2.0) ** -16
    z = preactivations(net, problem.X)
    margins = 1 - problem.y * predict(net, problem.X)
    # No kink of phi or of the hinge lies within a step, so the loss is smooth there.
    distance = np.abs(np.abs(z) - smoothing).min() if smoothing else np.abs(z).min()
    assert distance > h * np.abs(problem.X).max()
    assert np.abs(margins).min() > 10 * h * np.abs(z).max() * np.abs(net.a).max()
    g = gradient(net, problem, name)
    for computed, function, at in (
        (g.W, lambda V: long_loss(name, V, a, net, X, y), W),
        (g.a, lambda b: long_loss(name, W, b, net, X, y), a),
    ):
        coarse, fine = (central_difference(function, at, step) for step in (h, h / 2))
        # Halving the step shows the truncation; the rest is the rounding of L over a step, and that of g.
        rounding = (n + m + d) * LONG_EPS * float(function(at)) / float(h / 2)
        own = (n + m + d + 10) * EPS * max(1.0, float(np.abs(coarse).max())) * n
        allowed = 2 * np.abs(coarse - fine) + rounding + own
        assert allowed.max() < 1e-8, "the comparison would say nothing"
        assert (np.abs(computed - fine) <= allowed).all(), (np.abs(computed - fine) - allowed).max()


# Portable path.


@pytest.mark.parametrize("name", ["squared", "logistic", "exponential", "hinge"])
@pytest.mark.parametrize("k", [None, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_namespace_gives_the_same_arrays_in_the_same_type(xp_case, name, k, dtype):
    rng = np.random.default_rng(3)
    outputs = () if k is None else (k,)
    W, a = rng.normal(size=(4, 2)).astype(dtype), rng.normal(size=(4, *outputs)).astype(dtype)
    X, y = rng.normal(size=(3, 2)).astype(dtype), rng.choice([-1.0, 1.0], size=(3, *outputs)).astype(dtype)
    there = Network(xp_case.asarray(W), xp_case.asarray(a), scale=0.3, slope=0.2, smoothing=0.5)
    problem = Problem(xp_case.asarray(X), xp_case.asarray(y))
    here = Network(W, a, scale=0.3, slope=0.2, smoothing=0.5)
    eps = float(np.finfo(dtype).eps)
    pairs = [
        (predict(there, problem.X), predict(here, X)),
        (residual(there, problem), residual(here, Problem(X, y))),
        *(
            (getattr(gradient(there, problem, name), v), getattr(gradient(here, Problem(X, y), name), v))
            for v in "Wa"
        ),
        *(
            (
                getattr(per_sample_gradient(there, problem, name), v),
                getattr(per_sample_gradient(here, Problem(X, y), name), v),
            )
            for v in "Wa"
        ),
        (jacobian(there, problem.X).matrix, jacobian(here, X).matrix),
        (empirical_ntk(there, problem.X, 0.5, 2.0), empirical_ntk(here, X, 0.5, 2.0)),
    ]
    for far, near in pairs:
        assert far.device == problem.X.device
        assert near.dtype == dtype
        values = xp_case.asnumpy(far)
        assert values.dtype == dtype
        size = max(1.0, float(np.abs(near).max()))
        np.testing.assert_allclose(values, near, rtol=0, atol=32 * eps * size)
    assert isinstance(loss(there, problem, name), float)


# Twins.


@settings(max_examples=30)
@given(case=dyadic_cases(), seed=st.integers(0, 1000))
def test_permuting_neurons_or_samples_permutes_the_gradients(case, seed):
    net, problem = case
    rng = np.random.default_rng(seed)
    neurons, samples = rng.permutation(net.m), rng.permutation(problem.n)
    twin = net.replace(W=net.W[neurons], a=net.a[neurons])
    shuffled = Problem(problem.X[samples], problem.y[samples])
    g, h = gradient(net, problem), gradient(twin, shuffled)
    np.testing.assert_array_equal(h.W, g.W[neurons])
    np.testing.assert_array_equal(h.a, g.a[neurons])
    H, K = empirical_ntk(net, problem.X), empirical_ntk(twin, shuffled.X)
    np.testing.assert_array_equal(K, np.take(H[samples], samples, axis=1 if H.ndim == 2 else 2))


@settings(max_examples=30)
@given(case=dyadic_cases(), seed=st.integers(0, 1000))
def test_rotating_weights_and_data_together_rotates_the_gradient(case, seed):
    net, problem = case
    rng = np.random.default_rng(seed)
    # Signed permutations are the rotations that keep every number exact, kinks included.
    Q = np.eye(net.d)[rng.permutation(net.d)] * rng.choice([-1.0, 1.0], size=net.d)
    g = gradient(net, problem)
    h = gradient(net.replace(W=net.W @ Q), problem.replace(X=problem.X @ Q))
    np.testing.assert_array_equal(h.W, g.W @ Q)
    np.testing.assert_array_equal(h.a, g.a)


@settings(max_examples=30)
@given(case=dyadic_cases())
def test_flipping_labels_and_outer_weights_keeps_the_path(case):
    net, problem = case
    g = gradient(net, problem)
    h = gradient(net.replace(a=-net.a), problem.replace(y=-problem.y))
    np.testing.assert_array_equal(h.W, g.W)
    np.testing.assert_array_equal(h.a, -g.a)


@settings(max_examples=30)
@given(case=dyadic_cases(), c=st.sampled_from([0.5, 2.0, 8.0]))
def test_rescaling_or_splitting_a_neuron_keeps_only_the_function(case, c):
    net, problem = case
    homogeneous = net.replace(smoothing=0.0)
    f = predict(homogeneous, problem.X)
    np.testing.assert_array_equal(predict(homogeneous.replace(W=c * net.W, a=net.a / c), problem.X), f)
    split = homogeneous.replace(
        W=np.concatenate([net.W, net.W[:1]]), a=np.concatenate([net.a[:1] / 2, net.a[1:], net.a[:1] / 2])
    )
    np.testing.assert_array_equal(predict(split, problem.X), f)


@settings(max_examples=30)
@given(case=dyadic_cases())
def test_a_homogeneous_network_obeys_eulers_identity(case):
    net, problem = case
    net = net.replace(smoothing=0.0)
    J = jacobian(net, problem.X)
    f = predict(net, problem.X)
    W_part = np.sum(J.W * net.W, axis=(-2, -1))
    a_part = J.a @ net.a if net.a.ndim == 1 else np.sum(J.a * net.a, axis=(-2, -1))
    np.testing.assert_array_equal(W_part, f)
    np.testing.assert_array_equal(a_part, f)


# Corners.


def test_a_sample_on_every_kink_moves_no_first_layer_weight_of_a_relu_network():
    net = Network([[1.0, -1.0], [2.0, -2.0]], [1.0, -3.0])
    problem = Problem([[1.0, 1.0]], [1.0])
    g = gradient(net, problem)
    np.testing.assert_array_equal(g.W, np.zeros((2, 2)))
    np.testing.assert_array_equal(g.a, np.zeros(2))
    leaky = gradient(net.replace(slope=0.5), problem)
    np.testing.assert_array_equal(leaky.W, [[-0.5, -0.5], [1.5, 1.5]])


def test_one_sample_one_input_one_neuron():
    net, problem = Network([[2.0]], [3.0], scale=0.5), Problem([[4.0]], [2.0])
    g = gradient(net, problem)
    assert loss(net, problem) == 50.0
    np.testing.assert_array_equal(g.W, [[60.0]])
    np.testing.assert_array_equal(g.a, [40.0])


def test_lists_are_read_and_a_nan_is_named():
    net = Network([[1.0, 0.0]], [1.0])
    np.testing.assert_array_equal(predict(net, [[3, 4]]), [3.0])
    with pytest.raises(ValueError, match=r"X\[1, 0\] is nan"):
        predict(net, [[3.0, 4.0], [np.nan, 1.0]])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda net, p: predict(net, np.ones((2, 3))), ValueError, "3 columns and the network reads 2"),
        (lambda net, p: predict(net, np.ones(2)), ValueError, "X has 1 axes"),
        (lambda net, p: predict(net, np.ones((2, 2), dtype=np.float32)), TypeError, "one floating type"),
        (lambda net, p: gradient(net, p, "cubic"), ValueError, "'cubic' is unknown; choose one of exp"),
        (lambda net, p: gradient(net, p.replace(y=p.y[:, None])), ValueError, "second axis"),
        (lambda net, p: residual(net, p.replace(y=p.y[:, None])), ValueError, "second axis"),
        (lambda net, p: loss(net, p.replace(y=p.y[:, None])), ValueError, "second axis"),
    ],
)
def test_what_does_not_fit_is_said(call, error, message):
    net, problem = Network([[1.0, 0.0]], [1.0]), Problem([[1.0, 2.0]], [1.0])
    with pytest.raises(error, match=message):
        call(net, problem)
