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
    tenth of what eigenvalues cost, or less. Memory beyond H: the factor's lower triangle (of an n x n array
    the rest of which is never touched) and blocks of columns.
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
    factor = np.empty((n, n))  # only its lower triangle is ever touched
    errors = sizes = 0.0
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        panel = np.ldexp(H[start:, start:stop], half[start:, None] + half[start:stop])
        panel[np.diag_indices(stop - start)] = down(scaled[start:stop] - c)
        if not np.all(np.abs(panel) <= 2):
            return False
        if start:
            panel -= factor[start:, :start] @ factor[start:stop, :start].T
        columns = factor[start:, start:stop]
        if not _factor(panel, columns):
            return False
        head = stop - start
        panel[:head] = np.tril(panel[:head])
        remainder = panel - columns @ columns[:head].T
        remainder[:head] = np.tril(remainder[:head])
        errors = float(up(errors + up(_norm_up(remainder) * (1 + 4 * UNIT) + up(UNIT * _norm_up(panel)))))
        sizes = float(up(sizes + _square_up(columns)))
    lost = up(up(_ROOT * errors) + up(up(gamma(n) * sizes) + up(up(n * n + n) * ETA)))
    return bool(c > lost)


def _factor(panel: Array, columns: Array) -> bool:
    """Write about the panel's columns of a Cholesky factor; False when it has none."""
    from scipy.linalg import solve_triangular

    head = panel.shape[1]
    try:
        first = np.linalg.cholesky(panel[:head])
    except np.linalg.LinAlgError:
        return False
    columns[:head] = first
    if len(panel) > head:
        columns[head:] = solve_triangular(first, panel[head:].T, lower=True, check_finite=False).T
    return True


def _square_up(x: Array) -> float:
    """An upper bound of the sum of squares."""
    flat = x.reshape(-1)
    return float(up(inflate(flat @ flat, flat.size) + flat.size * ETA))


def _norm_up(x: Array) -> float:
    """An upper bound of the Frobenius norm."""
    return float(up(np.sqrt(_square_up(x))))
