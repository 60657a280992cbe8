"""What the theorems about a trained first layer on the unit sphere share: the instance and its hypotheses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from proofs_check.statement import Hypothesis
from proofs_check.theorems._decay import EPS
from shallow.exact.ntk import ntk_gram
from shallow.setting.arrays import host
from shallow.setting.initialization import Initialization
from shallow.setting.inputs import Gaussian, NormalizedGaussian, Orthonormal, Sphere
from shallow.setting.labels import GaussianLabels, RandomSigns
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = [
    "INPUTS",
    "FirstLayer",
    "choose",
    "draw_first_layer",
    "read_problem",
    "sphere_hypotheses",
]

_UNIT = 1e-6  # unit rows survive single precision and files with seven digits; no constant here is that fine
_LARGEST = 1e15

Matrix = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class FirstLayer:
    """A network at its start, a problem, and the spectrum of the infinite-width first-layer kernel on it.

    ``lambda0`` is that kernel's smallest eigenvalue, and exactly 0 where rounding cannot tell it from 0.
    """

    parameters: Any
    problem: Problem
    network: Network
    eigenvalues: Matrix
    eigenvectors: Matrix
    lambda0: float

    @property
    def n(self) -> int:
        """Number of samples."""
        return self.problem.n

    @property
    def start(self) -> float:
        """||f_0 - y||."""
        from shallow.exact.gradient import residual

        return float(np.linalg.norm(residual(self.network, self.problem)))


def _eigenvector(place: int) -> Callable[[Matrix, Matrix, float, Streams], Matrix]:
    def labels(X: Matrix, vectors: Matrix, label_scale: float, streams: Streams) -> Matrix:
        return np.asarray(label_scale * np.sqrt(X.shape[0]) * vectors[:, place])

    return labels


_LABELS: Mapping[str, Callable[[Matrix, Matrix, float, Streams], Matrix]] = MappingProxyType(
    {
        "signs": lambda X, vectors, tau, streams: RandomSigns(tau).draw(X, streams),
        "gaussian": lambda X, vectors, tau, streams: GaussianLabels(tau).draw(X, streams),
        "bottom-eigenvector": _eigenvector(0),
        "top-eigenvector": _eigenvector(-1),
    }
)
INPUTS: Mapping[str, Any] = MappingProxyType(
    {
        "sphere": Sphere(),
        "orthonormal": Orthonormal(),
        "gaussian": Gaussian(),
        "normalized-gaussian": NormalizedGaussian(),
    }
)


def read_problem(problem: Problem) -> Problem:
    """The user's problem in float64, with one output."""
    y = np.asarray(host(problem.y), dtype=np.float64)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise ValueError(f"the statement is about one output; y has {y.shape[1]} columns, give one of them")
    X = np.asarray(host(problem.X), dtype=np.float64)
    for name, values in (("X", X), ("y", y)):
        largest = float(np.max(np.abs(values)))
        if largest > _LARGEST or 0 < largest < 1 / _LARGEST:
            raise ValueError(f"the largest entry of {name} is {largest:.3g}; rescale it to a size near 1")
    return Problem(X, y, name=problem.name)


def choose(table: Mapping[str, Any], word: str, what: str) -> Any:
    """The entry that a word names; an unknown word gets the list of known ones."""
    if word not in table:
        raise ValueError(f"{what} is {word!r}; choose {', '.join(table)}")
    return table[word]


def draw_first_layer(
    parameters: Any,
    initialization: Initialization,
    streams: Streams,
    problem: Problem | None,
) -> FirstLayer:
    """X, y (unless they are the user's), the kernel's spectrum, and the network at its start."""
    if problem is None:
        X = choose(INPUTS, parameters.inputs, "inputs").draw(parameters.n, parameters.d, streams)
    else:
        problem = read_problem(problem)
        X = host(problem.X)
    eigenvalues, eigenvectors = np.linalg.eigh(np.asarray(host(ntk_gram(X, layer="first"))))
    if problem is None:
        draw = choose(_LABELS, parameters.labels, "labels")
        problem = Problem(X, draw(X, eigenvectors, parameters.label_scale, streams), name=parameters.inputs)
    floor = 8 * X.shape[0] * EPS * abs(float(eigenvalues[-1]))
    lambda0 = float(eigenvalues[0]) if eigenvalues[0] > floor else 0.0
    network = initialization.draw(parameters.m, problem, streams)
    return FirstLayer(parameters, problem, network, eigenvalues, eigenvectors, lambda0)


def sphere_hypotheses(instance: FirstLayer) -> tuple[Hypothesis, Hypothesis]:
    """||x_i|| = 1 for every row, and no two rows in one direction; each names the row that fails."""
    X = np.asarray(host(instance.problem.X))
    norms = np.linalg.norm(X, axis=1)
    worst = int(np.argmax(np.abs(norms - 1.0)))
    unit = bool(abs(norms[worst] - 1.0) <= _UNIT)
    text = "every row of X has norm 1"
    if not unit:
        text += f"; row {worst} has norm {norms[worst]:.6g} (divide each row by its norm)"
    separated = f"no two rows of X have one direction, so that lambda0 = {instance.lambda0:.3g} > 0"
    if instance.lambda0 == 0:
        separated = f"no two rows of X have one direction; here lambda0 = 0: {_culprit(X, norms)}"
    return (
        Hypothesis.fact("unit-rows", text, unit, "X"),
        Hypothesis.fact("lambda0", separated, instance.lambda0 > 0, "X"),
    )


def _culprit(X: Matrix, norms: Matrix) -> str:
    if len(X) == 1:
        return "the row is 0"
    if bool((norms == 0).any()):
        return f"row {int(np.argmin(norms))} is 0"
    rows = X / norms[:, None]
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -1.0)
    i, j = (int(place) for place in np.unravel_index(int(np.argmax(cosines)), cosines.shape))
    return f"rows {i} and {j} are the closest (cosine {cosines[i, j]:.6g})"
