"""Extreme eigenvalues of symmetric kernels."""

from __future__ import annotations

from shallow.setting.arrays import Array, namespace, read_array

__all__ = ["eigenpairs", "extreme_eigenvalues", "largest_eigenvalue", "smallest_eigenvalue"]


def smallest_eigenvalue(H: Array) -> float:
    """The smallest eigenvalue of the symmetric ``H``; see :func:`extreme_eigenvalues`."""
    return extreme_eigenvalues(H)[0]


def largest_eigenvalue(H: Array) -> float:
    """The largest eigenvalue of the symmetric ``H``; see :func:`extreme_eigenvalues`."""
    return extreme_eigenvalues(H)[1]


def extreme_eigenvalues(H: Array) -> tuple[float, float]:
    """The smallest and the largest eigenvalue of a symmetric matrix.

    Parameters
    ----------
    H : (n, n) or (n, k, n, k) array
        A kernel; with outputs, it is read as the (n k, n k) matrix.

    Returns
    -------
    two floats
        Each within about ``n eps ||H||_2`` of the exact one (backward stability), so a smallest eigenvalue
        under that is not told from 0, and may be negative. Cost O((n k)^3).

    Raises
    ------
    ValueError
        If H is not square, finite, or symmetric to rounding.
    """
    H = _read_symmetric(H)
    values = namespace(H).linalg.eigvalsh(H)
    return float(values[0]), float(values[-1])


def eigenpairs(H: Array) -> tuple[Array, Array]:
    """All eigenvalues, ascending, and orthonormal eigenvectors of a symmetric matrix.

    Parameters
    ----------
    H : (n, n) or (n, k, n, k) array

    Returns
    -------
    values : (n k,) array
    vectors : (n k, n k) array
        Column i belongs to ``values[i]``.

    Raises
    ------
    ValueError
        If H is not square, finite, or symmetric to rounding.
    """
    H = _read_symmetric(H)
    values, vectors = namespace(H).linalg.eigh(H)
    return values, vectors


def _read_symmetric(H: Array) -> Array:
    """H as a finite matrix, its two triangles averaged (LAPACK would read only one)."""
    H = read_array(H, "H", (2, 4))
    if H.ndim == 4 and H.shape[0] == H.shape[2] and H.shape[1] == H.shape[3]:
        H = namespace(H).reshape(H, (H.shape[0] * H.shape[1], -1))
    if H.ndim == 4 or H.shape[0] != H.shape[1]:
        raise ValueError(f"H has shape {tuple(H.shape)}; give an (n, n) or (n, k, n, k) kernel")
    xp = namespace(H)
    transposed = xp.matrix_transpose(H)
    gap, size = float(xp.max(xp.abs(H - transposed))), float(xp.max(xp.abs(H)))
    allowed = 8 * H.shape[0] * float(xp.finfo(H.dtype).eps) * size
    if gap > allowed:
        raise ValueError(f"H is not symmetric: H - H^T reaches {gap:.3g}, rounding explains {allowed:.3g}")
    return H if gap == 0.0 else 0.5 * (H + transposed)
