"""Tangent kernels of wide networks: the same numbers as :mod:`shallow.exact.ntk`, by faster means."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from shallow.compute.device_kernels import pattern_kernel_on_device, patterns_serve
from shallow.compute.tangent_products import (
    LargestEigenvalue,
    largest_tangent_eigenvalue,
    tangent_product,
)
from shallow.exact import ntk
from shallow.setting.arrays import Array, library_of, read_array
from shallow.setting.network import Network

__all__ = ["LargestEigenvalue", "empirical_ntk", "largest_tangent_eigenvalue", "tangent_product"]

_SMALL = 5e7  # operations under which the literal formula is as fast


def empirical_ntk(
    net: Network, X: Array, rate_W: float = 1.0, rate_a: float = 1.0, *, Z: Array | None = None
) -> Array:
    """The network's tangent kernel ``rate_W H_W + rate_a H_a``, from its patterns.

    As :func:`shallow.exact.ntk.empirical_ntk`, whose parameters, result and errors it shares. For one output,
    no smoothing, NumPy arrays and ``Z=None`` the gates are packed into bits: where all |a_k| are equal
    (zeros apart) the first layer's sums are counts of common bits, hence exact integers, and otherwise sums
    looked up in tables. Every other case, small kernels, and a machine without our compiled routines take
    the literal formula.

    Parameters
    ----------
    net : Network
    X : (n, d) array
    rate_W, rate_a : float
        Rates of the two layers; 0 leaves a layer out.
    Z : (n', d) array, optional
        Other inputs, for the cross-kernel, by the literal formula.

    Returns
    -------
    (n, n) array
        In the network's type; bitwise symmetric, the same bits for any number of threads. With Z or k outputs
        as in the literal formula.

    Raises
    ------
    ValueError, TypeError
        As the literal formula.

    Notes
    -----
    A gate where ``z = w.x`` is within rounding of 0 may fall on the other side than in a product of another
    library; exact zeros are gated by ``z > 0`` everywhere. Apart from that an entry is within
    ``(m + 2 d + 16) eps`` times the sum of its terms' absolute values, and within ``(d + 8) eps`` for the
    first layer with equal |a_k|. Cost: ``2 n m d`` operations for the pre-activations, ``n^2 m / 128``
    counts of words of 64 neurons for equal |a_k| and ``n^2 m / 8`` additions otherwise, and ``n^2 m / 2``
    operations for the second layer (twice that at another slope than 0). Memory: the kernel, two copies of
    X, a block of 8 MiB (or of 448 n numbers, where n is over two thousand) and less for each thread.
    """
    if Z is None and library_of(X) == "cupy" and patterns_serve(net, X, rate_W, rate_a):
        return pattern_kernel_on_device(net, read_array(X, "X", (2,)), float(rate_W), float(rate_a))
    if not _takes(net, X, rate_W, rate_a, Z):
        return ntk.empirical_ntk(net, X, rate_W, rate_a, Z=Z)
    from shallow.compute.methods.pattern_kernel import pattern_kernel

    X = read_array(X, "X", (2,))
    return pattern_kernel(net.W, net.a, X, net.scale, net.slope, float(rate_W), float(rate_a))


def _takes(net: Network, X: Any, rate_W: float, rate_a: float, Z: Any) -> bool:
    """Whether the patterns serve; what the literal formula refuses is left to it too."""
    if not (isinstance(X, np.ndarray) and isinstance(net.W, np.ndarray) and Z is None and net.a.ndim == 1):
        return False
    if net.smoothing != 0.0 or X.ndim != 2 or X.shape[1] != net.d or X.dtype != net.W.dtype:
        return False
    n = X.shape[0]
    if float(n) * net.m * (n + 2 * net.d) < _SMALL:
        return False
    rates = (float(rate_W), float(rate_a))
    if not (all(0.0 <= rate < np.inf for rate in rates) and any(rates)):
        return False
    if _leaves_the_range(net, X):
        return False
    from shallow.compute.registers import unavailable

    return unavailable() is None


def _leaves_the_range(net: Network, X: Any) -> bool:
    """Whether a number on the way might over- or underflow (NaN in X included), or a count be rounded."""
    limits = np.finfo(net.a.dtype)
    outer, weight, entry = (max(float(np.max(v)), -float(np.min(v))) for v in (net.a, net.W, X))
    largest = max(outer, net.d * entry * weight, math.sqrt(net.d) * entry) * max(1.0, abs(net.slope))
    least = float(np.min(np.abs(net.a), initial=math.inf, where=net.a != 0.0))
    sound = largest < math.sqrt(float(limits.max) / net.m) and (net.scale * least) ** 2 >= float(limits.tiny)
    return not sound or net.m * float(limits.eps) >= 1.0
