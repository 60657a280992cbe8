"""What the certificates share: two trained layers at their own rates, and the quantities of the short path.

Write s0 and ||J|| for the extreme singular values of the rate-scaled Jacobian [sqrt(eta_W) J_W,
sqrt(eta_a) J_a] at the start, r0 for the residual norm there. Along a rate-scaled path of length B the
Jacobian moves by at most sqrt(E_W^2 + E_a^2), with

    E_W = sqrt(eta_W) s ||X|| (sqrt(eta_a) B + sqrt(A(sqrt(eta_W) B))),   E_a = sqrt(eta_W eta_a) s ||X|| B

and A(R) the flip energy: the most sum_r a_r^2 over neurons whose pattern on one sample a change of W by R
in Frobenius norm can flip. (Schur's bound on Khatri-Rao products, and relu is 1-Lipschitz.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from proofs_check.certificates.flips import flip_energy
from proofs_check.statement import Hypothesis, Source
from proofs_check.theorems._decay import EPS
from proofs_check.theorems._first_layer import INPUTS, choose, read_problem
from shallow.exact.gradient import predict
from shallow.exact.ntk import empirical_ntk
from shallow.setting.initialization import Initialization, doubled, lecun, ntk, ntk_signs
from shallow.setting.labels import GaussianLabels, RandomSigns
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = [
    "NOT_RAZBOROV",
    "SYMBOLS",
    "TwoLayers",
    "closeness",
    "draw_two_layers",
    "dying_neuron",
    "flip_energy",
    "source",
    "start_hypothesis",
]

Matrix = np.ndarray[Any, np.dtype[np.float64]]
_TITLE = "Convergence certificates with explicit constants for two trained layers"
NOT_RAZBOROV = "this is Razborov's setting (arXiv:2212.02323), not his theorem, whose text has not been read"

SYMBOLS = {
    "n, d, m": "samples, inputs, neurons",
    "s": "the scale in front of the sum over neurons",
    "r": "the residual f - y; r_0 at the start",
    "eta_W, eta_a": "the rates of the first and second layer",
    "s_0": "s_0^2 = lambda_min(eta_W H_W + eta_a H_a) at the start",
    "A(R)": "flip energy: most sum of a_r^2 over neurons that moving W by R can flip on one sample",
}

_INITIALIZATIONS: Mapping[str, Initialization] = MappingProxyType(
    {
        "ntk": ntk(),
        "ntk-signs": ntk_signs(),
        "lecun": lecun(),
        "doubled-ntk": doubled(ntk()),
        "doubled-ntk-signs": doubled(ntk_signs()),
        "doubled-lecun": doubled(lecun()),
    }
)
_LAWS: Mapping[str, Callable[[float], RandomSigns | GaussianLabels]] = MappingProxyType(
    {"signs": RandomSigns, "gaussian": GaussianLabels}
)
_EIGENVECTORS: Mapping[str, int] = MappingProxyType({"bottom-eigenvector": 0, "top-eigenvector": -1})


def source(item: str) -> Source:
    """Derived for this laboratory; no paper's text."""
    return Source(authors="derived here", title=_TITLE, year=2026, item=item)


@dataclass(frozen=True, eq=False)
class TwoLayers:
    """A network at its start with its rates; ``smallest`` and ``largest`` are s0 and ||J||.

    ``smallest`` is exactly 0 where rounding cannot tell it from 0. ``spectral`` is ||X||, ``features`` the
    n-th singular value of scale relu(X W^T), 0 when m < n.
    """

    parameters: Any
    problem: Problem
    network: Network
    rate_W: float
    rate_a: float
    start: float
    smallest: float
    largest: float
    spectral: float
    features: float


def draw_two_layers(parameters: Any, streams: Streams, problem: Problem | None) -> TwoLayers:
    """Inputs, network and labels, in this order: labels along an eigenvector depend on the network."""
    law = choose(_INITIALIZATIONS, parameters.initialization, "initialization")
    if problem is not None:
        problem = read_problem(problem)
        return two_layers(parameters, problem, law.draw(parameters.m, problem, streams))
    X = choose(INPUTS, parameters.inputs, "inputs").draw(parameters.n, parameters.d, streams)
    network = law.draw(parameters.m, Problem(X, np.zeros(len(X))), streams)
    return two_layers(parameters, Problem(X, _labels(parameters, X, network, streams)), network)


def _labels(parameters: Any, X: Matrix, network: Network, streams: Streams) -> Matrix:
    word, tau = parameters.labels, parameters.label_scale
    if word in _EIGENVECTORS:
        H = empirical_ntk(network, X, parameters.rate_W, parameters.rate_a)
        direction = np.linalg.eigh(H)[1][:, _EIGENVECTORS[word]]
        return np.asarray(predict(network, X) + tau * math.sqrt(len(X)) * direction)
    table = {**_LAWS, **dict.fromkeys(_EIGENVECTORS)}
    return np.asarray(choose(table, word, "labels")(tau).draw(X, streams))


def two_layers(parameters: Any, problem: Problem, network: Network) -> TwoLayers:
    """The instance of a given network."""
    X = np.asarray(problem.X)
    eigenvalues = np.linalg.eigvalsh(empirical_ntk(network, X, parameters.rate_W, parameters.rate_a))
    floor = 8 * (problem.n + network.m) * EPS * float(eigenvalues[-1])
    smallest = math.sqrt(eigenvalues[0]) if eigenvalues[0] > floor else 0.0
    F = network.scale * np.maximum(X @ np.asarray(network.W).T, 0.0)
    singular = np.linalg.svd(F, compute_uv=False)
    enough = network.m >= problem.n and singular[-1] > 8 * (problem.n + network.m) * EPS * singular[0]
    return TwoLayers(
        parameters=parameters,
        problem=problem,
        network=network,
        rate_W=parameters.rate_W,
        rate_a=parameters.rate_a,
        start=float(np.linalg.norm(predict(network, X) - np.asarray(problem.y))),
        smallest=smallest,
        largest=math.sqrt(max(float(eigenvalues[-1]), 0.0)),
        spectral=float(np.linalg.norm(X, 2)),
        features=float(singular[-1]) if enough else 0.0,
    )


def dying_neuron(parameters: Any, streams: Streams, problem: Problem | None) -> TwoLayers:
    """One neuron w = 1, a = 1.2 on x = 1 with label -1/2: w falls below 0 before a; the residual stays 1/2.

    At equal rates the flow keeps a^2 - w^2 = 0.44, so a cannot reach 0 first.
    """
    return two_layers(parameters, Problem([[1.0]], [-0.5]), Network([[1.0]], [1.2]))


def closeness(instance: TwoLayers, length: float) -> float:
    """sqrt(E_W^2 + E_a^2) for a path of this length: how far the rate-scaled Jacobian can move."""
    if not math.isfinite(length):
        return math.inf
    root_W, root_a = math.sqrt(instance.rate_W), math.sqrt(instance.rate_a)
    size = abs(instance.network.scale) * instance.spectral
    energy = flip_energy(instance.network, np.asarray(instance.problem.X), root_W * length)
    return size * root_W * math.hypot(root_a * length + math.sqrt(energy), root_a * length)


def start_hypothesis(instance: TwoLayers) -> Hypothesis:
    """s0 > 0: the tangent kernel at the start is not singular."""
    text = f"lambda_min(eta_W H_W + eta_a H_a) = {instance.smallest**2:.3g} > 0 at the start"
    if instance.smallest == 0:
        text = (
            "the tangent kernel at the start is singular (s_0 = 0): parallel rows or too few active neurons"
        )
    return Hypothesis.fact("start", text, instance.smallest > 0, "s_0")
