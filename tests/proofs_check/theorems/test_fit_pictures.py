"""The pictures of fitted laws show the fit itself: its line, a band with a waist, the law in the middle."""

from __future__ import annotations

import math

import numpy as np
import pytest

from proofs_check import THEOREMS
from proofs_check.check.trials import Job, run_job
from proofs_check.theorems._fits import interval_words, limit_picture, line_picture, weighted_middle
from proofs_check.theorems.frei2022._clean_error import Parameters

_WORDS = {"x_name": "x", "y_name": "y", "reference_name": "law", "words": "words"}
_ROUNDING = 1e3 * float(np.finfo(np.float64).eps)  # a few hundred operations on numbers of order 1


@pytest.mark.parametrize("log_x", [False, True])
def test_the_line_has_its_slope_the_law_its_own_and_both_meet_in_the_middle(log_x: bool) -> None:
    x = np.array([1.0, 2.0, 4.0])
    fit = line_picture(
        x, x, x, x, slope=1.5, interval=(1.0, 2.0), middle=(2.0, 3.0), law=4.0, log_x=log_x, **_WORDS
    )
    away = np.log(fit.line_x / 2.0) if log_x else fit.line_x - 2.0
    np.testing.assert_allclose(np.log(fit.line_y / 3.0), 1.5 * away, atol=_ROUNDING)
    np.testing.assert_allclose(np.log(fit.reference / 3.0), 4.0 * away, atol=_ROUNDING)
    assert bool(np.all(fit.line_low <= fit.line_y * (1 + _ROUNDING)))
    assert bool(np.all(fit.line_y <= fit.line_high * (1 + _ROUNDING)))
    assert (fit.line_x[0], fit.line_x[-1]) == pytest.approx((1.0, 4.0), rel=_ROUNDING)


def test_an_unbounded_interval_gives_a_band_without_nan() -> None:
    x = np.array([1.0, 2.0, 4.0])
    fit = line_picture(
        x,
        x,
        x,
        x,
        slope=1.0,
        interval=(-math.inf, math.inf),
        middle=(2.0, 2.0),
        law=1.0,
        log_x=True,
        **_WORDS,
    )
    assert not bool(np.isnan(fit.line_low).any() or np.isnan(fit.line_high).any())


def test_a_limits_band_at_zero_is_its_interval() -> None:
    u = np.linspace(0.1, 0.4, 8)
    fit = limit_picture(u, u, 0.0 * u, slope=1.0, limit=0.02, half_width=0.05, **_WORDS)
    assert fit.line_x[0] == 0.0
    assert (fit.line_low[0], fit.line_high[0]) == pytest.approx((-0.03, 0.07), rel=_ROUNDING)
    assert not fit.reference.any()


def test_numbers_in_a_sentence_are_formulas() -> None:
    assert interval_words(-0.5, (-1.0, 2e-5)) == r"$-0.5$ (95 %: $-1$ to $2 \times 10^{-5}$)"


def test_the_middle_follows_the_weights() -> None:
    assert weighted_middle([1.0, 3.0], [1.0, 3.0]) == 2.5
    assert weighted_middle([1.0, 3.0], [0.0, 0.0]) == 2.0


def test_the_fall_of_the_clean_error_is_drawn_over_the_range_it_was_fitted_to() -> None:
    small = Parameters(replicates=4, mean_squares=(4.0, 9.0, 16.0), T=500)
    (trial,) = run_job(Job(THEOREMS["frei2022/benign-overfitting"], small, "quick", 0))
    (fit,) = trial.claims[0].fit
    assert fit.x.size == 3
    assert (fit.line_x[0], fit.line_x[-1]) == pytest.approx((fit.x[0], fit.x[-1]), rel=_ROUNDING)
    assert bool(np.all((fit.y_low <= fit.y) & (fit.y <= fit.y_high)))
    rise = np.diff(np.log(fit.line_y)) / np.diff(fit.line_x)
    np.testing.assert_allclose(rise, trial.claims[0].observed[0], rtol=1e3 * _ROUNDING)
