"""Exponents of a threshold m*(n, d), from counts of success; a count of 0 is a likelihood term."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shallow.statistics.grids import Grid, read_grid
from shallow.statistics.likelihood import maximize, prior_stiffness, profile_interval, read_counts

__all__ = ["ThresholdFit", "fit_threshold", "local_threshold"]

Vector = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class ThresholdFit:
    """``m* = constant * prod_j size_j^exponent_j``, where P(success at m) = 1/2.

    Parameters
    ----------
    exponents, intervals, systematic, ranges, level : as in :class:`shallow.statistics.ExponentFit`
        The statistical part is a profile-likelihood interval.
    constant : float
    steepness : float
        The slope of logit P in log m.
    log_likelihood : float
    cells : int
    """

    exponents: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    systematic: Mapping[str, float]
    constant: float
    steepness: float
    log_likelihood: float
    ranges: Mapping[str, tuple[float, float]]
    level: float
    cells: int

    def predict(self, **sizes: float) -> float:
        """The fitted threshold m* at the given sizes."""
        if set(sizes) != set(self.exponents):
            raise ValueError(f"sizes are {sorted(sizes)}; the fit has {sorted(self.exponents)}")
        return self.constant * float(math.prod(sizes[name] ** e for name, e in self.exponents.items()))


@dataclass(frozen=True, eq=False)
class _Counts:
    """Counts over cells with the regression logit P = c + s log m + sum_j g_j log size_j, centred."""

    grid: Grid
    log_m: Vector
    successes: Vector
    trials: Vector
    penalty: float

    def rows(self, mask: np.ndarray[Any, Any]) -> _Counts:
        grid = self.grid.rows(mask)
        return _Counts(grid, self.log_m[mask], self.successes[mask], self.trials[mask], self.penalty)

    def fit(self, words: str) -> tuple[float, float, Vector, float]:
        """log C, steepness, exponents and log-likelihood."""
        if not 0 < self.successes.sum() < self.trials.sum():
            side = "succeeded: add smaller m" if self.successes.sum() else "failed to succeed: add larger m"
            raise ValueError(f"in {words} every trial {side}, or no threshold can be seen")
        center = self.grid.logs.mean(axis=0)
        middle = float(self.log_m.mean())
        design = np.column_stack([np.ones_like(self.log_m), self.log_m - middle, self.grid.logs - center])
        beta, value = maximize(design, self.successes, self.trials, self._stiffness(design.shape[1]))
        if beta[1] <= 0:
            raise ValueError(
                f"in {words} success does not become more likely with m, so there is no threshold"
            )
        exponents = -beta[2:] / beta[1]
        log_constant = middle - beta[0] / beta[1] - float(center @ exponents)
        return log_constant, float(beta[1]), exponents, value

    def profile(self, j: int, exponent: float) -> float:
        """The largest log-likelihood with exponent j held at the given number."""
        shifted = self.log_m - exponent * self.grid.logs[:, j]
        others = np.delete(self.grid.logs, j, axis=1)
        design = np.column_stack(
            [np.ones_like(shifted), shifted - shifted.mean(), others - others.mean(axis=0)]
        )
        return maximize(design, self.successes, self.trials, self._stiffness(design.shape[1]))[1]

    def _stiffness(self, unknowns: int) -> Vector:
        result = np.zeros(unknowns)
        result[1] = self.penalty
        return result


def _typical_step(grid: Grid, log_m: Vector) -> float:
    """Median spacing of log m among cells that differ in nothing else; of all cells where none do."""
    _, labels = np.unique(grid.logs, axis=0, return_inverse=True)
    labels = labels.ravel()
    groups = [np.unique(log_m[labels == label]) for label in range(int(labels.max()) + 1)]
    steps = np.concatenate([np.diff(group) for group in groups])
    if steps.size == 0:
        steps = np.diff(np.unique(log_m))
    if steps.size == 0:
        raise ValueError("every cell has the same m, so no threshold in m can be seen; vary m")
    return float(np.median(steps))


def fit_threshold(
    sizes: Mapping[str, Sequence[float]],
    m: Sequence[float],
    successes: Sequence[int],
    trials: Sequence[int],
    *,
    level: float = 0.95,
) -> ThresholdFit:
    """Fit ``m* = C prod_j size_j^e_j`` jointly to counts of success, by logistic regression in log m.

    Parameters
    ----------
    sizes : mapping from variable to sequence
        Such as ``{"n": [...], "d": [...]}``, one entry a cell.
    m : sequence
        The width of each cell.
    successes, trials : sequences of int
        Counts of each cell; 0 and ``trials`` are informative and enter the likelihood like any other count.
    level : float

    Raises
    ------
    ValueError
        If the grid or a half of it does not identify every exponent, if nothing (or everything) succeeded, or
        if success does not become likelier with m.

    Notes
    -----
    Each interval is the profile-likelihood interval widened by the change of the exponent between the smaller
    and the larger half of that variable's values. It is infinite where the counts do not bound it.
    """
    s, t = read_counts(successes, trials)
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it must lie strictly between 0 and 1")
    widths = np.asarray(m, dtype=np.float64)
    if widths.shape != s.shape or not np.all(np.isfinite(widths) & (widths > 0)):
        raise ValueError("m needs one positive finite width for each cell")
    grid, log_m = read_grid(sizes, s.size), np.log(widths)
    counts = _Counts(grid, log_m, s, t, prior_stiffness(_typical_step(grid, log_m)))
    log_constant, steepness, exponents, value = counts.fit("the grid")
    systematic, intervals = {}, {}
    for j, name in enumerate(counts.grid.names):
        small, large = counts.grid.halves(j)
        below = counts.rows(small).fit(f"the smaller half of {name}")[2]
        above = counts.rows(large).fit(f"the larger half of {name}")[2]
        systematic[name] = abs(float(above[j] - below[j]))
        low, high = profile_interval(lambda e, j=j: counts.profile(j, e), float(exponents[j]), level)  # type: ignore[misc]
        intervals[name] = (low - systematic[name], high + systematic[name])
    return ThresholdFit(
        exponents={name: float(e) for name, e in zip(counts.grid.names, exponents)},
        intervals=intervals,
        systematic=systematic,
        constant=math.exp(log_constant),
        steepness=steepness,
        log_likelihood=value,
        ranges=counts.grid.ranges,
        level=level,
        cells=s.size,
    )


def local_threshold(
    m: Sequence[float],
    successes: Sequence[int],
    trials: Sequence[int],
    *,
    steepness: float,
    level: float = 0.95,
) -> tuple[float, float, float]:
    """The threshold m* of one size alone, with its interval, for a given slope of logit P in log m.

    It is what a picture shows beside :func:`fit_threshold`, whose ``steepness`` it takes.

    Returns
    -------
    estimate, low, high : float
        The estimate is 0 where everything succeeded and inf where nothing did; the interval is then
        one-sided.

    Raises
    ------
    ValueError
        If counts do not fit, a width is not positive or the steepness is not positive and finite.
    """
    s, t = read_counts(successes, trials)
    logs = np.log(np.asarray(m, dtype=np.float64))
    if logs.shape != s.shape or not np.all(np.isfinite(logs)):
        raise ValueError("m needs one positive finite width for each cell")
    if not (math.isfinite(steepness) and steepness > 0):
        raise ValueError(f"steepness is {steepness}; it must be positive and finite")
    far = 40.0 / steepness

    def profile(log_threshold: float) -> float:
        z = steepness * (logs - log_threshold)
        softplus = np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z)))
        return float(s @ z - t @ softplus)

    def expected(log_threshold: float) -> float:
        z = np.clip(steepness * (logs - log_threshold), -700.0, 700.0)
        return float(t @ (1.0 / (1.0 + np.exp(-z))))

    low, high = float(logs.min()) - far, float(logs.max()) + far
    every, none = bool(s.sum() == t.sum()), bool(s.sum() == 0)
    if every or none:
        best = low if every else high
        ends = profile_interval(profile, best, level)
        return (0.0, 0.0, math.exp(ends[1])) if every else (math.inf, math.exp(ends[0]), math.inf)
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if expected(middle) > s.sum() else (low, middle)
    ends = profile_interval(profile, low, level)
    return math.exp(low), math.exp(ends[0]), math.exp(min(ends[1], 700.0))
