"""phi and phi' are what eq. 1 of Frei, Chatterji and Bartlett says, and phi'(0) = slope at a kink."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shallow.exact.activation import activation, gate

DYADIC = st.integers(-64, 64).map(lambda k: k / 8)
SLOPES = st.sampled_from([0.0, 0.25, 0.5, 1.0, -0.5])
HALF_WIDTHS = st.sampled_from([0.0, 0.5, 1.0, 4.0])


def derivative(z: Fraction, s: Fraction, h: Fraction) -> Fraction:
    if h == 0 or abs(z) >= h:
        return Fraction(1) if z > 0 else s
    return s + (1 - s) * (z + h) / (2 * h)


def integral(z: Fraction, s: Fraction, h: Fraction) -> Fraction:
    """The integral of phi' from 0 to z: phi' is linear between the breaks -h, 0, h."""
    inner = max(-h, min(h, z))
    total = inner * (derivative(inner, s, h) + Fraction(1 + s, 2)) / 2 if h else Fraction(0)
    return total + (z - inner) * (1 if z > 0 else s)


@settings(max_examples=50)
@given(z=st.lists(DYADIC, min_size=1, max_size=8), s=SLOPES, h=HALF_WIDTHS)
def test_phi_is_the_exact_integral_of_its_gate(z, s, h):
    exact = [integral(Fraction(v), Fraction(s), Fraction(h)) for v in z]
    gates = [derivative(Fraction(v), Fraction(s), Fraction(h)) for v in z]
    # Dyadic numbers of this size leave no rounding in either function.
    assert [Fraction(v) for v in activation(np.array(z), s, h).tolist()] == exact
    assert [Fraction(v) for v in gate(np.array(z), s, h).tolist()] == gates


@pytest.mark.parametrize("slope", [0.0, 0.1, 1.0, -1.0])
def test_a_kink_takes_the_left_slope_and_both_zeros_agree(slope):
    np.testing.assert_array_equal(gate(np.array([0.0, -0.0]), slope), [slope, slope])
    np.testing.assert_array_equal(activation(np.array([0.0, -0.0]), slope), [0.0, 0.0])


@pytest.mark.parametrize("smoothing", [0.0, 0.5])
def test_the_type_and_the_namespace_are_kept(xp_case, smoothing):
    z = xp_case.asarray(np.array([-2.0, 0.0, 0.25, 3.0], dtype=np.float32))
    for function in (activation, gate):
        result = function(z, 0.1, smoothing)
        assert result.dtype == xp_case.xp.float32
        assert result.device == z.device
        np.testing.assert_array_equal(xp_case.asnumpy(result), function(xp_case.asnumpy(z), 0.1, smoothing))


def test_extreme_pre_activations_stay_finite():
    z = np.array([1e308, -1e308, 5e-324, -5e-324])
    for smoothing in (0.0, 1e-300, 1.0):
        assert np.isfinite(activation(z, 0.1, smoothing)).all()
        assert np.isfinite(gate(z, 0.1, smoothing)).all()
