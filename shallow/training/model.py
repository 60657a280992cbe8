"""What can be trained, seen alike: a network, a frozen-gate model, a tangent model."""

from __future__ import annotations

from typing import Any

import numpy as np

from shallow.compute.case import Model as ModelKind
from shallow.compute.pacing import kernel_of_planes, largest_eigenvalue_or_inf
from shallow.exact.activation import activation, gate
from shallow.setting.arrays import host
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.training.gated import GatedModel
from shallow.training.tangent import TangentModel

__all__ = [
    "Model",
    "kind_of",
    "largest_kernel_eigenvalue",
    "model_on_host",
    "planes",
    "problem_on_host",
    "require_fit",
    "weights",
]

HostArray = np.ndarray[Any, Any]
Model = Network | GatedModel | TangentModel


def kind_of(model: Model) -> ModelKind:
    """The model's word in a Case."""
    if isinstance(model, GatedModel):
        return "gated"
    return "tangent" if isinstance(model, TangentModel) else "network"


def model_on_host(model: Model) -> Model:
    """The model with NumPy arrays; itself when it has them already."""
    if isinstance(model, TangentModel):
        at = model_on_host(model.at)
        return model if at is model.at else model.replace(at=at, W=host(model.W), a=host(model.a))
    if isinstance(model.W, np.ndarray):
        return model
    psi = {"psi": host(model.psi)} if isinstance(model, GatedModel) else {}
    return model.replace(W=host(model.W), a=host(model.a), **psi)


def problem_on_host(problem: Problem) -> Problem:
    """The problem with NumPy arrays; itself when it has them already."""
    if isinstance(problem.X, np.ndarray):
        return problem
    return problem.replace(X=host(problem.X), y=host(problem.y))


def weights(model: Model) -> tuple[HostArray, HostArray]:
    """W and a on the host; a tangent model's with its expansion point added."""
    if isinstance(model, TangentModel):
        return host(model.at.W) + host(model.W), host(model.at.a) + host(model.a)
    return host(model.W), host(model.a)


def planes(model: Model, X: HostArray) -> tuple[HostArray, HostArray, HostArray]:
    """Gate (m, n), features (m, n) and outer weights a.

    With c = dL/df, ``dL/dW = scale (gate o a c^T) X`` and ``dL/da = scale features c``.
    """
    if isinstance(model, TangentModel):
        return planes(model.at, X)
    if isinstance(model, GatedModel):
        gates = host(gate(X @ host(model.psi).T, model.slope, model.smoothing))
        return gates.T, (gates * (X @ host(model.W).T)).T, host(model.a)
    Z = X @ host(model.W).T
    features = host(activation(Z, model.slope, model.smoothing))
    return host(gate(Z, model.slope, model.smoothing)).T, features.T, host(model.a)


def largest_kernel_eigenvalue(model: Model, problem: Problem, rate_W: float, rate_a: float) -> float:
    """lambda_max of the model's own ``rate_W H_W + rate_a H_a``."""
    X = host(problem.X)
    gates, features, a = planes(model, X)
    return largest_eigenvalue_or_inf(
        kernel_of_planes(gates, features, a, X @ X.T, model.scale, rate_W, rate_a)
    )


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
    W, a = weights(model)
    y = host(problem.y)
    if problem.d != model.d:
        raise ValueError(
            f"the problem has {problem.d} inputs and the network reads {model.d}; X is (n, d), W (m, d)"
        )
    if y.shape[1:] != a.shape[1:]:
        raise ValueError(
            f"labels have shape {y.shape} and a has shape {a.shape}; "
            "give (n,) with (m,), or (n, k) with (m, k)"
        )
    if y.dtype != W.dtype:
        raise TypeError(f"the problem is {y.dtype} and the network is {W.dtype}; give both one floating type")
