"""A float matrix M_f with G >= M >= M_f over a region (Lemmas 5, 6, 7): rounding goes into its diagonal.

With Delta the certain gates, weights A_k (floats, at most the exact ones) and P = Delta^T diag(A) Delta,
    sum_k A_k N_k = K o P + g diag(sum_k A_k Lam_k) - sum_k A_k B_k^T (K_UU + Lam_k)^{-1} B_k.
For ANY T and R = B - A T, with A = K_UU + Lam >= min(Lam) I,
    B^T A^{-1} B = (B^T T + T^T B)/2 + (R^T T + T^T R)/2 + R^T A^{-1} R.                          (V6)
 Proof. B = A T + R gives B^T A^{-1} B = T^T A T + T^T R + R^T T + R^T A^{-1} R and
 B^T T = T^T A T + R^T T. QED.
T is a floating-point solution, R its computed residual with an error bound. Column norms (over the uncertain
samples of a neuron) of T, B, R, summed over neurons with weights A_k, bound every product by Cauchy and
Schwarz. The proof needs neither lambda_min(K_UU) nor that T solves anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.certificates.floating import UNIT, down, gamma, inflate, norm_up, sum_up, up
from proofs_check.certificates.geometry import ragged
from proofs_check.certificates.rounded import (
    BLOCK,
    Rounded,
    add_up,
    at_least,
    blocks,
    outer_shift,
    rate_up,
)

__all__ = [
    "Gates",
    "Lower",
    "features_gram",
    "first_layer",
    "gated_gram",
    "gates_of",
    "nothing",
    "second_layer",
]

Array = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
_ENTRIES = 2_000_000


@dataclass(frozen=True, eq=False)
class Gates:
    """Uncertain pairs, and floats half and theta with every gate between g and 1 in half +- theta."""

    positive: Mask
    uncertain: Mask
    slope: float
    half: float
    theta: float

    def certain(self, rows: Any) -> Array:
        """Delta (rows, n): 1 or g outside U, 0 on U."""
        return np.where(self.uncertain[rows], 0.0, np.where(self.positive[rows], 1.0, self.slope))

    def middle(self, rows: Any) -> Array:
        """Dbar (rows, n): 1 or g outside U, about (1 + g)/2 on U."""
        return np.where(self.uncertain[rows], self.half, np.where(self.positive[rows], 1.0, self.slope))


def gates_of(rounded: Rounded, uncertain: Mask) -> Gates:
    """Gates when exactly the pairs in ``uncertain`` may cross the kink; the others are separated from it."""
    slope = rounded.instance.slope
    half = (1 + slope) / 2
    theta = float(up(max(abs(1 - half), abs(slope - half)))) if slope != 1 else 0.0
    return Gates(rounded.Z > 0, uncertain, slope, half, theta)


@dataclass(frozen=True, eq=False)
class Lower:
    """A symmetric float matrix and a vector: ``matrix - diag(shift)`` is a lower bound in the Loewner order.

    ``size`` bounds the entries: |matrix_ij| <= size_i size_j.
    """

    matrix: Array
    shift: Array
    size: Array

    def plus(self, other: Lower) -> Lower:
        """The sum of two lower bounds."""
        size = up(np.sqrt(add_up(up(self.size * self.size), up(other.size * other.size))))
        shift = add_up(self.shift, other.shift, _relative(2 * UNIT, size))
        return Lower(self.matrix + other.matrix, shift, size)

    def scaled(self, factor: float) -> Lower:
        """``factor`` >= 0 times the lower bound."""
        size = at_least(up(self.size * up(np.sqrt(factor))))
        shift = add_up(up(factor * self.shift), _relative(2 * UNIT, size))
        return Lower(factor * self.matrix, shift, size)

    def lowered(self, amount: Any) -> Lower:
        """The lower bound minus diag(amount), a non-negative number or vector."""
        return Lower(self.matrix, add_up(self.shift, amount), self.size)

    def assembled(self) -> Array:
        """The exact float matrix M_f."""
        out = self.matrix.copy()
        out[np.diag_indices(len(out))] = down(np.diag(out) - self.shift)
        return out


def nothing(n: int) -> Lower:
    """The lower bound 0."""
    return Lower(np.zeros((n, n)), np.zeros(n), np.zeros(n))


def _relative(rate: float, size: Array) -> Array:
    """The shift for an error of at most rate size_i size_j."""
    return np.asarray(outer_shift(up(rate_up(rate) * size), size / 2))


def first_layer(rounded: Rounded, gates: Gates, weights: Array, multiplier: Array) -> Lower:
    """A lower bound of sum_k weights_k D_k K D_k for all gates in the region.

    Parameters
    ----------
    weights : (m,) array
        Non-negative and exact; neurons of weight 0 are left out.
    multiplier : (m, n) array
        Lam, read where uncertain; positive there.

    Notes
    -----
    Cost O(m n^2 + n^2 U + sum_k u_k^2 n) with U the number of uncertain pairs.
    """
    bound = gated_gram(rounded, gates.certain, weights)
    if gates.slope != 0:
        bound = bound.plus(_leaky(gates, weights, multiplier))
    active = gates.uncertain & (weights > 0)[:, None]
    return bound.plus(_uncertain(rounded, gates, weights, multiplier, active)) if np.any(active) else bound


def gated_gram(rounded: Rounded, gate: Callable[[slice], Array], weights: Array) -> Lower:
    """sum_k weights_k D_k K D_k for given gates D = ``gate(rows)``; the shift bounds it above as well.

    Gates are at most L in size. Cost O(m n^2).
    """
    n, m = rounded.instance.n, len(weights)
    P = np.zeros((n, n))
    for rows in blocks(m):
        D = gate(rows)
        P += (weights[rows, None] * D).T @ D
    P = np.tril(P) + np.tril(P, -1).T
    depth = min(BLOCK, m) + -(-m // BLOCK) + 1
    size = at_least(up(at_least(up(np.sqrt(inflate(np.diag(P), depth)))) * rounded.norms))
    shift = _relative(rate_up(rounded.rate_K, gamma(depth), 2 * UNIT), size)
    return Lower(rounded.K * P, shift, up(size * (1 + 2.0**-9)))


def _leaky(gates: Gates, weights: Array, multiplier: Array) -> Lower:
    """g sum_k weights_k diag(Lam_k)."""
    total = np.zeros(multiplier.shape[1])
    for rows in blocks(len(weights)):
        total += weights[rows] @ np.where(gates.uncertain[rows], multiplier[rows], 0.0)
    most = at_least(up(abs(gates.slope) * inflate(total, len(weights) + 2)))
    shift = up(rate_up(gamma(len(weights) + 3)) * most)
    return Lower(np.diag(gates.slope * total), shift, at_least(up(np.sqrt(most))))


def _uncertain(rounded: Rounded, gates: Gates, weights: Array, multiplier: Array, active: Mask) -> Lower:
    """-sum_k weights_k B_k^T (K_UU + Lam_k)^{-1} B_k by (V6)."""
    n, m = rounded.instance.n, len(weights)
    total, count = np.zeros((n, n)), 0
    squares = np.zeros((4, n))
    for rows, columns, valid in ragged(active, max(1, _ENTRIES // n)):
        solved = _solve(rounded, gates, multiplier, rows, columns, valid)
        w = weights[rows, None]
        squares += [
            sum_up(up(up(x * x) * factor), axis=0)
            for x, factor in (
                (solved.B_norms, w),
                (solved.T_norms, w),
                (solved.R_norms, w),
                (solved.R_norms, up(w / solved.least[:, None])),
            )
        ]
        left, right = solved.B.reshape(-1, n), (w[:, :, None] * solved.T).reshape(-1, n)
        for part in blocks(len(left)):
            total += left[part].T @ right[part]
            count += 1
    b, t, r, rest = (at_least(up(np.sqrt(inflate(x, m)))) for x in squares)
    shift = add_up(
        outer_shift(up(rate_up(gamma(BLOCK + count + 2)) * b), t / 2),
        outer_shift(up(1.01 * r), t),
        outer_shift(up(1.01 * rest), rest / 2),
    )
    even = np.sqrt(np.max(t) / np.max(b))
    size = 1.01 * np.maximum(b * even, t / even)
    return Lower(-(total + total.T) / 2, shift, size)


@dataclass(frozen=True, eq=False)
class _Solved:
    """B and T (c, u, n), 0 on padding, bounds (c, n) of their column norms and R's, and min(Lam) (c,)."""

    B: Array
    T: Array
    B_norms: Array
    T_norms: Array
    R_norms: Array
    least: Array


def _solve(
    rounded: Rounded, gates: Gates, multiplier: Array, rows: Any, columns: Any, valid: Mask
) -> _Solved:
    K, norms = rounded.K, rounded.norms
    both = valid[:, :, None] & valid[:, None, :]
    A = np.where(both, K[columns[:, :, None], columns[:, None, :]], 0.0)
    extra = np.where(valid, multiplier[rows[:, None], columns], 1.0)
    u = np.arange(columns.shape[1])
    A[:, u, u] += extra
    B = K[columns] * gates.certain(rows)[:, None, :]
    c = np.arange(len(rows))[:, None]
    B[c, u[None, :], columns] -= gates.half * np.where(valid, extra, 0.0)
    B = np.where(valid[:, :, None], B, 0.0)
    try:
        T = np.where(valid[:, :, None], np.linalg.solve(A, B), 0.0)
    except np.linalg.LinAlgError:
        T = np.zeros_like(B)
    R = B - np.matmul(A, T)
    A_norms = at_least(norm_up(A.reshape(len(rows), -1), axis=1))[:, None]
    B_norms, T_norms, R_norms = (at_least(norm_up(x, axis=1)) for x in (B, T, R))
    reach = at_least(norm_up(np.where(valid, norms[columns], 0.0), axis=1))[:, None]
    product = rate_up(gamma(columns.shape[1] + 2), 3 * UNIT)
    entry = up(rate_up(rounded.rate_K, UNIT) * rounded.lipschitz)
    error_B = add_up(up(up(entry * reach) * norms), up(product * B_norms))
    error_A = add_up(up(up(rounded.rate_K * reach) * reach), up(product * A_norms))
    R_norms = add_up(R_norms, up(2 * error_B), up(error_A * T_norms))
    return _Solved(B, T, B_norms, T_norms, R_norms, np.min(np.where(valid, extra, np.inf), axis=1))


def features_gram(rounded: Rounded) -> Lower:
    """phi(Z)^T phi(Z), for the exact Z; the errors are entrywise, so the shift bounds it above as well.

    phi(Z) is off by at most L error_Z_k norms_i and one rounding. Cost O(m n^2).
    """
    slope, m, n = rounded.instance.slope, rounded.instance.m, rounded.instance.n
    product = np.zeros((n, n))
    for rows in blocks(m):
        features = np.where(rounded.Z[rows] > 0, rounded.Z[rows], slope * rounded.Z[rows])
        product += features.T @ features
    product = np.tril(product) + np.tril(product, -1).T
    depth = min(BLOCK, m) + -(-m // BLOCK)
    h = at_least(up(np.sqrt(inflate(np.diag(product), depth))))
    off = add_up(up(up(rounded.lipschitz * norm_up(rounded.error_Z)) * rounded.norms), up(2 * UNIT * h))
    shift = outer_shift(up(1.01 * add_up(off, up(rate_up(gamma(depth)) * h))), add_up(h, off))
    return Lower(product, shift, up(h * (1 + 2.0**-9)))


def second_layer(rounded: Rounded, features: Lower, spread: float, share: float) -> Lower:
    """A lower bound of eta_a F' F'^T for ||F' - F|| <= spread (Lemma 7), from :func:`features_gram`.

    The coefficient eta_a (1 - t) s^2 is rounded down, which is allowed because F F^T >= 0.
    """
    instance = rounded.instance
    left = down(down(1 - share) * down(instance.scale * instance.scale))
    bound = features.scaled(max(float(down(left * instance.rate_a)), 0.0))
    if share == 0:
        return bound
    return bound.lowered(up(up(up(up(1 / share) - 1) * up(spread * spread)) * instance.rate_a))
