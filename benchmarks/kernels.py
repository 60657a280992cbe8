"""Tangent kernels: the data, the oracles, and our own contenders as a user calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.measure import Agreement, Contender
from shallow.compute.limit_kernel import method_of, ntk_gram
from shallow.compute.tangent_kernel import empirical_ntk
from shallow.exact import ntk as exact
from shallow.setting.network import Network

__all__ = [
    "draw_inputs",
    "draw_network",
    "empirical_agreement",
    "limit_agreement",
    "our_empirical",
    "our_limit",
    "our_limit_kernel",
]

Array = np.ndarray[Any, Any]
_ROWS = 16  # of a kernel that are held against the oracle


def draw_network(n: int, d: int, m: int, dtype: Any, equal: bool) -> tuple[Network, Array]:
    """Gaussian W and X; a of one size where ``equal``, Gaussian otherwise; divided by ``sqrt(m)``; seed 0."""
    rng = np.random.default_rng(0)
    W, X = rng.standard_normal((m, d)), rng.standard_normal((n, d))
    a = (rng.choice([-1.0, 1.0], m) if equal else rng.standard_normal(m)) / np.sqrt(m)
    return Network(W.astype(dtype), a.astype(dtype)), X.astype(dtype)


def draw_inputs(n: int, d: int) -> Array:
    """Gaussian rows, float64, seed 0."""
    return np.random.default_rng(0).standard_normal((n, d))


def our_limit_kernel(X: Array) -> Array:
    """The infinite-width kernel of both layers."""
    kernel: Array = ntk_gram(X, layer="both")
    return kernel


def our_limit(X: Array) -> Contender:
    """The infinite-width kernel of both layers, into an array that is there, as NumPy's is."""
    room = np.empty((len(X), len(X)))
    return Contender(
        name=f"shallow ({method_of(X)})",
        peer="ours",
        call='ntk_gram(X, layer="both", out=K)',
        start=lambda: None,
        run=lambda _: ntk_gram(X, layer="both", out=room),
    )


def our_empirical(network: Network, X: Array, layers: str) -> Contender:
    """The kernel of one network, first layer or both."""
    rates = {"rate_W": 1.0, "rate_a": 0.0 if layers == "first" else 1.0}
    return Contender(
        name="shallow",
        peer="ours",
        call=f"empirical_ntk(network, X, rate_W=1, rate_a={rates['rate_a']:.0f})",
        start=lambda: None,
        run=lambda _: empirical_ntk(network, X, **rates),
    )


def empirical_agreement(network: Network, X: Array, layers: str) -> Callable[[Array], Agreement]:
    """A check against the literal formula in float64.

    The error is relative in the Frobenius norm; a sum over m neurons may lose ``m eps``, which covers the
    few gates that open in one precision and not in the other.
    """
    wide = Network(network.W.astype(np.float64), network.a.astype(np.float64))
    oracle = exact.empirical_ntk(wide, X.astype(np.float64), 1.0, 0.0 if layers == "first" else 1.0)
    bound = network.m * float(np.finfo(X.dtype).eps)

    def check(H: Array) -> Agreement:
        if H.shape != oracle.shape:
            return Agreement(float("nan"), bound)
        return Agreement(float(np.linalg.norm(H - oracle) / np.linalg.norm(oracle)), bound)

    return check


def limit_agreement(X: Array) -> Callable[[Array], Agreement]:
    """A check of a few rows and columns against the literal formula.

    The error is relative to the largest entry. The bound is ``4 sqrt(eps)``: the textbook formula loses half
    the digits near parallel rows, and so do peers that use it; the row on accuracy tells them apart.
    """
    n = len(X)
    rows = np.unique(np.linspace(0, n - 1, _ROWS).astype(int))
    oracle = exact.ntk_gram(X[rows], X)
    bound = 4.0 * float(np.sqrt(np.finfo(X.dtype).eps))

    def check(K: Array) -> Agreement:
        if K.shape != (n, n):
            return Agreement(float("nan"), bound)
        error = max(np.abs(K[rows] - oracle).max(), np.abs(K[:, rows] - oracle.T).max())
        return Agreement(float(error / oracle.max()), bound)

    return check
