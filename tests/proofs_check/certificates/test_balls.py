"""Balls contain the exact rational results, and definiteness is never claimed of a matrix without it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs_check.certificates import balls as b

pytest.importorskip("flint", reason="balls need python-flint (extra `rigour`)")


def exact(point: Any) -> Fraction:
    mantissa, exponent = point.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def contains(ball: Any, number: Fraction) -> bool:
    return abs(number - exact(ball.mid())) <= exact(ball.rad())


def matrix(rng: np.random.Generator, rows: int, columns: int) -> Any:
    """Entries of very different sizes."""
    return rng.normal(size=(rows, columns)) * 10.0 ** rng.integers(-12, 12, size=(rows, columns))


@given(st.integers(0, 10**6))
def test_a_product_contains_the_exact_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    A, B = matrix(rng, 3, 4), matrix(rng, 4, 2)
    with b.precision():
        found = b.product(A, b.balls(B))
    for i, j in np.ndindex(found.shape):
        assert contains(
            found[i, j], sum((Fraction(A[i, p]) * Fraction(B[p, j]) for p in range(4)), Fraction())
        )


@given(st.integers(0, 10**6))
def test_floats_given_up_are_upper_bounds(seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=2) * 10.0**100
    ratio = Fraction(x[0]) / Fraction(x[1])
    with b.precision():
        ball = b.ball(x[0]) / b.ball(x[1])
        assert Fraction(b.up(ball)) >= ratio
        assert Fraction(b.up(ball)) <= ratio + abs(ratio) * Fraction(2) ** -51
        root = b.root_up(b.balls([abs(x[0])]))[0]
        assert exact(root) ** 2 >= abs(Fraction(x[0]))


@given(st.integers(0, 10**6))
def test_solutions_and_inverses_multiply_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(5, 5))
    with b.precision():
        inverse, solution = b.inverse(A), b.solution(A, np.eye(5))
        for found in (b.product(A, inverse), b.product(A, solution)):
            assert all(found[i, j].contains(int(i == j)) for i, j in np.ndindex(5, 5))


def test_a_singular_matrix_has_no_inverse() -> None:
    with b.precision():
        assert np.all([not x.is_finite() for x in b.inverse(np.ones((2, 2))).ravel()])


@given(st.integers(1, 12), st.integers(0, 10**6), st.floats(1e-14, 1.0))
def test_definiteness_is_proved_just_below_the_smallest_eigenvalue_and_not_at_it(
    n: int, seed: int, smallest: float
) -> None:
    """An integer Gram matrix V V^T of rank n - 1 plus smallest I has exactly that smallest eigenvalue."""
    V = np.random.default_rng(seed).integers(-9, 9, size=(n, max(n - 1, 1))) * (n > 1)
    with b.precision():
        A = b.balls(V @ V.T) + b.balls(smallest * np.eye(n))
        assert b.positive_definite(b.shifted(A, smallest * (1 - 1e-12)))
        assert not b.positive_definite(b.shifted(A, smallest))
        assert not b.positive_definite(b.shifted(A, smallest * (1 + 1e-12)))


def test_pivots_decide_where_a_float_factor_cannot() -> None:
    """lambda_min is 1e-20 of the largest entry."""
    with b.precision():
        A = b.balls(np.ones((2, 2))) + b.balls(1e-20 * np.eye(2))
        assert b.positive_definite(A)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_never_positive_definite(bad: float) -> None:
    with b.precision():
        for at in ((0, 0), (2, 2), (0, 1)):
            A = np.eye(3)
            A[at] = A[at[::-1]] = bad
            assert not b.positive_definite(b.balls(A))


@given(st.integers(1, 10), st.integers(0, 10**6))
def test_the_largest_eigenvalue_is_bounded_from_above_and_closely(n: int, seed: int) -> None:
    X = np.random.default_rng(seed).normal(size=(n, 4))
    with b.precision():
        bound = b.largest_eigenvalue_up(b.product(X, X.T))
    largest = np.linalg.norm(X, 2) ** 2
    assert float(bound) >= largest * (1 - 64 * np.finfo(float).eps)
    assert float(bound) <= largest * (1 + 1e-11)


def test_the_precision_comes_back() -> None:
    import flint

    before = flint.ctx.prec
    with b.precision():
        assert flint.ctx.prec == b.BITS
    assert flint.ctx.prec == before
