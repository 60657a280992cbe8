"""A certified flow, integrated, never leaves its radii and never falls behind its decay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest


class Batch:
    """Explicit Euler at ``fraction / lambda_max`` for several networks of one shape, at once."""

    def __init__(self, edges: Sequence[Any], fraction: float) -> None:
        self.X = np.stack([edge.problem.X for edge in edges])
        self.y = np.stack([edge.problem.y for edge in edges])
        self.W, self.a = np.stack([e.network.W for e in edges]), np.stack([e.network.a for e in edges])
        self.slope = np.array([e.network.slope for e in edges])[:, None, None]
        self.scale = np.array([e.network.scale for e in edges])
        self.rates = np.array([e.rates for e in edges])
        self.K, self.fraction, self.time = self.X @ self.X.swapaxes(1, 2), fraction, np.zeros(len(edges))
        self.h = np.zeros(len(edges))

    def forward(self) -> tuple[Any, Any, Any, Any]:
        Z = self.W @ self.X.swapaxes(1, 2)
        gates = np.where(Z > 0, 1.0, self.slope)
        features = self.scale[:, None, None] * gates * Z
        return Z, gates, features, np.einsum("bk,bki->bi", self.a, features) - self.y

    def refresh(self) -> None:
        _, gates, features, _ = self.forward()
        weights = (self.rates[:, :1] * self.scale[:, None] ** 2 * self.a**2)[:, :, None]
        H = self.K * ((gates * weights).swapaxes(1, 2) @ gates)
        H += self.rates[:, 1, None, None] * features.swapaxes(1, 2) @ features
        self.h = self.fraction / np.linalg.eigvalsh(H)[:, -1]

    def step(self) -> None:
        _, gates, features, r = self.forward()
        h_W, h_a = self.h * self.rates[:, 0] * self.scale, self.h * self.rates[:, 1]
        W = self.W - h_W[:, None, None] * self.a[:, :, None] * ((gates * r[:, None]) @ self.X)
        self.a = self.a - h_a[:, None] * np.einsum("bki,bi->bk", features, r)
        self.W, self.time = W, self.time + self.h


def used(drift: Any, radius: Any) -> float:
    """The largest drift over radius; a radius of 0 (a neuron that never moves) allows no drift at all."""
    return float(np.max(np.where(drift == 0, 0.0, drift / np.maximum(radius, 1e-300))))


def follow(edges: Sequence[Any], fraction: float, until: float) -> dict[str, Any]:
    """Largest drift over radius (pairs, neurons, outputs) and smallest observed over certified decay."""
    batch = Batch(edges, fraction)
    Z0, start = batch.forward()[0], np.linalg.norm(batch.forward()[3], axis=1)
    certificates = [edge.certificate for edge in edges]
    pairs = np.stack([c.radius_pairs for c in certificates])
    radius_W = np.stack([c.radius_W for c in certificates])
    radius_a = np.stack([c.radius_a for c in certificates])
    decay = np.array([c.decay for c in certificates])
    W0, a0, worst, slowest = batch.W, batch.a, np.zeros(3), np.full(len(edges), np.inf)
    size = start
    for count in range(400_000):
        if count % 20 == 0:
            Z, _, _, r = batch.forward()
            size = np.linalg.norm(r, axis=1)
            drifts = (
                used(np.abs(Z - Z0), pairs),
                used(np.linalg.norm(batch.W - W0, axis=2), radius_W),
                used(np.abs(batch.a - a0), radius_a),
            )
            worst = np.maximum(worst, drifts)
            behind = np.log(start / np.maximum(size, 1e-300)) / np.maximum(decay * batch.time, 1e-300)
            inside = (batch.time > 0) & (size > 1e-11 * start)
            slowest = np.where(inside, np.minimum(slowest, behind), slowest)
            if np.all(size <= until * start):
                break
            batch.refresh()
        batch.step()
    return {"worst": worst, "slowest": slowest, "left": size / start}


def sample(make: Any, shape: tuple[int, int, int], seeds: range, span: float) -> list[Any]:
    slopes = (0.0, 0.0, 0.0, 0.1, 0.5)
    found = [make(seed, *shape, slopes[seed % 5], span) for seed in seeds]
    return [edge for edge in found if edge is not None and edge.certificate.decay > 0]


SHAPES = ((3, 3, 12), (5, 4, 30), (4, 6, 8))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_certified_flow_stays_in_its_radii_and_keeps_its_decay(shape: Any, flow_edge: Any) -> None:
    edges = sample(flow_edge, shape, range(12), 0.7)
    assert len(edges) >= 10
    fraction = 0.1
    found = follow(edges, fraction, 1e-6)
    assert np.max(found["left"]) <= 1e-6
    # An Euler step of length h differs from the flow by a share h lambda_max of what it moves.
    assert np.max(found["worst"]) <= 1 + fraction, found
    assert np.min(found["slowest"]) >= 1 - fraction, found


# Shape -> seeds, and how many of their flows must be followed to a residual of 1e-12 of the start; others
# decay too slowly for 400,000 Euler steps and are followed as far as these go. The step is refreshed every
# 20: at (1, 1, 3), seed 158, a leaky neuron turns in between, and Euler falls behind where the flow does
# not (with a fifth of the step it decays four times as fast as certified), so that shape stops at 129.
FOLLOWED = {
    (3, 3, 12): (range(100, 130), 25),
    (5, 4, 30): (range(100, 130), 25),
    (4, 6, 8): (range(100, 160), 55),
    (2, 2, 3): (range(100, 160), 45),
    (1, 1, 3): (range(100, 130), 25),
    (6, 3, 5): (range(100, 130), 1),
    (10, 8, 60): (range(100, 130), 25),
    (8, 5, 500): (range(100, 110), 8),
}


def test_at_least_two_hundred_flows_are_followed_to_rounding() -> None:
    assert sum(least for _, least in FOLLOWED.values()) >= 200


@pytest.mark.slow
@pytest.mark.parametrize("shape", FOLLOWED)
def test_many_certified_flows_stay_in_their_radii_to_rounding(shape: Any, flow_edge: Any) -> None:
    seeds, least = FOLLOWED[shape]
    edges = sample(flow_edge, shape, seeds, 1.0)
    assert len(edges) >= 8
    fraction = 0.05
    found = follow(edges, fraction, 1e-12)
    assert np.max(found["worst"]) <= 1 + fraction, found
    assert np.min(found["slowest"]) >= 1 - fraction, found
    assert np.count_nonzero(found["left"] <= 1e-12) >= least, found["left"]
