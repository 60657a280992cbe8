"""The compiled limit kernel: 400-digit arithmetic, the oracle, and what a kernel is."""

from __future__ import annotations

import math
import tracemalloc

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shallow.compute import limit_kernel
from shallow.compute.limit_kernel import method_of, ntk_gram
from shallow.compute.methods import arc_cosine_routines as routines
from shallow.exact import ntk as exact

EPS = float(np.finfo(np.float64).eps)
LAYERS = ("first", "second", "both")


def exact_terms(x, z, slope, layer):
    """The positive and the negative part of the kernel, at enough digits for chords of 1e-300."""
    with mpmath.workdps(400):
        x, z = ([mpmath.mpf(float(v)) for v in row] for row in (x, z))
        s = mpmath.mpf(float(slope))
        norm_x, norm_z = (mpmath.sqrt(mpmath.fsum(v * v for v in row)) for row in (x, z))
        if norm_x * norm_z == 0:
            return mpmath.mpf(0), mpmath.mpf(0)
        near, far = (
            mpmath.sqrt(mpmath.fsum((p / norm_x + sign * q / norm_z) ** 2 for p, q in zip(x, z)))
            for sign in (-1, 1)
        )
        t, u = 2 * mpmath.atan2(near, far), 2 * mpmath.atan2(far, near)  # u = pi - t
        dot = mpmath.fsum(p * q for p, q in zip(x, z))
        parts = []
        if layer != "second":
            parts += [dot * (1 + s * s) * u, dot * 2 * s * t]
        if layer != "first":
            lengths = norm_x * norm_z
            parts += [lengths * (1 + s * s) * (mpmath.sin(u) - u * mpmath.cos(u))]
            parts += [-lengths * 2 * s * (mpmath.sin(t) - t * mpmath.cos(t))]
        plus = mpmath.fsum(v for v in parts if v > 0) / (2 * mpmath.pi)
        return plus, plus - mpmath.fsum(parts) / (2 * mpmath.pi)


def error_in_eps(value, x, z, slope, layer, eps=EPS):
    """The error relative to the size of the terms that are summed."""
    plus, minus = exact_terms(x, z, slope, layer)
    with mpmath.workdps(400):
        off, size = abs(mpmath.mpf(float(value)) - (plus - minus)), plus + minus
        return float(off / size) / eps if size != 0 else float(off != 0) * math.inf


def pair_at_angle(rng, d, distance, sign, factor):
    """Rows whose lines differ by about ``distance``; below eps they differ in one coordinate only."""
    x = rng.normal(size=d)
    if distance >= EPS:
        return x, sign * factor * (x + distance * rng.normal(size=d))
    x[-1] = 0.0
    z = sign * 4.0 * x
    z[-1] = distance
    return x, z


def bound(X, Z, terms=16):
    """What a product of d terms errs by, and a few roundings: relative to ||x|| ||z||."""
    norms = [np.linalg.norm(A.astype(np.float64), axis=1) for A in (X, Z)]
    return (X.shape[1] + terms) * EPS * np.outer(*norms)


def bits(K):
    return np.ascontiguousarray(K).tobytes()


def test_the_polynomials_are_the_curves_they_stand_for():
    fine = np.concatenate([[0.0], np.logspace(-12, math.log10(0.5), 60)])
    errors = []
    for q in fine:
        with mpmath.workdps(40):
            h = mpmath.sqrt(mpmath.mpf(float(q)))
            u = 2 * mpmath.asin(h)
            angle = u / h if q else mpmath.mpf(2)
            bend = (mpmath.sin(u) - u * mpmath.cos(u)) / h if q else mpmath.mpf(0)
            wanted = {(1.0, 0.0): -angle, (0.0, 1.0): bend, (1.0, 1.0): bend - (1 - 2 * h * h) * angle}
            for layers, value in wanted.items():
                curve, (*_, a, b, beta) = routines.shape(*layers, 0.0)
                got = beta + (a + b * mpmath.mpf(float(q))) * mpmath.polyval(
                    [mpmath.mpf(c) for c in curve], mpmath.mpf(float(q))
                )
                size = abs(bend) + abs(angle) * (layers[0] != 0.0)
                errors.append(float(abs(got - value / (2 * mpmath.pi)) / size) if size else float(abs(got)))
    assert len(errors) == 3 * len(fine)
    assert max(errors) <= EPS / 2  # of a size of at least 1 / (2 pi) of itself, before any rounding


def test_the_fused_product_is_rounded_once():
    rng = np.random.default_rng(21)
    for a, b in rng.normal(size=(50, 2)):
        lost = routines._fused(a, b, -(a * b))
        with mpmath.workdps(60):
            assert float(mpmath.mpf(a) * mpmath.mpf(b) - mpmath.mpf(a * b)) == lost


@settings(max_examples=30)
@given(
    d=st.integers(1, 6),
    seed=st.integers(0, 10**6),
    slope=st.sampled_from([0.0, 0.01, 0.5, 1.0]),
    layer=st.sampled_from(LAYERS),
)
def test_every_angle_is_exact_up_to_the_rounding_of_the_product(d, seed, slope, layer):
    X = np.random.default_rng(seed).normal(size=(3, d))
    K, size = ntk_gram(X, layer=layer, slope=slope), bound(X, X, 8)
    for i in range(3):
        for j in range(3):
            plus, minus = exact_terms(X[i], X[j], slope, layer)
            assert abs(K[i, j] - float(plus - minus)) <= size[i, j] * (1 + (layer == "both"))


@pytest.mark.parametrize("slope", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["parallel", "antipodal"])
@pytest.mark.parametrize(
    "distance", [0.7, 0.3, 1e-1, 1e-2, 1e-4, 1e-7, 1e-8, 1e-10, 1e-13, 1e-15, 1e-50, 1e-100]
)
def test_no_digit_is_lost_however_close_two_lines_are(distance, sign, slope):
    rng = np.random.default_rng(11)
    errors = []
    for d in (2, 3, 4):
        for factor in (1.0, 3.7):
            x, z = pair_at_angle(rng, d, distance, sign, factor)
            for layer in LAYERS:
                cross = ntk_gram(x[None, :], z[None, :], layer=layer, slope=slope)[0, 0]
                own = ntk_gram(np.stack([x, z]), layer=layer, slope=slope)[0, 1]
                errors += [error_in_eps(v, x, z, slope, layer) for v in (cross, own)]
    assert len(errors) == 36
    assert max(errors) <= 8, errors


def test_an_angle_of_1e_300_to_the_antipode_is_seen():
    X = np.array([[1.0, 0.0], [-1.0, 1e-300]])
    first = ntk_gram(X, layer="first")[0, 1]
    assert first == pytest.approx(-1e-300 / (2 * math.pi), rel=8 * EPS)
    assert ntk_gram(X, layer="second")[0, 1] == 0.0  # J(u) ~ u^3/3 is below the smallest float


@pytest.mark.parametrize("layer", LAYERS)
def test_the_routines_agree_with_the_oracle_whether_compiled_or_not(layer):
    X = np.random.default_rng(22).normal(size=(6, 3))
    X[3], X[4], X[5] = X[1], 0.0, -X[2] + 1e-8 * X[0]
    checked = exact.read_gram(X, None, layer, 0.2, 0.0)
    crossed = exact.read_gram(X, X[:4], layer, 0.2, 0.0)
    reference = exact.ntk_gram(X, layer=layer, slope=0.2)
    whole, across = (np.empty(shape) for shape in ((6, 6), (6, 4)))
    assert (np.abs(limit_kernel._kernel(*checked, whole) - reference) <= 2 * bound(X, X)).all()
    assert (np.abs(limit_kernel._kernel(*crossed, across) - reference[:, :4]) <= 2 * bound(X, X)[:, :4]).all()


@settings(max_examples=60)
@given(
    n=st.integers(1, 40),
    d=st.integers(1, 40),
    other=st.integers(1, 40),
    seed=st.integers(0, 10**6),
    slope=st.sampled_from([0.0, 0.01, 0.5, 1.0, -1.0]),
    layer=st.sampled_from(LAYERS),
    bias=st.sampled_from([0.0, 0.5]),
)
def test_the_oracle_agrees_at_every_shape(n, d, other, seed, slope, layer, bias):
    rng = np.random.default_rng(seed)
    X, Z = rng.normal(size=(n, d)), rng.normal(size=(other, d))
    Z[0], X[-1] = -X[0] * 3.0, X[0]
    options = {"layer": layer, "slope": slope, "bias": bias}
    lifted, other_lifted = (np.hstack([A, np.full((len(A), 1), bias)]) for A in (X, Z))
    # Both err by this, at a slope of -1 twice.
    own, cross = 4 * bound(lifted, lifted), 4 * bound(lifted, other_lifted)
    assert (np.abs(ntk_gram(X, **options) - exact.ntk_gram(X, **options)) <= own).all()
    assert (np.abs(ntk_gram(X, Z, **options) - exact.ntk_gram(X, Z, **options)) <= cross).all()


@settings(max_examples=40)
@given(
    n=st.integers(1, 70),
    d=st.integers(1, 4),
    seed=st.integers(0, 10**6),
    slope=st.sampled_from([0.0, 0.3, -1.0]),
)
def test_symmetric_to_the_bit_with_the_exact_diagonal_and_positive_semidefinite(n, d, seed, slope):
    rng = np.random.default_rng(seed)
    X = rng.integers(-2, 3, size=(n, d)) * rng.choice([1.0, 0.5, 2.0**-30], size=(n, 1))
    for layer, factor in (("first", 1), ("second", 1), ("both", 2)):
        K = ntk_gram(X, layer=layer, slope=slope)
        np.testing.assert_array_equal(K, K.T)
        np.testing.assert_array_equal(np.diag(K), factor * (1 + slope**2) / 2 * np.sum(X * X, axis=1))
        trace = float(np.sum(X * X)) * factor * (1 + slope**2)
        assert np.linalg.eigvalsh(K)[0] >= -(n + d + 8) * EPS * trace


@pytest.mark.compiler
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.compiler
def test_equal_rows_have_the_diagonals_entry_between_them(layer):
    X = np.random.default_rng(3).normal(size=(90, 7))
    X[80:] = X[:10]
    K = ntk_gram(X, layer=layer, slope=0.3)
    np.testing.assert_array_equal(np.diag(K[80:, :10]), np.diag(K)[:10])
    antipodal = ntk_gram(X, -X, layer=layer)
    assert (np.diag(antipodal) == 0.0).all()


def test_the_limit_cases_are_the_closed_forms():
    X = np.eye(3)
    np.testing.assert_array_equal(ntk_gram(X, layer="first"), np.eye(3) / 2)
    off = ntk_gram(X, layer="second")[~np.eye(3, dtype=bool)]
    np.testing.assert_allclose(off, 1 / (2 * math.pi), rtol=4 * EPS)
    Z = np.random.default_rng(0).normal(size=(5, 3))
    for layer in ("first", "second"):  # slope 1 is the linear network
        assert (np.abs(ntk_gram(Z, layer=layer, slope=1.0) - Z @ Z.T) <= bound(Z, Z)).all()


@settings(max_examples=30)
@given(
    exponents=st.lists(st.integers(-500, 500), min_size=3, max_size=3),
    seed=st.integers(0, 10**6),
    layer=st.sampled_from(LAYERS),
)
def test_powers_of_two_scale_the_kernel_without_a_rounding(exponents, seed, layer):
    X = np.random.default_rng(seed).normal(size=(3, 4))
    factors = np.ldexp(1.0, exponents)
    K, scaled = ntk_gram(X, layer=layer), ntk_gram(X * factors[:, None], layer=layer)
    np.testing.assert_array_equal(scaled, K * factors[:, None] * factors[None, :])


def test_rows_of_every_scale_together():
    X = np.array([[1e150, 0.0], [0.0, 1e-160], [5e-324, 5e-324], [0.0, 0.0], [-1e-160, 0.0]])
    K = ntk_gram(X, layer="second")
    assert np.isfinite(K).all()
    np.testing.assert_array_equal(K[3], np.zeros(5))
    assert K[0, 1] == pytest.approx(1e-10 / (2 * math.pi), rel=8 * EPS)
    assert K[0, 4] == 0.0
    for j in (1, 2):
        assert error_in_eps(K[0, j], X[0], X[j], 0.0, "second") <= 8


@pytest.mark.parametrize("size", [1e150, 1e-150, 1e-310])
@pytest.mark.parametrize("layer", LAYERS)
def test_huge_tiny_and_subnormal_rows_keep_their_angles(size, layer):
    rng = np.random.default_rng(6)
    X = rng.normal(size=(3, 5))
    X[1] = -X[0] + 1e-7 * rng.normal(size=5)
    X[2] = size * X[1]
    plus, minus = exact_terms(X[0], X[2], 0.0, layer)
    with mpmath.workdps(400):
        off = abs(mpmath.mpf(float(ntk_gram(X, layer=layer)[0, 2])) - (plus - minus))
        assert off <= 8 * EPS * (plus + minus) + mpmath.mpf(2) ** -1074


def test_a_kernel_past_the_largest_float_is_refused():
    with pytest.raises(ValueError, match="overflows float64; divide the inputs"):
        ntk_gram([[1e160, 1.0], [1.0, 1e160]])
    with pytest.raises(ValueError, match="overflows float32; divide the inputs"):
        ntk_gram(np.array([[1e30, 1.0]], dtype=np.float32))
    assert np.isfinite(ntk_gram(np.array([[1.3e154, 0.0], [0.0, 1e154]]), layer="first")).all()


@pytest.mark.compiler
@pytest.mark.parametrize("layer", LAYERS)
def test_tiles_do_not_show(layer):
    rng = np.random.default_rng(12)
    X = rng.normal(size=(300, 3))
    X[250:] = -X[:50] + 1e-9 * rng.normal(size=(50, 3))
    X[200:250] = X[50:100]
    K = ntk_gram(X, layer=layer, slope=0.1)
    np.testing.assert_array_equal(K, K.T)
    assert (np.abs(K - exact.ntk_gram(X, layer=layer, slope=0.1)) <= 4 * bound(X, X)).all()
    cross = ntk_gram(X[::-1], X, layer=layer, slope=0.1)
    # One pair read in the other order has another pivot: the bound, not the bits.
    assert (np.abs(cross[::-1] - K) <= 4 * bound(X, X)).all()
    # An entry does not know where it stands.
    assert bits(ntk_gram(X[:150], X[40:], layer=layer)[:, 7:]) == bits(ntk_gram(X[:150], X[47:], layer=layer))
    assert bits(ntk_gram(X[:170], layer=layer)[:150, :150]) == bits(ntk_gram(X[:150], layer=layer))


@pytest.mark.parametrize("d", [127, 128, 129, 300])
def test_long_rows_are_summed_in_pieces(d):
    rng = np.random.default_rng(d)
    X = rng.normal(size=(20, d))
    X[10] = -X[3] + 1e-6 * rng.normal(size=d)
    for layer in LAYERS:
        assert (np.abs(ntk_gram(X, layer=layer) - exact.ntk_gram(X, layer=layer)) <= 2 * bound(X, X)).all()
        assert error_in_eps(ntk_gram(X, layer=layer)[3, 10], X[3], X[10], 0.0, layer) <= 8


@pytest.mark.parametrize("layer", LAYERS)
def test_the_bits_do_not_depend_on_the_threads(monkeypatch, layer):
    rng = np.random.default_rng(13)
    X = rng.normal(size=(400, 30))
    X[300] = -X[2] * 1.5
    kernels = []
    for count in ("1", "2", "3"):
        monkeypatch.setenv("NUMBA_NUM_THREADS", count)
        kernels += [(bits(ntk_gram(X, layer=layer)), bits(ntk_gram(X, X[:333], layer=layer)))]
    assert kernels[1] == kernels[0]
    assert kernels[2] == kernels[0]


def test_the_order_in_memory_does_not_matter_and_inputs_are_only_read():
    rng = np.random.default_rng(14)
    wide = rng.normal(size=(60, 20))
    X = wide[::2, ::3]
    X.setflags(write=False)
    before = wide.copy()
    results = {bits(ntk_gram(A)) for A in (X, np.ascontiguousarray(X), np.asfortranarray(X), X.tolist())}
    assert len(results) == 1
    np.testing.assert_array_equal(wide, before)


@pytest.mark.compiler
def test_float32_is_the_float64_kernel_rounded_once():
    rng = np.random.default_rng(15)
    X = rng.normal(size=(70, 5)).astype(np.float32)
    X[60] = -X[1] * np.float32(1 + 1e-4)
    for layer in LAYERS:
        K = ntk_gram(X, layer=layer)
        assert K.dtype == np.float32
        np.testing.assert_array_equal(K, ntk_gram(X.astype(np.float64), layer=layer).astype(np.float32))


@pytest.mark.compiler
def test_the_memory_is_one_result():
    n, d = 1200, 20
    X = np.random.default_rng(16).normal(size=(n, d))
    ntk_gram(X)
    tracemalloc.start()
    K = ntk_gram(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= K.nbytes + 8 * X.nbytes + (1 << 20)  # copies of the rows, and small change


@pytest.mark.compiler
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.compiler
def test_other_namespaces_are_served_by_the_oracle(xp_case, dtype):
    X = np.random.default_rng(17).normal(size=(6, 3)).astype(dtype)
    there = ntk_gram(xp_case.asarray(X), slope=0.1)
    assert there.device == xp_case.asarray(X).device
    assert method_of(xp_case.asarray(X)) == ("compiled" if xp_case.name == "numpy" else "exact")
    allowed = 4 * bound(X, X) * float(np.finfo(dtype).eps) / EPS
    assert (np.abs(xp_case.asnumpy(there) - exact.ntk_gram(X, slope=0.1)) <= allowed).all()


def test_without_a_compiler_the_oracle_answers(monkeypatch):
    X = np.random.default_rng(18).normal(size=(6, 3))
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert method_of(X) == "exact"
    assert bits(ntk_gram(X)) == bits(exact.ntk_gram(X))


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


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("compiler_off", ["0", "1"])
def test_the_kernel_may_be_written_where_it_is_wanted(monkeypatch, dtype, compiler_off):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", compiler_off)
    X, Z = (np.random.default_rng(19).normal(size=(rows, 3)).astype(dtype) for rows in (7, 5))
    for arguments, shape in (((X,), (7, 7)), ((X, Z), (7, 5))):
        room = np.full(shape, np.nan, dtype)
        assert ntk_gram(*arguments, out=room) is room
        assert bits(room) == bits(ntk_gram(*arguments))


@pytest.mark.parametrize(
    "room",
    [np.empty((3, 2)), np.empty((2, 2), np.float32), np.empty((2, 4))[:, ::2], [[0.0, 0.0], [0.0, 0.0]]],
)
def test_where_a_kernel_does_not_fit_is_said(room):
    with pytest.raises(ValueError, match=r"out must be .* of shape \(2, 2\) and type float64"):
        ntk_gram(np.eye(2), out=room)
