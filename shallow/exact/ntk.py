"""Neural tangent kernels: of a network, and their mean over Gaussian weights."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Literal

from shallow.exact.activation import activation, gate
from shallow.exact.arc_cosine import arc_cosine_kernel
from shallow.setting.arrays import Array, namespace, read_array
from shallow.setting.initialization import Initialization
from shallow.setting.network import Network
from shallow.setting.problem import Problem

__all__ = ["empirical_ntk", "layer_kernels", "limit_kernel", "ntk_gram", "read_gram"]

Layer = Literal["both", "first", "second"]

_PANEL = 1 << 20  # entries of an (n, neurons) panel: 8 MiB in float64


def ntk_gram(
    X: Array,
    Z: Array | None = None,
    *,
    layer: Layer = "both",
    slope: float = 0.0,
    bias: float = 0.0,
) -> Array:
    """The tangent kernel's mean over ``w ~ N(0, I)``, ``a^2 = 1``, ``scale = 1/sqrt(m)``.

    With ``t`` the angle between x and z and ``s = slope``, the first layer has
    ``x.z E[phi'(w.x) phi'(w.z)] = x.z ((1 + s^2)(pi - t) + 2 s t) / (2 pi)``; the second has
    ``E[phi(w.x) phi(w.z)] = ||x|| ||z|| ((1 + s^2) J(pi - t) - 2 s J(t)) / (2 pi)`` with
    ``J(u) = sin u - u cos u``, which for the ReLU is ``||x|| ||z|| (sin t + (pi - t) cos t) / (2 pi)``.
    ``"both"`` is their sum.

    Parameters
    ----------
    X : (n, d) array
        Inputs, a row each; a zero row gives a zero row of the kernel.
    Z : (n', d) array, optional
        Other inputs, for the cross-kernel; X itself when left out.
    layer : {"both", "first", "second"}
        Which layer's weights move.
    slope : float
        phi' on the negative side.
    bias : float
        This constant is appended to every input: neuron k has the bias ``bias * v_k``, ``v_k ~ N(0, 1)``
        trained with W.

    Returns
    -------
    (n, n) or (n, n') array
        In the inputs' type. Without Z it is bitwise symmetric, with the diagonal exact:
        ``||x||^2 (1 + slope^2) / 2`` for each layer.

    Raises
    ------
    ValueError, TypeError
        If X or Z is not a finite matrix, they do not fit each other, or the layer is unknown.

    Notes
    -----
    The relative error is a few eps plus that of the products ``x.z``, however close the rows are to parallel
    or antipodal and whatever their scale; where terms of opposite sign meet (``x.z`` near 0, a leak) it is
    relative to the terms. Cost O(n n' d), memory the result and blocks of about 1 MiB.
    The ReLU formulas are the arc-cosine kernels of Cho and Saul (2009), orders 0 and 1; the leaky ones follow
    from ``phi(u) = u_+ - s (-u)_+``, since ``-w`` has the law of ``w``.
    """
    return arc_cosine_kernel(*read_gram(X, Z, layer, slope, bias))


def read_gram(
    X: Array, Z: Array | None, layer: Layer, slope: float, bias: float
) -> tuple[Array, Array | None, float, float, float]:
    """The arguments of :func:`ntk_gram`, checked: X and Z with the bias, both layers' weights, the slope."""
    if layer not in ("both", "first", "second"):
        raise ValueError(f"layer is {layer!r}; choose 'both', 'first' or 'second'")
    X, Z = _read_pair(X, Z)
    if bias != 0.0:
        X, Z = _with_constant(X, bias), None if Z is None else _with_constant(Z, bias)
    return X, Z, float(layer != "second"), float(layer != "first"), _finite(slope, "slope")


def limit_kernel(
    initialization: Initialization,
    X: Array,
    rate_W: float = 1.0,
    rate_a: float = 1.0,
    *,
    Z: Array | None = None,
    m: int | None = None,
    problem: Problem | None = None,
) -> Array:
    """The mean ``E[rate_W H_W + rate_a H_a]`` of the tangent kernel at initialisation.

    ``rate_W scale^2 m sigma_a^2 x.z E[phi' phi'] + rate_a scale^2 m sigma_W^2 E[phi phi]``, expectations over
    ``w ~ N(0, I)`` as in :func:`ntk_gram`: phi is positively homogeneous, so only directions enter phi'.
    With k outputs this is the block of each output; blocks between two outputs have mean 0.

    Parameters
    ----------
    initialization : Initialization
        The law of the network; sigma_W and sigma_a are the root mean squares of its weights' entries.
    X : (n, d) array
    rate_W, rate_a : float
        Rates of the two layers, not negative.
    Z : (n', d) array, optional
        Other inputs, for the cross-kernel.
    m : int, optional
        The width. It may be left out where the mean does not depend on it, as in the NTK parametrisation.
    problem : Problem, optional
        For laws that look at the labels.

    Returns
    -------
    (n, n) or (n, n') array
        Bitwise symmetric without Z.

    Raises
    ------
    ValueError
        If the mean depends on the width and m is missing, or the activation is smoothed (no closed form).
    """
    X, Z = _read_pair(X, Z)
    if initialization.smoothing != 0.0:
        raise ValueError("the limit kernel of a smoothed activation has no closed form; set smoothing=0")
    first, second = _layer_weights(initialization, m, int(X.shape[1]), problem, rate_W, rate_a)
    return arc_cosine_kernel(X, Z, first, second, initialization.slope)


def empirical_ntk(
    net: Network, X: Array, rate_W: float = 1.0, rate_a: float = 1.0, *, Z: Array | None = None
) -> Array:
    """The network's tangent kernel ``rate_W H_W + rate_a H_a``.

    With J_W and J_a the Jacobian's blocks and o the entrywise product,
    ``H_W = J_W(X) J_W(Z)^T = scale^2 (X Z^T) o (phi'(X W^T) diag(a^2) phi'(Z W^T)^T)`` and
    ``H_a = J_a(X) J_a(Z)^T = scale^2 phi(X W^T) phi(Z W^T)^T``.

    Parameters
    ----------
    net : Network
    X : (n, d) array
    rate_W, rate_a : float
        Rates of the two layers; 0 leaves a layer out.
    Z : (n', d) array, optional
        Other inputs, for the cross-kernel.

    Returns
    -------
    (n, n') array, or (n, k, n', k) when ``a`` has shape (m, k)
        In the network's type; bitwise symmetric without Z. Cost O(n n' m k^2).
    """
    X, Z = _read_network_inputs(net, X, Z)
    layers = ((_rate(rate_W, "rate_W"), _first_layer), (_rate(rate_a, "rate_a"), _second_layer))
    terms = [rate * layer(net, X, Z) for rate, layer in layers if rate != 0.0]
    if not terms:
        return 0.0 * _second_layer(net, X, Z)
    return terms[0] if len(terms) == 1 else terms[0] + terms[1]


def layer_kernels(net: Network, X: Array) -> tuple[Array, Array]:
    """Both layers' tangent kernels ``(H_W, H_a)``, for rates chosen later.

    Parameters
    ----------
    net : Network
    X : (n, d) array

    Returns
    -------
    two (n, n) arrays, or (n, k, n, k) when ``a`` has shape (m, k)
        Bitwise symmetric.
    """
    X, Z = _read_network_inputs(net, X, None)
    return _first_layer(net, X, Z), _second_layer(net, X, Z)


def _first_layer(net: Network, X: Array, Z: Array | None) -> Array:
    """``H_W``, a panel of neurons at a time."""
    xp = namespace(X)
    columns = [net.a] if net.a.ndim == 1 else [net.a[:, o] for o in range(net.a.shape[1])]
    outputs = range(len(columns))
    sums: dict[tuple[int, int], Array] = {}
    for part in _panels(net, X, Z):
        left = gate(_panel(net, X, part), net.slope, net.smoothing)
        lefts = [left * column[part][None, :] for column in columns]
        rights = lefts
        if Z is not None:
            right = gate(_panel(net, Z, part), net.slope, net.smoothing)
            rights = [right * column[part][None, :] for column in columns]
        for o, p in itertools.product(outputs, repeat=2):
            if Z is not None or o <= p:
                product = lefts[o] @ xp.matrix_transpose(rights[p])
                sums[o, p] = sums[o, p] + product if (o, p) in sums else product
    inner = X @ xp.matrix_transpose(X if Z is None else Z)
    if Z is None:
        inner = _mirrored(inner)
        for o, p in list(sums):
            sums[o, p] = _mirrored(sums[o, p]) if o == p else sums[o, p]
            sums[p, o] = xp.matrix_transpose(sums[o, p])
    inner = net.scale**2 * inner
    if net.a.ndim == 1:
        return inner * sums[0, 0]
    return xp.stack([xp.stack([inner * sums[o, p] for p in outputs], axis=2) for o in outputs], axis=1)


def _second_layer(net: Network, X: Array, Z: Array | None) -> Array:
    """``H_a``, a panel of neurons at a time."""
    xp = namespace(X)
    kernel = xp.zeros((X.shape[0], (X if Z is None else Z).shape[0]), dtype=X.dtype, device=X.device)
    for part in _panels(net, X, Z):
        left = activation(_panel(net, X, part), net.slope, net.smoothing)
        right = left if Z is None else activation(_panel(net, Z, part), net.slope, net.smoothing)
        kernel = kernel + left @ xp.matrix_transpose(right)
    kernel = net.scale**2 * (kernel if Z is not None else _mirrored(kernel))
    if net.a.ndim == 1:
        return kernel
    identity = xp.eye(net.a.shape[1], dtype=X.dtype, device=X.device)
    return kernel[:, None, :, None] * identity[None, :, None, :]


def _panels(net: Network, X: Array, Z: Array | None) -> Iterator[slice]:
    n = max(X.shape[0], 0 if Z is None else Z.shape[0])
    width = max(1, _PANEL // n)
    for start in range(0, net.m, width):
        yield slice(start, min(start + width, net.m))


def _panel(net: Network, X: Array, part: slice) -> Array:
    return X @ namespace(X).matrix_transpose(net.W[part, :])


def _mirrored(H: Array) -> Array:
    """H with its upper triangle mirrored: a product with its own transpose, made symmetric to the bit."""
    xp = namespace(H)
    return xp.triu(H) + xp.matrix_transpose(xp.triu(H, k=1))


def _layer_weights(
    law: Initialization, m: int | None, d: int, problem: Problem | None, rate_W: float, rate_a: float
) -> tuple[float, float]:
    """``rate_W scale^2 m sigma_a^2`` and ``rate_a scale^2 m sigma_W^2``, without powers of m that cancel."""
    scale, sigma_W, sigma_a = law.moments(1, d, problem)
    r = law.gamma - law.p - law.q
    layers = (
        (_rate(rate_W, "rate_W") * (scale * sigma_a) ** 2, 1.0 - 2.0 * (law.p + r)),
        (_rate(rate_a, "rate_a") * (scale * sigma_W) ** 2, 1.0 - 2.0 * (law.p + law.q)),
    )
    weights = []
    for weight, power in layers:
        if weight == 0.0 or abs(power) < 1e-12:
            weights.append(weight)
        elif m is None:
            raise ValueError(f"under {law.name} the mean kernel grows like m^{power:g}; give the width m")
        else:
            weights.append(weight * math.pow(m, power))
    return weights[0], weights[1]


def _rate(value: float, name: str) -> float:
    rate = _finite(value, name)
    if rate < 0.0:
        raise ValueError(f"{name} is {rate}; a rate cannot be negative")
    return rate


def _finite(value: float, name: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{name} is {number}; it must be a finite number")
    return number


def _read_pair(X: Array, Z: Array | None) -> tuple[Array, Array | None]:
    X = read_array(X, "X", (2,))
    if Z is None:
        return X, None
    Z = read_array(Z, "Z", (2,))
    namespace(X, Z)
    if X.dtype != Z.dtype:
        raise TypeError(f"X is {X.dtype} and Z is {Z.dtype}; give both one floating type")
    if X.shape[1] != Z.shape[1]:
        raise ValueError(f"X has {X.shape[1]} columns and Z has {Z.shape[1]}; both are rows of d inputs")
    return X, Z


def _read_network_inputs(net: Network, X: Array, Z: Array | None) -> tuple[Array, Array | None]:
    X, Z = _read_pair(X, Z)
    namespace(X, net.W)
    if X.dtype != net.W.dtype:
        raise TypeError(f"X is {X.dtype} and the network is {net.W.dtype}; give both one floating type")
    if X.shape[1] != net.d:
        raise ValueError(f"X has {X.shape[1]} columns and the network reads {net.d} inputs; X is (n, d)")
    return X, Z


def _with_constant(X: Array, constant: float) -> Array:
    xp = namespace(X)
    column = xp.full((X.shape[0], 1), _finite(constant, "bias"), dtype=X.dtype, device=X.device)
    return xp.concat([X, column], axis=1)
