"""Plain floating-point quantities of an instance, shared by the searches and the NUMERIC proof."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.certificates.instance import Instance

__all__ = [
    "Gates",
    "Geometry",
    "blocks",
    "features_reach",
    "features_spread",
    "gates_of",
    "geometry_of",
    "ragged",
]

Array = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
Index = np.ndarray[Any, np.dtype[np.intp]]


@dataclass(frozen=True, eq=False)
class Geometry:
    """The instance with Z = W X^T (m, n), K, a factor with ``factor @ factor.T = K`` and at most n columns,
    phi(Z), F F^T, row norms ||x_i||, ||X||, ||F||, the residual and its norm, Lipschitz constant of phi."""

    instance: Instance
    Z: Array
    K: Array
    factor: Array
    features: Array
    second: Array
    norms: Array
    spectral: float
    features_norm: float
    residual: Array
    residual_norm: float
    residual_error: float
    lipschitz: float

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
        """eta_W |s|."""
        return self.instance.rate_W * abs(self.instance.scale)

    @property
    def step_a(self) -> float:
        """eta_a |s|."""
        return self.instance.rate_a * abs(self.instance.scale)


def geometry_of(instance: Instance) -> Geometry:
    """The geometry of an instance. Cost O(n m d + n^2 (m + d))."""
    X, scale = instance.X, instance.scale
    K = X @ X.T
    Z = instance.W @ X.T
    features = np.where(Z > 0, Z, instance.slope * Z)
    residual = scale * (instance.a @ features) - instance.y
    factor = X if instance.d <= instance.n else np.asarray(np.linalg.qr(X.T, mode="r")).T
    second = scale**2 * (features.T @ features)
    return Geometry(
        instance=instance,
        Z=Z,
        K=(K + K.T) / 2,
        factor=np.ascontiguousarray(factor),
        features=features,
        second=(second + second.T) / 2,
        norms=np.linalg.norm(X, axis=1),
        spectral=_root(np.linalg.eigvalsh(X @ X.T if instance.n <= instance.d else X.T @ X)[-1]),
        features_norm=_root(np.linalg.eigvalsh(second)[-1]),
        residual=residual,
        residual_norm=float(np.linalg.norm(residual)),
        residual_error=_residual_error(instance, features, residual),
        lipschitz=max(1.0, abs(instance.slope)),
    )


def _residual_error(instance: Instance, features: Array, residual: Array) -> float:
    """About twice the rounding error of the residual norm: it decides when the residual is near rounding."""
    u, size = 2.0**-53, np.abs(instance.a)
    error_Z = 1.1 * instance.d * u * (np.abs(instance.W) @ np.abs(instance.X).T)
    sums = size @ (error_Z * max(1.0, abs(instance.slope)) + 1.1 * (instance.m + 3) * u * np.abs(features))
    each = abs(instance.scale) * sums + 2 * u * (np.abs(residual) + np.abs(instance.y))
    return 2.0 * float(np.linalg.norm(each))


def _root(value: float) -> float:
    return math.sqrt(max(float(value), 0.0))


@dataclass(frozen=True, eq=False)
class Gates:
    """Gates on a region: Delta (0 on U), the middle (1 + slope)/2 and half-width theta on U, and U itself."""

    certain: Array
    centre: float
    theta: float
    uncertain: Mask

    def middle_of(self, rows: Any) -> Array:
        """Dbar of some neurons: the present gates, and the middle on U."""
        return np.where(self.uncertain[rows], self.centre, self.certain[rows])

    def largest_of(self, rows: Any) -> Array:
        """|Dbar| + theta on U of some neurons."""
        return np.where(self.uncertain[rows], abs(self.centre) + self.theta, np.abs(self.certain[rows]))


def gates_of(geometry: Geometry, uncertain: Mask) -> Gates:
    """Gates when exactly the pairs in ``uncertain`` may cross the kink."""
    slope = geometry.instance.slope
    certain = np.where(geometry.Z > 0, 1.0, slope)
    certain[uncertain] = 0.0
    return Gates(
        certain=certain,
        centre=(1 + slope) / 2,
        theta=abs(1 - slope) / 2,
        uncertain=uncertain,
    )


def features_reach(geometry: Geometry, radius: Array) -> tuple[Array, float]:
    """Norms (m,) of the largest |phi| over the radii, and a bound on ||F' - F||_F; for crude constants."""
    norms, squares = np.empty(len(radius)), 0.0
    for rows in blocks(len(radius), radius.shape[1]):
        least, greatest = _range(geometry.instance.slope, geometry.Z[rows], radius[rows])
        away = np.maximum(greatest - geometry.features[rows], geometry.features[rows] - least)
        norms[rows] = np.linalg.norm(np.maximum(np.abs(least), np.abs(greatest)), axis=1)
        squares += float(np.sum(away**2))
    return norms, abs(geometry.instance.scale) * math.sqrt(squares)


def blocks(m: int, width: int) -> Iterator[slice]:
    """Slices of m neurons with about a million entries each, at ``width`` entries a neuron."""
    size = max(1, 1_000_000 // width)
    for begin in range(0, m, size):
        yield slice(begin, min(begin + size, m))


def _range(slope: float, Z: Array, radius: Array) -> tuple[Array, Array]:
    """Least and greatest phi(z') over |z' - z| <= radius."""
    low, high = Z - radius, Z + radius
    low, high = np.where(low > 0, low, slope * low), np.where(high > 0, high, slope * high)
    least, greatest = np.minimum(low, high), np.maximum(low, high)
    straddles = np.abs(Z) <= radius
    return np.where(straddles, np.minimum(least, 0), least), np.where(
        straddles, np.maximum(greatest, 0), greatest
    )


def features_spread(geometry: Geometry, radius: Array) -> tuple[Array, Array, float]:
    """Middle and half-width of phi over the radii, each (m, n), and a bound on ||F' - F||_F."""
    middle, half, squares = np.empty_like(radius), np.empty_like(radius), 0.0
    for rows in blocks(len(radius), radius.shape[1]):
        least, greatest = _range(geometry.instance.slope, geometry.Z[rows], radius[rows])
        away = np.maximum(greatest - geometry.features[rows], geometry.features[rows] - least)
        middle[rows], half[rows] = (least + greatest) / 2, (greatest - least) / 2
        squares += float(np.sum(away**2))
    return middle, half, abs(geometry.instance.scale) * math.sqrt(squares)


def ragged(mask: Mask, budget: int) -> Iterator[tuple[Index, Index, Mask]]:
    """Rows of ``mask`` with at least one True, grouped by their number of Trues.

    Yields row numbers (c,), column numbers (c, u) padded with 0, and which of them count (c, u). Within a
    group u at most doubles; c u is at most about ``budget``.
    """
    count = mask.sum(axis=1)
    rows = np.flatnonzero(count)
    rows = rows[np.argsort(count[rows], kind="stable")]
    begin = 0
    while begin < len(rows):
        size = _padded(int(count[rows[begin]]))
        end = int(np.searchsorted(count[rows], size, side="right"))
        end = min(end, begin + max(1, budget // size))
        group = rows[begin:end]
        width = int(count[group[-1]])
        order = np.argsort(~mask[group], axis=1, kind="stable")[:, :width]
        valid = np.arange(width)[None, :] < count[group][:, None]
        yield group, np.where(valid, order, 0), valid
        begin = end


def _padded(count: int) -> int:
    return 1 << (count - 1).bit_length()
