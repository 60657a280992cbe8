"""The largest curvature of the loss: exact away from kinks, by Hessian-vector products."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from shallow.exact.activation import activation
from shallow.observe.snapshot import Snapshot
from shallow.setting.arrays import host
from shallow.setting.losses import LOSSES

__all__ = ["hessian_product", "rate_sharpness", "sharpness"]

HostArray = np.ndarray[Any, Any]
_DENSE = 400  # up to this many weights the dense matrix is formed: exact, and quicker than Lanczos


def sharpness(now: Snapshot, start: Snapshot) -> float:
    """lambda_max of the Hessian of L over the trained layers (weight decay included).

    Away from kinks the network is smooth and this is its exact Hessian; at one it is that of the piece
    chosen by z > 0. Dense up to 400 weights, Lanczos to machine precision beyond.
    """
    return _largest(now, float(now.terms.rate_W > 0), float(now.terms.rate_a > 0))


def rate_sharpness(now: Snapshot, start: Snapshot) -> float:
    """lambda_max of D^(1/2) (Hessian of L) D^(1/2), D the rates: steps of factor h are stable below 2/h."""
    return _largest(now, math.sqrt(now.terms.rate_W), math.sqrt(now.terms.rate_a))


def _largest(now: Snapshot, root_W: float, root_a: float) -> float:
    product = hessian_product(now)
    split, shape_W, shape_a = now.W.size, now.W.shape, now.a.shape

    def apply(vector: HostArray) -> HostArray:
        flat = np.asarray(vector, dtype=np.float64).ravel()
        in_W, in_a = flat[:split].reshape(shape_W), flat[split:].reshape(shape_a)
        out_W, out_a = product(root_W * in_W, root_a * in_a)
        return np.concatenate([root_W * out_W.ravel(), root_a * out_a.ravel()])

    size = split + now.a.size
    if size <= _DENSE:
        matrix = np.stack([apply(column) for column in np.eye(size)])
        return float(np.linalg.eigvalsh(0.5 * (matrix + matrix.T))[-1])
    from scipy.sparse.linalg import LinearOperator, eigsh

    start_vector = np.random.default_rng(0).standard_normal(size)  # fixed: the same run gives the same bits
    operator = LinearOperator((size, size), matvec=apply, dtype=np.float64)
    return float(eigsh(operator, k=1, which="LA", v0=start_vector, return_eigenvectors=False)[0])


def hessian_product(now: Snapshot) -> Callable[[HostArray, HostArray], tuple[HostArray, HostArray]]:
    """A function (V_W, V_a) -> (Hessian of L) times that direction; O(n m (d + k)) a call."""
    X, y, a, Z, f, gates = (
        host(array).astype(np.float64)
        for array in (now.X, now.y, now.a, now.preactivations, now.outputs, now.gates)
    )
    s, features = now.scale, activation(Z, now.slope, now.smoothing)
    bend = _second_derivative_of_activation(Z, now.slope, now.smoothing)
    slope_of_loss = np.asarray(LOSSES[now.terms.loss].derivative(f, y))
    bend_of_loss = _CURVATURE[now.terms.loss](f, y)
    weighted = _outer(slope_of_loss, a)
    terms = now.terms

    def product(V_W: HostArray, V_a: HostArray) -> tuple[HostArray, HostArray]:
        moved = X @ V_W.T
        change = bend_of_loss * s * ((gates * moved) @ a + features @ V_a)
        inner = gates * (_outer(change, a) + _outer(slope_of_loss, V_a))
        if bend is not None:
            inner = inner + bend * moved * weighted
        out_W = s * (inner.T @ X) + terms.decay_W * V_W
        out_a = s * ((gates * moved).T @ slope_of_loss + features.T @ change) + terms.decay_a * V_a
        return out_W, out_a

    return product


def _outer(c: HostArray, a: HostArray) -> HostArray:
    return c[:, None] * a[None, :] if a.ndim == 1 else c @ a.T


def _second_derivative_of_activation(Z: HostArray, slope: float, smoothing: float) -> HostArray | None:
    if smoothing == 0:
        return None
    return np.where(np.abs(Z) < smoothing, (1 - slope) / (2 * smoothing), 0.0)


def _logistic_curvature(f: HostArray, y: HostArray) -> HostArray:
    t = np.exp(-np.abs(y * f))
    return np.asarray(y**2 * t / (1 + t) ** 2)


_CURVATURE: dict[str, Callable[[HostArray, HostArray], HostArray]] = {
    "squared": lambda f, y: np.ones_like(f),
    "logistic": _logistic_curvature,
    "exponential": lambda f, y: np.asarray(y**2 * np.exp(-(y * f))),
    "hinge": lambda f, y: np.zeros_like(f),
}
