"""The right-hand side of the gradient flow, for the methods that evaluate it, and how stiff it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from shallow.exact.activation import activation, gate
from shallow.setting.losses import LOSSES

__all__ = ["FlowCase", "Velocity", "stiffness", "velocity"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class FlowCase:
    """A gradient flow without its start: float64 host arrays and numbers."""

    X: Array
    y: Array
    scale: float
    slope: float
    smoothing: float
    rate_W: float
    rate_a: float
    loss: str


@dataclass(frozen=True, eq=False)
class Velocity:
    """W' and a' at a point, with the gates phi' and features phi there, (n, m), and dL/df."""

    W: Array
    a: Array
    gates: Array
    features: Array
    coefficients: Array


def velocity(case: FlowCase, W: Array, a: Array) -> Velocity:
    """Minus the rate-scaled gradient, gated with z > 0 at kinks.

    Cost: 4 n m d.
    """
    Z = case.X @ W.T
    gates = gate(Z, case.slope, case.smoothing)
    features = activation(Z, case.slope, case.smoothing)
    coefficients = LOSSES[case.loss].derivative(case.scale * (features @ a), case.y)
    back = coefficients[:, None] * a if a.ndim == 1 else coefficients @ a.T
    return Velocity(
        W=-case.rate_W * case.scale * ((gates * back).T @ case.X),
        a=-case.rate_a * case.scale * (features.T @ coefficients),
        gates=gates,
        features=features,
        coefficients=coefficients,
    )


def stiffness(case: FlowCase, K: Array, at: Velocity, a: Array) -> float:
    """A bound on lambda_max of the tangent kernel times the largest curvature of the loss in f.

    With several outputs ``a_k a_k^T`` is bounded by ``||a_k||^2 I``; K is ``X X^T``. Cost: n^2 m + n^3.
    """
    squares = a**2 if a.ndim == 1 else np.sum(a**2, axis=1)
    H = case.rate_W * case.scale**2 * K * ((at.gates * squares) @ at.gates.T)
    H += case.rate_a * case.scale**2 * (at.features @ at.features.T)
    return float(np.linalg.eigvalsh(H)[-1]) * _curvature(case, at)


def _curvature(case: FlowCase, at: Velocity) -> float:
    if case.loss == "logistic":
        return float(np.max(case.y**2)) / 4
    if case.loss == "exponential":
        return float(np.max(np.abs(case.y * at.coefficients)))
    return 1.0
