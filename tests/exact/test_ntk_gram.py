"""The kernel over Gaussian weights, to the last digits: against 50-digit arithmetic, and in closed form."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shallow import ntk_gram

EPS = float(np.finfo(np.float64).eps)
LAYERS = ("first", "second")


def exact_terms(x, z, slope):
    """For each layer its positive and negative parts, whose difference is the kernel, at enough digits.

    The angle comes from the chords of the unit vectors; 50 digits are left after the worst cancellation
    (a chord of 1e-300), hence 400 digits of working precision.
    """
    with mpmath.workdps(400):
        x, z = ([mpmath.mpf(float(v)) for v in row] for row in (x, z))
        s = mpmath.mpf(float(slope))
        norm_x, norm_z = (mpmath.sqrt(mpmath.fsum(v * v for v in row)) for row in (x, z))
        if norm_x * norm_z == 0:
            return ((mpmath.mpf(0), mpmath.mpf(0)),) * 2
        near, far = (
            mpmath.sqrt(mpmath.fsum((p / norm_x + sign * q / norm_z) ** 2 for p, q in zip(x, z)))
            for sign in (-1, 1)
        )
        t, u = 2 * mpmath.atan2(near, far), 2 * mpmath.atan2(far, near)  # u = pi - t
        dot = mpmath.fsum(p * q for p, q in zip(x, z))
        first = dot * (1 + s * s) * u / (2 * mpmath.pi), -dot * s * t / mpmath.pi

        def J(v):
            return mpmath.sin(v) - v * mpmath.cos(v)

        lengths = norm_x * norm_z / (2 * mpmath.pi)
        return first, (lengths * (1 + s * s) * J(u), lengths * 2 * s * J(t))


def error_in_eps(value, x, z, slope, index):
    """The error in units of eps, relative to the size of the terms that are summed."""
    plus, minus = exact_terms(x, z, slope)[index]
    with mpmath.workdps(400):
        size = abs(plus) + abs(minus)
        return float(abs(mpmath.mpf(float(value)) - (plus - minus)) / size) / EPS


def pair_at_angle(rng, d, distance, sign, factor):
    """Rows whose lines differ by about ``distance``; below eps they differ in one coordinate only."""
    x = rng.normal(size=d)
    if distance >= EPS:
        return x, sign * factor * (x + distance * rng.normal(size=d))
    x[-1] = 0.0
    z = sign * 4.0 * x
    z[-1] = distance
    return x, z


@pytest.mark.parametrize("slope", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["parallel", "antipodal"])
@pytest.mark.parametrize(
    "distance", [0.7, 0.3, 1e-1, 1e-2, 1e-4, 1e-7, 1e-8, 1e-10, 1e-13, 1e-15, 1e-20, 1e-50, 1e-100]
)
def test_no_digit_is_lost_however_close_two_lines_are(distance, sign, slope):
    rng = np.random.default_rng(11)
    errors = []
    for d in (2, 3, 4):
        for factor in (1.0, 3.7):
            x, z = pair_at_angle(rng, d, distance, sign, factor)
            for index, layer in enumerate(LAYERS):
                cross = ntk_gram(x[None, :], z[None, :], layer=layer, slope=slope)[0, 0]
                own = ntk_gram(np.stack([x, z]), layer=layer, slope=slope)[0, 1]
                errors += [error_in_eps(v, x, z, slope, index) for v in (cross, own)]
    assert len(errors) == 24
    assert max(errors) <= 8, errors


def test_an_angle_of_1e_300_to_the_antipode_is_seen():
    X = np.array([[1.0, 0.0], [-1.0, 1e-300]])
    first = ntk_gram(X, layer="first")[0, 1]
    assert first == pytest.approx(-1e-300 / (2 * math.pi), rel=8 * EPS)
    # J(u) ~ u^3/3 is below the smallest float.
    assert ntk_gram(X, layer="second")[0, 1] == 0.0


@settings(max_examples=50)
@given(d=st.integers(1, 6), seed=st.integers(0, 10**6), slope=st.sampled_from([0.0, 0.01, 0.5, 1.0]))
def test_every_angle_is_exact_up_to_the_rounding_of_the_product(d, seed, slope):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(3, d))
    for index, layer in enumerate(LAYERS):
        K = ntk_gram(X, layer=layer, slope=slope)
        for i in range(3):
            for j in range(3):
                plus, minus = exact_terms(X[i], X[j], slope)[index]
                lengths = float(np.linalg.norm(X[i]) * np.linalg.norm(X[j]))
                # The product x.z is off by d eps/2 of ||x|| ||z||, and so is the cosine.
                assert abs(K[i, j] - float(plus - minus)) <= (d + 8) * EPS * lengths


@settings(max_examples=40)
@given(
    n=st.integers(1, 7),
    d=st.integers(1, 4),
    seed=st.integers(0, 10**6),
    slope=st.sampled_from([0.0, 0.3, -1.0]),
)
def test_symmetric_to_the_bit_with_the_exact_diagonal_and_positive_semidefinite(n, d, seed, slope):
    rng = np.random.default_rng(seed)
    X = rng.integers(-2, 3, size=(n, d)) * rng.choice([1.0, 0.1, 1e-9], size=(n, 1))
    for layer, factor in (("first", 1), ("second", 1), ("both", 2)):
        K = ntk_gram(X, layer=layer, slope=slope)
        np.testing.assert_array_equal(K, K.T)
        np.testing.assert_array_equal(np.diag(K), factor * (1 + slope**2) / 2 * np.sum(X * X, axis=1))
        # Each entry is off by (d + 8) eps of the product of norms, so eigenvalues by that times the trace.
        trace = float(np.sum(X * X)) * factor * (1 + slope**2)
        assert np.linalg.eigvalsh(K)[0] >= -(n + d + 8) * EPS * trace


def test_the_limit_cases_are_the_closed_forms():
    X = np.eye(3)
    np.testing.assert_array_equal(ntk_gram(X, layer="first"), np.eye(3) / 2)
    K = ntk_gram(X, layer="second")
    off = K[~np.eye(3, dtype=bool)]
    np.testing.assert_allclose(off, 1 / (2 * math.pi), rtol=4 * EPS)
    # slope 1 is the linear network: K = X X^T for both layers.
    Z = np.random.default_rng(0).normal(size=(5, 3))
    for layer in LAYERS:
        K = ntk_gram(Z, layer=layer, slope=1.0)
        bound = (3 + 16) * EPS * np.outer(*[np.linalg.norm(Z, axis=1)] * 2)
        assert (np.abs(K - Z @ Z.T) <= bound).all()


def test_slope_minus_one_is_the_absolute_value():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(4, 3))
    for layer in LAYERS:
        K = ntk_gram(X, layer=layer, slope=-1.0)
        flipped = ntk_gram(X, -X, layer=layer, slope=-1.0)
        # |z| is even, and so are x.z and phi'(x) phi'(z) together.
        bound = (3 + 16) * EPS * np.outer(*[np.linalg.norm(X, axis=1)] * 2)
        assert (np.abs(flipped - K) <= bound).all()


def test_both_is_the_sum_of_the_layers():
    X = np.random.default_rng(4).normal(size=(6, 3))
    total = ntk_gram(X, layer="first", slope=0.2) + ntk_gram(X, layer="second", slope=0.2)
    np.testing.assert_allclose(ntk_gram(X, slope=0.2), total, rtol=0, atol=4 * EPS * float(np.sum(X * X)))


def test_a_bias_is_a_constant_input():
    X = np.random.default_rng(5).normal(size=(4, 2))
    c = 0.75
    lifted = np.hstack([X, np.full((4, 1), c)])
    np.testing.assert_array_equal(ntk_gram(X, bias=c), ntk_gram(lifted))
    np.testing.assert_array_equal(ntk_gram(X, X[:2], bias=c), ntk_gram(lifted, lifted[:2]))
    # JK-2 of the theory notes: the prefactor c^2 + x.z and the angle between (x, c) and (z, c).
    cosine = (lifted @ lifted.T) / np.outer(*[np.linalg.norm(lifted, axis=1)] * 2)
    by_hand = (c * c + X @ X.T) * (math.pi - np.arccos(np.clip(cosine, -1, 1))) / (2 * math.pi)
    off = ~np.eye(4, dtype=bool)
    # arccos amplifies the rounding of the cosine by 1/sin t.
    sine = np.sqrt(1 - cosine[off] ** 2)
    lengths = np.outer(*[np.linalg.norm(lifted, axis=1)] * 2)[off]
    assert (np.abs(ntk_gram(X, layer="first", bias=c)[off] - by_hand[off]) <= 16 * EPS * lengths / sine).all()


def test_one_dimensional_inputs_need_a_bias_to_be_independent():
    X = np.array([[1.0], [2.0], [-3.0]])
    size = float(np.sum(X * X))
    assert abs(np.linalg.eigvalsh(ntk_gram(X))[0]) <= 3 * 16 * EPS * size
    assert np.linalg.eigvalsh(ntk_gram(X, bias=1.0))[0] > 1e-3 * size


@settings(max_examples=30)
@given(
    exponents=st.lists(st.integers(-500, 500), min_size=3, max_size=3),
    seed=st.integers(0, 10**6),
    layer=st.sampled_from(["both", "first", "second"]),
)
def test_powers_of_two_scale_the_kernel_without_a_rounding(exponents, seed, layer):
    X = np.random.default_rng(seed).normal(size=(3, 4))
    factors = np.ldexp(1.0, exponents)
    K, scaled = ntk_gram(X, layer=layer), ntk_gram(X * factors[:, None], layer=layer)
    np.testing.assert_array_equal(scaled, K * factors[:, None] * factors[None, :])


@pytest.mark.parametrize("size", [1e150, 1e-160, 5e-324, 1e-310])
def test_huge_tiny_and_subnormal_rows_keep_their_angles(size):
    x = np.array([3.0, -4.0, 1.0])
    X = np.stack([np.array([2.0, 1.0, 0.0]), size * x])
    Y = np.stack([X[0], X[1] / size if size < 1e-300 else x])
    # Row 1 is what it is after rounding to subnormals: its own exact kernel, not that of x.
    for index, layer in enumerate(LAYERS):
        K = ntk_gram(X, layer=layer)
        plus, minus = exact_terms(X[0], X[1], 0.0)[index]
        allowed = (3 + 8) * EPS * np.linalg.norm(X[0]) * np.linalg.norm(Y[1]) * size + 2 * 5e-324
        assert abs(K[0, 1] - float(plus - minus)) <= allowed
    assert np.isfinite(K).all()


def test_rows_of_every_scale_together():
    X = np.array([[1e150, 0.0], [0.0, 1e-160], [5e-324, 5e-324], [0.0, 0.0], [-1e-160, 0.0]])
    K = ntk_gram(X, layer="second")
    assert np.isfinite(K).all()
    np.testing.assert_array_equal(K[3], np.zeros(5))
    assert K[0, 1] == pytest.approx(1e-10 / (2 * math.pi), rel=8 * EPS)
    assert K[0, 4] == 0.0
    expected = (
        1e150 * 5e-324 * math.sqrt(2) * (math.sin(math.pi / 4) + 0.75 * math.pi * math.cos(math.pi / 4))
    )
    assert K[0, 2] == pytest.approx(expected / (2 * math.pi), rel=8 * EPS)


def test_a_kernel_past_the_largest_float_is_refused():
    with pytest.raises(ValueError, match="overflows float64; divide the inputs"):
        ntk_gram([[1e160, 1.0], [1.0, 1e160]])


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_duplicates_and_antipodes_are_exactly_singular_to_rounding(slope):
    x = np.random.default_rng(9).normal(size=(3, 5))
    X = np.concatenate([x, x, 3.0 * x])
    K = ntk_gram(X, layer="second", slope=slope)
    values = np.linalg.eigvalsh(K)
    assert np.abs(values[:6]).max() <= 9 * 16 * EPS * float(np.sum(X * X))
    assert values[6] > 1e-3
    antipodal = ntk_gram(x, -x, layer="second", slope=slope)
    np.testing.assert_allclose(np.diag(antipodal), -slope * np.sum(x * x, axis=1), rtol=8 * EPS)
    assert (np.diag(ntk_gram(x, -x)) == 0.0).all()


@pytest.mark.parametrize("layer", ["both", "first", "second"])
def test_blocks_do_not_show(layer):
    rng = np.random.default_rng(12)
    X = rng.normal(size=(700, 3))
    X[650:] = -X[:50] + 1e-9 * rng.normal(size=(50, 3))
    X[600:650] = X[50:100]
    K = ntk_gram(X, layer=layer, slope=0.1)
    np.testing.assert_array_equal(K, K.T)
    rows = np.concatenate([np.arange(0, 700, 37), [699]])
    # The products may be summed in another order, which both layers of both kernels show within their bound.
    bound = 2 * 2 * (3 + 8) * EPS * np.outer(*[np.linalg.norm(X, axis=1)] * 2)
    assert (np.abs(ntk_gram(X[rows], X, layer=layer, slope=0.1) - K[rows]) <= bound[rows]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layer", ["both", "first", "second"])
def test_every_namespace_gives_the_same_kernel(xp_case, layer, dtype):
    rng = np.random.default_rng(13)
    X = rng.normal(size=(6, 3)).astype(dtype)
    X[3], X[4], X[5] = X[0], -X[1] * dtype(1 + 1e-4), 0
    here = ntk_gram(X, layer=layer, slope=0.1, bias=0.0)
    there = ntk_gram(xp_case.asarray(X), layer=layer, slope=0.1)
    assert there.device == xp_case.asarray(X).device
    values = xp_case.asnumpy(there)
    assert values.dtype == dtype
    np.testing.assert_array_equal(values, values.T)
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(values, here, rtol=0, atol=2 * (3 + 8) * eps * float(np.sum(X * X)))
    cross = ntk_gram(xp_case.asarray(X), xp_case.asarray(X[:2]), layer=layer, slope=0.1, bias=0.5)
    near = ntk_gram(X, X[:2], layer=layer, slope=0.1, bias=0.5)
    np.testing.assert_allclose(xp_case.asnumpy(cross), near, rtol=0, atol=22 * eps * float(np.sum(X * X) + 6))


def test_float32_keeps_the_digits_of_float32():
    rng = np.random.default_rng(14)
    eps = float(np.finfo(np.float32).eps)
    x = rng.normal(size=3).astype(np.float32)
    for distance in (0.3, 1e-2, 1e-5):
        z = (-x - np.float32(distance) * rng.normal(size=3)).astype(np.float32)
        for index, layer in enumerate(LAYERS):
            value = ntk_gram(x[None, :], z[None, :], layer=layer)[0, 0]
            assert value.dtype == np.float32
            assert error_in_eps(value, x, z, 0.0, index) * EPS <= 8 * eps


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([[1.0, np.nan]],), ValueError, r"X\[0, 1\] is nan"),
        (([1.0, 2.0],), ValueError, "X has 1 axes"),
        (([[1.0, 2.0]], [[1.0]]), ValueError, "X has 2 columns and Z has 1"),
        ((np.ones((1, 2)), np.ones((1, 2), dtype=np.float32)), TypeError, "one floating type"),
    ],
)
def test_what_does_not_fit_is_said(arguments, error, message):
    with pytest.raises(error, match=message):
        ntk_gram(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "third"}, "choose 'both', 'first' or 'second'"),
        ({"slope": float("nan")}, "slope is nan"),
        ({"bias": float("inf")}, "bias is inf"),
    ],
)
def test_unknown_options_are_said(options, message):
    with pytest.raises(ValueError, match=message):
        ntk_gram([[1.0, 2.0]], **options)
