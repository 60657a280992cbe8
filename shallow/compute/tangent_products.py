"""Products with a network's tangent kernel that never form it, and its largest eigenvalue from them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from shallow.compute.jit import threads
from shallow.compute.threads import one_blas_thread
from shallow.exact.activation import activation, gate
from shallow.exact.ntk import empirical_ntk
from shallow.setting.arrays import host, read_array
from shallow.setting.network import Network

__all__ = ["LargestEigenvalue", "largest_tangent_eigenvalue", "tangent_product"]

HostArray = np.ndarray[Any, Any]

_PANEL = 1 << 19  # entries of an (n, neurons) array of a block
_NARROW = 32  # neurons that a block has at least, however many samples there are
_DENSE = 32  # rows up to which the matrix is formed for its eigenvalue


class LargestEigenvalue(NamedTuple):
    """A Rayleigh quotient of the kernel, and the norm of its residual ``||H v - value v|| / ||v||``.

    The kernel has an eigenvalue within ``residual`` of ``value``, and its largest one is not below ``value``,
    both up to the rounding of one product.
    """

    value: float
    residual: float


def tangent_product(network: Network, X: Any, V: Any, rate_W: float = 1.0, rate_a: float = 1.0) -> HostArray:
    """``H V`` with the tangent kernel ``H = rate_W H_W + rate_a H_a`` of :func:`shallow.empirical_ntk`.

    ``H V = J (J^T V)``: a block of neurons' share of ``J^T V``, their gradient, is made and used at once.

    Parameters
    ----------
    network : Network
        NumPy arrays; any slope, smoothing and number of outputs.
    X : (n, d) array
    V : (n,) or (n, q) array, or (n, k) or (n, k, q) when ``a`` has shape (m, k)
        One vector or q of them, with an entry for each output.
    rate_W, rate_a : float
        Rates of the two layers; 0 leaves a layer out.

    Returns
    -------
    array
        In V's shape and the network's type; the same bits for any number of threads.

    Raises
    ------
    ValueError, TypeError
        If an argument is not finite or negative, or shapes and types do not fit.

    Notes
    -----
    Cost ``2 n m d (1 + 2 q)`` operations. Memory: V's size and, for each thread, a few arrays of 4 MiB, or of
    n rows and 32 columns where that is more.
    """
    X, V, rates = _read(network, X, V, rate_W, rate_a)
    vectors = V.reshape(V.shape[0], 1 if network.a.ndim == 1 else network.a.shape[1], -1)
    return _product(network, X, vectors, *rates).reshape(V.shape)


def largest_tangent_eigenvalue(
    network: Network, X: Any, rate_W: float = 1.0, rate_a: float = 1.0, *, tolerance: float = 1e-8
) -> LargestEigenvalue:
    """The largest eigenvalue of the tangent kernel by Lanczos iteration on products, in float64.

    Parameters
    ----------
    network : Network
    X : (n, d) array
    rate_W, rate_a : float
    tolerance : float
        Relative size of the residual at which the iteration stops.

    Returns
    -------
    LargestEigenvalue
        The value and its residual, evaluated with one more product after the iteration.

    Raises
    ------
    ValueError, TypeError
        As :func:`tangent_product`, or if the tolerance is negative or not finite.
    RuntimeError
        If the iteration does not reach the tolerance.

    Notes
    -----
    Some twenty products of ``6 n m d`` operations; memory O(n) vectors of twenty, and blocks. The starting
    vector is fixed, so the result is reproducible. Never uses the n x n matrix beyond n = 32.
    """
    tolerance = float(tolerance)
    if not 0.0 <= tolerance < math.inf:
        raise ValueError(f"tolerance is {tolerance}; it must be a finite number and not negative")
    start = np.random.default_rng(0).standard_normal(_rows(network, X))
    X, _, rates = _read(network, X, start.astype(network.W.dtype).reshape(_shape(network, X)), rate_W, rate_a)
    exact = network.replace(W=network.W.astype(np.float64), a=network.a.astype(np.float64))
    X = X.astype(np.float64)

    def product(v: HostArray) -> HostArray:
        return _product(exact, X, v.reshape(X.shape[0], -1, 1), *rates).reshape(-1)

    vector = _top_vector(exact, X, rates, product, start, tolerance)
    vector = vector / np.linalg.norm(vector)
    moved = product(vector)
    value = float(vector @ moved)
    return LargestEigenvalue(value, float(np.linalg.norm(moved - value * vector)))


def _top_vector(
    network: Network,
    X: HostArray,
    rates: tuple[float, float],
    product: Any,
    start: HostArray,
    tolerance: float,
) -> HostArray:
    """About the eigenvector of the largest eigenvalue."""
    size = len(start)
    if size <= _DENSE:
        H = host(empirical_ntk(network, X, *rates)).reshape(size, size)
        return np.asarray(np.linalg.eigh(H)[1][:, -1])
    if not np.any(product(start)):  # the kernel is zero: Lanczos iteration would have nowhere to go
        return start
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    operator = LinearOperator((size, size), matvec=product, dtype=np.float64)
    try:
        return np.asarray(eigsh(operator, k=1, which="LA", v0=start, tol=tolerance)[1][:, 0])
    except ArpackNoConvergence as error:
        raise RuntimeError(
            f"the largest eigenvalue did not settle within a relative {tolerance:g}; allow a larger tolerance"
        ) from error


def _product(network: Network, X: HostArray, V: HostArray, rate_W: float, rate_a: float) -> HostArray:
    """``H V`` for V (n, k, q), summed over blocks of neurons in their order."""
    total = np.zeros_like(V)

    def share(part: slice) -> HostArray:
        return _share(network, X, V, part, rate_W, rate_a)

    with one_blas_thread():
        for term in _in_order(share, _blocks(network.m, X.shape[0])):
            total += term
    return network.scale**2 * total


def _share(
    network: Network, X: HostArray, V: HostArray, part: slice, rate_W: float, rate_a: float
) -> HostArray:
    """What some neurons add to ``H V / scale^2``."""
    W, a = network.W[part], network.a[part].reshape(-1, V.shape[1])
    Z = X @ W.T
    total = np.zeros_like(V)
    if rate_a != 0.0:
        phi = activation(Z, network.slope, network.smoothing)
        flat = V.reshape(len(V), -1)
        total += rate_a * (phi @ (phi.T @ flat)).reshape(V.shape)
    if rate_W != 0.0:
        gates = gate(Z, network.slope, network.smoothing)
        for q in range(V.shape[2]):
            gradient = (gates * (V[:, :, q] @ a.T)).T @ X
            total[:, :, q] += rate_W * ((gates * (X @ gradient.T)) @ a)
    return total


def _blocks(m: int, n: int) -> list[slice]:
    width = max(_NARROW, _PANEL // n)
    return [slice(start, min(start + width, m)) for start in range(0, m, width)]


def _in_order(run: Any, parts: list[slice]) -> Iterator[HostArray]:
    """``run`` on every part, as many at a time as there are threads; results in the order of the parts."""
    workers = min(threads(), len(parts))
    if workers == 1:
        yield from map(run, parts)
        return
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(parts), workers):
            yield from pool.map(run, parts[start : start + workers])


def _shape(network: Network, X: Any) -> tuple[int, ...]:
    """The shape of one vector of tangent space."""
    return (np.shape(X)[0], *network.a.shape[1:])


def _rows(network: Network, X: Any) -> int:
    if np.ndim(X) != 2:
        raise ValueError(f"X has {np.ndim(X)} axes; it is (n, d)")
    return math.prod(_shape(network, X))


def _read(
    network: Network, X: Any, V: Any, rate_W: float, rate_a: float
) -> tuple[HostArray, HostArray, tuple[float, float]]:
    if not isinstance(network.W, np.ndarray):
        raise TypeError("products with the tangent kernel run on NumPy arrays; move the network to the host")
    one = network.a.ndim
    X, V = read_array(X, "X", (2,)), read_array(V, "V", (one, one + 1))
    for name, array in (("X", X), ("V", V)):
        if not isinstance(array, np.ndarray) or array.dtype != network.W.dtype:
            raise TypeError(
                f"{name} is {array.dtype} and the network is {network.W.dtype}; give one NumPy type"
            )
    if X.shape[1] != network.d:
        raise ValueError(f"X has {X.shape[1]} columns and the network reads {network.d} inputs; X is (n, d)")
    if V.shape[:one] != _shape(network, X):
        raise ValueError(
            f"V has shape {V.shape}; its first axes are {_shape(network, X)}, samples and outputs"
        )
    rates = (float(rate_W), float(rate_a))
    if not all(0.0 <= rate < math.inf for rate in rates):
        raise ValueError(f"the rates are {rates}; each must be a finite number and not negative")
    return X, V, rates
