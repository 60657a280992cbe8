"""Instances at the edge: the largest residual that is still certified, along a random direction.

And instances a little off zero loss: labels are the network's outputs moved by a residual of known size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from proofs_check.certificates import Certificate, Plan, certify_descent, certify_flow
from proofs_check.certificates.geometry import geometry_of
from proofs_check.certificates.instance import Instance
from proofs_check.certificates.proposal import Proposal
from proofs_check.certificates.search import search_flow
from proofs_check.certificates.search_descent import search_descent
from shallow.exact.gradient import predict
from shallow.setting.network import Network
from shallow.setting.problem import Problem

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class Edge:
    network: Network
    problem: Problem
    rates: tuple[float, float]
    certificate: Certificate


def draw(
    seed: int, n: int, d: int, m: int, slope: float = 0.0, sliding: bool = True
) -> tuple[Any, Network, Any]:
    """Gaussian weights and inputs; a quarter of the neurons sit exactly (to rounding) on a kink."""
    rng = np.random.default_rng(seed)
    X, W, a = rng.standard_normal((n, d)), rng.standard_normal((m, d)), rng.standard_normal(m)
    for k in range(m // 4 if sliding and d > 1 else 0):
        x = X[rng.integers(n)]
        W[k] -= x * (W[k] @ x) / (x @ x)
    return rng, Network(W, a, scale=1 / np.sqrt(m), slope=slope), X


def largest(
    network: Network, X: Any, direction: Any, rates: tuple[float, float], certify: Callable[..., Certificate]
) -> Edge | None:
    """The largest residual on a grid of ratio 0.8 along ``direction`` that is certified; None below 1e-4."""
    f, plan = np.asarray(predict(network, X)), Plan(stages=4)
    unit = direction / np.linalg.norm(direction)
    grid = 10 * 0.8 ** np.arange(52)

    def at(size: float) -> tuple[Problem, Certificate]:
        problem = Problem(X, f + size * unit)
        return problem, certify(network, problem, rates, "numeric", plan=plan)

    low, high = 0, len(grid) - 1
    problem, best = at(float(grid[high]))
    if not best.certified:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        candidate, found = at(float(grid[middle]))
        if found.certified:
            high, problem, best = middle, candidate, found
        else:
            low = middle
    return Edge(network, problem, rates, best)


@pytest.fixture(scope="session")
def flow_edge() -> Callable[..., Edge | None]:
    def make(seed: int, n: int, d: int, m: int, slope: float = 0.0, span: float = 1.0) -> Edge | None:
        rng, network, X = draw(seed, n, d, m, slope)
        rates = (float(10 ** rng.uniform(-span, span)), float(10 ** rng.uniform(-span, span)))
        return largest(network, X, rng.standard_normal(n), rates, certify_flow)

    return make


@pytest.fixture(scope="session")
def descent_edge() -> Callable[..., Edge | None]:
    def make(seed: int, n: int, d: int, m: int, slope: float = 0.0, length: float = 0.3) -> Edge | None:
        """The steps are ``length`` over the tangent kernel's largest eigenvalue."""
        rng, network, X = draw(seed, n, d, m, slope, sliding=False)
        Z = network.W @ X.T
        gates, features = np.where(Z > 0, 1.0, slope), network.scale * np.where(Z > 0, Z, slope * Z)
        H = network.scale**2 * (X @ X.T) * ((gates * network.a[:, None] ** 2).T @ gates)
        step = length / float(np.linalg.eigvalsh(H + features.T @ features)[-1])
        return largest(network, X, rng.standard_normal(n), (step, step), certify_descent)

    return make


def labelled(
    rng: np.random.Generator,
    X: Array,
    W: Array,
    a: Array,
    *,
    residual: float,
    slope: float = 0.0,
    rates: tuple[float, float] = (1.0, 1.0),
) -> Instance:
    """The instance with labels f(x_i) + noise of norm ``residual``, and scale 1/sqrt(m)."""
    scale = 1 / np.sqrt(len(a))
    Z = W @ X.T
    noise = rng.normal(size=len(X))
    y = scale * (a @ np.where(Z > 0, Z, slope * Z)) + residual * noise / np.linalg.norm(noise)
    return Instance(X, y, W, a, float(scale), slope, *rates)


def drawn(
    rng: np.random.Generator, n: int, d: int, m: int, *, residual: float = 1e-3, **others: Any
) -> Instance:
    """A Gaussian instance."""
    X, W = rng.normal(size=(n, d)) / np.sqrt(d), rng.normal(size=(m, d))
    a = rng.choice([-1.0, 1.0], m) * rng.uniform(0.5, 1.5, m)
    return labelled(rng, X, W, a, residual=residual, **others)


def flow_proposal(instance: Instance, **plan: Any) -> Proposal:
    """What the search proposes for the flow; the instance has to be certifiable."""
    found = search_flow(geometry_of(instance), Plan(**plan))
    assert isinstance(found, Proposal)
    return found


def descent_proposal(instance: Instance, **plan: Any) -> Proposal:
    """What the search proposes for steps; the instance has to be certifiable."""
    found = search_descent(geometry_of(instance), Plan(**plan))
    assert isinstance(found, Proposal)
    return found


@pytest.fixture(scope="session", name="drawn")
def _drawn() -> Callable[..., Instance]:
    return drawn


@pytest.fixture(scope="session", name="labelled")
def _labelled() -> Callable[..., Instance]:
    return labelled


@pytest.fixture(scope="session", name="flow_proposal")
def _flow_proposal() -> Callable[..., Proposal]:
    return flow_proposal


@pytest.fixture(scope="session", name="descent_proposal")
def _descent_proposal() -> Callable[..., Proposal]:
    return descent_proposal
