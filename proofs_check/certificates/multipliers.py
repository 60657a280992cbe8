"""Better multipliers for Lemma 5: Newton steps on a concave function, neuron by neuron."""

from __future__ import annotations

from typing import Any

import numpy as np

from proofs_check.certificates.bounds import uncertain_blocks
from proofs_check.certificates.geometry import Gates, Geometry, ragged

__all__ = ["SMALLEST", "improved"]

Array = np.ndarray[Any, np.dtype[np.float64]]
_ENTRIES = 4_000_000

SMALLEST = 1e-10
"""The least multiplier, over the largest ||x_i||^2."""


def improved(geometry: Geometry, gates: Gates, multiplier: Array, Q: Array) -> Array:
    """Multipliers after one damped Newton step that raises tr(Q N_k(Lam_k)).

    With y = -(K_UU + Lam)^{-1} B v the derivative of v^T N v in Lam_j is y_j^2 - (1 + g) y_j v_j + g v_j^2
    and the second derivative is -2 (K_UU + Lam)^{-1}_jj (y_j - (1 + g) v_j/2)^2. Q weighs the
    directions in which M is smallest. Any positive multipliers are valid, so nothing here needs care.
    """
    slope, n = geometry.instance.slope, geometry.instance.n
    least = SMALLEST * float(np.max(np.diag(geometry.K)))
    diagonal = np.diag(Q)
    out = multiplier.copy()
    for rows, columns, valid in ragged(gates.uncertain, max(1, _ENTRIES // n)):
        A, B = uncertain_blocks(geometry, gates, multiplier, rows, columns, valid)
        inverse = np.linalg.inv(A)
        T = np.matmul(inverse, B)
        TQ = (T.reshape(-1, n) @ Q).reshape(T.shape)
        square = np.sum(TQ * T, axis=2)
        cross = -np.take_along_axis(TQ, columns[:, :, None], axis=2)[:, :, 0]
        own = diagonal[columns]
        slant = square - (1 + slope) * cross + slope * own
        bend = slant + ((1 - slope) / 2) ** 2 * own
        curvature = 2 * np.diagonal(inverse, axis1=1, axis2=2) * np.maximum(bend, 1e-300)
        old = multiplier[rows[:, None], columns]
        new = np.maximum(old + 0.5 * slant / np.maximum(curvature, 1e-300), np.maximum(0.2 * old, least))
        new = np.minimum(new, 10 * old + 0.1 * A.diagonal(axis1=1, axis2=2))
        at, u = np.nonzero(valid)
        out[rows[at], columns[at, u]] = new[at, u]
    return out
