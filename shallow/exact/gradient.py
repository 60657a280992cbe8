"""The network's function, loss and derivatives, in literal formulas: the oracle for everything fast."""

from __future__ import annotations

from dataclasses import dataclass

from shallow.exact.activation import activation, gate
from shallow.setting.arrays import Array, namespace, read_array
from shallow.setting.losses import LOSSES, Loss
from shallow.setting.network import Network
from shallow.setting.problem import Problem

__all__ = [
    "Gradient",
    "Jacobian",
    "gradient",
    "jacobian",
    "loss",
    "per_sample_gradient",
    "preactivations",
    "predict",
    "residual",
]


@dataclass(frozen=True, eq=False)
class Gradient:
    """Derivatives with respect to both layers.

    Attributes
    ----------
    W : (m, d) array
        For the first layer; per-sample gradients have shape (n, m, d).
    a : (m,) or (m, k) array
        For the second layer; per-sample gradients have one more axis in front.
    """

    W: Array
    a: Array


@dataclass(frozen=True, eq=False)
class Jacobian:
    """Derivatives of the n (times k) outputs with respect to both layers.

    Attributes
    ----------
    W : (n, m, d) or (n, k, m, d) array
        ``df_i / dW``.
    a : (n, m) or (n, k, m, k) array
        ``df_i / da``.
    """

    W: Array
    a: Array

    @property
    def matrix(self) -> Array:
        """The two blocks as one matrix, (n, m d + m) or (n k, m d + m k): W row by row, then a."""
        xp = namespace(self.W, self.a)
        rows = 1
        for length in self.W.shape[:-2]:
            rows *= length
        return xp.concat([xp.reshape(self.W, (rows, -1)), xp.reshape(self.a, (rows, -1))], axis=1)


def preactivations(net: Network, X: Array) -> Array:
    """The pre-activations ``X W^T``, an (n, m) array of the network's type.

    Raises
    ------
    ValueError, TypeError
        If X is not a finite (n, d) array of the network's floating type and namespace.
    """
    X = _read_inputs(net, X)
    return X @ namespace(X).matrix_transpose(net.W)


def predict(net: Network, X: Array) -> Array:
    """The outputs ``f(X) = scale * phi(X W^T) a``.

    Parameters
    ----------
    net : Network
    X : (n, d) array
        Inputs, in the network's floating type and namespace; lists are read as float64.

    Returns
    -------
    (n,) or (n, k) array
        One row a sample.

    Raises
    ------
    ValueError, TypeError
        If X is not a finite (n, d) array of the network's type.
    """
    return net.scale * (activation(preactivations(net, X), net.slope, net.smoothing) @ net.a)


def residual(net: Network, problem: Problem) -> Array:
    """The residual ``r = f(X) - y``, of the shape of ``y``.

    Raises
    ------
    ValueError
        If the network's outputs and the labels differ in shape.
    """
    f = predict(net, problem.X)
    _require_same_shape(f, problem.y)
    return f - problem.y


def loss(net: Network, problem: Problem, loss: str = "squared") -> float:
    """The summed loss ``L``; for ``"squared"``, ``L = ||f(X) - y||^2 / 2``.

    Parameters
    ----------
    net : Network
    problem : Problem
    loss : str
        A name from :data:`shallow.setting.losses.LOSSES`.

    Returns
    -------
    float
        The sum over samples and outputs, not their mean.
    """
    chosen = _loss_named(loss)
    f = predict(net, problem.X)
    _require_same_shape(f, problem.y)
    return float(chosen.value(f, problem.y))


def gradient(net: Network, problem: Problem, loss: str = "squared") -> Gradient:
    """The gradient of the summed loss with respect to W and a.

    With ``c = dL/df``, ``z = X W^T`` and ``o`` the outputs,
    ``dL/dw_k = scale * sum_i phi'(z_ik) (sum_o c_io a_ko) x_i`` and
    ``dL/da_ko = scale * sum_i phi(z_ik) c_io``. At a kink ``phi'(0) = slope``.

    Parameters
    ----------
    net : Network
    problem : Problem
    loss : str
        A name from :data:`shallow.setting.losses.LOSSES`.

    Returns
    -------
    Gradient
        ``W`` (m, d) and ``a`` of the shape of ``net.a``; cost O(n m (d + k)).

    Raises
    ------
    ValueError, TypeError
        If shapes or types do not fit, or the loss is unknown.
    """
    weighted, features, c = _backward(net, problem, loss)
    xp = namespace(weighted)
    return Gradient(
        W=net.scale * (xp.matrix_transpose(weighted) @ problem.X),
        a=net.scale * (xp.matrix_transpose(features) @ c),
    )


def per_sample_gradient(net: Network, problem: Problem, loss: str = "squared") -> Gradient:
    """The gradient of each sample's loss; their sum over the first axis is :func:`gradient`.

    Parameters
    ----------
    net : Network
    problem : Problem
    loss : str
        A name from :data:`shallow.setting.losses.LOSSES`.

    Returns
    -------
    Gradient
        ``W`` (n, m, d) and ``a`` (n, m) or (n, m, k): memory O(n m (d + k)).
    """
    weighted, features, c = _backward(net, problem, loss)
    by_sample = features * c[:, None] if c.ndim == 1 else features[:, :, None] * c[:, None, :]
    return Gradient(W=net.scale * (weighted[:, :, None] * problem.X[:, None, :]), a=net.scale * by_sample)


def jacobian(net: Network, X: Array) -> Jacobian:
    """The Jacobian of the outputs with respect to W and a.

    ``df_io/dw_k = scale * a_ko phi'(z_ik) x_i`` and ``df_io/da_kp = scale * phi(z_ik) [o = p]``.

    Parameters
    ----------
    net : Network
    X : (n, d) array

    Returns
    -------
    Jacobian
        ``W`` (n, m, d) and ``a`` (n, m); with ``a`` of shape (m, k), (n, k, m, d) and (n, k, m, k).
    """
    X = _read_inputs(net, X)
    xp = namespace(X)
    z = preactivations(net, X)
    gates = gate(z, net.slope, net.smoothing)
    features = net.scale * activation(z, net.slope, net.smoothing)
    if net.a.ndim == 1:
        return Jacobian(W=net.scale * ((gates * net.a[None, :])[:, :, None] * X[:, None, :]), a=features)
    weighted = gates[:, None, :] * xp.matrix_transpose(net.a)[None, :, :]
    identity = xp.eye(net.a.shape[1], dtype=X.dtype, device=X.device)
    return Jacobian(
        W=net.scale * (weighted[:, :, :, None] * X[:, None, None, :]),
        a=features[:, None, :, None] * identity[None, :, None, :],
    )


def _backward(net: Network, problem: Problem, name: str) -> tuple[Array, Array, Array]:
    """What both gradients need: ``phi'(z) (c a^T)`` (n, m), ``phi(z)`` (n, m) and ``c = dL/df``."""
    chosen = _loss_named(name)
    z = preactivations(net, problem.X)
    features = activation(z, net.slope, net.smoothing)
    f = net.scale * (features @ net.a)
    _require_same_shape(f, problem.y)
    c = chosen.derivative(f, problem.y)
    return gate(z, net.slope, net.smoothing) * _outer(c, net.a), features, c


def _outer(c: Array, a: Array) -> Array:
    """``sum_o c_io a_ko``, an (n, m) array."""
    if c.ndim == 1:
        return c[:, None] * a[None, :]
    return c @ namespace(a).matrix_transpose(a)


def _require_same_shape(f: Array, y: Array) -> None:
    if f.shape != y.shape:
        raise ValueError(
            f"the network's outputs have shape {tuple(f.shape)} and the labels {tuple(y.shape)}; "
            "give a and y the same second axis, or none"
        )


def _loss_named(name: str) -> Loss:
    if name not in LOSSES:
        raise ValueError(f"the loss {name!r} is unknown; choose one of {', '.join(sorted(LOSSES))}")
    return LOSSES[name]


def _read_inputs(net: Network, X: Array) -> Array:
    X = read_array(X, "X", (2,))
    namespace(X, net.W)
    if X.dtype != net.W.dtype:
        raise TypeError(f"X is {X.dtype} and the network is {net.W.dtype}; give both one floating type")
    if X.shape[1] != net.d:
        raise ValueError(f"X has {X.shape[1]} columns and the network reads {net.d} inputs; X is (n, d)")
    return X
