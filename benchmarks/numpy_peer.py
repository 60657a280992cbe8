"""NumPy at its best: everything allocated before, everything in place, no temporary that can be spared."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.descent import Data
from benchmarks.measure import Contender

__all__ = ["descent", "first_layer_kernel", "general_kernel", "limit_kernel"]

Array = np.ndarray[Any, Any]


def descent(data: Data, steps: int) -> Contender:
    """One network after another."""
    batch, n, d, m = data.sizes
    kind = data.W.dtype.type
    X, XT = np.ascontiguousarray(data.X), np.ascontiguousarray(data.X.T)
    Z, G = np.empty((m, n), kind), np.empty((m, n), kind)
    D, r, change = np.empty((m, d), kind), np.empty(n, kind), np.empty(m, kind)
    gates = np.empty((m, n), bool)
    zero, rate_W, rate_a = kind(0), kind(data.rate_W), kind(data.rate_a)

    def one(W: Array, a: Array, y: Array) -> None:
        for _ in range(steps):
            np.matmul(W, XT, out=Z)
            np.maximum(Z, zero, out=Z)
            np.matmul(a, Z, out=r)
            np.subtract(r, y, out=r)
            np.greater(Z, zero, out=gates)
            np.copyto(G, gates)  # the fastest of eight ways to multiply by a gate that were tried
            np.multiply(G, r, out=G)
            np.matmul(G, X, out=D)
            np.matmul(Z, r, out=change)
            np.multiply(D, (rate_W * a)[:, None], out=D)
            np.subtract(W, D, out=W)
            np.subtract(a, rate_a * change, out=a)

    def run(state: Any) -> Any:
        for b in range(batch):
            one(state[0][b], state[1][b], data.y[b])
        return state

    return Contender(
        name="NumPy",
        peer="numpy",
        call="np.matmul(W, XT, out=Z); np.maximum(Z, 0, out=Z); ...; W -= D  (all in place)",
        start=lambda: (data.W.copy(), data.a.copy()),
        run=run,
        steps=steps,
    )


def first_layer_kernel(W: Array, a: Array, X: Array) -> Contender:
    """Gates as numbers, one symmetric product, the Gram matrix of the inputs."""
    (m, _), n = W.shape, len(X)
    WT, size = np.ascontiguousarray(W.T), W.dtype.type(a[0] ** 2)
    S, H, gates = np.empty((n, m), W.dtype), np.empty((n, n), W.dtype), np.empty((n, m), bool)

    def run(_: Any) -> Any:
        np.matmul(X, WT, out=S)
        np.greater(S, 0, out=gates)
        np.copyto(S, gates)
        np.matmul(S, S.T, out=H)
        np.multiply(H, X @ X.T, out=H)
        return np.multiply(H, size, out=H)

    return Contender(
        "NumPy", "numpy", "S = X @ W.T > 0; (X @ X.T) * (S @ S.T) * a2  (in place)", lambda: None, run
    )


def general_kernel(W: Array, a: Array, X: Array) -> Contender:
    """Both layers, any a: two symmetric products."""
    (m, _), n = W.shape, len(X)
    WT, size = np.ascontiguousarray(W.T), np.abs(a)
    S, P = np.empty((n, m), W.dtype), np.empty((n, m), W.dtype)
    H, second = np.empty((n, n), W.dtype), np.empty((n, n), W.dtype)
    gates = np.empty((n, m), bool)

    def run(_: Any) -> Any:
        np.matmul(X, WT, out=P)
        np.maximum(P, 0, out=P)
        np.greater(P, 0, out=gates)
        np.copyto(S, gates)
        np.multiply(S, size, out=S)
        np.matmul(S, S.T, out=H)
        np.multiply(H, X @ X.T, out=H)
        np.matmul(P, P.T, out=second)
        return np.add(H, second, out=H)

    return Contender(
        "NumPy",
        "numpy",
        "P = max(X @ W.T, 0); S = (P > 0) * |a|; (X @ X.T) * (S @ S.T) + P @ P.T  (in place)",
        lambda: None,
        run,
    )


def limit_kernel(X: Array) -> Contender:
    """The arc-cosine formulas on whole matrices, in as few of them as the formulas allow."""
    n = len(X)
    G, q, t, s = (np.empty((n, n), X.dtype) for _ in range(4))

    def run(_: Any) -> Any:
        np.matmul(X, X.T, out=G)
        norms = np.sqrt(np.diag(G))
        np.outer(norms, norms, out=q)
        np.divide(G, q, out=t)
        np.clip(t, -1.0, 1.0, out=t)
        np.multiply(t, t, out=s)
        np.subtract(1.0, s, out=s)
        np.sqrt(s, out=s)
        np.multiply(s, q, out=s)
        np.arccos(t, out=t)
        np.subtract(np.pi, t, out=t)
        # (pi - t) cos t q is (pi - t) G, so both layers share one product
        np.multiply(t, G, out=t)
        np.multiply(t, 2.0, out=t)
        np.add(t, s, out=t)
        return np.divide(t, 2.0 * np.pi, out=t)

    return Contender(
        "NumPy",
        "numpy",
        "t = arccos(X @ X.T / q); (2 (pi - t) G + q sin t) / (2 pi)  (in place)",
        lambda: None,
        run,
    )
