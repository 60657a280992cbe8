"""How a probability changes with one variable, from counts; a count of 0 is a likelihood term."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shallow.statistics.likelihood import prior_stiffness, profile_interval, read_counts

__all__ = ["CountFit", "fit_counts"]

Vector = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class CountFit:
    """``log P = intercept + slope * u`` fitted to counts, P = exp(intercept + slope * u).

    Parameters
    ----------
    slope, intercept : float
    interval : (low, high)
        The profile-likelihood interval of the slope, widened by ``systematic``.
    systematic : float
        |change of the slope| between smaller and larger u, split where both sides know the most of it; where
        a side holds no success (or no failure) and so has no slope of its own, between the other side and
        the whole.
    range : (low, high)
        The values of u the fit speaks of.
    level : float
    """

    slope: float
    intercept: float
    interval: tuple[float, float]
    systematic: float
    range: tuple[float, float]
    level: float


@dataclass(frozen=True, eq=False)
class _Cells:
    u: Vector
    successes: Vector
    trials: Vector

    def rows(self, mask: np.ndarray[Any, Any]) -> _Cells:
        return _Cells(self.u[mask], self.successes[mask], self.trials[mask])

    @property
    def informative(self) -> bool:
        return bool(0 < self.successes.sum() < self.trials.sum())

    @property
    def information(self) -> float:
        """Fisher information on the slope for small P: the spread of u over the successes."""
        total = float(self.successes.sum())
        if total == 0:
            return 0.0
        center = float(self.successes @ self.u) / total
        return float(self.successes @ (self.u - center) ** 2)

    def halves(self) -> tuple[_Cells, _Cells]:
        """Smaller and larger u, split at the value (shared) that leaves both the most information."""
        splits = [
            (self.rows(self.u <= value), self.rows(self.u >= value)) for value in np.unique(self.u)[1:-1]
        ]
        return max(splits, key=lambda pair: min(part.information for part in pair))

    def _pull(self, z: Vector) -> Vector:
        """Derivative of each cell's log-likelihood s z + (t - s) log(1 - e^z) in z = log P < 0."""
        failures = self.trials - self.successes
        odds = np.where(failures > 0, np.exp(z) / -np.expm1(z), 0.0)
        return np.asarray(self.successes - failures * odds)

    def best_log(self, slope: float) -> Vector:
        """Log P = c + slope u of each cell with the likeliest c: the root of a decreasing function."""
        offset = slope * self.u
        top = float(offset.max())
        c = _root(lambda c: float(self._pull(c - top + offset).sum()), -60.0, -1e-15)
        return np.asarray(c - top + offset)

    def fit(self, penalty: float) -> tuple[float, float]:
        """The likeliest slope and its intercept; the profile likelihood is concave in the slope."""
        reach = 1e3 / penalty

        def derivative(slope: float) -> float:
            return float(self._pull(self.best_log(slope)) @ self.u) - penalty**2 * slope

        slope = _root(derivative, -reach, reach)
        return slope, float(self.best_log(slope)[0] - slope * self.u[0])

    def profile(self, slope: float, penalty: float) -> float:
        """The largest penalised log-likelihood with this slope, over the intercept."""
        z = self.best_log(slope)
        failures = self.trials - self.successes
        safe = np.where(failures > 0, z, -1.0)
        terms = self.successes * z + failures * np.log(-np.expm1(safe))
        return float(terms.sum()) - 0.5 * (penalty * slope) ** 2


def _root(decreasing: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(70):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if decreasing(middle) > 0 else (low, middle)
    return 0.5 * (low + high)


def fit_counts(
    u: Sequence[float], successes: Sequence[int], trials: Sequence[int], *, level: float = 0.95
) -> CountFit:
    """Fit how a probability changes with one variable u, from counts of which some may be 0.

    The model is binomial with P = exp(c + slope u). Give ``u = log(size)`` for a power law.

    Parameters
    ----------
    u : sequence
        One finite number a cell, with at least 3 different values.
    successes, trials : sequences of int
    level : float

    Raises
    ------
    ValueError
        If u has fewer than 3 different values or an entry is not finite, or if nothing or everything
        succeeded: the counts then bound the slope on no side.
    """
    s, t = read_counts(successes, trials)
    x = np.asarray(u, dtype=np.float64)
    if x.shape != s.shape or not np.all(np.isfinite(x)):
        raise ValueError("u needs one finite number for each cell")
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it must lie strictly between 0 and 1")
    different = len(np.unique(x))
    if different < 3:
        raise ValueError(f"{different} different value(s) of u; a slope with its error needs at least 3")
    cells, penalty = _Cells(x, s, t), prior_stiffness(float(np.median(np.diff(np.unique(x)))))
    if not cells.informative:
        raise ValueError(f"{int(s.sum())} successes in {int(t.sum())} trials say nothing of a slope")
    slope, intercept = cells.fit(penalty)
    slopes = [part.fit(penalty)[0] if part.informative else slope for part in cells.halves()]
    systematic = abs(slopes[1] - slopes[0])
    spread = float(x.max() - x.min())
    low, high = profile_interval(lambda b: cells.profile(b / spread, penalty), slope * spread, level)
    return CountFit(
        slope=slope,
        intercept=intercept,
        interval=(low / spread - systematic, high / spread + systematic),
        systematic=systematic,
        range=(float(x.min()), float(x.max())),
        level=level,
    )
