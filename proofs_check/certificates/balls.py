"""Ball arithmetic for arrays: object arrays of python-flint balls, products, solutions, definiteness.

A ball is a midpoint with a radius; every operation returns a ball that contains the exact result. Floats
become balls of radius 0, exactly. A comparison is true only when it holds for all points of both balls, so
``not (x > y)`` means undecided, NaN included. python-flint is an optional dependency (extra ``rigour``).
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

__all__ = [
    "BITS",
    "Balls",
    "ball",
    "balls",
    "inverse",
    "largest_eigenvalue_up",
    "magnitude",
    "midpoints",
    "positive_definite",
    "precision",
    "product",
    "root_up",
    "shifted",
    "solution",
    "up",
]

Array = np.ndarray[Any, np.dtype[np.float64]]
Balls = np.ndarray[Any, np.dtype[np.object_]]

BITS = 128
"""Working precision of a midpoint."""


def _flint() -> Any:
    try:
        import flint
    except ModuleNotFoundError as error:
        if error.name != "flint":
            raise
        raise ValueError(
            "rigour='enclosed' needs python-flint, which is not installed: "
            "pip install 'shallow-relu[rigour]', or ask for rigour='verified'"
        ) from None
    return flint


def precision() -> AbstractContextManager[Any]:
    """A context in which balls have midpoints of ``BITS`` bits; the precision before comes back after it.

    Raises
    ------
    ValueError
        If python-flint is missing.
    """
    context: AbstractContextManager[Any] = _flint().ctx.workprec(BITS)
    return context


def ball(value: float) -> Any:
    """A float as a ball of radius 0."""
    return _flint().arb(float(value))


def balls(values: Any) -> Balls:
    """The floats of an array as balls of radius 0."""
    exact = np.asarray(values, dtype=np.float64)
    out = np.empty(exact.size, dtype=object)
    arb = _flint().arb
    out[:] = [arb(value) for value in exact.ravel().tolist()]
    return out.reshape(exact.shape)


def _matrix(A: Any) -> Any:
    return _flint().arb_mat(A.shape[0], A.shape[1], A.ravel().tolist())


def _array(matrix: Any) -> Balls:
    out = np.empty(matrix.nrows() * matrix.ncols(), dtype=object)
    out[:] = matrix.entries()
    return out.reshape(matrix.nrows(), matrix.ncols())


def product(A: Any, B: Any) -> Balls:
    """Enclosure of A B for matrices of balls or floats (p, q), (q, r)."""
    return _array(_matrix(A) * _matrix(B))


def solution(A: Any, B: Any) -> Balls:
    """Enclosure of A^{-1} B; all NaN where A was not proved invertible."""
    return _array(_matrix(A).solve(_matrix(B), nonstop=True))


def inverse(A: Any) -> Balls:
    """Enclosure of A^{-1}; all NaN where A was not proved invertible."""
    return _array(_matrix(A).inv(nonstop=True))


def shifted(A: Balls, shift: Any) -> Balls:
    """A - shift I, for a float or ball ``shift``."""
    out = A.copy()
    out[np.diag_indices(len(A))] = np.diag(A) - shift
    return out


def magnitude(A: Balls) -> Balls:
    """Entrywise upper bounds of |A|, as balls of radius 0."""
    return _each(A, lambda x: x.abs_upper())


def root_up(A: Balls) -> Balls:
    """Entrywise upper bounds of the roots of numbers >= 0; NaN where that is not so."""
    return _each(A, lambda x: x.upper().sqrt().upper())


def _each(A: Balls, function: Any) -> Balls:
    out = np.empty(A.size, dtype=object)
    out[:] = [function(x) for x in A.ravel().tolist()]
    return out.reshape(A.shape)


def up(x: Any) -> float:
    """A float that is at least every point of the ball; NaN for NaN. (float() rounds to nearest.)"""
    return math.nextafter(float(x.upper()), math.inf)


def midpoints(A: Balls) -> Array:
    """The nearest floats to the midpoints: hints and figures, no bounds."""
    return np.array([float(x) for x in A.ravel().tolist()]).reshape(A.shape)


def positive_definite(A: Balls) -> bool:
    """Whether every symmetric matrix in the enclosure is proved positive definite; False means undecided.

    With R the inverse of a float Cholesky factor, rounded anyhow: if every row of |R A R^T - I| sums to less
    than 1, the eigenvalues of R A R^T lie in (0, 2), so R is invertible and A has the same inertia
    (Sylvester). Where the float factor fails, LDL^T in balls. Cost O(n^3).
    """
    n = len(A)
    if not all(x.is_finite() for x in A.ravel().tolist()):
        return False
    R = _preconditioner(midpoints(A))
    if R is not None:
        moved = product(product(R, A), R.T)
        rows = np.sum(magnitude(shifted(moved, 1.0)), axis=1)
        if bool(np.all(rows < balls(np.ones(n)))):
            return True
    return _pivots_positive(A)


def _preconditioner(A: Array) -> Array | None:
    if not np.all(np.isfinite(A)) or not np.all(np.diag(A) > 0):
        return None
    with np.errstate(all="ignore"):
        half = 2.0 ** -np.round(np.log2(np.diag(A)) / 2)
        try:
            R = np.linalg.inv(np.linalg.cholesky(half[:, None] * A * half)) * half
        except np.linalg.LinAlgError:
            return None
    return R if np.all(np.isfinite(R)) else None


def _pivots_positive(A: Balls) -> bool:
    """LDL^T: A is positive definite exactly when all pivots are positive."""
    left = A.copy()
    for k in range(len(A)):
        pivot = left[k, k]
        if not pivot > 0:
            return False
        column = left[k + 1 :, k]
        left[k + 1 :, k + 1 :] -= np.outer(column, column / pivot)
    return True


def largest_eigenvalue_up(A: Balls) -> Any:
    """A ball of radius 0 that is at least the largest eigenvalue of a positive semidefinite matrix.

    The float eigenvalue, raised until c I - A is proved positive definite; else the trace.
    """
    mid = midpoints(A)
    whole = np.trace(A).upper()
    if np.all(np.isfinite(mid)):
        value = float(np.linalg.eigvalsh((mid + mid.T) / 2)[-1])
        for room in (1e-12, 1e-9, 1e-6, 1e-3):
            bound = ball(value * (1 + room))
            if bound > 0 and positive_definite(-shifted(A, bound)):
                return bound
    return whole
