"""Path constants kappa, int |b.r| dt <= kappa (drop of the residual norm), in plain floats (Lemma 9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.certificates.geometry import Gates, Geometry, blocks, ragged

__all__ = ["Spectrum", "output_constants", "pair_constants", "pair_reach", "spectrum_of"]

Array = np.ndarray[Any, np.dtype[np.float64]]
_ENTRIES = 2_000_000


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues (increasing) and eigenvectors (columns) of M."""

    values: Array
    vectors: Array

    def inverse(self, shift: float) -> Array:
        """(M - shift I)^{-1}."""
        return np.asarray((self.vectors / (self.values - shift)) @ self.vectors.T)


def spectrum_of(M: Array) -> Spectrum:
    """The eigen-decomposition of a symmetric matrix."""
    values, vectors = np.linalg.eigh(M)
    return Spectrum(values, vectors)


def pair_constants(geometry: Geometry, gates: Gates, spectrum: Spectrum, shifts: Array) -> Array:
    """kappa_ki (m, n) of all pairs, least over ``shifts``; with none, the crude ``pair_reach / lambda_min``.

    Notes
    -----
    bbar = Dbar_k K e_i has rank at most d in i, so bbar^T N^{-1} bbar comes from one d by d matrix a neuron.
    Cost O(m n min(n, d) (n + shifts d)) and O(n U d + sum_k u_k^2 n) for the uncertain entries.
    """
    if len(shifts) == 0:
        return np.asarray(pair_reach(geometry, gates) / spectrum.values[0])
    m, n = gates.uncertain.shape
    best = np.full((m, n), np.inf)
    inverses = [np.abs(spectrum.inverse(float(shift))) for shift in shifts]
    order = np.argsort(gates.uncertain.sum(axis=1), kind="stable")
    size = max(1, _ENTRIES // (n * geometry.factor.shape[1]))
    for begin in range(0, m, size):
        rows = order[begin : begin + size]
        rotated = _rotated(geometry, gates.middle_of(rows), spectrum.vectors)
        for shift, inverse in zip(shifts, inverses):
            weights = 1 / (spectrum.values - shift)
            squares = _certain_part(geometry, rotated, weights)
            if gates.uncertain[rows[-1]].any():
                squares += _uncertain_part(geometry, gates, rows, rotated, spectrum, weights, inverse)
            best[rows] = np.minimum(best[rows], squares / (4 * shift))
    return np.asarray(np.sqrt(np.maximum(best, 0.0)))


def _rotated(geometry: Geometry, middle: Array, vectors: Array) -> Array:
    """V^T Dbar_k X for the given neurons, as (c, n, d)."""
    n, d = geometry.factor.shape
    scaled = middle.T[:, :, None] * geometry.factor[:, None, :]
    flat = vectors.T @ scaled.reshape(n, -1)
    return np.ascontiguousarray(flat.reshape(n, len(middle), d).transpose(1, 0, 2))


def _certain_part(geometry: Geometry, rotated: Array, weights: Array) -> Array:
    """x_i^T T_k x_i, T_k = (V^T Dbar_k X)^T diag(weights) V^T Dbar_k X: one product with all x_i x_i^T."""
    X = geometry.factor
    small = np.matmul(rotated.transpose(0, 2, 1), weights[:, None] * rotated)
    if X.size * X.shape[1] > _ENTRIES:
        return np.asarray(np.sum(np.matmul(X, small) * X, axis=2))
    outer = (X[:, :, None] * X[:, None, :]).reshape(len(X), -1)
    return np.asarray(small.reshape(len(small), -1) @ outer.T)


def _uncertain_part(
    geometry: Geometry,
    gates: Gates,
    rows: Any,
    rotated: Array,
    spectrum: Spectrum,
    weights: Array,
    inverse: Array,
) -> Array:
    """2 sum_j q_j |(N^{-1} bbar)_j| + sum_jl q_j q_l |(N^{-1})_jl| with q_j = theta |K_ij| on U_k."""
    n = geometry.instance.n
    out = np.zeros((len(rows), n))
    if gates.theta == 0:
        return out
    size = gates.theta * np.abs(geometry.K)
    for group, columns, valid in ragged(gates.uncertain[rows], max(1, _ENTRIES // n)):
        q = np.where(valid[:, :, None], size[columns], 0.0)
        left = np.matmul(spectrum.vectors[columns] * weights, rotated[group])
        solved = np.abs(np.matmul(left, geometry.factor.T))
        block = inverse[columns[:, :, None], columns[:, None, :]]
        out[group] = np.sum(q * (2 * solved + np.matmul(block, q)), axis=1)
    return out


def pair_reach(geometry: Geometry, gates: Gates) -> Array:
    """sup ||b_ki|| (m, n): the norm of |Dbar_k K e_i| + theta |K e_i| on U_k."""
    squares, K2 = np.empty(gates.uncertain.shape), geometry.K**2
    for block in blocks(len(squares), len(K2)):
        np.matmul(gates.largest_of(block) ** 2, K2, out=squares[block])
    return np.sqrt(squares, out=squares)


def output_constants(middle: Array, half: Array, spectrum: Spectrum, shifts: Array) -> Array:
    """kappa^a_k (m,) for b = phi(z'_k) in ``middle`` +- ``half``; crude with no shifts. Cost O(m n^2)."""
    if len(shifts) == 0:
        return np.asarray(np.linalg.norm(np.abs(middle) + half, axis=1) / spectrum.values[0])
    best = np.full(len(middle), np.inf)
    for shift in shifts:
        inverse = spectrum.inverse(float(shift))
        solved = middle @ inverse
        uncertain = half * (2 * np.abs(solved) + half @ np.abs(inverse))
        squares = np.sum(middle * solved + uncertain, axis=1)
        best = np.minimum(best, squares / (4 * shift))
    return np.asarray(np.sqrt(np.maximum(best, 0.0)))
