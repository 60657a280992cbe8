from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shallow.training.flow_polynomial import bernstein_matrix, first_root, keeps_sign

EPS = np.finfo(np.float64).eps


def _from_roots(roots: list[float]) -> np.ndarray:
    coefficients = np.polynomial.polynomial.polyfromroots(roots)
    return coefficients * np.sign(coefficients[0])


@given(
    inside=st.lists(st.integers(1, 15), min_size=1, max_size=4, unique=True),
    outside=st.lists(st.integers(18, 40), max_size=4),
)
@settings(max_examples=40)
def test_the_smallest_of_several_zeros_is_found(inside: list[int], outside: list[int]) -> None:
    roots = [i / 16 for i in inside] + [i / 16 for i in outside] + [-i / 16 for i in outside]
    coefficients = _from_roots(roots)
    found = first_root(coefficients)
    assert found is not None
    smallest = min(inside) / 16
    # The value carries an error of 2 N eps sum |c_j|, which moves a simple zero by that over the slope.
    slope = abs(np.polynomial.polynomial.polyval(smallest, np.polynomial.polynomial.polyder(coefficients)))
    allowed = 2 * coefficients.size * EPS * np.sum(np.abs(coefficients)) / slope
    assert abs(found - smallest) <= allowed + 2.0**-48


@given(outside=st.lists(st.floats(1.05, 8.0), min_size=1, max_size=6))
@settings(max_examples=30)
def test_no_zero_is_reported_where_there_is_none(outside: list[float]) -> None:
    assert first_root(_from_roots([*outside, *(-r for r in outside)])) is None


def test_a_zero_at_the_start_and_a_zero_touched_twice_are_seen() -> None:
    assert first_root(np.array([0.0, 1.0])) == 0.0
    touched = first_root(_from_roots([0.5, 0.5]))
    assert touched is not None
    # A double zero is known to the square root of the rounding error.
    assert abs(touched - 0.5) <= 4 * np.sqrt(EPS)


def test_two_zeros_within_one_window_do_not_hide_each_other() -> None:
    gap = 1e-6
    found = first_root(_from_roots([0.3, 0.3 + gap]))
    assert found == pytest.approx(0.3, abs=1e-9)  # conditioning: eps / gap
    assert not keeps_sign(_from_roots([0.3, 0.3 + gap])[None, :])[0]


def test_bernstein_coefficients_enclose_the_values() -> None:
    rng = np.random.default_rng(0)
    coefficients = rng.standard_normal(9)
    bernstein = bernstein_matrix(8) @ coefficients
    values = np.polynomial.polynomial.polyval(np.linspace(0, 1, 101), coefficients)
    slack = 32 * EPS * np.sum(np.abs(coefficients))
    assert bernstein.min() <= values.min() + slack
    assert bernstein.max() >= values.max() - slack
