"""Extreme eigenvalues against closed forms, and what no eigenvalue routine may accept."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shallow import Network, empirical_ntk, largest_eigenvalue, ntk_gram, smallest_eigenvalue
from shallow.exact.spectrum import eigenpairs, extreme_eigenvalues

EPS = float(np.finfo(np.float64).eps)


def rounding(n, norm):
    """Backward error of a symmetric eigenvalue routine, with a factor 8 for its constant."""
    return 8 * n * EPS * norm


@pytest.mark.parametrize("n", [1, 2, 3, 17])
def test_orthonormal_rows_have_the_eigenvalues_of_identity_plus_ones(n):
    X = np.eye(n)
    assert extreme_eigenvalues(ntk_gram(X, layer="first")) == (0.5, 0.5)
    c = 1 / (2 * math.pi)
    low, high = extreme_eigenvalues(ntk_gram(X, layer="second"))
    top = 0.5 + (n - 1) * c
    assert low == pytest.approx(0.5 - c if n > 1 else 0.5, abs=rounding(n, top))
    assert high == pytest.approx(top, abs=rounding(n, top))


def test_one_entry_is_its_own_eigenvalue():
    assert smallest_eigenvalue([[3.25]]) == 3.25
    assert largest_eigenvalue([[-3.25]]) == -3.25


@settings(max_examples=30)
@given(p=st.floats(-5, 5), q=st.floats(-5, 5), r=st.floats(-5, 5))
def test_two_by_two_is_the_quadratic_formula(p, q, r):
    low, high = extreme_eigenvalues([[p, r], [r, q]])
    half_gap = math.hypot((p - q) / 2, r)
    norm = abs(p + q) / 2 + half_gap
    assert abs(low - ((p + q) / 2 - half_gap)) <= rounding(2, norm)
    assert abs(high - ((p + q) / 2 + half_gap)) <= rounding(2, norm)


@settings(max_examples=20)
@given(n=st.integers(2, 8), seed=st.integers(0, 10**6))
def test_duplicate_rows_have_a_smallest_eigenvalue_of_zero_to_rounding(n, seed):
    X = np.random.default_rng(seed).normal(size=(n, 4))
    H = ntk_gram(np.concatenate([X, X[:1]]))
    # The entries carry (d + 8) eps of the product of norms, the routine n eps of the norm.
    assert abs(smallest_eigenvalue(H)) <= rounding(n + 1, largest_eigenvalue(H)) + 12 * EPS * float(
        np.trace(H)
    )


def test_more_samples_than_parameters_is_rank_deficient():
    rng = np.random.default_rng(1)
    net = Network(rng.normal(size=(2, 2)), rng.normal(size=2))
    H = empirical_ntk(net, rng.normal(size=(9, 2)))
    low, high = extreme_eigenvalues(H)
    assert abs(low) <= rounding(9, high)


@pytest.mark.parametrize("k", [None, 2])
def test_eigenpairs_diagonalise_in_every_namespace(xp_case, k):
    rng = np.random.default_rng(2)
    net = Network(
        xp_case.asarray(rng.normal(size=(6, 3))),
        xp_case.asarray(rng.normal(size=(6,) if k is None else (6, k))),
    )
    H = empirical_ntk(net, xp_case.asarray(rng.normal(size=(4, 3))))
    values, vectors = (xp_case.asnumpy(v) for v in eigenpairs(H))
    size = 4 * (k or 1)
    matrix = xp_case.asnumpy(H).reshape(size, size)
    norm = float(values[-1])
    assert (np.diff(values) >= 0).all()
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(size), atol=rounding(size, 1.0))
    np.testing.assert_allclose(matrix @ vectors, vectors * values, atol=rounding(size, norm))
    low, high = extreme_eigenvalues(H)
    assert low == pytest.approx(values[0], abs=rounding(size, norm))
    assert high == pytest.approx(values[-1], abs=rounding(size, norm))


def test_the_zero_matrix_has_zero_eigenvalues():
    assert extreme_eigenvalues(np.zeros((3, 3))) == (0.0, 0.0)


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_scales_near_the_ends_of_the_range_are_kept(size):
    low, high = extreme_eigenvalues(size * np.array([[2.0, 1.0], [1.0, 2.0]]))
    assert low == pytest.approx(size, rel=rounding(2, 3.0))
    assert high == pytest.approx(3 * size, rel=rounding(2, 1.0))


@pytest.mark.parametrize(
    ("H", "message"),
    [
        (np.ones((2, 3)), r"shape \(2, 3\); give an \(n, n\) or"),
        (np.ones((2, 1, 1, 2)), r"shape \(2, 1, 1, 2\)"),
        ([[1.0, 0.5], [0.4, 1.0]], "H is not symmetric"),
        ([[np.nan]], r"H\[0, 0\] is nan"),
    ],
)
def test_what_is_no_kernel_is_refused(H, message):
    with pytest.raises(ValueError, match=message):
        smallest_eigenvalue(H)
