"""The bounds on float64 arithmetic hold against exact rational arithmetic, at every scale."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from proofs_check.certificates.floating import (
    ETA,
    UNIT,
    check_arithmetic,
    down,
    gamma,
    gram,
    inflate,
    norm_up,
    product_up,
    sum_up,
    up,
)

SCALES = (1e-320, 1e-170, 1e-150, 1.0, 1e100, 1e150)


def exact(A: Any) -> Any:
    return np.vectorize(lambda v: Fraction(float(v)), otypes=[object])(A)


def hostile(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> Any:
    """Normal numbers over six orders of magnitude, with zeros and exact repetitions."""
    A = rng.standard_normal(shape) * 10.0 ** rng.integers(-3, 4, shape) * scale
    A[rng.random(shape) < 0.1] = 0.0
    A[0] = A[-1]
    return A


def test_gamma_bounds_the_exact_fraction_and_hardly_exceeds_it() -> None:
    for p in (0, 1, 2, 3, 17, 1000, 10**6, 2**40, 2**51):
        value = Fraction(p) / 2**53 / (1 - Fraction(p) / 2**53)
        assert value <= Fraction(gamma(p)) <= value * (1 + Fraction(1, 2**50)) + Fraction(1, 2**1074)
    assert gamma(2**52) == gamma(2**60) == np.inf


def test_gamma_bounds_every_product_of_roundings() -> None:
    u = Fraction(1, 2**53)
    for p in (1, 5, 64):
        assert (1 + u) ** p - 1 <= Fraction(gamma(p))
        assert 1 - (1 - u) ** p <= Fraction(gamma(p))
        assert 1 / (1 - u) ** p - 1 <= Fraction(gamma(p))


@pytest.mark.parametrize("scale", SCALES)
def test_next_floats_bound_one_operation(scale: float) -> None:
    rng = np.random.default_rng(1)
    x, y = hostile(rng, (50,), scale), hostile(rng, (50,), 1e-5)
    with np.errstate(all="ignore"):
        results = {"add": x + y, "sub": x - y, "mul": x * y}
    X, Y = exact(x), exact(y)
    truths = {"add": X + Y, "sub": X - Y, "mul": X * Y}
    for name, result in results.items():
        assert np.all(exact(down(result)) <= truths[name])
        assert np.all(truths[name] <= exact(up(result)))


@pytest.mark.parametrize("scale", SCALES)
def test_sums_products_and_norms_are_bounded_above(scale: float) -> None:
    rng = np.random.default_rng(2)
    for _ in range(5):
        A, B = np.abs(hostile(rng, (4, 7), scale)), np.abs(hostile(rng, (7, 3), 1.0))
        assert Fraction(float(sum_up(A))) >= exact(A).sum()
        assert np.all(exact(sum_up(A, axis=0)) >= exact(A).sum(axis=0))
        truth = exact(A) @ exact(B)
        bound = exact(product_up(A, B))
        assert np.all(bound >= truth)
        assert np.all(bound <= truth * (1 + Fraction(1, 2**48)) + 40 * Fraction(ETA))
        assert Fraction(float(norm_up(A))) ** 2 >= (exact(A) ** 2).sum()
        assert np.all(exact(norm_up(A, axis=1)) ** 2 >= (exact(A) ** 2).sum(axis=1))


def test_norms_neither_overflow_nor_lose_digits() -> None:
    for scale in (5e-324, 1e-300, 1.0, 1e300):
        assert norm_up(np.array([3.0, 4.0]) * scale) == pytest.approx(5 * scale, rel=2.0**-48, abs=5e-323)
    assert np.all(norm_up(np.zeros((2, 3)), axis=1) <= 1e-300)
    assert np.isnan(norm_up(np.array([1.0, np.nan])))


@pytest.mark.parametrize("scale", SCALES[:-1])
def test_a_gram_matrix_is_within_its_stated_error(scale: float) -> None:
    rng = np.random.default_rng(3)
    for n, p in ((1, 1), (4, 3), (3, 300)):
        A = hostile(rng, (n, p), scale)
        computed, c = gram(A)
        assert np.array_equal(computed, computed.T)
        E = exact(A)
        allowed = Fraction(c) * (np.abs(E) @ np.abs(E).T) + p * Fraction(ETA)
        assert np.all(np.abs(exact(computed) - E @ E.T) <= allowed)


def test_long_products_are_summed_in_blocks_to_keep_their_error_small() -> None:
    assert gram(np.zeros((1, 10_000)))[1] < gamma(300)


def test_inflation_covers_any_order_of_summation() -> None:
    values = np.abs(np.random.default_rng(4).standard_normal(6)) * [1, 1e8, 1e-8, 3, 1e16, 1e-16]
    truth = exact(values).sum()
    for order in itertools.permutations(range(6)):
        total = 0.0
        for i in order:
            total += values[i]
        assert Fraction(float(inflate(total, 6))) >= truth


def test_nan_stays_nan() -> None:
    for value in (up(np.nan), down(np.nan), inflate(np.nan, 3), sum_up(np.array([1.0, np.nan]))):
        assert np.isnan(value)


def test_this_machine_rounds_as_assumed() -> None:
    check_arithmetic()
    assert np.finfo(np.float64).eps / 2 == UNIT


def test_a_machine_that_flushes_subnormals_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proofs_check.certificates.floating.ETA", 0.0)
    monkeypatch.setattr("proofs_check.certificates.floating.UNIT", 2.0**-24)
    with pytest.raises(RuntimeError, match="does not round to nearest"):
        check_arithmetic()
