"""Proved bounds of the smallest eigenvalue of a symmetric float64 matrix, taken as exact numbers.

Positive definiteness. For D = diag(2^e_j) the matrix S = D A D has a diagonal in [1/2, 2), and A is positive
definite exactly when S is. Multiplying by powers of two is exact, but for underflow of at most 2^-1075 an
entry, hence n 2^-1075 in norm. Let Q be S with c subtracted from the diagonal and rounded down, so that
S >= Q + c I, and let L be ANY matrix. L L^T >= 0 gives
    lambda_min(S) >= c + lambda_min(Q) >= c - ||Q - L L^T||.
L is the floating-point Cholesky factor of Q; that it is one is not used. With P = fl(L L^T) and the bound of
:func:`~.floating.gram`, |P - L L^T| <= g |L||L|^T + n 2^-1074 entrywise,
    ||Q - L L^T|| <= ||Q - P||_F + g || |L||L|^T || + n^2 2^-1074,
    || |L||L|^T || <= min(||L||_F^2, largest row sum of |L||L|^T).
Rump's test (BIT 46, 2006) takes c from an a-priori bound of ||Q - L L^T|| for one recurrence. The residual
here is computed, so a blocked, threaded or foreign factor serves as well; the price is one matrix product.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from proofs_check.certificates.floating import (
    ETA,
    UNIT,
    check_arithmetic,
    down,
    gamma,
    gram,
    norm_up,
    product_up,
    sum_up,
    up,
)

__all__ = [
    "lambda_max_upper_bound",
    "lambda_min_bracket",
    "lambda_min_lower_bound",
    "positive_definite",
    "shifted",
    "symmetric",
]

Array = np.ndarray[Any, np.dtype[np.float64]]
Exponents = np.ndarray[Any, np.dtype[np.int32]]

_ROWS = 64


def lambda_min_lower_bound(H: Any) -> float:
    """A proved lower bound of the smallest eigenvalue of a symmetric matrix.

    Parameters
    ----------
    H : (n, n) array
        Exactly symmetric, finite. Its float64 numbers are taken as exact.

    Returns
    -------
    float
        Never above lambda_min(H); this is proved. How close it comes is not: in all tests it is at most
        64 (n + 4)^2 2^-53 max|H_ij| below (or 2^-1060, if that is more), and far closer for a positive
        definite matrix with a strongly graded diagonal.

    Raises
    ------
    ValueError
        If H is not a square, symmetric matrix of finite real numbers.
    RuntimeError
        If this machine's arithmetic does not round as the proof assumes.

    Notes
    -----
    The largest theta of a few tried for which H - theta I is proved positive definite; see the module's text.
    Cost: the eigenvalues and, for each theta, a Cholesky factor and a product, O(n^3), and several copies of
    H. For large n, :func:`~proofs_check.proves_lambda_min_at_least` proves a bound found by other means.
    """
    exact = symmetric(H)
    check_arithmetic()
    if len(exact) == 1:
        return float(exact[0, 0])
    with np.errstate(all="ignore"):
        A, exponent, lost = _scaled(exact)
        return _scaled_down(float(down(_lower(A) - lost)), exponent)


def lambda_min_bracket(H: Any) -> tuple[float, float]:
    """Proved bounds (lower, upper) of the smallest eigenvalue of a symmetric matrix.

    The lower one is :func:`lambda_min_lower_bound`; the upper one is a Rayleigh quotient or a diagonal entry,
    rounded up. Same parameters and errors; costs the eigenvectors in addition.
    """
    lower = lambda_min_lower_bound(H)
    exact = symmetric(H)
    if len(exact) == 1:
        return lower, lower
    with np.errstate(all="ignore"):
        A, exponent, lost = _scaled(exact)
        upper = min(float(np.min(np.diag(A))), *(_rayleigh_up(A, v) for v in _near_smallest(A)))
        return lower, -_scaled_down(-float(up(upper + lost)), exponent)


def lambda_max_upper_bound(H: Any) -> float:
    """A proved upper bound of the largest eigenvalue; see :func:`lambda_min_lower_bound`."""
    return -lambda_min_lower_bound(-np.asarray(H))


def positive_definite(A: Array) -> bool:
    """Whether A, symmetric and taken as exact, is proved positive definite.

    False means undecided, NaN included. Cost O(n^3): one Cholesky factor and one product.
    """
    n = len(A)
    with np.errstate(all="ignore"):
        if not (np.all(np.isfinite(A)) and np.all(np.diag(A) > 0)):
            return False
        half = _halves(A)
        S = np.ldexp(A, half[:, None] + half[None, :])
        if not np.all(np.abs(S) <= 2):
            return False
        c = _shift(S)
        Q = shifted(S, c)
        try:
            L = np.asarray(np.linalg.cholesky(Q), dtype=np.float64)
        except np.linalg.LinAlgError:
            return False
        return bool(c > up(_residual_up(Q, L) + n * ETA))


def shifted(A: Array, shift: Any) -> Array:
    """A with ``shift`` (a number or a vector) subtracted from its diagonal, rounded down."""
    out = A.copy()
    out[np.diag_indices(len(A))] = down(np.diag(A) - shift)
    return out


def _halves(A: Array) -> Exponents:
    """e_j with A_jj 4^e_j in [1/2, 2)."""
    return np.asarray(-(np.frexp(np.diag(A))[1] // 2), dtype=np.int32)


def _shift(S: Array) -> float:
    """A shift c that the residual of a Cholesky factor is expected to stay below."""
    return float(2 * (gram(np.zeros((1, len(S))))[1] + 2 * UNIT) * np.trace(S)) + 2.0**-900


def _residual_up(Q: Array, L: Array) -> float:
    """An upper bound of ||Q - L L^T||."""
    n = len(Q)
    product, g = gram(L)
    size = np.abs(L)
    rows = np.max(product_up(size, product_up(size.T, np.ones(n))))
    frobenius = norm_up(L)
    absolute = min(float(rows), float(up(frobenius * frobenius)))
    rounding = up(up(g * absolute) + up(n * n * ETA))
    return float(up(norm_up(up(np.abs(Q - product))) + rounding))


def symmetric(H: Any) -> Array:
    """H in float64, not copied where it is that; ValueError for what is no symmetric matrix of floats."""
    raw = np.asarray(H)
    if raw.dtype.kind not in "fiu" or raw.dtype.itemsize > 8:
        raise ValueError(f"H has the type {raw.dtype}; a bound needs real numbers that float64 holds exactly")
    exact = np.asarray(raw, dtype=np.float64)
    if exact.ndim != 2 or exact.shape[0] != exact.shape[1] or exact.shape[0] == 0:
        raise ValueError(f"H has the shape {exact.shape}; a smallest eigenvalue needs a square matrix")
    if raw.dtype.kind in "iu" and np.any(np.abs(exact) >= 2.0**53):
        raise ValueError("H holds integers of 2^53 or more, which float64 does not all hold exactly")
    bad = _first(lambda rows: ~np.isfinite(exact[rows]), len(exact))
    if bad:
        raise ValueError(f"H[{bad[0]}, {bad[1]}] is {exact[bad]}; every entry must be finite")
    uneven = _first(lambda rows: exact[rows] != exact[:, rows].T, len(exact))
    if uneven:
        i, j = uneven
        raise ValueError(f"H[{i}, {j}] differs from H[{j}, {i}]; pass an exactly symmetric matrix")
    return exact


def _first(test: Callable[[slice], Any], n: int) -> tuple[int, int] | None:
    """Where a test of some rows of an (n, n) matrix holds first, a block of rows at a time."""
    for start in range(0, n, _ROWS):
        found = test(slice(start, start + _ROWS))
        if np.any(found):
            i, j = np.argwhere(found)[0]
            return start + int(i), int(j)
    return None


def _scaled(exact: Array) -> tuple[Array, int, float]:
    """A = H 2^-e with max|A_ij| in [1/2, 1), e, and a bound of the norm of what underflow lost."""
    exponent = int(np.frexp(np.max(np.abs(exact)))[1])
    A = np.ldexp(exact, -exponent)
    return A, exponent, 0.0 if np.array_equal(np.ldexp(A, exponent), exact) else len(A) * ETA


def _scaled_down(x: float, exponent: int) -> float:
    """x 2^exponent, rounded down where it is not exact."""
    value = float(np.ldexp(x, exponent))
    exact = np.isfinite(value) and float(np.ldexp(value, -exponent)) == x
    return value if exact else float(down(value))


def _lower(A: Array) -> float:
    """A lower bound of lambda_min(A), where max|A_ij| is in [1/2, 1)."""
    n = len(A)
    off = np.abs(A)
    off[np.diag_indices(n)] = 0.0
    best = float(np.min(down(np.diag(A) - sum_up(off, axis=1))))
    try:
        guess = float(np.linalg.eigvalsh(A)[0])
    except np.linalg.LinAlgError:
        return best
    # what the test of positive definiteness gives away, and n u ||A|| for the eigenvalue itself
    moved = shifted(A, guess)
    moved[np.diag_indices(n)] = np.maximum(np.diag(moved), UNIT)
    half = _halves(moved)
    given = _shift(np.ldexp(moved, half[:, None] + half[None, :])) * 4.0 ** -float(np.min(half))
    step = room = given + 2 * n * UNIT * float(np.max(np.abs(A)))
    for _ in range(6):
        if guess - step <= best:
            break
        if positive_definite(shifted(A, guess - step)):
            best = guess - step
            break
        step *= 2
    return _graded(A, max(best, 0.0)) if guess < 64 * room and positive_definite(A) else best


def _inverse(A: Array) -> Array:
    """About A^{-1}, accurate also where the diagonal of a positive definite A is strongly graded."""
    half = _halves(A)
    D = np.ldexp(1.0, half)
    inverse = D[:, None] * np.linalg.inv(np.ldexp(A, half[:, None] + half[None, :])) * D
    return np.asarray((inverse + inverse.T) / 2)


def _graded(A: Array, best: float) -> float:
    """A lower bound for a positive definite A whose lambda_min is small against max|A_ij|."""
    try:
        guess = 1 / float(np.linalg.eigvalsh(_inverse(A))[-1])
    except np.linalg.LinAlgError:
        return best
    for loss in (1e-12, 1e-9, 1e-6, 1e-3, 0.1, 0.5, 0.9):
        trial = (1 - loss) * guess
        if not trial > best:
            break
        if positive_definite(shifted(A, trial)):
            return trial
    return best


def _near_smallest(A: Array) -> list[Array]:
    """Vectors whose Rayleigh quotients are near lambda_min(A)."""
    vectors = [np.eye(len(A))[int(np.argmin(np.diag(A)))]]
    with contextlib.suppress(np.linalg.LinAlgError):
        vectors.append(np.linalg.eigh(A)[1][:, 0])
        if np.all(np.diag(A) > 0):
            vectors.append(np.linalg.eigh(_inverse(A))[1][:, -1])
    return vectors


def _rayleigh_up(A: Array, v: Array) -> float:
    """An upper bound of v.Av/v.v."""
    n, size = len(v), np.abs(v)
    moved = A @ v
    loss = up(gamma(n) * product_up(size, product_up(np.abs(A), size)))
    loss = up(loss + up(gamma(n) * product_up(size, np.abs(moved))))
    loss = up(loss + up(n * ETA * up(2 + sum_up(size))))
    top, square = float(up(v @ moved + loss)), float(v @ v)
    bottom = down(square * down(1 - 2 * gamma(n))) if top >= 0 else up(square * up(1 + 2 * gamma(n)))
    value = float(up(top / bottom)) if bottom > 0 else np.inf
    return value if np.isfinite(value) else np.inf
