"""Extreme eigenvalues of NumPy kernels by the fastest sound method for their size.

LOBPCG and Lanczos without a shift are not offered: the bottom of a tangent kernel's spectrum is the edge of a
dense bulk, where they stop early at a wrong value without saying so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import array_api_compat
import numpy as np

from shallow.exact import spectrum as exact
from shallow.setting.arrays import Array, read_array, require_finite

__all__ = ["largest_eigenvalue", "method_for_largest", "method_for_smallest", "smallest_eigenvalue"]

HostArray = np.ndarray[Any, Any]

_SMALL = 1500  # rows up to which LAPACK's subset is about as fast as a Cholesky factor and Lanczos
_TINY = 500  # the same for Lanczos alone
_BAND = 512  # rows compared with their columns at once
_VECTORS = 60  # of Lanczos between restarts


def method_for_smallest(n: int) -> str:
    """The method that :func:`smallest_eigenvalue` tries first on n rows."""
    return "LAPACK evr" if n <= _SMALL else "Cholesky and Lanczos"


def method_for_largest(n: int) -> str:
    """The method of :func:`largest_eigenvalue` on n rows."""
    return "LAPACK evr" if n <= _TINY else "Lanczos"


def smallest_eigenvalue(H: Array, *, overwrite: bool = False) -> float:
    """The smallest eigenvalue of a symmetric matrix.

    Up to 1,500 rows LAPACK's ``evr`` for this eigenvalue only; above, the largest eigenvalue of the inverse
    by Lanczos, each product two triangular solves with one Cholesky factor. Where that does not exist, since
    H is singular to rounding or indefinite, or where Lanczos does not converge, LAPACK again.

    Parameters
    ----------
    H : (n, n) or (n, k, n, k) array
        A kernel; with outputs, it is read as the (n k, n k) matrix.
    overwrite : bool
        Whether H, if it is a writable matrix of float64 or float32, may be destroyed, which saves its copy.

    Returns
    -------
    float
        Within about ``n eps ||H||_2`` of the exact one, so one under that is not told from 0. This is
        LAPACK's bound; a value that is proved comes from ``proofs_check.lambda_min_lower_bound``.

    Raises
    ------
    ValueError, TypeError
        If H is not square, finite, or symmetric to rounding.

    Notes
    -----
    Cost: 4/3 n^3 operations at half of BLAS's speed for LAPACK, n^3 / 3 at full speed and 2 n^2 an iteration
    for Lanczos. Memory: one copy of H, none with ``overwrite``.
    """
    if _is_foreign(H):
        return exact.smallest_eigenvalue(H)
    A, exponent = _read(H, overwrite)
    value = _by_cholesky(A) if len(A) > _SMALL else None
    return _scaled(_by_lapack(A, 0) if value is None else value, exponent)


def largest_eigenvalue(H: Array) -> float:
    """The largest eigenvalue of a symmetric matrix: LAPACK's up to 500 rows, above by Lanczos.

    Parameters, errors and accuracy as for :func:`smallest_eigenvalue`; Lanczos costs 2 n^2 an iteration.
    """
    if _is_foreign(H):
        return exact.largest_eigenvalue(H)
    A, exponent = _read(H, False)
    value = _by_lanczos(lambda v: A @ v, len(A), A.dtype) if len(A) > _TINY else None
    return _scaled(_by_lapack(A, len(A) - 1) if value is None else value, exponent)


def _scaled(value: float, exponent: int) -> float:
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        raise ValueError(
            "an eigenvalue of H exceeds the floating range; divide H by its largest entry"
        ) from None


def _is_foreign(H: Array) -> bool:
    return array_api_compat.is_array_api_obj(H) and not isinstance(H, np.ndarray)


def _by_lapack(A: HostArray, which: int) -> float:
    """Eigenvalue number ``which``, counted from the smallest; A is destroyed."""
    from scipy.linalg import eigh

    # The transpose of a C-ordered matrix is in LAPACK's order, and the same matrix: nothing is copied.
    options = {"eigvals_only": True, "overwrite_a": True, "check_finite": False, "driver": "evr"}
    return float(eigh(A.T, subset_by_index=(which, which), **options)[0])


def _by_cholesky(A: HostArray) -> float | None:
    """The smallest eigenvalue through a Cholesky factor, or None and A as it was."""
    from scipy.linalg import cho_solve
    from scipy.linalg.lapack import get_lapack_funcs

    # The factor takes the upper triangle and the diagonal, so that A can be put back from the rest.
    diagonal = A.diagonal().copy()
    (potrf,) = get_lapack_funcs(("potrf",), (A,))
    factor, failure = potrf(A.T, lower=True, clean=False, overwrite_a=True)
    if failure == 0:
        top = _by_lanczos(lambda v: cho_solve((factor, True), v, check_finite=False), len(A), A.dtype)
        if top is not None and top > 0.0:
            return 1.0 / top
    for start in range(0, len(A), _BAND):
        stop = min(start + _BAND, len(A))
        A[:start, start:stop] = A[start:stop, :start].T
        square = np.tril(A[start:stop, start:stop], -1)
        A[start:stop, start:stop] = square + square.T
    np.fill_diagonal(A, diagonal)
    return None


def _by_lanczos(product: Callable[[HostArray], HostArray], n: int, dtype: Any) -> float | None:
    """The largest eigenvalue of a symmetric operator to a relative n eps, or None without convergence."""
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

    operator = LinearOperator((n, n), matvec=product, dtype=dtype)
    start = np.random.default_rng(0).standard_normal(n).astype(dtype)
    tolerance = n * float(np.finfo(dtype).eps)
    try:
        values = eigsh(
            operator,
            k=1,
            which="LA",
            v0=start,
            ncv=min(n, _VECTORS),
            tol=tolerance,
            return_eigenvectors=False,
        )
    except ArpackError:  # among them the one that says it has not converged
        return None
    return float(values[0])


def _read(H: Array, overwrite: bool) -> tuple[HostArray, int]:
    """A C-ordered matrix that may be destroyed and e, with ``H = 2^e A``: A is symmetric to the bit."""
    A = _own(H, overwrite)
    top = float(max(np.max(A), -np.min(A)))
    exponent = math.frexp(top)[1] if top > 0.0 else 0
    if abs(exponent) <= 100:  # no product in sight leaves the range
        exponent = 0
    else:
        np.ldexp(A, -exponent, out=A)
        top = math.ldexp(top, -exponent)
    allowed = 8 * len(A) * float(np.finfo(A.dtype).eps) * top
    for start in range(0, len(A), _BAND):
        stop = min(start + _BAND, len(A))
        rows, columns = A[start:stop, :stop], A[:stop, start:stop].T
        gap = float(np.max(np.abs(rows - columns)))
        if gap > allowed:
            raise ValueError(
                f"H is not symmetric: H - H^T reaches {gap:.3g} where its largest entry is {top:.3g}"
            )
        if gap > 0.0:
            mean = 0.5 * (rows + columns)
            A[start:stop, :stop] = mean
            A[:stop, start:stop] = mean.T
    return A, exponent


def _own(H: Array, overwrite: bool) -> HostArray:
    """H itself if it may be destroyed, or a copy, in C order (of a symmetric matrix either order is that)."""
    A: HostArray
    if overwrite and _is_plain(H):
        A = H if H.flags.c_contiguous else H.T
        require_finite(A, "H")
    else:
        A = read_array(H, "H", (2, 4))
        A.setflags(write=True)
    if A.ndim == 4 and A.shape[:2] == A.shape[2:]:
        A = A.reshape(A.shape[0] * A.shape[1], -1)
    if A.ndim == 4 or A.shape[0] != A.shape[1]:
        raise ValueError(f"H has shape {A.shape}; give an (n, n) or (n, k, n, k) kernel")
    return A


def _is_plain(H: Array) -> bool:
    """Whether H is a matrix that LAPACK can take as it is."""
    if not isinstance(H, np.ndarray) or H.ndim != 2 or 0 in H.shape:
        return False
    contiguous = H.flags.c_contiguous or H.flags.f_contiguous
    return contiguous and H.flags.writeable and H.dtype in (np.dtype(np.float32), np.dtype(np.float64))
