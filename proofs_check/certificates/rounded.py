"""An instance in float64 with every rounding error bounded: what the VERIFIED proofs start from.

Inner products are bounded by Cauchy and Schwarz, so an error matrix is an outer product of two vectors and
costs no memory:
    |fl(W X^T) - Z|_ki <= gamma_d ||w_k|| ||x_i||,   |fl(X X^T) - K|_ij <= c ||x_i|| ||x_j||.
Underflow. Every vector of norms is raised to at least 2^-200. All that underflow can add to an entry, at most
2^-1000, is then below 2^-40 of u times the product of any four of them (2^-853), and :func:`rate_up` leaves
that room. Data far below 1e-60 are therefore never certified; nothing false follows.

Errors as a diagonal. If |E_ij| <= alpha_i beta_j + beta_i alpha_j for a symmetric E, then E >= -diag(shift),
    shift_i = alpha_i sum(beta) + beta_i sum(alpha),
because 2 |v_i v_j| <= v_i^2 + v_j^2: a float matrix minus a diagonal is a lower bound in the Loewner order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from proofs_check.certificates.eigenvalue import lambda_max_upper_bound
from proofs_check.certificates.floating import UNIT, down, gamma, gram, inflate, norm_up, sum_up, up
from proofs_check.certificates.instance import Instance

__all__ = [
    "BLOCK",
    "Rounded",
    "add_up",
    "at_least",
    "blocks",
    "outer_shift",
    "phi_range",
    "rate_up",
    "rounded_of",
]

Array = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]

BLOCK = 256
"""Neurons summed in one matrix product."""

_FLOOR = 2.0**-200


def add_up(*terms: Any) -> Any:
    """An upper bound of a sum of non-negative numbers or arrays."""
    total = terms[0]
    for term in terms[1:]:
        total = up(total + term)
    return total


def rate_up(*terms: float) -> float:
    """An upper bound of a sum of relative errors, with room for their products and for underflow.

    Infinite beyond 1e-3, where products of errors would matter.
    """
    total = float(add_up(*terms))
    return total * 1.01 if total <= 1e-3 else math.inf


def at_least(norms: Any) -> Any:
    """The vector raised to 2^-200."""
    return np.maximum(norms, _FLOOR)


def outer_shift(alpha: Any, beta: Any) -> Any:
    """alpha_i sum(beta) + beta_i sum(alpha), rounded up."""
    return add_up(up(alpha * sum_up(beta)), up(beta * sum_up(alpha)))


def blocks(m: int, size: int = BLOCK) -> Iterator[slice]:
    """Slices of ``size`` neurons."""
    for begin in range(0, m, size):
        yield slice(begin, min(m, begin + size))


@dataclass(frozen=True, eq=False)
class Rounded:
    """Z = fl(W X^T) with |Z - W X^T|_ki <= error_Z_k norms_i, K = fl(X X^T) with |K - X X^T|_ij <= rate_K
    norms_i norms_j, norms_i >= ||x_i||, lipschitz = max(1, |g|), residual_norm >= ||r||."""

    instance: Instance
    Z: Array
    error_Z: Array
    K: Array
    rate_K: float
    norms: Array
    lipschitz: float
    residual_norm: float

    @property
    def trained_W(self) -> bool:
        """Whether the first layer moves."""
        return self.instance.rate_W > 0

    @property
    def trained_a(self) -> bool:
        """Whether the second layer moves."""
        return self.instance.rate_a > 0

    @property
    def step_W(self) -> float:
        """eta_W |s|, rounded up."""
        return float(up(self.instance.rate_W * abs(self.instance.scale)))

    @property
    def step_a(self) -> float:
        """eta_a |s|, rounded up."""
        return float(up(self.instance.rate_a * abs(self.instance.scale)))

    @cached_property
    def K_up(self) -> Array:
        """Upper bounds (n, n) of |K_ij|."""
        return np.asarray(add_up(np.abs(self.K), up(up(self.rate_K * self.norms)[:, None] * self.norms)))

    @cached_property
    def spectral(self) -> float:
        """An upper bound of ||X||, from the smaller of X X^T and X^T X."""
        X = self.instance.X if self.instance.n <= self.instance.d else self.instance.X.T
        size = at_least(norm_up(X, axis=1))
        product, c = gram(X)
        product[np.diag_indices(len(X))] = up(
            np.diag(product) + outer_shift(up(rate_up(c, UNIT) * size), size)
        )
        if not np.all(np.isfinite(product)):
            return math.inf
        return float(up(math.sqrt(lambda_max_upper_bound(product))))

    def z_range(self, rows: slice) -> tuple[Array, Array]:
        """Least and greatest exact z_ki, each (rows, n)."""
        error = up(self.error_Z[rows, None] * self.norms)
        return down(self.Z[rows] - error), up(self.Z[rows] + error)


def phi_range(slope: float, low: Array, high: Array) -> tuple[Array, Array]:
    """Least and greatest phi over [low, high], rounded outward."""
    ends = [np.where(z > 0, z, slope * z) for z in (low, high)]
    least, greatest = down(np.minimum(*ends)), up(np.maximum(*ends))
    straddles = (low <= 0) & (high >= 0)
    return np.where(straddles, np.minimum(least, 0.0), least), np.where(
        straddles, np.maximum(greatest, 0.0), greatest
    )


def rounded_of(instance: Instance) -> Rounded:
    """The instance's products and their errors. Cost O(n m d + n^2 d)."""
    X, W = instance.X, instance.W
    K, c = gram(X)
    Z = W @ X.T
    norms = at_least(norm_up(X, axis=1))
    error_Z = up(rate_up(gamma(instance.d)) * at_least(norm_up(W, axis=1)))
    lipschitz = max(1.0, abs(instance.slope))
    return Rounded(
        instance=instance,
        Z=Z,
        error_Z=error_Z,
        K=K,
        rate_K=rate_up(c),
        norms=norms,
        lipschitz=lipschitz,
        residual_norm=_residual_norm(instance, Z, error_Z, norms, lipschitz),
    )


def _residual_norm(instance: Instance, Z: Array, error_Z: Array, norms: Array, lipschitz: float) -> float:
    """An upper bound of ||s phi(X W^T) a - y||.

    f_i = fl(s sum_k a_k phi(Z_ki)) is off by at most |s| sum_k |a_k| (L error_Z_k norms_i + gamma_{m+2}
    |phi(Z_ki)|) and the roundings of the product with s, the difference and underflow.
    """
    size, scale = np.abs(instance.a), abs(instance.scale)
    sums, absolute = np.zeros(instance.n), np.zeros(instance.n)
    for rows in blocks(instance.m):
        features = np.where(Z[rows] > 0, Z[rows], instance.slope * Z[rows])
        sums += instance.a[rows] @ features
        absolute += size[rows] @ np.abs(features)
    depth = min(BLOCK, instance.m) + -(-instance.m // BLOCK) + 3
    absolute = at_least(inflate(absolute, depth))
    f = instance.scale * sums
    residual = f - instance.y
    inner = up(lipschitz * inflate(size @ error_Z, instance.m + 1))
    error = up(scale * add_up(up(rate_up(gamma(depth)) * absolute), up(at_least(inner) * norms)))
    error = add_up(error, up(2 * UNIT * add_up(np.abs(f), np.abs(instance.y), np.abs(residual))), 2.0**-900)
    return float(norm_up(add_up(np.abs(residual), error)))
