"""Laws of the inputs: Gaussian, sphere, near-orthogonal, two clusters.

Each law is a frozen record with ``draw(n, d, streams) -> X``, an (n, d) float64 array. Except where said,
draws are nested: the first n rows are the same for every larger n.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shallow.setting.arrays import Array, host
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = [
    "ClusterSample",
    "Gaussian",
    "NearOrthogonal",
    "NormalizedGaussian",
    "Orthonormal",
    "Sphere",
    "TwoClusters",
    "linear_clean_error",
    "orthogonality_ratio",
]

Matrix = np.ndarray[Any, np.dtype[np.float64]]


def _require_sizes(n: int, d: int) -> None:
    for name, value in (("n", n), ("d", d)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name} is {value!r}; it must be a positive integer")


def _require_positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} is {value}; it must be a positive finite number")


def _directions(n: int, d: int, generator: np.random.Generator) -> Matrix:
    z = generator.standard_normal((n, d))
    return np.asarray(z / np.sqrt(np.einsum("ij,ij->i", z, z))[:, None])


@dataclass(frozen=True)
class Gaussian:
    """Rows ~ N(0, I): norms near sqrt(d)."""

    name: str = field(default="gaussian", init=False)

    def draw(self, n: int, d: int, streams: Streams) -> Matrix:
        """An (n, d) matrix of standard normal entries."""
        _require_sizes(n, d)
        return streams.generator("inputs", law="gaussian", d=d).standard_normal((n, d))


@dataclass(frozen=True)
class NormalizedGaussian:
    """Rows ~ N(0, I/d): norms near 1. The same draw as :class:`Gaussian`, divided by sqrt(d)."""

    name: str = field(default="normalized-gaussian", init=False)

    def draw(self, n: int, d: int, streams: Streams) -> Matrix:
        """An (n, d) matrix of normal entries with variance 1/d."""
        return Gaussian().draw(n, d, streams) / math.sqrt(d)


@dataclass(frozen=True)
class Sphere:
    """Rows uniform on the sphere of the given radius."""

    radius: float = 1.0
    name: str = field(default="sphere", init=False)

    def __post_init__(self) -> None:
        _require_positive("radius", self.radius)

    def draw(self, n: int, d: int, streams: Streams) -> Matrix:
        """An (n, d) matrix whose rows have norm ``radius`` up to rounding."""
        _require_sizes(n, d)
        return self.radius * _directions(n, d, streams.generator("inputs", law="sphere", d=d))


@dataclass(frozen=True)
class Orthonormal:
    """The first n rows of the identity: exactly orthonormal, nothing random; needs n <= d."""

    name: str = field(default="orthonormal", init=False)

    def draw(self, n: int, d: int, streams: Streams) -> Matrix:
        """The (n, d) matrix with ones on its diagonal."""
        _require_sizes(n, d)
        _require_room(n, d)
        return np.eye(n, d)


def _require_room(n: int, d: int) -> None:
    if n > d:
        raise ValueError(f"n = {n} nearly orthogonal rows do not fit into d = {d} dimensions; take n <= d")


@dataclass(frozen=True)
class NearOrthogonal:
    """Unit rows whose orthogonality ratio rho_perp(X) is the chosen number; needs n <= d.

    The Gram matrix is I + t A with A symmetric, random, zero on the diagonal and max |A_ij| = 1, so that
    rho_perp = 1/(n t) exactly; then X = (I + t A)^(1/2) Q with Q random orthonormal rows, the closest such X
    to Q. Any ratio >= 1 is possible; a smaller one as long as I + t A stays positive definite.
    ``ratio = inf`` gives Q itself, orthonormal up to rounding. With n = 1 there is no pair and the ratio of
    any X is inf.

    Notes
    -----
    Not nested: the ratio itself depends on n.

    References
    ----------
    rho_perp: Frei, Vardi, Bartlett, Srebro 2023, Definition 1.
    """

    ratio: float
    name: str = field(default="near-orthogonal", init=False)

    def __post_init__(self) -> None:
        if math.isnan(self.ratio) or self.ratio <= 0:
            raise ValueError(f"ratio is {self.ratio}; the orthogonality ratio is a positive number")

    def draw(self, n: int, d: int, streams: Streams) -> Matrix:
        """An (n, d) matrix with the chosen orthogonality ratio, up to rounding of the Gram matrix.

        Raises
        ------
        ValueError
            If n > d, or if the ratio is too small for the drawn A. Cost: O(n^2 d + n^3).
        """
        _require_sizes(n, d)
        _require_room(n, d)
        z = streams.generator("inputs", law="orthonormal", d=d).standard_normal((n, d))
        q, r = np.linalg.qr(z.T)
        Q = (q * np.where(np.diag(r) < 0, -1.0, 1.0)).T
        if n == 1 or math.isinf(self.ratio):
            return np.ascontiguousarray(Q)
        A = streams.generator("inputs", law="near-orthogonal", n=n).standard_normal((n, n))
        A = A + A.T
        np.fill_diagonal(A, 0.0)
        values, vectors = np.linalg.eigh(A / np.max(np.abs(A)))
        spectrum = 1.0 + values / (n * self.ratio)
        if spectrum[0] <= 0:
            raise ValueError(
                f"orthogonality ratio {self.ratio} is too small for this draw of n = {n} rows; "
                f"it must exceed {-values[0] / n:.3g}, and 1 is always enough"
            )
        return np.ascontiguousarray((vectors * np.sqrt(spectrum)) @ vectors.T @ Q)


def orthogonality_ratio(X: Array) -> float:
    """rho_perp(X) = R_min^2 / (R^2 n max_{i != j} |<x_i, x_j>|) with R = R_max/R_min.

    It is the largest p for which the rows are "p-orthogonal"; inf when they are exactly orthogonal (also when
    n = 1) and 0 when a row is 0.

    Parameters
    ----------
    X : (n, d) array

    References
    ----------
    Frei, Vardi, Bartlett, Srebro 2023, Definition 1.
    """
    rows = host(X).astype(np.float64)
    largest = float(np.max(np.abs(rows)))
    if largest == 0:
        return 0.0
    rows = rows / largest  # the ratio has no units; this keeps squares of huge or tiny rows in range
    gram = rows @ rows.T
    n = gram.shape[0]
    smallest, biggest = float(np.min(np.diag(gram))), float(np.max(np.diag(gram)))
    if smallest == 0:
        return 0.0
    np.fill_diagonal(gram, 0.0)
    overlap = float(np.max(np.abs(gram)))
    return math.inf if overlap == 0 else smallest**2 / (biggest * n * overlap)


@dataclass(frozen=True, eq=False)
class ClusterSample:
    """A draw of :class:`TwoClusters`.

    Parameters
    ----------
    problem : Problem
        Inputs with the observed labels, some of them flipped.
    clean_labels : (n,) array
        The cluster each input came from, -1 or +1.
    mean : (d,) array
        The vector mu.
    """

    problem: Problem
    clean_labels: Matrix
    mean: Matrix

    @property
    def flipped(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which observed labels differ from the clean ones."""
        return np.asarray(host(self.problem.y) != self.clean_labels)

    def clean_errors(self, f: Array) -> int:
        """How many predictions have not the sign of the clean label (a prediction of 0 is an error).

        The population clean error is this count on a fresh :meth:`TwoClusters.test_sample`, with the interval
        of :func:`shallow.statistics.clopper_pearson`.
        """
        predictions = host(f)
        if predictions.shape != self.clean_labels.shape:
            raise ValueError(f"predictions have shape {predictions.shape}, labels {self.clean_labels.shape}")
        if bool(np.any(np.isnan(predictions))):
            raise ValueError("predictions hold a NaN, which has no sign to compare with a label")
        return int(np.count_nonzero(np.sign(predictions) != self.clean_labels))


@dataclass(frozen=True)
class TwoClusters:
    """x = z + ytilde mu with z ~ N(0, I), ytilde = +-1 fair, and the label y = ytilde flipped w.p. ``flip``.

    ||mu|| = ``mean_norm``, in a uniform direction which belongs to (seed, d), so that training and test
    samples share it. Draws are paired: changing ``mean_norm`` or ``flip`` keeps z and ytilde, and a larger
    ``flip`` flips a superset.

    References
    ----------
    Frei, Chatterji, Bartlett 2022 (arXiv:2202.05928), the example of section 2 with Sigma = I.
    """

    mean_norm: float
    flip: float = 0.0
    name: str = field(default="two-clusters", init=False)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean_norm) and self.mean_norm >= 0):
            raise ValueError(f"mean_norm is {self.mean_norm}; it must be a finite number >= 0")
        if not 0 <= self.flip <= 1:
            raise ValueError(f"flip is {self.flip}; it is a probability")

    def mean(self, d: int, streams: Streams) -> Matrix:
        """The vector mu, of shape (d,)."""
        _require_sizes(1, d)
        return np.asarray(self.mean_norm * _directions(1, d, streams.generator("cluster mean", d=d))[0])

    def draw(self, n: int, d: int, streams: Streams) -> Matrix:
        """The inputs alone, (n, d)."""
        return np.asarray(host(self.draw_problem(n, d, streams).problem.X))

    def draw_problem(self, n: int, d: int, streams: Streams) -> ClusterSample:
        """n training samples with observed and clean labels."""
        return self._sample(n, d, streams, "inputs")

    def test_sample(self, n: int, d: int, streams: Streams) -> ClusterSample:
        """n fresh samples of the same law with the same mu, independent of :meth:`draw_problem`."""
        return self._sample(n, d, streams, "test inputs")

    def _sample(self, n: int, d: int, streams: Streams, purpose: str) -> ClusterSample:
        _require_sizes(n, d)
        mean = self.mean(d, streams)
        z = streams.generator(purpose, law="two-clusters", d=d).standard_normal((n, d))
        signs = np.where(streams.generator(purpose, law="cluster signs").random(n) < 0.5, -1.0, 1.0)
        flips = streams.generator(purpose, law="cluster flips").random(n) < self.flip
        problem = Problem(z + signs[:, None] * mean, np.where(flips, -signs, signs), name=self.name)
        for array in (signs, mean):
            array.setflags(write=False)
        return ClusterSample(problem, signs, mean)


def linear_clean_error(direction: Array, mean: Array) -> float:
    """P(sign <v, x> != ytilde) under :class:`TwoClusters` with Sigma = I: Q(<v, mu>/||v||), exact.

    Q is the normal tail; the best direction is mu and its error Q(||mu||).
    """
    v, mu = host(direction).astype(np.float64), host(mean).astype(np.float64)
    largest = float(np.max(np.abs(v)))
    if not (largest > 0 and math.isfinite(largest)):
        raise ValueError("the direction of a linear classifier must be finite and not zero")
    v = v / largest
    return 0.5 * math.erfc(float(v @ mu) / (math.sqrt(2.0) * float(np.linalg.norm(v))))
