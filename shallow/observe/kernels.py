"""The tangent kernel along the run: its spectrum, its drift, its limit, and the residual in its basis."""

from __future__ import annotations

from typing import Any

import numpy as np

from shallow.exact.ntk import limit_kernel
from shallow.observe.fit import norm
from shallow.observe.observable import Observable
from shallow.observe.snapshot import Snapshot
from shallow.setting.arrays import Array, beside, host, namespace

__all__ = ["eigen_residual", "kernel_drift", "kernel_gap", "lambda_max", "lambda_min"]


def lambda_min(now: Snapshot, start: Snapshot) -> float:
    """The smallest eigenvalue of rate_W H_W + rate_a H_a."""
    return float(now.eigenvalues[0])


def lambda_max(now: Snapshot, start: Snapshot) -> float:
    """The largest eigenvalue of rate_W H_W + rate_a H_a."""
    return float(now.eigenvalues[-1])


def kernel_drift(now: Snapshot, start: Snapshot) -> float:
    """||H - H_0||_F / ||H_0||_F of H = rate_W H_W + rate_a H_a; inf when H_0 = 0 has moved."""
    return _relative(now.tangent_kernel, start.tangent_kernel)


def _relative(kernel: Array, target: Array) -> float:
    gap, size = norm(kernel - target), norm(target)
    if size > 0:
        return gap / size
    return np.inf if gap > 0 else 0.0


def kernel_gap(initialization: Any) -> Observable:
    """The observable ``kernel_gap``: ||H - H_lim||_F / ||H_lim||_F, H_lim the initialization's limit kernel.

    At step 0 it is the distance of the finite width from the limit.
    """

    def function(now: Snapshot, start: Snapshot) -> float:
        limit = limit_kernel(
            initialization,
            now.problem.X,
            now.terms.rate_W,
            now.terms.rate_a,
            m=now.a.shape[0],
            problem=now.problem,
        )
        # Every output has the same limit, and two different ones do not interact in the mean.
        outputs = 1 if now.a.ndim == 1 else now.a.shape[1]
        blocks = np.kron(host(limit).astype(np.float64), np.eye(outputs))
        return _relative(now.tangent_kernel, beside(blocks, now.tangent_kernel))

    return Observable("kernel_gap", "1", "O(n^2 m)", ("tangent_kernel",), function)


def eigen_residual(matrix: Any = None) -> Observable:
    """The observable ``eigen_residual``: coordinates of the residual in an eigenbasis, eigenvalues ascending.

    Parameters
    ----------
    matrix : (n k, n k) array, optional
        The symmetric matrix whose eigenvectors are used; by default the tangent kernel at the start.
    """
    basis = None if matrix is None else np.linalg.eigh(_symmetric(matrix))[1]

    def function(now: Snapshot, start: Snapshot) -> Array:
        xp = namespace(now.residual)
        residual = xp.reshape(xp.astype(now.residual, xp.float64), (-1,))
        V = start.eigenvectors if basis is None else beside(basis, residual)
        if V.shape[0] != residual.size:
            raise ValueError(
                f"eigen_residual: the matrix has {V.shape[0]} rows and the residual {residual.size} entries"
            )
        return V.T @ residual

    return Observable("eigen_residual", "output", "O(n^2 k^2)", ("residual", "tangent_kernel"), function)


def _symmetric(matrix: Any) -> np.ndarray[Any, Any]:
    array = np.asarray(matrix, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ValueError(f"eigen_residual: the matrix has shape {array.shape}; it must be square")
    return array
