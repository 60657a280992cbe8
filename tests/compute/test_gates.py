"""Gates and features in place are those of the literal activation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shallow.compute.gates import gating
from shallow.compute.pacing import loss_scaled_coefficients, positive_ratio, time_step
from shallow.exact.activation import activation, gate
from shallow.setting.losses import LOSSES

EPS = float(np.finfo(float).eps)
entries = st.lists(
    st.floats(-1e6, 1e6) | st.sampled_from([0.0, -0.0, 5e-324, 0.25, -0.25]), min_size=1, max_size=12
)


@given(
    values=entries,
    slope=st.sampled_from([0.0, 0.3, 1.0, -0.7, 2.5]),
    smoothing=st.sampled_from([0.0, 0.25, 1e-300]),
)
@settings(max_examples=60)
def test_gates_and_features_are_the_literal_ones(values: list[float], slope: float, smoothing: float) -> None:
    Z = np.array(values)
    fill, dtype = gating(slope, smoothing)
    gates, features = np.empty(Z.shape, dtype or Z.dtype), np.empty_like(Z)
    with np.errstate(over="ignore"):
        fill(Z, gates, features)
    size = (1 + abs(slope)) * (np.abs(Z) + smoothing)
    assert (np.abs(gates - gate(Z, slope, smoothing)) <= 4 * EPS * (1 + abs(slope))).all()
    assert (np.abs(features - activation(Z, slope, smoothing)) <= 8 * EPS * size + 1e-323).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_loss_scaled_coefficients_are_the_derivative_over_the_loss(loss: str) -> None:
    f, y = np.array([0.3, -2.0, 0.5]), np.array([1.0, -1.0, -1.0])
    scaled, log_loss = loss_scaled_coefficients(loss, f, y)
    table = LOSSES[loss]
    np.testing.assert_allclose(scaled, table.derivative(f, y) / table.value(f, y), rtol=16 * EPS)
    np.testing.assert_allclose(np.exp(log_loss), table.value(f, y), rtol=16 * EPS)


@pytest.mark.parametrize("loss", ["logistic", "exponential"])
def test_loss_scaled_coefficients_keep_their_digits_where_the_loss_underflows(loss: str) -> None:
    y = np.array([1.0, -1.0])
    scaled, log_loss = loss_scaled_coefficients(loss, y * np.array([900.0, 901.0]), y)
    weights = np.array([1.0, np.exp(-1.0)]) / (1 + np.exp(-1.0))  # both losses are exp(-q) there
    np.testing.assert_allclose(scaled, -y * weights, rtol=2 * 901 * EPS)
    assert log_loss == pytest.approx(-900 + np.log1p(np.exp(-1.0)), rel=4 * EPS)


def test_a_loss_of_zero_moves_nothing() -> None:
    scaled, log_loss = loss_scaled_coefficients("hinge", np.array([2.0, -3.0]), np.array([1.0, -1.0]))
    assert (scaled == 0).all()
    assert time_step(0.1, log_loss) == 0.0
    assert positive_ratio(0.1, 0.0) == 0.0
    assert time_step(1.0, -800.0) == np.inf
