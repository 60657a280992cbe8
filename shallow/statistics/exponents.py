"""Exponents of a measured positive quantity, and limits read off at the end of a series."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shallow.statistics.grids import Grid, halves, read_grid

__all__ = ["ExponentFit", "LimitFit", "extrapolate", "fit_exponents"]

Vector = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class ExponentFit:
    """``value = constant * prod_j size_j^exponent_j``, fitted jointly in the logarithms.

    Parameters
    ----------
    exponents : mapping from variable to number
    intervals : mapping from variable to (low, high)
        Statistical interval at ``level`` widened on both sides by the systematic error.
    statistical : mapping from variable to number
        Half-width of the statistical part (Student's t).
    systematic : mapping from variable to number
        |change of the exponent| between the smaller and the larger half of that variable's values.
    prediction_error : mapping from variable to number
        Root mean square error of log value when the fit to the smaller half of that variable predicts the
        points of the larger half.
    constant : float
    residual : float
        Root mean square of the residuals of log value.
    ranges : mapping from variable to (low, high)
        The sizes the fit speaks of.
    level : float
    points : int
    """

    exponents: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    statistical: Mapping[str, float]
    systematic: Mapping[str, float]
    prediction_error: Mapping[str, float]
    constant: float
    residual: float
    ranges: Mapping[str, tuple[float, float]]
    level: float
    points: int

    def predict(self, **sizes: float) -> float:
        """The fitted value at the given sizes."""
        if set(sizes) != set(self.exponents):
            raise ValueError(f"sizes are {sorted(sizes)}; the fit has {sorted(self.exponents)}")
        return self.constant * float(math.prod(sizes[name] ** e for name, e in self.exponents.items()))


def fit_exponents(
    sizes: Mapping[str, Sequence[float]], values: Sequence[float], *, level: float = 0.95
) -> ExponentFit:
    """Fit the exponents of all variables at once by least squares in the logarithms.

    Parameters
    ----------
    sizes : mapping from variable to sequence
        Such as ``{"n": [...], "d": [...]}``, one entry a point. Repeated points are repetitions.
    values : sequence
        Positive numbers. Counts, which may be 0, belong to :func:`shallow.statistics.fit_threshold` or
        :func:`shallow.statistics.fit_counts`, where a 0 is a term of the likelihood.
    level : float

    Raises
    ------
    ValueError
        If a value is not positive and finite, or if the grid (or a half of it) does not identify every
        exponent.
    """
    y = np.asarray(values, dtype=np.float64)
    if y.ndim != 1:
        raise ValueError(f"values has shape {y.shape}; one number a point")
    bad = np.flatnonzero(~(np.isfinite(y) & (y > 0)))
    if bad.size:
        raise ValueError(
            f"values[{bad[0]}] is {y[bad[0]]}; a power law is fitted to positive finite numbers "
            "(zero counts are never dropped: use fit_counts or fit_threshold)"
        )
    grid, log_values = read_grid(sizes, y.size), np.log(y)
    coefficients, residuals, errors = _least_squares(_design(grid), log_values, level)
    statistical = dict(zip(grid.names, errors[1:]))
    systematic, prediction = {}, {}
    for j, name in enumerate(grid.names):
        small, large = grid.halves(j)
        below = _solve(_design(grid.rows(small)), log_values[small])
        above = _solve(_design(grid.rows(large)), log_values[large])
        systematic[name] = abs(float(above[1 + j] - below[1 + j]))
        missed = log_values[large] - _design(grid.rows(large)) @ below
        prediction[name] = float(np.sqrt(np.mean(missed**2)))
    exponents = {name: float(value) for name, value in zip(grid.names, coefficients[1:])}
    widths = {name: statistical[name] + systematic[name] for name in grid.names}
    return ExponentFit(
        exponents=exponents,
        intervals={name: (exponents[name] - w, exponents[name] + w) for name, w in widths.items()},
        statistical=statistical,
        systematic=systematic,
        prediction_error=prediction,
        constant=math.exp(float(coefficients[0])),
        residual=float(np.sqrt(np.mean(residuals**2))),
        ranges=grid.ranges,
        level=level,
        points=y.size,
    )


def _design(grid: Grid) -> Vector:
    return np.column_stack([np.ones(len(grid.logs)), grid.logs])


def _solve(design: Vector, values: Vector) -> Vector:
    # Columns are centred for the solve: log sizes of 1e6 +- 1 are nearly parallel to the constant.
    center = design[:, 1:].mean(axis=0)
    centred = np.column_stack([design[:, 0], design[:, 1:] - center])
    solution = np.linalg.lstsq(centred, values, rcond=None)[0]
    return np.concatenate([[solution[0] - center @ solution[1:]], solution[1:]])


def _least_squares(design: Vector, values: Vector, level: float) -> tuple[Vector, Vector, list[float]]:
    """Coefficients, residuals and half-widths of the t intervals of the coefficients."""
    from scipy.special import stdtrit

    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it must lie strictly between 0 and 1")
    # At least 1: each half of the points, a proper part of them, already determines every coefficient.
    freedom = design.shape[0] - design.shape[1]
    coefficients = _solve(design, values)
    residuals = values - design @ coefficients
    _, r = np.linalg.qr(design)
    inverse = np.linalg.inv(r)
    spread = np.sqrt(np.sum(residuals**2) / freedom * np.sum(inverse**2, axis=1))
    quantile = float(stdtrit(freedom, 0.5 * (1.0 + level)))
    return coefficients, residuals, [float(quantile * s) for s in spread]


@dataclass(frozen=True)
class LimitFit:
    """``value = limit + slope * u`` read off at u = 0; ``interval`` holds the systematic error too."""

    limit: float
    interval: tuple[float, float]
    statistical: float
    systematic: float
    slope: float
    range: tuple[float, float]
    level: float


def extrapolate(u: Sequence[float], values: Sequence[float], *, level: float = 0.95) -> LimitFit:
    """The limit of ``values`` as u -> 0, by a line in u, such as u = 1/log(1/L).

    The line is fitted to the half of the points with smaller u. The systematic error is the distance to the
    limit seen from the half with larger u: a curve that is no line shows there.

    Raises
    ------
    ValueError
        If an entry is not finite, u is not positive, or there are fewer than 5 different u.
    """
    x, y = np.asarray(u, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(
            f"u has shape {x.shape} and values {y.shape}; they must be two sequences of one length"
        )
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(y)) and np.all(x > 0)):
        raise ValueError("u must be positive and finite and values finite")
    different = np.unique(x)
    if different.size < 5:
        raise ValueError(f"{different.size} different value(s) of u; a limit with its error needs at least 5")
    design = np.column_stack([np.ones(x.size), x])
    near, far = halves(x)
    coefficients, _, errors = _least_squares(design[near], y[near], level)
    systematic = abs(float(coefficients[0] - _solve(design[far], y[far])[0]))
    limit, width = float(coefficients[0]), errors[0] + systematic
    return LimitFit(
        limit=limit,
        interval=(limit - width, limit + width),
        statistical=errors[0],
        systematic=systematic,
        slope=float(coefficients[1]),
        range=(float(different[0]), float(different[-1])),
        level=level,
    )
