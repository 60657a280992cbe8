"""Upper bounds of the path constants kappa with every rounding bounded (Lemma 9, an exact float matrix M).

Lemma. Let N = M - nu I be positive definite, V any matrix, omega > 0 a vector, Y = V diag(omega) V^T, and
eps = || I - D V^T N V D || < 1 with D = diag(omega)^{1/2}. Then N^{-1} <= Y/(1 - eps).
 Proof. Q = N^{1/2} V D has Q^T Q = D V^T N V D >= (1 - eps) I; Q Q^T has the same eigenvalues, so
 N^{1/2} Y N^{1/2} = Q Q^T >= (1 - eps) I. QED.
So (1 - eps) Y^{-1} <= N may replace N in Lemma 9 (|b.v|^2 <= (b^T Y b)/(1 - eps) v^T N v), and
    kappa^2 = [bbar^T Y bbar + 2 sum_j q_j |(Y bbar)_j| + sum_jl q_j q_l |Y_jl|] / (4 nu (1 - eps)),
where V and omega (eigenvectors, 1/(eigenvalues - nu)) are exact floats. eps comes from the matrices
E = V^T M V - diag(lambda) and O = V^T V - I, computed once:
    eps <= max |1 - omega (lambda - nu)| + || D (|E| + nu |O|) D ||_F.

Rounding of bbar. Let V^T bbar be computed with error e. V is invertible (eps < 1), so the computed vector is
V^T of another bbar', and ||Y^{1/2}(bbar - bbar')|| = ||D e||: the root of the sum moves by at most that.
For pairs bbar = Dbar_k K e_i = Dbar_k f f_i, where K = f f^T + remainder and f = X when d <= n. With
c_a = ||D g_a|| for the columns g_a of V^T Dbar_k f, rounding in the sums is gamma times (sum_a |f_ia| c_a)^2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.certificates.floating import (
    UNIT,
    down,
    gamma,
    gram,
    inflate,
    norm_up,
    product_up,
    sum_up,
    up,
)
from proofs_check.certificates.geometry import ragged
from proofs_check.certificates.rounded import Rounded, add_up, at_least, rate_up
from proofs_check.certificates.rounded_bounds import Gates

__all__ = ["Factor", "Inverse", "factor_of", "inverses_of", "output_kappa", "pair_kappa", "pair_reach"]

Array = np.ndarray[Any, np.dtype[np.float64]]
_ENTRIES = 1_000_000


@dataclass(frozen=True, eq=False)
class Factor:
    """f (n, p) with |K e_i - f f_i| at most ``remainder_i`` in norm; ``norms_i`` >= ||f_i||."""

    rows: Array
    norms: Array
    remainder: Array


def factor_of(rounded: Rounded) -> Factor:
    """X itself when d <= n, else a square factor from a QR decomposition with its residual."""
    X, n = rounded.instance.X, rounded.instance.n
    if rounded.instance.d <= n:
        return Factor(X, rounded.norms, np.zeros(n))
    rows = np.ascontiguousarray(np.asarray(np.linalg.qr(X.T, mode="r")).T)
    norms = at_least(norm_up(rows, axis=1))
    product, c = gram(rows)
    off = add_up(
        up(np.abs(rounded.K - product)),
        up(up(rounded.rate_K * rounded.norms)[:, None] * rounded.norms),
        up(up(rate_up(c) * norms)[:, None] * norms),
    )
    return Factor(rows, norms, norm_up(off, axis=0))


@dataclass(frozen=True, eq=False)
class Inverse:
    """Y = V diag(omega) V^T >= (1 - eps) (M - shift I)^{-1}.

    ``rows`` >= the row norms of V D, ``norm`` >= ||V D||_F, ``size`` >= |Y| entrywise,
    ``bottom`` <= 4 shift (1 - eps).
    """

    vectors: Array
    omega: Array
    rows: Array
    norm: float
    size: Array
    bottom: float

    def kappa(self, squares: Array, slip: Array) -> Array:
        """The constant from upper bounds of the sum and of the error of its root."""
        return np.asarray(up(add_up(up(np.sqrt(squares)), slip) / down(np.sqrt(self.bottom))))


def inverses_of(M: Array, values: Array, vectors: Array, shifts: Array) -> tuple[Inverse, ...]:
    """One for each shift whose eps is below 1; M is exact and symmetric, values and vectors about its own.

    Cost O(n^3) for each shift.
    """
    n = len(M)
    columns = at_least(norm_up(vectors, axis=0))
    size = min(float(norm_up(M)), float(np.max(sum_up(np.abs(M), axis=1))))
    moved = vectors.T @ (M @ vectors)
    moved[np.diag_indices(n)] -= values
    rate = up(rate_up(gamma(n), gamma(n), UNIT) * at_least(size))
    E = add_up(up(np.abs(moved) * (1 + 4 * UNIT)), up(up(rate * columns)[:, None] * columns))
    gram_of = vectors.T @ vectors
    gram_of[np.diag_indices(n)] -= 1
    turn = rate_up(gamma(n), UNIT)
    G = add_up(up(np.abs(gram_of) * (1 + 4 * UNIT)), up(up(turn * columns)[:, None] * columns))
    found = (_inverse(values, vectors, E, G, float(shift)) for shift in shifts)
    return tuple(inverse for inverse in found if inverse is not None)


def _inverse(values: Array, vectors: Array, E: Array, G: Array, shift: float) -> Inverse | None:
    n = len(values)
    gap = values - shift
    if not np.all((gap > 2.0**-900) & (gap < 2.0**900)):
        return None
    omega = 1 / gap
    root = up(np.sqrt(omega))
    scaled = up(up(root[:, None] * add_up(E, up(shift * G))) * root)
    # |1 - omega (lambda - nu)| <= 2.01 u: one rounding in the difference, one in the quotient
    eps = add_up(4 * UNIT, norm_up(scaled))
    bottom = float(down(4 * shift * down(1 - eps)))
    if not (eps < 1 and bottom > 0 and np.all(np.isfinite(root))):
        return None
    lengths = up(np.abs(vectors) * root)
    rows = at_least(norm_up(lengths, axis=1))
    Y = (vectors * omega) @ vectors.T
    rounding = up(up(rate_up(gamma(n + 1)) * rows)[:, None] * rows)
    return Inverse(vectors, omega, rows, float(norm_up(rows)), add_up(np.abs(Y), rounding), bottom)


def pair_reach(gates: Gates, rows: slice, squares: Array) -> Array:
    """Upper bounds (rows, n) of sup ||b_ki||, where ``squares`` bounds K_ij^2."""
    largest = up(np.abs(gates.middle(rows)) + gates.theta * gates.uncertain[rows])
    return np.asarray(up(np.sqrt(product_up(up(largest * largest), squares))))


def pair_kappa(
    rounded: Rounded, gates: Gates, factor: Factor, inverses: tuple[Inverse, ...], rows: slice
) -> Array:
    """Upper bounds (rows, n) of kappa_ki, least over the shifts; infinite without any.

    Cost O(n min(n, d) (n + shifts d)) a neuron, and O(n u d + u^2 n) for its u uncertain samples.
    """
    n, p = factor.rows.shape
    begin, end, _ = rows.indices(len(gates.uncertain))
    out = np.full((end - begin, n), np.inf)
    size = max(1, _ENTRIES // (n * p))
    for first in range(begin, end, size):
        part = slice(first, min(first + size, end))
        middle = gates.middle(part)
        scaled = middle.T[:, :, None] * factor.rows[:, None, :]
        best = out[first - begin : part.stop - begin]
        if inverses:
            flat = inverses[0].vectors.T @ scaled.reshape(n, -1)
            rotated = np.ascontiguousarray(flat.reshape(n, len(middle), p).transpose(1, 0, 2))
        for inverse in inverses:
            np.minimum(best, _pair_part(rounded, gates, factor, inverse, part, rotated), out=best)
    return out


def _pair_part(
    rounded: Rounded, gates: Gates, factor: Factor, inverse: Inverse, part: slice, rotated: Array
) -> Array:
    """kappa_ki of a few neurons for one shift; ``rotated`` is fl(V^T Dbar_k f), (c, n, p)."""
    n, p = factor.rows.shape
    small = np.matmul(rotated.transpose(0, 2, 1), inverse.omega[:, None] * rotated)
    lengths = at_least(up(np.sqrt(inflate(np.diagonal(small, axis1=1, axis2=2), n + 1))))
    reach = at_least(product_up(lengths, np.abs(factor.rows).T))
    squares = np.sum(np.matmul(factor.rows, small) * factor.rows, axis=2)
    rate = rate_up(gamma(n + 2 * p + 6))
    squares = add_up(np.maximum(squares, 0.0), up(rate * up(reach * reach)))
    if gates.theta > 0 and np.any(gates.uncertain[part]):
        squares = add_up(squares, _uncertain_part(rounded, gates, factor, inverse, part, rotated, reach))
    turned = up(rate_up(gamma(n + 1)) * up(factor.norms * at_least(norm_up(factor.norms))))
    slip = up(up(inverse.norm * rounded.lipschitz) * add_up(turned, factor.remainder))
    return inverse.kappa(squares, slip)


def _uncertain_part(
    rounded: Rounded,
    gates: Gates,
    factor: Factor,
    inverse: Inverse,
    part: slice,
    rotated: Array,
    reach: Array,
) -> Array:
    """2 sum_j q_j |(Y bbar)_j| + sum_jl q_j q_l |Y_jl|, rounded up, with q_j = theta |K_ij| on U_k."""
    n, p = factor.rows.shape
    out = np.zeros((len(rotated), n))
    size, rate = up(gates.theta * rounded.K_up), rate_up(gamma(n + p + 3))
    for group, columns, valid in ragged(gates.uncertain[part], max(1, _ENTRIES // n)):
        q = np.where(valid[:, :, None], size[columns], 0.0)
        left = np.matmul(inverse.vectors[columns] * inverse.omega, rotated[group])
        solved = np.abs(np.matmul(left, factor.rows.T))
        solved = add_up(solved, up(up(rate * inverse.rows[columns])[:, :, None] * reach[group][:, None, :]))
        block = inverse.size[columns[:, :, None], columns[:, None, :]]
        pushed = add_up(2 * solved, product_up(block, q))
        out[group] = sum_up(up(q * pushed), axis=1)
    return out


def output_kappa(low: Array, high: Array, inverses: tuple[Inverse, ...]) -> tuple[Array, Array]:
    """Upper bounds (rows,) of kappa^a_k for b between ``low`` and ``high``, and of ||b||.

    The first are infinite with no shift. Cost O(n^2) a neuron and shift.
    """
    middle = (low + high) / 2
    half = up(np.maximum(high - middle, middle - low))
    reach = norm_up(up(np.abs(middle) + half), axis=1)
    best = np.full(len(low), np.inf)
    n = low.shape[1]
    size = at_least(norm_up(middle, axis=1))
    for inverse in inverses:
        rotated = middle @ inverse.vectors
        weighted = rotated * inverse.omega
        squares = add_up(inflate(np.sum(weighted * rotated, axis=1), n + 2), 2.0**-800)
        rate = up(rate_up(gamma(n + 2)) * up(np.sqrt(squares)))
        solved = add_up(np.abs(weighted @ inverse.vectors.T), up(rate[:, None] * inverse.rows))
        pushed = up(half * add_up(2 * solved, product_up(half, inverse.size)))
        slip = up(up(rate_up(gamma(n)) * inverse.norm) * size)
        np.minimum(best, inverse.kappa(add_up(squares, sum_up(pushed, axis=1)), slip), out=best)
    return best, reach
