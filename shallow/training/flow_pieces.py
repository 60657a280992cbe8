"""One smooth piece of the gradient flow: its Taylor series in time, to rounding.

Inside a pattern the squared-loss flow of both layers is polynomial in (W, a, r),

    w_k' = -rate_W s a_k P_k X^T D_k r,   a_k' = -rate_a s phi(X w_k) . r,   r = s sum_k a_k D_k X w_k - y,

with P_k the projection orthogonal to the kinks on which neuron k slides. So the Taylor coefficients follow
from products of series; with W trained alone the flow is linear and they come from the eigenvectors of its
kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Layer", "Modes", "Series", "Setting", "expand", "modes_of", "reach_of"]

Array = np.ndarray[Any, Any]

_ROUNDING = 2.0**-53


@dataclass(frozen=True, eq=False)
class Setting:
    """What does not change along the flow: data, labels, scale and rates."""

    X: Array
    y: Array
    scale: float
    rate_W: float
    rate_a: float


@dataclass(frozen=True, eq=False)
class Layer:
    """The gates of a piece, (m, n), and an orthonormal basis of the kinks that each sliding neuron is on."""

    D: Array
    bases: Mapping[int, Array]

    def project(self, rows: Array) -> Array:
        """P_k applied to row k, in place."""
        for k, basis in self.bases.items():
            rows[k] -= (rows[k] @ basis.T) @ basis
        return rows


@dataclass(frozen=True, eq=False)
class Series:
    """Taylor coefficients at the start of a window: W (N+1, m, d), a (N+1, m), r (N+1, n)."""

    W: Array
    a: Array
    r: Array

    def at(self, tau: float) -> tuple[Array, Array]:
        """W and a, the time tau later."""
        W, a = self.W[-1], self.a[-1]
        for j in range(len(self.a) - 2, -1, -1):
            W, a = W * tau + self.W[j], a * tau + self.a[j]
        return W, a


@dataclass(frozen=True, eq=False)
class Modes:
    """The flow of W alone within one pattern: ``r(t) = Q exp(-t values) amplitudes``, exactly.

    ``age`` is the time since the pattern began, when the weights were ``W`` and r was ``Q amplitudes``.
    """

    values: Array
    Q: Array
    amplitudes: Array
    W: Array
    age: float

    def weights(self, setting: Setting, layer: Layer, a: Array, tau: float) -> Array:
        """W at ``tau`` after the present age: the integral of r in closed form."""
        t = self.age + tau
        # (1 - exp(-v t)) / v, which is t for v = 0.
        v = np.where(self.values > 0, self.values, 1.0)
        spent = np.where(self.values > 0, -np.expm1(-v * t) / v, t)
        integral = self.Q @ (spent * self.amplitudes)
        push = layer.project((layer.D * integral) @ setting.X)
        moved: Array = self.W - setting.rate_W * setting.scale * a[:, None] * push
        return moved


def modes_of(setting: Setting, layer: Layer, W: Array, a: Array) -> Modes:
    """Eigen-decomposition of ``rate_W s^2 sum_k a_k^2 D_k X P_k X^T D_k`` at the start of a pattern.

    Cost: m n^2 + n^2 d + n^3, and a projection for each sliding neuron.
    """
    X, D = setting.X, layer.D
    K = X @ X.T
    weights = setting.rate_W * setting.scale**2 * a**2
    H = ((D * weights[:, None]).T @ D) * K
    for k, basis in layer.bases.items():
        inner = (D[k][:, None] * X) @ basis.T
        H -= weights[k] * (inner @ inner.T)
    values, Q = np.linalg.eigh(H)
    r = setting.scale * (a @ (D * (W @ X.T))) - setting.y
    return Modes(np.maximum(values, 0.0), Q, Q.T @ r, W, 0.0)


def expand(setting: Setting, layer: Layer, W: Array, a: Array, order: int, modes: Modes | None) -> Series:
    """The Taylor series of the flow at (W, a).

    With ``modes`` (W trained alone) the residual comes from the eigenvectors, so fast modes that have
    died stay dead and windows grow; otherwise from the products of series. Cost: order^2 m (n + d)
    additions and order m n d for the matrix products.
    """
    if modes is not None:
        return _expand_linear(setting, layer, W, a, order, modes)
    m, d = W.shape
    n = setting.X.shape[0]
    series = Series(np.zeros((order + 1, m, d)), np.zeros((order + 1, m)), np.zeros((order + 1, n)))
    Z = np.zeros((order + 1, m, n))  # D * (W X^T)
    G = np.zeros((order + 1, m, d))  # P (D * r) X
    s = setting.scale
    series.W[0], series.a[0] = W, a
    for j in range(order + 1):
        Z[j] = layer.D * (series.W[j] @ setting.X.T)
        backwards = slice(j, None, -1)
        series.r[j] = s * (series.a[: j + 1].reshape(-1) @ Z[backwards].reshape(-1, n))
        if j == 0:
            series.r[0] -= setting.y
        if j == order:
            break
        if setting.rate_W > 0:
            G[j] = layer.project((layer.D * series.r[j]) @ setting.X)
            product = np.sum(series.a[: j + 1, :, None] * G[backwards], axis=0)
            series.W[j + 1] = -setting.rate_W * s / (j + 1) * product
        if setting.rate_a > 0:
            product = np.matmul(Z[: j + 1], series.r[backwards, :, None]).sum(axis=0)[:, 0]
            series.a[j + 1] = -setting.rate_a * s / (j + 1) * product
    return series


def _expand_linear(setting: Setting, layer: Layer, W: Array, a: Array, order: int, modes: Modes) -> Series:
    amplitudes = np.exp(-modes.values * modes.age) * modes.amplitudes
    factors = np.empty((order + 1, amplitudes.size))
    factors[0] = amplitudes
    for j in range(1, order + 1):
        factors[j] = factors[j - 1] * (-modes.values) / j
    r = factors @ modes.Q.T
    coefficients = np.zeros((order + 1, *W.shape))
    coefficients[0] = W
    for j in range(order):
        push = layer.project((layer.D * r[j]) @ setting.X)
        coefficients[j + 1] = -setting.rate_W * setting.scale / (j + 1) * a[:, None] * push
    frozen = np.zeros((order + 1, a.size))
    frozen[0] = a
    return Series(coefficients, frozen, r)


def reach_of(series: Series) -> float:
    """A time within which the neglected terms are below one rounding of the largest W and a.

    The least of (rounding * size / |c_j|)^(1/j) over the last three j; infinite when all vanish.
    """
    reach = np.inf
    for coefficients in (series.W, series.a):
        order = len(coefficients) - 1
        size = float(np.max(np.abs(coefficients[0])))
        for j in range(max(1, order - 2), order + 1):
            largest = float(np.max(np.abs(coefficients[j])))
            if largest > 0:
                floor = size if size > 0 else float(np.max(np.abs(coefficients[1]))) or 1.0
                reach = min(reach, (_ROUNDING * floor / largest) ** (1.0 / j))
    return reach
