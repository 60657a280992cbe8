"""Certified gradient descent contracts at every step and stays in its radii."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shallow.exact.gradient import predict


@pytest.mark.parametrize("length", [0.05, 0.3, 0.9])
@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_descent_contracts_and_stays(length: float, slope: float, descent_edge: Any) -> None:
    fired = [edge for edge in (descent_edge(seed, 4, 5, 25, slope, length) for seed in range(4)) if edge]
    assert len(fired) >= 2
    for edge in fired:
        _follow(edge)


def _follow(edge: Any) -> None:
    c, X, y, s = edge.certificate, edge.problem.X, edge.problem.y, edge.network.scale
    W, a, slope = edge.network.W.copy(), edge.network.a.copy(), edge.network.slope
    Z0, size = W @ X.T, float(np.linalg.norm(predict(edge.network, X) - y))
    first = size
    for _ in range(400):
        Z = W @ X.T
        gates = np.where(Z > 0, 1.0, slope)
        r = s * (a @ (gates * Z)) - y
        W, a = (
            W - edge.rates[0] * s * a[:, None] * ((gates * r) @ X),
            a - edge.rates[1] * s * ((gates * Z) @ r),
        )
        Z = W @ X.T
        after = float(np.linalg.norm(s * (a @ np.where(Z > 0, Z, slope * Z)) - y))
        if after < 1e-9 * first:
            break
        assert after**2 <= (1 - 2 * c.decay) * size**2 * (1 + 1e-12)
        assert np.all(np.abs(Z - Z0) <= c.radius_pairs)
        assert np.all(np.linalg.norm(W - edge.network.W, axis=1) <= c.radius_W)
        assert np.all(np.abs(a - edge.network.a) <= c.radius_a)
        size = after
