"""The quantities and bounds of Theorems F1 and D in balls: z, K, r, gates, M, ranges of phi, step sizes.

Formulas and symbols are those of :mod:`~.proposal`; see :mod:`~.bounds` for the same in plain floats.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from proofs_check.certificates.balls import (
    Balls,
    ball,
    balls,
    largest_eigenvalue_up,
    magnitude,
    product,
    root_up,
    solution,
)
from proofs_check.certificates.instance import Instance
from proofs_check.certificates.proposal import Stage

__all__ = [
    "Gates",
    "Quantities",
    "Ranges",
    "first_layer",
    "gates_of",
    "quantities_of",
    "ranges_of",
    "row_sums",
]

Mask = np.ndarray[Any, np.dtype[np.bool_]]
_ROWS = 2000


@dataclass(frozen=True, eq=False)
class Quantities:
    """Enclosures for one instance: Z = W X^T (m, n), phi(Z), K, F F^T, ||r||, and ||x_i|| from above."""

    instance: Instance
    Z: Balls
    features: Balls
    K: Balls
    second: Balls
    residual_norm: Any
    norms: Balls

    @property
    def trained_W(self) -> bool:
        """Whether the first layer moves."""
        return self.instance.rate_W > 0

    @property
    def trained_a(self) -> bool:
        """Whether the second layer moves."""
        return self.instance.rate_a > 0

    @cached_property
    def scale(self) -> Any:
        """|s|."""
        return ball(abs(self.instance.scale))

    @cached_property
    def sizes(self) -> Balls:
        """|a_k| (m,)."""
        return balls(np.abs(self.instance.a))

    @cached_property
    def spectral(self) -> Any:
        """||X|| from above."""
        return root_of(largest_eigenvalue_up(self.K))

    @cached_property
    def features_norm(self) -> Any:
        """||F|| from above."""
        return root_of(largest_eigenvalue_up(self.second))

    @property
    def lipschitz(self) -> float:
        """The Lipschitz constant of phi."""
        return max(1.0, abs(self.instance.slope))


def root_of(x: Any) -> Any:
    """An upper bound of the root of one number >= 0."""
    return x.upper().sqrt().upper()


def quantities_of(instance: Instance) -> Quantities:
    """The enclosures of an instance. Cost O(n m d + n^2 (m + d)) ball operations."""
    X = instance.X
    Z = product(instance.W, X.T)
    features = phi(Z, instance.slope)
    K = product(X, X.T)
    outputs = product(instance.a[None, :], features)[0] * instance.scale
    residual = outputs - balls(instance.y)
    second = product(features.T, features) * (ball(instance.scale) ** 2)
    return Quantities(
        instance=instance,
        Z=Z,
        features=features,
        K=K,
        second=second,
        residual_norm=root_of(np.sum(residual * residual)),
        norms=root_up(np.diag(K)),
    )


def phi(Z: Balls, slope: float) -> Balls:
    """Enclosures of phi(z), the hull of both branches where the sign of z is not decided."""
    out = np.empty(Z.size, dtype=object)
    out[:] = [_phi(z, slope) for z in Z.ravel().tolist()]
    return out.reshape(Z.shape)


def _phi(z: Any, slope: float) -> Any:
    if z > 0:
        return z
    return z * slope if z < 0 else z.union(z * slope)


@dataclass(frozen=True, eq=False)
class Gates:
    """Delta (0 on U) and Dbar (the middle on U), (m, n) balls; theta = |1 - slope|/2; U; U and Dbar != 0."""

    certain: Balls
    middle: Balls
    theta: Any
    uncertain: Mask
    open: Mask


def gates_of(quantities: Quantities, uncertain: Mask) -> Gates:
    """Gates when exactly the pairs in ``uncertain`` may cross the kink; all others have a decided sign."""
    slope = quantities.instance.slope
    values = np.empty(4, dtype=object)
    one, zero = ball(1.0), ball(0.0)
    values[:] = [zero, one, ball(slope), (one + slope) / 2]
    positive = np.asarray(zero < quantities.Z, dtype=bool)
    kind = np.where(uncertain, 3, np.where(positive, 1, 2))
    closed = np.array([True, False, slope == 0, slope == -1])
    return Gates(
        certain=values[np.where(uncertain, 0, kind)],
        middle=values[kind],
        theta=abs(one - slope) / 2,
        uncertain=uncertain,
        open=~closed[kind] | uncertain,
    )


def first_layer(quantities: Quantities, gates: Gates, weights: Balls, used: Mask, multiplier: Balls) -> Balls:
    """sum_k weights_k N_k(Lam_k) (n, n) over the neurons in ``used`` (m,); the others have weight 0.

    Lemma 5 (ReLU) and Lemma 6 (any slope): N_k = Delta K Delta + g Lam - B^T (K_UU + Lam)^{-1} B.
    """
    K, slope = quantities.K, quantities.instance.slope
    weights = np.where(used, weights, ball(0.0))
    M = K * product(gates.certain.T * weights, gates.certain)
    if slope != 0:
        spread = np.where(gates.uncertain, multiplier, ball(0.0))
        M[np.diag_indices(len(K))] += product(weights[None, :], spread)[0] * slope
    left: list[Balls] = []
    right: list[Balls] = []
    for k in np.flatnonzero(used & gates.uncertain.any(axis=1)):
        B, T = _eliminated(quantities, gates, multiplier[k], int(k))
        left.append(B * weights[k])
        right.append(T)
        if sum(map(len, left)) > _ROWS:
            M = M - product(np.concatenate(left).T, np.concatenate(right))
            left, right = [], []
    return np.asarray(M - product(np.concatenate(left).T, np.concatenate(right)) if left else M)


def _eliminated(quantities: Quantities, gates: Gates, multiplier: Balls, k: int) -> tuple[Balls, Balls]:
    """B_k and (K_UU + Lam)^{-1} B_k, each (u, n)."""
    U = np.flatnonzero(gates.uncertain[k])
    rows = np.arange(len(U))
    A = quantities.K[np.ix_(U, U)]
    A[rows, rows] += multiplier[U]
    B = quantities.K[U] * gates.certain[k]
    B[rows, U] -= multiplier[U] * ((ball(1.0) + quantities.instance.slope) / 2)
    return B, solution(A, B)


def second_layer(quantities: Quantities, stage: Stage) -> Balls:
    """eta_a [(1 - t) F F^T - (1/t - 1) e^2 I] (Lemma 7); eta_a F F^T when e = t = 0."""
    rate = quantities.instance.rate_a
    if stage.share == 0:
        return np.asarray(quantities.second * rate)
    share = ball(stage.share)
    M = quantities.second * (1 - share)
    M[np.diag_indices(len(M))] -= (1 / share - 1) * ball(stage.spread) ** 2
    return np.asarray(M * rate)


def row_sums(quantities: Quantities, gates: Gates) -> Balls:
    """Lam0 (m, n): sum_{i in U_k} |K_ji| from above on U_k, and 0 off it."""
    sums = product(gates.uncertain.astype(np.float64), magnitude(quantities.K))
    return np.asarray(np.where(gates.uncertain, sums, ball(0.0)))


@dataclass(frozen=True, eq=False)
class Ranges:
    """Middle and half-width of phi over the radii, (m, n), and ||F' - F||_F from above."""

    middle: Balls
    half: Balls
    spread: Any


def ranges_of(quantities: Quantities, radius: Balls) -> Ranges:
    """What phi(z') may be for |z' - z| <= radius."""
    slope = quantities.instance.slope
    low, high = phi(quantities.Z - radius, slope), phi(quantities.Z + radius, slope)
    away = np.asarray(abs(quantities.Z) > radius, dtype=bool)
    zero = ball(0.0)
    least, greatest, farther = np.empty_like(low), np.empty_like(low), np.empty_like(low)
    for at in np.ndindex(low.shape):
        first, last = low[at].min(high[at]), low[at].max(high[at])
        least[at], greatest[at] = (first, last) if away[at] else (first.min(zero), last.max(zero))
        now = quantities.features[at]
        farther[at] = (greatest[at] - now).abs_upper().max((now - least[at]).abs_upper())
    spread = quantities.scale * root_of(np.sum(farther * farther))
    return Ranges((least + greatest) / 2, (greatest - least) / 2, spread)
