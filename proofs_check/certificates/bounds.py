"""Lower bounds M on the tangent kernel over a region (Lemmas 5, 6 and 7), in plain floating point."""

from __future__ import annotations

from typing import Any

import numpy as np

from proofs_check.certificates.geometry import Gates, Geometry, blocks, ragged

__all__ = ["first_layer", "row_sums", "second_layer"]

Array = np.ndarray[Any, np.dtype[np.float64]]
_ENTRIES = 4_000_000


def first_layer(geometry: Geometry, gates: Gates, weights: Array, multiplier: Array) -> Array:
    """sum_k weights_k N_k(Lam_k), an (n, n) lower bound of sum_k weights_k D_k K D_k.

    Parameters
    ----------
    weights : (m,) array
        A_k >= 0. Neurons of weight 0 are left out.
    multiplier : (m, n) array
        Lam, read where the gates are uncertain; positive there.

    Notes
    -----
    Lemma 5 (ReLU) and Lemma 6 (any slope). Cost O(m n^2 + n^2 U + sum_k u_k^2 n) with U = sum_k u_k.
    """
    K, slope, n = geometry.K, geometry.instance.slope, geometry.instance.n
    M = np.zeros((n, n))
    for block in blocks(len(weights), n):
        part = gates.certain[block]
        M += (part * weights[block, None]).T @ part
    M *= K
    if slope != 0:
        M[np.diag_indices(n)] += slope * (weights @ np.where(gates.uncertain, multiplier, 0.0))
    active = gates.uncertain & (weights > 0)[:, None]
    for rows, columns, valid in ragged(active, max(1, _ENTRIES // n)):
        A, B = uncertain_blocks(geometry, gates, multiplier, rows, columns, valid)
        T = np.linalg.solve(A, B)
        T *= weights[rows, None, None]
        M -= B.reshape(-1, n).T @ T.reshape(-1, n)
    return np.asarray((M + M.T) / 2)


def uncertain_blocks(
    geometry: Geometry, gates: Gates, multiplier: Array, rows: Any, columns: Any, valid: Any
) -> tuple[Array, Array]:
    """K_UU + Lam (c, u, u), the identity on padded entries, and B_k (c, u, n), zero there."""
    K, slope = geometry.K, geometry.instance.slope
    both = valid[:, :, None] & valid[:, None, :]
    A = np.where(both, K[columns[:, :, None], columns[:, None, :]], 0.0)
    extra = np.where(valid, multiplier[rows[:, None], columns], 1.0)
    u = np.arange(columns.shape[1])
    A[:, u, u] += extra
    B = K[columns] * gates.certain[rows][:, None, :]
    c = np.arange(len(rows))[:, None]
    B[c, u[None, :], columns] -= (1 + slope) / 2 * np.where(valid, extra, 0.0)
    return A, np.where(valid[:, :, None], B, 0.0)


def second_layer(geometry: Geometry, spread: float, share: float) -> Array:
    """eta_a [(1 - t) F F^T - (1/t - 1) e^2 I] (Lemma 7); eta_a F F^T when e = t = 0."""
    if share == 0:
        return geometry.instance.rate_a * geometry.second
    M = (1 - share) * geometry.second
    M[np.diag_indices(len(M))] -= (1 / share - 1) * spread**2
    return np.asarray(geometry.instance.rate_a * M)


def row_sums(geometry: Geometry, gates: Gates) -> Array:
    """Lam0 (m, n): sum_{i in U_k} |K_ji| on U_k and 0 off it, so that diag(Lam0_k) >= K_UU."""
    sums = gates.uncertain @ np.abs(geometry.K)
    return np.where(gates.uncertain, sums, 0.0)
