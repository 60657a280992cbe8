"""Tangent kernels on a CUDA device: the numbers of :mod:`shallow.exact.ntk`, formed in one (n, n) array.

Both start from one product by cuBLAS and turn it into the kernel in place: the finite width by counting the
bits that patterns have in common, the infinite width by the arc-cosine formulas.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shallow.compute.methods.cuda_launch import Library, cupy_for, launcher
from shallow.compute.methods.cuda_sources import NTK
from shallow.exact.activation import activation
from shallow.setting.arrays import Array, host, library_of
from shallow.setting.network import Network

__all__ = ["arc_cosine_on_device", "pattern_kernel_on_device", "patterns_serve"]

_THREADS = 128
_TILE = 64


def patterns_serve(net: Network, X: Array, rate_W: float = 1.0, rate_a: float = 1.0) -> bool:
    """Whether counting bits serves: one output, no smoothing, all |a_k| equal, and sound arguments.

    What the literal formula refuses is left to it.
    """
    if net.a.ndim != 1 or net.smoothing != 0.0 or library_of(net.W) != library_of(X):
        return False
    if X.ndim != 2 or X.shape[1] != net.d or X.dtype != net.W.dtype:
        return False
    rates = (float(rate_W), float(rate_a))
    if not (all(0.0 <= rate < np.inf for rate in rates) and any(rates)):
        return False
    sizes = abs(net.a)
    return bool((sizes == sizes[0]).all())


def pattern_kernel_on_device(
    net: Network, X: Array, rate_W: float = 1.0, rate_a: float = 1.0, library: Library = cupy_for
) -> Array:
    """``rate_W H_W + rate_a H_a`` of a network for which :func:`patterns_serve`, on its own device.

    With ``s = slope``, A the (n, m) patterns and ``c = |a_k|``, the first layer is ``scale^2 c^2 (X X^T) o
    (s^2 m + s (1 - s) (A 1 1^T + 1 1^T A^T) + (1 - s)^2 A A^T)``; the counts ``A A^T`` are exact integers.

    Parameters
    ----------
    net : Network
    X : (n, d) array
        Of the network's library and floating type.
    rate_W, rate_a : float

    Returns
    -------
    (n, n) array
        Bitwise symmetric. Cost: products of 2 n m d and, with rate_a, n^2 m operations, and n^2 m / 64 counts
        of words; memory: the kernel, the pre-activations, and n m / 8 bytes.
    """
    real = np.dtype(X.dtype)
    cupy = library(real)
    Z = cupy.matmul(X, net.W.T)
    K = cupy.matmul(X, cupy.ascontiguousarray(X.T))
    s, weight = net.slope, net.scale**2 * rate_W * float(abs(net.a[0])) ** 2
    weights = (weight * s * s * net.m, weight * s * (1.0 - s), weight * (1.0 - s) ** 2)
    _count_in_place(cupy, Z, K, weights)
    if rate_a == 0.0:
        return K
    features = activation(Z, net.slope)
    second = cupy.matmul(features, cupy.ascontiguousarray(features.T))
    second = cupy.triu(second) + cupy.triu(second, 1).T
    return K + (net.scale**2 * rate_a) * second


def _count_in_place(cupy: Any, Z: Array, K: Array, weights: tuple[float, float, float]) -> None:
    n, m = Z.shape
    words = -(-m // 32)
    launch = launcher(cupy, NTK, np.dtype(Z.dtype).name, int(cupy.cuda.runtime.getDevice()))
    bits = cupy.zeros((n, words), dtype=np.uint32)
    ones = cupy.zeros((n,), dtype=np.int32)
    launch("pack_signs", (-(-n * words // _THREADS),), (_THREADS,), Z, bits, np.int64(n), m, words)
    launch("count_bits", (-(-n // _THREADS),), (_THREADS,), bits, ones, np.int64(n), words)
    tiles = -(-n // _TILE)
    launch("gate_kernel", (tiles, tiles), (16, 16), bits, ones, K, n, words, *weights)


def arc_cosine_on_device(
    X: Array, first: float, second: float, slope: float = 0.0, library: Library = cupy_for
) -> Array:
    """:func:`shallow.exact.arc_cosine.arc_cosine_kernel` of X with itself, in place over ``X X^T``.

    Angles near 0 and pi come from the rows themselves, so the relative error is a few eps there as elsewhere.

    Parameters
    ----------
    X : (n, d) array
        Rows of any scale; a zero row gives a zero row.
    first, second : float
        Weights of the two layers' terms.
    slope : float
        phi' on the negative side.

    Returns
    -------
    (n, n) array
        Bitwise symmetric. Memory: the result and a copy of X.

    Raises
    ------
    ValueError
        If an entry of the kernel exceeds the floating range.
    """
    real = np.dtype(X.dtype)
    cupy = library(real)
    n, d = X.shape
    rows, low, high = _scaled(cupy, X)
    squares = (rows * rows).sum(axis=1)
    norms = cupy.sqrt(squares)
    K = cupy.matmul(rows, cupy.ascontiguousarray(rows.T))
    launch = launcher(cupy, NTK, real.name, int(cupy.cuda.runtime.getDevice()))
    side = -(-n // 16)
    numbers = (launch.real(first), launch.real(second), launch.real(slope))
    launch("arc_cosine", (side, side), (16, 16), K, rows, norms, squares, low, high, n, d, *numbers)
    if not bool(cupy.isfinite(K).all()):
        raise ValueError(f"the kernel overflows {real}; divide the inputs by their largest norm")
    return K


def _scaled(cupy: Any, X: Array) -> tuple[Array, Array, Array]:
    """Rows with largest entry in [1, 2), and the two powers of two whose product takes that back."""
    top = host(abs(X).max(axis=1))
    exponents = np.where(top > 0, np.frexp(top)[1] - 1, 0)
    halves = exponents // 2, exponents - exponents // 2
    low, high, down, up = (
        cupy.asarray(np.ldexp(np.ones_like(top), power))
        for power in (halves[0], halves[1], -halves[0], -halves[1])
    )
    return cupy.ascontiguousarray(X * down[:, None] * up[:, None]), low, high
