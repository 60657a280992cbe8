"""Fits that recover planted exponents, refuse grids that cannot show them, and never drop a zero."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shallow.statistics import extrapolate, fit_counts, fit_exponents, fit_threshold
from shallow.statistics.likelihood import log_likelihood, maximize
from shallow.statistics.thresholds import local_threshold

NS, DS = (20, 40, 80, 160), (30, 60, 120)


def grid() -> tuple[list[int], list[int]]:
    pairs = list(itertools.product(NS, DS))
    return [n for n, _ in pairs], [d for _, d in pairs]


@given(st.floats(-4, 4), st.floats(-4, 4), st.floats(1e-6, 1e6))
@settings(max_examples=25)
def test_planted_exponents_are_recovered_without_noise(a: float, b: float, constant: float) -> None:
    n, d = grid()
    values = [constant * p**a * q**b for p, q in zip(n, d)]
    fit = fit_exponents({"n": n, "d": d}, values)
    # logs up to 40 known to eps, divided by log-spacings of order 1, in 12 points
    tolerance = 100 * np.finfo(float).eps * (abs(math.log(constant)) + 6 * abs(a) + 6 * abs(b) + 1)
    assert abs(fit.exponents["n"] - a) <= tolerance
    assert abs(fit.exponents["d"] - b) <= tolerance
    assert max(fit.systematic.values()) <= 10 * tolerance
    assert fit.predict(n=300, d=7) == pytest.approx(constant * 300**a * 7**b, rel=100 * tolerance)
    assert fit.ranges == {"n": (20.0, 160.0), "d": (30.0, 120.0)}


def test_the_interval_covers_the_planted_exponents_at_its_level() -> None:
    n, d = grid()
    rng = np.random.default_rng(1)
    misses = 0
    for _ in range(200):
        values = [0.3 * p**1.5 * q**-0.5 * math.exp(0.2 * rng.standard_normal()) for p, q in zip(n, d)]
        low, high = fit_exponents({"n": n, "d": d}, values).intervals["n"]
        misses += not low <= 1.5 <= high
    # coverage is above 95 %, and Binomial(200, 0.05) reaches 25 with probability below 1e-4
    assert misses < 25


def test_a_bent_law_shows_as_systematic_and_prediction_error() -> None:
    n = np.array([10, 20, 40, 80, 160, 320])
    straight, bent = fit_exponents({"n": n}, n**2.0), fit_exponents({"n": n}, n**2.0 + 400.0 * n)
    assert straight.systematic["n"] < 1e-12
    assert bent.systematic["n"] > 0.2
    assert bent.prediction_error["n"] > 0.1
    low, high = bent.intervals["n"]
    for part in (n[:3], n[3:]):
        assert low <= fit_exponents({"n": part}, part**2.0 + 400.0 * part).exponents["n"] <= high


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"n": [1, 2, 4, 8], "d": [1, 2, 4, 8]}, "vary together"),
        ({"n": [1, 2, 4, 8], "d": [3, 3, 3, 3]}, "at least 3"),
        ({"n": [1, 2, 1, 2]}, "at least 3"),
        ({"n": [1, 2, 0, 2]}, "positive and finite"),
        ({"n": [1, 2, math.nan, 2]}, "positive and finite"),
        ({"n": [1, 2]}, "one entry for each"),
        ({}, "no sizes"),
    ],
)
def test_a_grid_that_identifies_too_little_is_refused(sizes: dict[str, list[float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_exponents(sizes, [1.0, 2.0, 3.0, 4.0])
    with pytest.raises(ValueError, match=message):
        fit_threshold(sizes, [1, 2, 3, 4], [0, 1, 1, 2], [2, 2, 2, 2])


def test_a_half_of_the_grid_in_which_variables_move_together_is_refused() -> None:
    n = [1, 2, 4, 8, 16, 16, 16]
    d = [1, 2, 4, 8, 1, 2, 4]
    with pytest.raises(ValueError, match="smaller half of n"):
        fit_exponents({"n": n, "d": d}, np.ones(7))


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_a_value_with_no_logarithm_is_named_not_dropped(value: float) -> None:
    with pytest.raises(ValueError, match=r"values\[2\]"):
        fit_exponents({"n": [1, 2, 4, 8]}, [1.0, 2.0, value, 3.0])


def test_three_points_do_not_determine_two_exponents_with_their_errors() -> None:
    with pytest.raises(ValueError, match="not identified separately"):
        fit_exponents({"n": [1, 2, 4], "d": [1, 4, 2]}, [1.0, 2.0, 3.0])


def threshold_cells(
    seed: int, trials: int
) -> tuple[dict[str, list[float]], list[float], list[int], list[int]]:
    """Counts with m* = 0.7 n^1.5 d^-0.8 and a logistic rise of slope 3 in log m."""
    rng = np.random.default_rng(seed)
    n, d, m, s = [], [], [], []
    for p, q in itertools.product(NS, DS):
        for factor in 2.0 ** np.arange(-3, 4):
            n.append(p)
            d.append(q)
            m.append(0.7 * p**1.5 * q**-0.8 * factor)
            s.append(int(rng.binomial(trials, 1 / (1 + factor**-3.0))))
    return {"n": n, "d": d}, m, s, [trials] * len(s)


def test_planted_threshold_exponents_lie_in_the_intervals() -> None:
    misses = 0
    for seed in range(8):
        fit = fit_threshold(*threshold_cells(seed, 10))
        for name, planted in (("n", 1.5), ("d", -0.8)):
            low, high = fit.intervals[name]
            misses += not low <= planted <= high
        assert 0.5 < fit.predict(n=80, d=60) / (0.7 * 80**1.5 * 60**-0.8) < 2.0
    # sixteen intervals at 95 % or more: five misses have probability 1e-3
    assert misses < 5


def test_the_profile_interval_is_where_twice_the_drop_is_the_chi_squared_quantile() -> None:
    sizes, m, s, t = threshold_cells(0, 10)
    narrow, wide = (fit_threshold(sizes, m, s, t, level=level) for level in (0.5, 0.99))
    for name in ("n", "d"):
        assert narrow.intervals[name][0] > wide.intervals[name][0]
        assert narrow.intervals[name][1] < wide.intervals[name][1]
    repeated = fit_threshold(sizes, m, [4 * k for k in s], [4 * k for k in t])
    once = fit_threshold(sizes, m, s, t)
    for name in ("n", "d"):
        ratio = _statistical_width(once, name) / _statistical_width(repeated, name)
        assert ratio == pytest.approx(2.0, rel=0.1)  # four times the counts halve a nearly parabolic interval


def _statistical_width(fit: object, name: str) -> float:
    low, high = fit.intervals[name]
    return high - low - 2 * fit.systematic[name]


def test_cells_in_which_nothing_succeeded_are_terms_of_the_likelihood() -> None:
    sizes, m, s, t = threshold_cells(0, 10)
    zeros = np.array(s) == 0
    assert np.count_nonzero(zeros) > 10
    kept = np.flatnonzero(~zeros)
    full = fit_threshold(sizes, m, s, t)
    dropped = fit_threshold(
        {name: [values[i] for i in kept] for name, values in sizes.items()},
        [m[i] for i in kept],
        [s[i] for i in kept],
        [t[i] for i in kept],
    )
    assert full.cells == len(s)
    assert full.constant != pytest.approx(dropped.constant, rel=1e-3)
    assert full.steepness > dropped.steepness


def test_a_clean_jump_still_gives_finite_exponents() -> None:
    sizes, m, _, t = threshold_cells(0, 10)
    jump = [10 * (k > 0.7 * p**1.5 * q**-0.8 * 1.2) for k, p, q in zip(m, sizes["n"], sizes["d"])]
    fit = fit_threshold(sizes, m, jump, t)
    low, high = fit.intervals["n"]
    assert math.isfinite(low)
    assert math.isfinite(high)
    assert low <= 1.5 <= high


def test_one_size_alone_may_vary() -> None:
    m = np.tile(2.0 ** np.arange(8), 4)
    n = np.repeat([2.0, 4.0, 8.0, 16.0], 8)
    s = np.where(m > 1.3 * n, 5, 0)
    fit = fit_threshold({"n": n}, m, s, [5] * 32)
    low, high = fit.intervals["n"]
    assert 0.5 < low <= 1.0 <= high < 1.5
    assert fit.ranges == {"n": (2.0, 16.0)}


@given(st.lists(st.tuples(st.integers(0, 6), st.floats(-3, 3)), min_size=3, max_size=10), st.floats(0.01, 1))
@settings(max_examples=40)
def test_the_likelihood_falls_in_every_direction_from_its_maximum(
    cells: list[tuple[int, float]], penalty: float
) -> None:
    s, u = np.array([c for c, _ in cells], dtype=float), np.array([v for _, v in cells])
    t, design, stiff = np.full(len(s), 6.0), np.column_stack([np.ones_like(u), u]), np.array([0.1, penalty])
    beta, value = maximize(design, s, t, stiff)
    assert value == log_likelihood(design, beta, s, t, stiff)
    for direction in np.random.default_rng(0).standard_normal((20, 2)):
        for size in (1e-3, 1e-1, 3.0):
            other = log_likelihood(design, beta + size * direction, s, t, stiff)
            # the fit stops when a step gains less than 1e-12 of the likelihood
            assert other <= value + 1e-11 * (1 + abs(value))


@pytest.mark.parametrize(("count", "words"), [(0, "add larger m"), (10, "add smaller m")])
def test_a_grid_on_one_side_of_the_threshold_is_refused(count: int, words: str) -> None:
    sizes, m, s, t = threshold_cells(0, 10)
    with pytest.raises(ValueError, match=words):
        fit_threshold(sizes, m, [count] * len(s), t)


def test_success_that_becomes_rarer_with_width_is_no_threshold() -> None:
    sizes, m, s, t = threshold_cells(0, 10)
    with pytest.raises(ValueError, match="no threshold"):
        fit_threshold(sizes, m, [10 - k for k in s], t)


@pytest.mark.parametrize("slope", [-1.3, 1.3])
def test_a_planted_slope_of_log_probability_is_recovered_with_zero_counts(slope: float) -> None:
    u = np.linspace(0, 8, 7)
    log_p = slope * u + math.log(0.5) - max(0.0, slope * 8)
    s = np.random.default_rng(3).binomial(3000, np.exp(log_p))
    fit = fit_counts(u, s, [3000] * 7)
    assert fit.interval[0] <= slope <= fit.interval[1]
    assert abs(fit.slope - slope) < 0.2
    assert 0 in s


def test_one_success_and_zeros_bound_the_slope_on_one_side_only() -> None:
    fit = fit_counts(np.arange(6.0), [8, 0, 0, 0, 0, 0], [100] * 6)
    assert fit.interval[0] < -5
    assert fit.interval[1] < -0.5


def test_no_success_at_all_says_nothing_of_a_slope() -> None:
    with pytest.raises(ValueError, match="nothing of a slope"):
        fit_counts([1.0, 2.0, 3.0], [0, 0, 0], [5, 5, 5])
    with pytest.raises(ValueError, match="at least 3"):
        fit_counts([1.0, 2.0, 2.0], [0, 1, 0], [5, 5, 5])
    with pytest.raises(ValueError, match="cell 1"):
        fit_counts([1.0, 2.0, 3.0], [0, 6, 0], [5, 5, 5])


def test_a_limit_is_read_off_a_line_and_a_curve_widens_its_interval() -> None:
    u = 1.0 / np.linspace(10, 200, 20)
    line, curve = extrapolate(u, 0.3 + 2 * u), extrapolate(u, 0.3 + 2 * np.sqrt(u))
    assert line.limit == pytest.approx(0.3, rel=1e-12)
    assert line.systematic < 1e-12
    assert curve.interval[0] <= 0.3 <= curve.interval[1]
    assert curve.systematic > 1e-2


@pytest.mark.parametrize(
    ("u", "values", "message"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], "at least 5"),
        ([1, 2, 3, 4, 0], [1, 2, 3, 4, 5], "positive"),
        ([1, 2, 3, 4, 5], [1, 2, math.nan, 4, 5], "finite"),
        ([1, 2, 3, 4], [1, 2], "one length"),
    ],
)
def test_an_extrapolation_without_ground_is_refused(
    u: list[float], values: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        extrapolate(u, values)


def test_one_sizes_threshold_is_where_half_of_the_runs_succeed() -> None:
    widths = [8.0, 16.0, 32.0, 64.0]
    steepness = 3.0
    trials = [100_000] * 4
    share = [1.0 / (1.0 + (20.0 / m) ** steepness) for m in widths]
    counts = [round(p * t) for p, t in zip(share, trials, strict=True)]
    estimate, low, high = local_threshold(widths, counts, trials, steepness=steepness)
    assert low < 20.0 < high
    assert low < estimate < high
    assert high - low < 0.5


def test_a_threshold_below_or_above_all_widths_is_bounded_on_one_side() -> None:
    estimate, low, high = local_threshold([8.0, 16.0], [10, 10], [10, 10], steepness=3.0)
    assert (estimate, low) == (0.0, 0.0)
    assert 0.0 < high < 8.0
    estimate, low, high = local_threshold([8.0, 16.0], [0, 0], [10, 10], steepness=3.0)
    assert (estimate, high) == (math.inf, math.inf)
    assert low > 16.0


@pytest.mark.parametrize("steepness", [0.0, -1.0, math.nan, math.inf])
def test_a_threshold_needs_a_rise(steepness: float) -> None:
    with pytest.raises(ValueError, match="steepness"):
        local_threshold([8.0], [1], [2], steepness=steepness)
