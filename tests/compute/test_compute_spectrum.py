"""Extreme eigenvalues by LAPACK, Cholesky and Lanczos: the same numbers as all eigenvalues give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shallow.compute import spectrum
from shallow.compute.limit_kernel import ntk_gram
from shallow.compute.spectrum import largest_eigenvalue, smallest_eigenvalue

EPS = float(np.finfo(np.float64).eps)


@pytest.fixture(params=["dense", "iterative"])
def path(request, monkeypatch):
    """Both ways, whatever the size above 1."""
    size = 10**9 if request.param == "dense" else 1
    monkeypatch.setattr(spectrum, "_SMALL", size)
    monkeypatch.setattr(spectrum, "_TINY", size)
    return request.param


def symmetric(values, rng):
    """A matrix with these eigenvalues, symmetric to the bit."""
    Q = np.linalg.qr(rng.normal(size=(len(values), len(values))))[0]
    H = (Q * values) @ Q.T
    return (H + H.T) / 2


def allowed(values, eps=EPS):
    """Backward stability: H is off by n eps ||H|| as built, and again in the solver (Weyl)."""
    n = len(values)
    return 2 * (n + 8) * eps * float(np.abs(values).max())


SPECTRA = {
    "definite": lambda n, rng: 1.0 + rng.random(n),
    "indefinite": lambda n, rng: rng.normal(size=n),
    "negative": lambda n, rng: -1.0 - rng.random(n),
    "singular": lambda n, rng: np.concatenate([np.zeros((n + 1) // 2), np.ones(n // 2)]),
    "repeated": lambda n, rng: np.full(n, 2.0),
    "graded": lambda n, rng: np.logspace(-14, 0, n),
    "far top": lambda n, rng: np.concatenate([[1e8], 1.0 + np.arange(n - 1) / n]),
    "zero": lambda n, rng: np.zeros(n),
}


@pytest.mark.parametrize("kind", SPECTRA)
@pytest.mark.parametrize("n", [1, 2, 3, 17, 40, 130])
def test_both_ends_of_every_spectrum(path, kind, n):
    rng = np.random.default_rng(n)
    values = SPECTRA[kind](n, rng)
    H = symmetric(values, rng)
    assert abs(smallest_eigenvalue(H) - values.min()) <= allowed(values)
    assert abs(largest_eigenvalue(H) - values.max()) <= allowed(values)


@settings(max_examples=20)
@given(n=st.integers(2, 40), seed=st.integers(0, 10**6), exponent=st.integers(-1000, 1000))
def test_powers_of_two_come_out_again(n, seed, exponent):
    rng = np.random.default_rng(seed)
    H = symmetric(1.0 + rng.random(n), rng)
    for find in (smallest_eigenvalue, largest_eigenvalue):
        here, there = find(H), find(np.ldexp(H, exponent))
        assert abs(np.ldexp(there, -exponent) - here) <= allowed(np.full(n, 2.0))


def test_extreme_scales(path):
    rng = np.random.default_rng(3)
    values = 1.0 + rng.random(12)
    H = symmetric(values, rng)
    for exponent in (-1060, -1022, 1020):
        tiny = 2.0**-1074 * 12 / 2.0**exponent if exponent < -1000 else 0.0  # entries are rounded to that
        got = np.ldexp(smallest_eigenvalue(np.ldexp(H, exponent)), -exponent)
        assert abs(got - values.min()) <= allowed(values) + tiny


def test_an_eigenvalue_past_the_largest_float_is_refused(path):
    with pytest.raises(ValueError, match="exceeds the floating range"):
        largest_eigenvalue(np.full((30, 30), 1e308))


@pytest.mark.parametrize("n", [40, 200])
def test_the_bottom_of_a_tangent_kernel(path, n):
    H = ntk_gram(np.random.default_rng(n).normal(size=(n, 12)))
    values = np.linalg.eigvalsh(H)
    assert abs(smallest_eigenvalue(H) - values[0]) <= allowed(values)
    assert abs(largest_eigenvalue(H) - values[-1]) <= allowed(values)


def test_duplicates_make_the_kernel_singular(path):
    X = np.random.default_rng(7).normal(size=(60, 5))
    X[30] = X[11]
    H = ntk_gram(X)
    assert abs(smallest_eigenvalue(H)) <= allowed(np.linalg.eigvalsh(H))


def test_float32_is_read_in_its_own_type(path):
    rng = np.random.default_rng(5)
    values = 1.0 + rng.random(30)
    H = symmetric(values, rng).astype(np.float32)
    assert abs(smallest_eigenvalue(H) - values.min()) <= allowed(values, float(np.finfo(np.float32).eps))
    assert abs(largest_eigenvalue(H) - values.max()) <= allowed(values, float(np.finfo(np.float32).eps))


def test_a_kernel_with_outputs_is_read_as_a_matrix(path):
    rng = np.random.default_rng(6)
    values = 1.0 + rng.random(12)
    H = symmetric(values, rng).reshape(4, 3, 4, 3)
    assert abs(smallest_eigenvalue(H) - values.min()) <= allowed(values)


def test_the_input_is_destroyed_only_on_request(path):
    rng = np.random.default_rng(8)
    values = 1.0 + rng.random(30)
    H = symmetric(values, rng)
    before = H.copy()
    assert abs(smallest_eigenvalue(H) - values.min()) <= allowed(values)
    np.testing.assert_array_equal(H, before)
    H.setflags(write=False)
    got = [smallest_eigenvalue(A, overwrite=True) for A in (H, np.asfortranarray(before), before.copy())]
    np.testing.assert_array_equal(H, before)
    assert np.abs(np.array(got) - values.min()).max() <= allowed(values)


def test_views_and_orders_give_the_same_bits(path):
    rng = np.random.default_rng(9)
    H = symmetric(1.0 + rng.random(20), rng)
    wide = np.zeros((40, 40))
    wide[::2, ::2] = H
    values = {
        smallest_eigenvalue(A) for A in (H, np.asfortranarray(H), wide[::2, ::2], H[::-1, ::-1][::-1, ::-1])
    }
    assert len(values) == 1


def test_a_failed_factor_leaves_the_matrix_as_it_was(monkeypatch):
    rng = np.random.default_rng(10)
    n = 2 * spectrum._BAND + 7
    H = rng.normal(size=(n, n))
    H = H + H.T
    A = H.copy()
    assert spectrum._by_cholesky(A) is None
    np.testing.assert_array_equal(A, H)


def test_without_convergence_lapack_answers(monkeypatch):
    rng = np.random.default_rng(11)
    values = 1.0 + rng.random(30)
    monkeypatch.setattr(spectrum, "_SMALL", 1)
    monkeypatch.setattr(spectrum, "_by_lanczos", lambda *arguments: None)
    assert abs(smallest_eigenvalue(symmetric(values, rng)) - values.min()) <= allowed(values)


def test_the_methods_are_named():
    assert spectrum.method_for_smallest(10) == spectrum.method_for_largest(10) == "LAPACK evr"
    assert spectrum.method_for_smallest(10**4) == "Cholesky and Lanczos"
    assert spectrum.method_for_largest(10**4) == "Lanczos"


@pytest.mark.parametrize("find", [smallest_eigenvalue, largest_eigenvalue])
@pytest.mark.parametrize(
    ("H", "message"),
    [
        (np.array([[1.0, np.nan], [0.0, 1.0]]), r"H\[0, 1\] is nan"),
        (np.ones((2, 3)), "give an"),
        (np.array([[1.0, 2.0], [0.0, 1.0]]), "not symmetric"),
        (np.ones(3), "1 axes"),
        (np.empty((0, 0)), "empty"),
    ],
)
def test_what_is_no_symmetric_matrix_is_refused(path, find, H, message):
    with pytest.raises(ValueError, match=message):
        find(H)


def test_other_namespaces_are_served_by_the_oracle(xp_case):
    rng = np.random.default_rng(12)
    values = 1.0 + rng.random(6)
    H = xp_case.asarray(symmetric(values, rng))
    assert abs(smallest_eigenvalue(H) - values.min()) <= allowed(values)
    assert abs(largest_eigenvalue(H) - values.max()) <= allowed(values)


def test_a_matrix_is_read_in_one_copy():
    import tracemalloc

    H = np.eye(1000)
    spectrum._read(H, False)
    tracemalloc.start()
    spectrum._read(H, False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A copy, the mask of finite entries, and the band with its differences.
    assert peak <= H.nbytes * (1 + 1 / 8) + 4 * spectrum._BAND * 1000 * 8
