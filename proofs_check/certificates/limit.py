"""What a certificate says of the limit: predictions, travel, norms, margins, singular values, patterns.

Every bound is a sum, product, quotient or root of non-negative numbers, so its float64 value is within a
relative 1e-9 of the exact one for fewer than a million operations an entry, and it is widened by ``_OUT``.
What is subtracted (predictions, norms, singular values of the present weights) carries its own rounding
bound. Underflow: inputs and matrices are first divided by a power of two (f(c x) = c f(x) for c > 0), norms
are those of :mod:`.floating`, chains of products go up one float a step, and what is left is below ``_TINY``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from proofs_check.certificates.floating import norm_up, up
from proofs_check.certificates.instance import Instance
from proofs_check.certificates.proposal import Finding, Proposal

__all__ = [
    "margins",
    "neuron_radii",
    "norm_interval",
    "patterns",
    "predictions",
    "singular_ratio",
    "stable_rank",
    "travel",
]

Array = np.ndarray[Any, np.dtype[np.float64]]
Signs = np.ndarray[Any, np.dtype[np.int8]]
Interval = tuple[float, float]

_OUT = 1 + 1e-8
_U = 2.0**-53
_TINY = 1e-300


def neuron_radii(instance: Instance, proposal: Proposal, finding: Finding) -> Array:
    """Bounds (m,) on ||w_k(t) - w_k|| for all times.

    The least of sqrt(eta_W) S and eta_W |s| (|a_k| + alpha_k) L ||X_A|| sum_j d_j/mu_j (mu made
    non-increasing, which covers descent, too), where A are the samples on which neuron k may be active and
    ||X_A|| is bounded by the Frobenius norm of its rows and by the largest row sum of |X X^T|^{1/2}.
    """
    if instance.rate_W == 0:
        return np.zeros(instance.m)
    last = proposal.stages[-1]
    integral, lowest, before = 0.0, math.inf, proposal.start
    for stage in proposal.stages:
        lowest = min(lowest, stage.decay)
        integral += (before - stage.end) / lowest
        before = stage.end
    active = (patterns(instance, last.uncertain) >= 0) | (instance.slope != 0)
    size = up(_rows_norm(instance.X, active) * max(1.0, abs(instance.slope)))
    step = up(up(instance.rate_W * abs(instance.scale)) * up(np.abs(instance.a) + last.radius_a))
    own = np.where(np.any(active, axis=1), up(up(step * size) * up(integral)), 0.0)
    return np.asarray(np.minimum(own, _times(math.sqrt(instance.rate_W), finding.path)) * _OUT)


def _rows_norm(X: Array, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> Array:
    """Upper bounds (m,) on ||X_A||, A the rows chosen by each row of ``chosen`` (m, n)."""
    exponent = int(np.frexp(np.max(np.abs(X)))[1])
    size = np.abs(np.ldexp(X, -exponent))
    whole = float(np.max(np.sum(size @ size.T, axis=1)))
    squares = np.minimum(chosen @ (np.sum(size**2, axis=1) + _TINY), whole + _TINY)
    return np.asarray(up(np.ldexp(np.sqrt(squares), exponent) * _OUT))


def travel(instance: Instance, radii: Array, radius_a: Array, finding: Finding) -> tuple[float, float]:
    """Bounds on ||W(t) - W||_F and ||a(t) - a||."""
    W = min(float(norm_up(radii)), _times(math.sqrt(instance.rate_W), finding.path))
    a = min(float(norm_up(radius_a)), _times(math.sqrt(instance.rate_a), finding.path))
    return W * _OUT, a * _OUT


def _times(factor: float, path: float) -> float:
    return 0.0 if factor == 0 else float(up(factor * path))


def _halved(X: Array) -> tuple[Array, np.ndarray[Any, np.dtype[np.int32]]]:
    """Rows divided by 2^e, their largest entries in [1/2, 1), and e (k,)."""
    exponent = np.frexp(np.max(np.abs(X), axis=1))[1]
    return np.ldexp(X, -exponent[:, None]), exponent


def _error_Z(X: Array, W: Array) -> Array:
    """A bound (k, m) on |fl(X W^T) - X W^T| for rows from :func:`_halved`, what they lost included."""
    size = np.abs(W)
    return np.asarray(1.1 * (W.shape[1] + 2) * _U * (np.abs(X) @ size.T) + _TINY * (1 + np.sum(size, axis=1)))


def predictions(
    instance: Instance, X: Array, radii: Array, radius_a: Array, moved: tuple[float, float], finding: Finding
) -> tuple[Array, Array]:
    """Enclosures (k,), (k,) of f(x) at all later times, the limit included.

    The lesser of two bounds on the change: neuron by neuron, |s| sum_k [(|a_k| + alpha_k) L rho_k ||x|| +
    alpha_k |phi(w_k.x)|], and along the path, S sup ||J_x|| with J_x the rate-scaled Jacobian at x.
    """
    X, exponent = _halved(X)
    scale, L = abs(instance.scale), max(1.0, abs(instance.slope))
    norms, path = np.linalg.norm(X, axis=1), finding.path
    Z = X @ instance.W.T
    error_Z = _error_Z(X, instance.W)
    phi = np.where(Z > 0, Z, instance.slope * Z)
    reach = norms[:, None] * radii + error_Z
    live = (-reach * _OUT < Z) | (instance.slope != 0)
    size_a = np.abs(instance.a) + radius_a
    largest = np.where(live, np.abs(phi) + L * error_Z, 0.0)
    one_by_one = scale * (np.where(live, reach * L, 0.0) @ size_a + largest @ radius_a)
    first = math.sqrt(instance.rate_W) * L * norms * norm_up(np.where(live, size_a, 0.0), axis=1)
    second = math.sqrt(instance.rate_a) * (norm_up(largest, axis=1) + L * norms * moved[0])
    along = scale * np.hypot(first, second) * path if math.isfinite(path) else np.inf
    now = instance.scale * (phi @ instance.a)
    gamma = 1.1 * (instance.m + 4) * _U
    rounding = scale * ((L * error_Z + gamma * np.abs(phi)) @ np.abs(instance.a)) + 2 * _U * np.abs(now)
    change = (np.minimum(one_by_one, along) + rounding + _TINY * (1 + scale)) * _OUT
    low, high = np.nextafter(now - change, -np.inf), np.nextafter(now + change, np.inf)
    with np.errstate(over="ignore"):
        low, high = np.ldexp(low, exponent), np.ldexp(high, exponent)
    return np.nextafter(low, -np.inf), np.nextafter(high, np.inf)


def norm_interval(values: Array, moved: float) -> Interval:
    """Where the Frobenius norm lies after a displacement of at most ``moved``."""
    norm = float(norm_up(values))
    room = float(up((moved + norm * 1e-9) * _OUT))
    return max(norm - room, 0.0), norm + room


def margins(instance: Instance, radius: Array) -> tuple[Array, Array]:
    """Intervals (m, n) of |w_k.x_i|/||x_i||: margins in parameter space (in function space: y_i^2)."""
    X, exponent = _halved(instance.X)
    norms = np.linalg.norm(X, axis=1)
    size = np.abs(instance.W @ X.T)
    room = (up(np.ldexp(radius, -exponent)) + _error_Z(X, instance.W).T) * _OUT
    return np.maximum(size - room, 0.0) / norms / _OUT, up((size + room) / norms * _OUT)


def patterns(instance: Instance, uncertain: np.ndarray[Any, np.dtype[np.bool_]]) -> Signs:
    """Signs (m, n) of w_k.x_i at all later times: +1, -1, or 0 where it is 0 or not decided."""
    X, _ = _halved(instance.X)
    Z = instance.W @ X.T
    return np.where(uncertain | (np.abs(Z) <= _error_Z(X, instance.W).T), 0, np.sign(Z)).astype(np.int8)


def singular_values(W: Array) -> tuple[Array, float]:
    """Singular values of W and a bound on the error of each.

    For any U, S, V: with E = W - U S V^T, du = ||U^T U - I||_F and dv likewise, each singular value of W is
    within ||E||_F + sigma_1 ((1 + du)(1 + dv) - 1) of S (Weyl and Ostrowski); rounding of E, du, dv is added.
    """
    exponent = int(np.frexp(np.max(np.abs(W)))[1])
    W = np.ldexp(W, -exponent)
    U, values, Vt = np.linalg.svd(W, full_matrices=False)
    rank = len(values)
    rounding = 1.1 * (max(W.shape) + rank + 4) * _U
    off_U = float(np.linalg.norm(U.T @ U - np.eye(rank))) + rounding * rank * 1.1
    off_V = float(np.linalg.norm(Vt @ Vt.T - np.eye(rank))) + rounding * rank * 1.1
    largest = float(values[0])
    E = float(np.linalg.norm(W - (U * values) @ Vt)) + rounding * 2 * math.sqrt(rank) * rank * largest
    error = (E + largest * ((1 + off_U) * (1 + off_V) - 1) + _TINY) * _OUT
    return np.ldexp(values, exponent), float(up(np.ldexp(error, exponent)))


def stable_rank(W: Array, moved: float) -> Interval:
    """Interval of ||W||_F^2/||W||^2; (1, min(m, d)) cut where the radius says nothing."""
    values, error = singular_values(W)
    low_F, high_F = norm_interval(W, moved)
    largest, room = float(values[0]), moved + error
    least = (low_F / ((largest + room) * _OUT)) ** 2 / _OUT
    most = (high_F / (largest - room)) ** 2 * _OUT if largest > room * _OUT else math.inf
    return max(least, 1.0), min(most, float(min(W.shape)))


def singular_ratio(W: Array, moved: float, r: int) -> float:
    """Upper bound on sigma_{r+1}/sigma_1 after a displacement of at most ``moved``, at most 1.

    The distance of the limit from matrices of rank r, over its norm. A radius never proves a rank: every ball
    holds matrices of full rank.
    """
    if r < 1 or r >= min(W.shape):
        raise ValueError(f"r is {r}; sigma_(r+1) exists for 1 <= r < min(m, d) = {min(W.shape)}")
    values, error = singular_values(W)
    room = (moved + error) * _OUT
    if not float(values[0]) > room:
        return 1.0
    return min((float(values[r]) + room) / (float(values[0]) - room) * _OUT, 1.0)
