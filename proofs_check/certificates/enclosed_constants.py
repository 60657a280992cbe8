"""Path constants kappa, int |b.r| dt <= kappa (drop of the residual norm), in balls (Lemma 9, sharpened).

Any shift nu in (0, mu) gives a valid constant. Which one is used for a pair is a hint from plain floats: a
poor hint gives a larger constant, never a wrong one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.certificates.balls import (
    Balls,
    ball,
    balls,
    inverse,
    magnitude,
    midpoints,
    product,
    root_up,
    shifted,
)
from proofs_check.certificates.enclosed_bounds import Gates, Quantities, Ranges

__all__ = ["Kernel", "kernel_of", "output_constants", "output_reach", "pair_constants", "pair_reach"]

Array = np.ndarray[Any, np.dtype[np.float64]]
Index = np.ndarray[Any, np.dtype[np.intp]]


@dataclass(frozen=True, eq=False)
class Kernel:
    """M, proved to have lambda_min > ``decay``, its inverses (M - nu I)^{-1}, and the inverses in floats."""

    decay: float
    shifts: Array
    inverses: tuple[Balls, ...]
    hints: tuple[Array, ...]


def kernel_of(M: Balls, decay: float, shifts: Array) -> Kernel:
    """The inverses of an M whose smallest eigenvalue was proved to exceed ``decay``; shifts are below it."""
    inverses = tuple(inverse(shifted(M, float(shift))) for shift in shifts)
    return Kernel(decay, shifts, inverses, tuple(midpoints(N) for N in inverses))


def pair_reach(quantities: Quantities, gates: Gates) -> Balls:
    """sup ||b_ki|| (m, n): the norm of |Dbar_k K e_i| + theta |K e_i| on U_k, from above."""
    theta = np.where(gates.uncertain, gates.theta, ball(0.0))
    largest = magnitude(gates.middle) + theta
    return root_up(product(largest * largest, quantities.K * quantities.K))


def output_reach(ranges: Ranges) -> Balls:
    """|| |bbar| + q || (m,) from above, for b = phi(z'_k)."""
    largest = magnitude(ranges.middle) + magnitude(ranges.half)
    return root_up(np.sum(largest * largest, axis=1))


def pair_constants(quantities: Quantities, gates: Gates, kernel: Kernel) -> Balls:
    """kappa_ki (m, n) from above; with no shifts ``pair_reach / decay``. Cost O(m n^2 min(n, d)) a shift."""
    if len(kernel.shifts) == 0:
        return np.asarray(pair_reach(quantities, gates) / ball(kernel.decay))
    m, n = gates.middle.shape
    choice = np.empty((m, n), dtype=np.intp)
    K, middle = midpoints(quantities.K), midpoints(gates.middle)
    for k in range(m):
        choice[k] = _best_pairs(K, middle[k], gates, kernel, k)
    squares = np.empty((m, n), dtype=object)
    for at, nu in enumerate(kernel.shifts):
        absolute = magnitude(kernel.inverses[at])
        for k in np.flatnonzero(np.any(choice == at, axis=1)).tolist():
            mine = choice[k] == at
            found = _pair_squares(quantities, gates, kernel.inverses[at], absolute, k)
            squares[k, mine] = found[mine] / (4 * ball(nu))
    return root_up(squares)


def _pair_squares(quantities: Quantities, gates: Gates, inverse_: Balls, absolute: Balls, k: int) -> Balls:
    """sup b^T N^{-1} b over the gates of neuron k, for every sample i (n,).

    With d < n, b = Dbar X x_i and the square comes from the d by d matrix (Dbar X)^T N^{-1} (Dbar X).
    """
    X, n = quantities.instance.X, quantities.instance.n
    rows = np.flatnonzero(gates.open[k])
    narrow = quantities.instance.d < n
    base = X[rows] if narrow else quantities.K[rows]
    V = gates.middle[k, rows][:, None] * base
    solved = product(inverse_[np.ix_(rows, rows)], V) if len(rows) else V
    if not len(rows):
        return balls(np.zeros(n))
    squares = np.sum(product(X, product(V.T, solved)) * X if narrow else (V * solved).T, axis=1)
    U = np.flatnonzero(gates.uncertain[k])
    if not len(U) or gates.theta == 0:
        return np.asarray(squares)
    pushed = solved[np.searchsorted(rows, U)]
    pushed = magnitude(product(pushed, X.T) if narrow else pushed)
    q = magnitude(quantities.K[U]) * gates.theta
    return np.asarray(squares + np.sum(q * (pushed * 2 + product(absolute[np.ix_(U, U)], q)), axis=0))


def _best_pairs(K: Array, middle: Array, gates: Gates, kernel: Kernel, k: int) -> Index:
    """Which shift is least in plain floats, for every sample of neuron k."""
    V = middle[:, None] * K
    U, theta = gates.uncertain[k], float(gates.theta)
    q = theta * np.abs(K[U])
    values = []
    for nu, N in zip(kernel.shifts, kernel.hints):
        solved = N @ V
        square = np.sum(V * solved, axis=0)
        square = square + np.sum(q * (2 * np.abs(solved[U]) + np.abs(N[np.ix_(U, U)]) @ q), axis=0)
        values.append(square / nu)
    return np.asarray(np.argmin(values, axis=0))


def output_constants(ranges: Ranges, kernel: Kernel) -> Balls:
    """kappa^a_k (m,) from above, for b = phi(z'_k) in its range; crude with no shifts."""
    if len(kernel.shifts) == 0:
        return np.asarray(output_reach(ranges) / ball(kernel.decay))
    choice = _best_outputs(midpoints(ranges.middle), midpoints(ranges.half), kernel)
    squares = np.empty(len(ranges.middle), dtype=object)
    for at, nu in enumerate(kernel.shifts):
        rows = np.flatnonzero(choice == at)
        if len(rows):
            middle, half = ranges.middle[rows], magnitude(ranges.half[rows])
            solved = product(middle, kernel.inverses[at])
            uncertain = half * (magnitude(solved) * 2 + product(half, magnitude(kernel.inverses[at])))
            squares[rows] = np.sum(middle * solved + uncertain, axis=1) / (4 * ball(nu))
    return root_up(squares)


def _best_outputs(middle: Array, half: Array, kernel: Kernel) -> Index:
    values = []
    for nu, N in zip(kernel.shifts, kernel.hints):
        solved = middle @ N
        square = np.sum(middle * solved + half * (2 * np.abs(solved) + half @ np.abs(N)), axis=1)
        values.append(square / nu)
    return np.asarray(np.argmin(values, axis=0))
