"""The first zero of a polynomial on [0, 1], found or excluded by Bernstein coefficients."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

__all__ = ["bernstein_matrix", "first_root", "keeps_sign"]

Vector = np.ndarray[Any, np.dtype[np.float64]]

_DEEPEST = 48  # halvings of [0, 1]: below 2**-48 a sign change is the root


@functools.cache
def bernstein_matrix(degree: int) -> Vector:
    """The (degree+1, degree+1) matrix from power coefficients on [0, 1] to Bernstein coefficients.

    ``b_i = sum_{j <= i} C(i, j) / C(degree, j) c_j``. A polynomial lies in the convex hull of its Bernstein
    coefficients, so coefficients of one sign exclude a zero.
    """
    matrix = np.zeros((degree + 1, degree + 1))
    for i in range(degree + 1):
        for j in range(i + 1):
            matrix[i, j] = math.comb(i, j) / math.comb(degree, j)
    matrix.setflags(write=False)
    return matrix


@functools.cache
def _halving(degree: int) -> tuple[Vector, Vector]:
    """De Casteljau at 1/2: the matrices that give the Bernstein coefficients on the two halves."""
    left = np.zeros((degree + 1, degree + 1))
    for i in range(degree + 1):
        for j in range(i + 1):
            left[i, j] = math.comb(i, j) / 2.0**i
    return left, left[::-1, ::-1].copy()


def keeps_sign(coefficients: Vector) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which polynomials, given as rows of power coefficients, are surely positive on [0, 1]."""
    bernstein = coefficients @ bernstein_matrix(coefficients.shape[-1] - 1).T
    return np.asarray(np.all(bernstein > 0, axis=-1))


def first_root(coefficients: Vector) -> float | None:
    """The smallest theta in [0, 1] at which a polynomial stops being positive, or None.

    Parameters
    ----------
    coefficients : (degree+1,) array
        Power coefficients. A constant term that is not positive gives 0.

    Notes
    -----
    Halvings with the convex-hull test until one sign variation is left (then the root is unique, by
    Descartes' rule), then bisection. A zero is never skipped; two zeros closer than 2**-48 are one.
    """
    if coefficients[0] <= 0:
        return 0.0
    degree = coefficients.size - 1
    left, right = _halving(degree)
    pending = [(0.0, 1.0, 0, bernstein_matrix(degree) @ coefficients)]
    while pending:
        low, width, depth, bernstein = pending.pop()
        if np.all(bernstein > 0):
            continue
        if depth == _DEEPEST:
            return low
        if bernstein[0] > 0 and bernstein[-1] < 0 and np.count_nonzero(np.diff(bernstein > 0)) == 1:
            return _bisect(coefficients, low, low + width)
        pending.append((low + width / 2, width / 2, depth + 1, right @ bernstein))
        pending.append((low, width / 2, depth + 1, left @ bernstein))
    return None


def _bisect(coefficients: Vector, low: float, high: float) -> float:
    """The sign change of a polynomial between ``low`` (positive) and ``high`` (not), to the last bit."""
    reversed_coefficients = coefficients[::-1].tolist()
    for _ in range(64):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        value = 0.0
        for c in reversed_coefficients:
            value = value * middle + c
        if value > 0:
            low = middle
        else:
            high = middle
    return high
