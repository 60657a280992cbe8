"""Losses: values, derivatives and logarithms, down to where the loss itself has underflowed."""

from __future__ import annotations

import math

import array_api_strict
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shallow.setting.losses import LOSSES

EPS = np.finfo(np.float64).eps
SIGNED = ["logistic", "exponential", "hinge"]
mpmath.mp.dps = 60

EXACT = {
    "squared": lambda f, y: (mpmath.mpf(f) - mpmath.mpf(y)) ** 2 / 2,
    "logistic": lambda f, y: mpmath.log1p(mpmath.exp(-mpmath.mpf(y) * mpmath.mpf(f))),
    "exponential": lambda f, y: mpmath.exp(-mpmath.mpf(y) * mpmath.mpf(f)),
    "hinge": lambda f, y: max(mpmath.mpf(0), 1 - mpmath.mpf(y) * mpmath.mpf(f)),
}

margins = st.lists(st.floats(-700, 2000), min_size=1, max_size=6)


def exact_log(name: str, f: list[float], y: list[float]) -> float:
    total = mpmath.fsum(EXACT[name](p, q) for p, q in zip(f, y))
    return -math.inf if total == 0 else float(mpmath.log(total))


@pytest.mark.parametrize("name", LOSSES)
@given(f=margins, data=st.data())
@settings(max_examples=30)
def test_the_log_of_the_loss_agrees_with_extended_precision(
    name: str, f: list[float], data: st.DataObject
) -> None:
    y = data.draw(st.lists(st.sampled_from([-1.0, 1.0]), min_size=len(f), max_size=len(f)))
    got = float(LOSSES[name].log_value(np.array(f), np.array(y)))
    want = exact_log(name, f, y)
    if math.isinf(want):
        assert got == want
    else:
        # a log of a sum of terms with relative errors n eps each, and a rounding of a number of size |want|
        assert abs(got - want) <= 8 * EPS * (len(f) + abs(want))


@pytest.mark.parametrize("name", LOSSES)
@given(f=st.lists(st.floats(-30, 30), min_size=1, max_size=6), data=st.data())
@settings(max_examples=30)
def test_value_is_the_exponential_of_its_logarithm(name: str, f: list[float], data: st.DataObject) -> None:
    y = np.array(data.draw(st.lists(st.sampled_from([-1.0, 1.0]), min_size=len(f), max_size=len(f))))
    loss = LOSSES[name]
    value, log_value = float(loss.value(np.array(f), y)), float(loss.log_value(np.array(f), y))
    relative = 16 * EPS * (len(f) + 1 + abs(max(log_value, -1e3)))
    assert abs(value - math.exp(log_value)) <= value * relative


@pytest.mark.parametrize("name", LOSSES)
def test_derivatives_agree_with_central_differences(name: str) -> None:
    rng = np.random.default_rng(0)
    f, y = 3 * rng.standard_normal((7, 2)), np.where(rng.random((7, 2)) < 0.5, -1.0, 1.0)
    loss, h = LOSSES[name], 1e-5
    got = loss.derivative(f, y)
    for index in np.ndindex(f.shape):
        step = np.zeros_like(f)
        step[index] = h
        difference = (float(loss.value(f + step, y)) - float(loss.value(f - step, y))) / (2 * h)
        # third derivatives are at most e^|f|; rounding of the two values is divided by 2h
        size = float(loss.value(f, y))
        assert abs(got[index] - difference) <= h**2 * math.exp(abs(f[index])) + 4 * EPS * size / h
    finite = got != 0
    logs = loss.log_abs_derivative(f, y)
    assert np.all(np.isneginf(logs[~finite]))
    np.testing.assert_allclose(np.exp(logs[finite]), np.abs(got[finite]), rtol=64 * EPS)


@pytest.mark.parametrize("size", [700.0, 745.0, 1e300])
def test_logistic_at_extreme_margins(size: float) -> None:
    f, one = np.array([size]), np.array([1.0])
    loss = LOSSES["logistic"]
    assert float(loss.log_value(f, one)) == -size
    assert float(loss.value(-f, one)) == size
    assert float(loss.log_value(-f, one)) == pytest.approx(math.log(size), rel=2 * EPS)
    assert loss.derivative(-f, one)[0] == -1.0
    assert float(loss.log_abs_derivative(f, one)[0]) == -size


def test_an_underflowed_sample_still_counts_in_the_logarithm() -> None:
    f, y = np.array([800.0, 801.0]), np.ones(2)
    for name in ("logistic", "exponential"):
        assert float(LOSSES[name].value(f, y)) == 0.0
        want = -800 + math.log1p(math.exp(-1))
        assert float(LOSSES[name].log_value(f, y)) == pytest.approx(want, rel=2 * EPS)


def test_an_overflowing_loss_is_infinite_and_silent() -> None:
    f, y = np.array([-1e4]), np.ones(1)
    assert float(LOSSES["exponential"].value(f, y)) == math.inf
    assert float(LOSSES["exponential"].derivative(f, y)[0]) == -math.inf
    assert float(LOSSES["exponential"].log_value(f, y)) == 1e4
    assert float(LOSSES["squared"].value(np.array([1e200]), y)) == math.inf
    assert float(LOSSES["squared"].log_value(np.array([1e200]), y)) == pytest.approx(
        400 * math.log(10) - math.log(2), rel=4 * EPS
    )


def test_a_squared_residual_below_the_smallest_float_keeps_its_logarithm() -> None:
    got = float(LOSSES["squared"].log_value(np.array([1e-300]), np.array([0.0])))
    assert got == pytest.approx(-600 * math.log(10) - math.log(2), rel=4 * EPS)


@pytest.mark.parametrize("name", ["squared", "hinge"])
def test_a_loss_of_zero_has_logarithm_minus_infinity(name: str) -> None:
    f = np.array([1.0, 1.0])
    assert float(LOSSES[name].log_value(f, np.ones(2))) == -math.inf
    assert float(LOSSES[name].value(f, np.ones(2))) == 0.0


@pytest.mark.parametrize("name", LOSSES)
def test_a_nan_prediction_is_never_hidden(name: str) -> None:
    f, y = np.array([math.nan, 1.0]), np.ones(2)
    assert math.isnan(float(LOSSES[name].value(f, y)))
    assert math.isnan(float(LOSSES[name].log_value(f, y)))
    assert math.isnan(float(LOSSES[name].derivative(f, y)[0]))


@pytest.mark.parametrize("name", LOSSES)
def test_an_infinite_wrong_prediction_costs_infinitely_much_and_nothing_warns(name: str) -> None:
    f, y = np.array([-math.inf, 1.0]), np.ones(2)
    assert float(LOSSES[name].value(f, y)) == math.inf
    assert float(LOSSES[name].log_value(f, y)) == math.inf


@pytest.mark.parametrize("name", LOSSES)
def test_shapes_that_would_broadcast_are_refused(name: str) -> None:
    loss = LOSSES[name]
    for function in (loss.value, loss.log_value, loss.derivative, loss.log_abs_derivative):
        with pytest.raises(ValueError, match="must agree"):
            function(np.ones(3), np.ones((3, 1)))


@pytest.mark.parametrize("name", LOSSES)
def test_any_array_namespace_gives_the_same_numbers(name: str) -> None:
    rng = np.random.default_rng(0)
    f, y = rng.standard_normal((4, 2)), np.where(rng.random((4, 2)) < 0.5, -1.0, 1.0)
    loss = LOSSES[name]
    strict = array_api_strict.asarray(f), array_api_strict.asarray(y)
    assert float(loss.value(*strict)) == pytest.approx(float(loss.value(f, y)), rel=16 * EPS)
    assert float(loss.log_value(*strict)) == pytest.approx(float(loss.log_value(f, y)), rel=16 * EPS)
    np.testing.assert_array_equal(np.asarray(loss.derivative(*strict)), loss.derivative(f, y))
    np.testing.assert_array_equal(np.asarray(loss.log_abs_derivative(*strict)), loss.log_abs_derivative(f, y))


@pytest.mark.parametrize("name", SIGNED)
def test_float32_stays_float32(name: str) -> None:
    f, y = np.array([90.0, -2.0], dtype=np.float32), np.ones(2, dtype=np.float32)
    assert LOSSES[name].derivative(f, y).dtype == np.float32
    assert np.asarray(LOSSES[name].log_value(f, y)).dtype == np.float32
