"""How many digits of the infinite-width kernel are right, near-parallel and antipodal rows included."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers import load

__all__ = ["hard_rows", "largest_errors", "oracle"]

Array = np.ndarray[Any, Any]
_GAPS = (1e-15, 1e-12, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.3)


def hard_rows() -> Array:
    """Rows in 10 dimensions: random ones, and each of two of them moved by a little, both ways round."""
    rng = np.random.default_rng(0)
    base = rng.standard_normal((6, 10))
    moved = [
        sign * base[k] + gap * rng.standard_normal(10) for k in (0, 1) for gap in _GAPS for sign in (1, -1)
    ]
    return np.array([*base, *moved])


def oracle(X: Array) -> list[list[tuple[Any, Any, Any]]]:
    """The kernel of both layers with 60 digits, from the very float64 numbers of X; a lower triangle.

    Beside each entry stands the sum of the sizes of its two terms, ``x.z (pi - t) / pi`` and
    ``|x||z| sin t / (2 pi)``, against which errors are measured: where x.z < 0 they cancel, and no rounded
    product x.z could give the digits that are lost. Near antipodal rows both are small, and so is the error
    that is allowed.

    Raises
    ------
    benchmarks.peers.Absent
        Without mpmath.
    """
    mp = load("mpmath")
    with mp.workdps(60):
        rows = [[mp.mpf(float(x)) for x in row] for row in X]
        norms = [mp.sqrt(mp.fsum(x * x for x in row)) for row in rows]
        return [
            [_entry(mp, rows[i], rows[j], norms[i], norms[j]) for j in range(i + 1)] for i in range(len(X))
        ]


def _entry(mp: Any, x: Any, z: Any, norm_x: Any, norm_z: Any) -> tuple[Any, Any, Any]:
    """``(2 x.z (pi - t) + |x||z| sin t) / (2 pi)``, the size of its terms, and |x||z|."""
    dot, q = mp.fsum(p * r for p, r in zip(x, z)), norm_x * norm_z
    cosine = max(mp.mpf(-1), min(mp.mpf(1), dot / q))
    angle = mp.acos(cosine)
    first, second = dot * (mp.pi - angle) / mp.pi, q * mp.sin(angle) / (2 * mp.pi)
    return first + second, abs(first) + second, q


def largest_errors(K: Array, exact: list[list[tuple[Any, Any, Any]]]) -> tuple[float, float]:
    """The largest error of an entry of the lower triangle, relative to its terms, and to ``|x||z|``."""
    mp = load("mpmath")
    with mp.workdps(60):
        found = [
            (abs(mp.mpf(float(K[i, j])) - value) / size, abs(mp.mpf(float(K[i, j])) - value) / q)
            for i, row in enumerate(exact)
            for j, (value, size, q) in enumerate(row)
        ]
        return float(max(error for error, _ in found)), float(max(error for _, error in found))
