"""The coefficients and the length of one step: what a pace makes of dL/df, the loss and the kernel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from shallow.setting.losses import LOSSES

__all__ = [
    "kernel_of_planes",
    "largest_eigenvalue_or_inf",
    "loss_scaled_coefficients",
    "positive_ratio",
    "time_step",
]

HostArray = np.ndarray[Any, Any]


def _direction(loss: str, f: HostArray, y: HostArray) -> HostArray:
    """The sign of dL/df, right even where dL/df itself underflows."""
    return np.sign(-y) if LOSSES[loss].classification else np.sign(f - y)


def loss_scaled_coefficients(loss: str, f: HostArray, y: HostArray) -> tuple[HostArray, float]:
    """``(dL/df) / L`` and ``log L``, formed from logarithms so that L may be 1e-300 or far below.

    The relative error is about ``eps * |log L|``. When L = 0 the coefficients are 0 and log L is -inf.
    """
    table = LOSSES[loss]
    log_loss = float(table.log_value(f, y))
    if log_loss == -math.inf:
        return np.zeros_like(f), log_loss
    size = np.exp(table.log_abs_derivative(f, y) - f.dtype.type(log_loss))
    return _direction(loss, f, y) * size, log_loss


def time_step(constant: float, log_loss: float) -> float:
    """``constant / L`` from log L: 0 for L = 0, and inf past the largest float."""
    if log_loss == -math.inf or constant == 0:
        return 0.0
    exponent = math.log(constant) - log_loss
    return math.exp(exponent) if exponent < 709.0 else math.inf


def positive_ratio(constant: float, eigenvalue: float) -> float:
    """``constant / eigenvalue``, and 0 for a kernel that is zero: nothing moves then."""
    return constant / eigenvalue if eigenvalue > 0 else 0.0


def kernel_of_planes(
    gate: HostArray,
    features: HostArray,
    a: HostArray,
    gram: HostArray,
    scale: float,
    rate_W: float,
    rate_a: float,
) -> HostArray:
    """``rate_W H_W + rate_a H_a`` as an (n k, n k) matrix, from what a forward pass has at hand.

    ``gate`` and ``features`` are the (m, n) planes phi'(W X^T) and phi(W X^T), ``gram`` is X X^T.
    Cost O(n^2 k^2 m).
    """
    columns = a[:, None] if a.ndim == 1 else a
    k, n = columns.shape[1], gram.shape[0]
    kernel = np.empty((n, k, n, k), gram.dtype)
    weighted = [gate * columns[:, p : p + 1] for p in range(k)]
    second = (scale**2 * rate_a) * (features.T @ features)
    for p in range(k):
        for q in range(p + 1):
            block = (scale**2 * rate_W) * (weighted[p].T @ weighted[q]) * gram
            kernel[:, p, :, q] = block + second if p == q else block
            kernel[:, q, :, p] = kernel[:, p, :, q].T
    return kernel.reshape(n * k, n * k)


def largest_eigenvalue_or_inf(kernel: HostArray) -> float:
    """lambda_max of a symmetric matrix; inf when an entry is not finite."""
    return float(np.linalg.eigvalsh(kernel)[-1]) if np.isfinite(kernel).all() else math.inf
