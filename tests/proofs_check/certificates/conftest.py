"""Networks a little off zero loss: labels are the network's own outputs moved by a residual of known size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from proofs_check.certificates.geometry import geometry_of
from proofs_check.certificates.instance import Instance
from proofs_check.certificates.proposal import Proposal
from proofs_check.certificates.search import Plan, search_flow
from proofs_check.certificates.search_descent import search_descent

Array = np.ndarray[Any, np.dtype[np.float64]]


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


@pytest.fixture(name="drawn")
def _drawn() -> Callable[..., Instance]:
    return drawn


@pytest.fixture(name="labelled")
def _labelled() -> Callable[..., Instance]:
    return labelled


@pytest.fixture(name="flow_proposal")
def _flow_proposal() -> Callable[..., Proposal]:
    return flow_proposal


@pytest.fixture(name="descent_proposal")
def _descent_proposal() -> Callable[..., Proposal]:
    return descent_proposal
