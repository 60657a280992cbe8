"""What can be trained, seen alike: a network, a frozen-gate model, a tangent model."""

from __future__ import annotations

import math

from shallow.compute.case import Model as ModelKind
from shallow.compute.pacing import kernel_of_planes, largest_eigenvalue_or_inf
from shallow.exact.activation import activation, gate
from shallow.exact.ntk import empirical_ntk
from shallow.setting.arrays import Array, dtype_name, host, library_of, namespace
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.training.gated import GatedModel
from shallow.training.tangent import TangentModel

__all__ = [
    "Model",
    "kind_of",
    "largest_kernel_eigenvalue",
    "planes",
    "require_fit",
    "weights",
]

Model = Network | GatedModel | TangentModel


def kind_of(model: Model) -> ModelKind:
    """The model's word in a Case."""
    if isinstance(model, GatedModel):
        return "gated"
    return "tangent" if isinstance(model, TangentModel) else "network"


def weights(model: Model) -> tuple[Array, Array]:
    """W and a; a tangent model's with its expansion point added."""
    if isinstance(model, TangentModel):
        return model.at.W + model.W, model.at.a + model.a
    return model.W, model.a


def planes(model: Model, X: Array) -> tuple[Array, Array, Array]:
    """Gate (m, n), features (m, n) and outer weights a, where model and X live.

    With c = dL/df, ``dL/dW = scale (gate o a c^T) X`` and ``dL/da = scale features c``.
    """
    if isinstance(model, TangentModel):
        return planes(model.at, X)
    if isinstance(model, GatedModel):
        gates = gate(X @ model.psi.T, model.slope, model.smoothing)
        return gates.T, (gates * (X @ model.W.T)).T, model.a
    Z = X @ model.W.T
    features = activation(Z, model.slope, model.smoothing)
    return gate(Z, model.slope, model.smoothing).T, features.T, model.a


def largest_kernel_eigenvalue(model: Model, problem: Problem, rate_W: float, rate_a: float) -> float:
    """lambda_max of the model's own ``rate_W H_W + rate_a H_a``."""
    if isinstance(model, Network) and library_of(model.W) != "numpy":
        return _largest_on_device(model, problem.X, rate_W, rate_a)
    X = host(problem.X)
    gates, features, a = (host(plane) for plane in planes(model, problem.X))
    return largest_eigenvalue_or_inf(
        kernel_of_planes(gates, features, a, X @ X.T, model.scale, rate_W, rate_a)
    )


def _largest_on_device(network: Network, X: Array, rate_W: float, rate_a: float) -> float:
    kernel = empirical_ntk(network, X, rate_W, rate_a)
    xp, rows = namespace(kernel), math.isqrt(kernel.size)
    if not bool(xp.all(xp.isfinite(kernel))):
        return math.inf
    if not bool(xp.any(kernel != 0)):
        return 0.0  # some CUDA solvers return NaN for the zero matrix
    return float(xp.linalg.eigvalsh(xp.reshape(kernel, (rows, rows)))[-1])


def require_fit(model: Model, problem: Problem) -> None:
    """Raise unless inputs, labels and floating types of model and problem fit together.

    Raises
    ------
    TypeError
        For another kind of object, or different floating types.
    ValueError
        For a different input dimension or number of outputs.
    """
    if not isinstance(model, Network | GatedModel | TangentModel):
        raise TypeError(f"cannot train a {type(model).__name__}; give a Network, GatedModel or TangentModel")
    if not isinstance(problem, Problem):
        raise TypeError(f"problem is a {type(problem).__name__}; give a Problem(X, y)")
    W, a, y = model.W, model.a, problem.y
    if problem.d != model.d:
        raise ValueError(
            f"the problem has {problem.d} inputs and the network reads {model.d}; X is (n, d), W (m, d)"
        )
    if y.shape[1:] != a.shape[1:]:
        raise ValueError(
            f"labels have shape {tuple(y.shape)} and a has shape {tuple(a.shape)}; "
            "give (n,) with (m,), or (n, k) with (m, k)"
        )
    if dtype_name(y) != dtype_name(W):
        raise TypeError(
            f"the problem is {dtype_name(y)} and the network is {dtype_name(W)}; give both one floating type"
        )
