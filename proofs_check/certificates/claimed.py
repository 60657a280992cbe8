"""A claimed lower bound of a smallest eigenvalue, proved with one Cholesky factor.

Let A = H - s I, the diagonal rounded down, D = diag(2^e_j) such that S = D A D has its diagonal in [1/2, 2),
and Q equal to S with c subtracted from the diagonal and rounded down, as in :mod:`.eigenvalue`. The factor L
is made a block of columns K at a time. With T the product of the earlier columns' rows, t = fl(T),
P = fl(Q_K - t) and V = fl(L_K L_KK^T), whatever L_K is,
    |Q - L L^T|_K <= |Q_K - t - P| + |t - T| + |P - V| + |V - L_K L_KK^T|
                  <= u|P| + |P - V| + gamma_n (|L||L|^T)_K + n 2^-1074
entrywise in the lower triangle. The norm of a symmetric matrix is at most sqrt(2) times the Frobenius norm of
its lower triangle, and || |L||L|^T || <= ||L||_F^2, so
    lambda_min(S) >= c - sqrt(2) (u||P||_F + ||P - V||_F) - gamma_n ||L||_F^2 - (n^2 + n) 2^-1074.
Only P - V, a block against its own factor, is computed beside the factor: its cost is n^2 times the block.

All products go through SciPy's BLAS: NumPy has its own, and the threads of either wait in a loop for a while
after each call and slow the other's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from proofs_check.certificates.eigenvalue import symmetric
from proofs_check.certificates.floating import ETA, UNIT, check_arithmetic, down, gamma, inflate, up

__all__ = ["proves_lambda_min_at_least"]

Array = np.ndarray[Any, np.dtype[np.float64]]

_BLOCK = 256
_ROOT = 1.4143  # above sqrt(2)


def proves_lambda_min_at_least(H: Any, s: float) -> bool:
    """Whether the smallest eigenvalue of a symmetric matrix is proved to be at least ``s``.

    Parameters
    ----------
    H : (n, n) array
        Exactly symmetric, finite. Its float64 numbers are taken as exact.
    s : float
        The claim, taken as exact too.

    Returns
    -------
    bool
        True is a proof. False means undecided: for a positive definite ``H - s I``, its smallest eigenvalue
        is then under about ``8 n^2 2^-53 max H_ii``.

    Raises
    ------
    ValueError
        If H is not a square, symmetric matrix of finite real numbers, or s is not finite.
    RuntimeError
        If this machine's arithmetic does not round as the proof assumes.

    Notes
    -----
    Cost ``n^3 / 3`` operations, those of one Cholesky factor, and ``n^2`` times some hundreds: for large n a
    tenth of what eigenvalues cost, or less. Memory beyond H: the factor's lower triangle and two blocks
    of columns.
    """
    exact = symmetric(H)
    claim = float(s)
    if not np.isfinite(claim):
        raise ValueError(f"the claimed bound is {claim}; it must be a finite number")
    check_arithmetic()
    if len(exact) == 1:
        return bool(exact[0, 0] >= claim)
    with np.errstate(all="ignore"):
        diagonal = np.asarray(down(np.diag(exact) - claim))
        if not np.all((diagonal > 0) & np.isfinite(diagonal)):
            return False
        return _is_positive_definite(exact, diagonal)


def _is_positive_definite(H: Array, diagonal: Array) -> bool:
    """Whether H with this diagonal in the place of its own is proved positive definite."""
    n = len(H)
    half = np.asarray(-(np.frexp(diagonal)[1] // 2), dtype=np.int32)
    scaled = np.ldexp(diagonal, 2 * half)
    c = float(2 * (gamma(n) + 2 * UNIT) * np.sum(scaled)) + 2.0**-900
    factor: list[Array] = []  # its blocks of columns, each from its diagonal down
    rooms = np.empty(n * _BLOCK), np.empty(n * _BLOCK)
    errors = sizes = 0.0
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        head = stop - start
        panel, other = (room[: (n - start) * head].reshape(n - start, head) for room in rooms)
        np.ldexp(H[start:, start:stop], half[start:, None] + half[start:stop], out=panel)
        panel[np.diag_indices(head)] = down(scaled[start:stop] - c)
        if not (np.max(panel) <= 2 and np.min(panel) >= -2):
            return False
        if factor:
            panel -= _products(factor, head, other)
        columns = np.empty_like(panel)
        if not _factor(panel, columns):
            return False
        factor.append(columns)
        sizes = float(up(sizes + _square_up(columns)))
        panel[:head] = np.tril(panel[:head])
        remainder = np.subtract(panel, _products([columns], head, other), out=other)
        remainder[:head] = np.tril(remainder[:head])
        errors = float(up(errors + up(_norm_up(remainder) * (1 + 4 * UNIT) + up(UNIT * _norm_up(panel)))))
    lost = up(up(_ROOT * errors) + up(up(gamma(n) * sizes) + up(up(n * n + n) * ETA)))
    return bool(c > lost)


def _products(factor: list[Array], head: int, out: Array) -> Array:
    """``out = sum of L_J (the first rows of L_J)^T`` over the earlier blocks, as far down as out goes.

    Each block adds to what is there, so an entry is one sum of at most n products in some order.
    """
    from scipy.linalg.blas import dgemm

    for place, block in enumerate(factor):
        below = block[-len(out) :]
        dgemm(1.0, below[:head].T, below.T, float(place > 0), out.T, trans_a=1, overwrite_c=1)
    return out


def _factor(panel: Array, columns: Array) -> bool:
    """Write the panel's columns of a Cholesky factor; False when it has none."""
    from scipy.linalg.blas import dtrsm
    from scipy.linalg.lapack import dpotrf

    head = panel.shape[1]
    first, failed = dpotrf(panel[:head], lower=1)
    if failed:
        return False
    columns[:] = panel
    columns[:head] = first
    if len(panel) > head:
        below = columns[head:].T
        dtrsm(1.0, first, below, lower=1, overwrite_b=1)
    return True


def _square_up(x: Array) -> float:
    """An upper bound of the sum of squares."""
    from scipy.linalg.blas import ddot

    flat = x.reshape(-1)
    return float(up(inflate(ddot(flat, flat), flat.size) + flat.size * ETA))


def _norm_up(x: Array) -> float:
    """An upper bound of the Frobenius norm."""
    return float(up(np.sqrt(_square_up(x))))
