"""The lemmas under the certificates: kernels over a region, path constants, the spread of features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs_check.certificates.bounds import first_layer, second_layer
from proofs_check.certificates.constants import (
    output_constants,
    pair_constants,
    pair_reach,
    spectrum_of,
)
from proofs_check.certificates.geometry import features_spread, gates_of, geometry_of, ragged
from proofs_check.certificates.instance import Instance

EPS = float(np.finfo(np.float64).eps)
seeds = st.integers(0, 10_000)


def instance(seed: int, slope: float | None = None) -> tuple[Any, Instance, Any]:
    rng = np.random.default_rng(seed)
    n, d, m = int(rng.integers(2, 8)), int(rng.integers(1, 7)), int(rng.integers(1, 9))
    X, W = rng.standard_normal((n, d)), rng.standard_normal((m, d))
    if seed % 3 == 0:
        X[-1] = -X[0] * rng.choice([1.0, -1.0])
    g = float(rng.choice([0.0, 0.1, 0.7, -0.5, 1.5])) if slope is None else slope
    a, y = rng.standard_normal(m), rng.standard_normal(n)
    radius = np.abs(rng.standard_normal((m, n))) * rng.choice([0.1, 1.0])
    return rng, Instance(X, y, W, a, 0.7, g, 1.0, 1.0), radius


def some_gates(rng: Any, gates: Any, slope: float) -> Any:
    """Admissible gates: the present ones off U, anything between slope and 1 on it (often an end)."""
    share = rng.choice([0.0, 1.0, rng.random()], size=gates.uncertain.shape)
    return np.where(gates.uncertain, slope + (1 - slope) * share, gates.certain)


@settings(max_examples=60)
@given(seeds)
def test_every_admissible_kernel_is_above_the_multiplier_bound(seed: int) -> None:
    rng, case, radius = instance(seed)
    geometry = geometry_of(case)
    gates = gates_of(geometry, np.abs(geometry.Z) <= radius)
    multiplier = np.exp(rng.uniform(-6, 3, radius.shape))
    weights = np.where(rng.random(case.m) < 0.2, 0.0, rng.random(case.m))
    M = first_layer(geometry, gates, weights, multiplier)
    size = float(np.linalg.norm(geometry.K) * np.sum(weights)) * (1 + np.max(multiplier)) + 1
    for _ in range(5):
        D = some_gates(rng, gates, case.slope)
        G = geometry.K * ((D * weights[:, None]).T @ D)
        assert np.linalg.eigvalsh(G - M)[0] >= -100 * case.n * EPS * size


@settings(max_examples=40)
@given(seeds)
def test_path_constants_bound_every_push_by_the_decay_it_costs(seed: int) -> None:
    rng, case, radius = instance(seed)
    geometry = geometry_of(case)
    gates = gates_of(geometry, np.abs(geometry.Z) <= radius)
    root = rng.standard_normal((case.n, case.n + 2))
    M = root @ root.T + 0.1 * np.eye(case.n)
    spectrum = spectrum_of(M)
    shifts = spectrum.values[0] * np.array([0.4, 0.75, 0.9])
    pair = pair_constants(geometry, gates, spectrum, shifts)
    crude = pair_constants(geometry, gates, spectrum, np.array([]))
    middle, half, _ = features_spread(geometry, radius)
    output, crude_a = (output_constants(middle, half, spectrum, nu) for nu in (shifts, np.array([])))
    for _ in range(20):
        D = some_gates(rng, gates, case.slope)
        v = rng.standard_normal(case.n)
        v /= np.linalg.norm(v)
        price = v @ M @ v * (1 + 1e-9)
        push = np.abs((D * v) @ geometry.K)
        assert np.all(push <= pair * price)
        assert np.all(push <= crude * price)
        phi = middle + half * rng.uniform(-1, 1, half.shape)
        assert np.all(np.abs(phi @ v) <= output * price)
        assert np.all(np.abs(phi @ v) <= crude_a * price)
        assert np.all(push <= pair_reach(geometry, gates) * (1 + 1e-9))


@settings(max_examples=40)
@given(seeds)
def test_features_stay_in_their_spread_and_lemma_7_holds(seed: int) -> None:
    rng, case, radius = instance(seed)
    geometry = geometry_of(case)
    middle, half, spread = features_spread(geometry, radius)
    for _ in range(5):
        Z = geometry.Z + radius * rng.choice([-1.0, 0.0, 1.0, rng.uniform(-1, 1)], size=radius.shape)
        phi = np.where(Z > 0, Z, case.slope * Z)
        assert np.all(np.abs(phi - middle) <= half + 8 * EPS * (np.abs(Z) + np.abs(geometry.Z)) + 1e-300)
        moved = abs(case.scale) * np.linalg.norm(phi - geometry.features)
        assert moved <= spread * (1 + 1e-9)
        F = case.scale * phi.T
        share = float(rng.uniform(0.01, 1))
        below = second_layer(geometry, spread, share)
        size = np.linalg.norm(below) + np.linalg.norm(F) ** 2
        assert np.linalg.eigvalsh(F @ F.T - below)[0] >= -100 * case.n * EPS * size


@pytest.mark.parametrize("budget", [1, 7, 1000])
def test_ragged_groups_hold_each_true_entry_once(budget: int) -> None:
    mask = np.random.default_rng(0).random((40, 9)) < np.linspace(0, 1, 40)[:, None]
    again = np.zeros_like(mask, dtype=int)
    for rows, columns, valid in ragged(mask, budget):
        at, u = np.nonzero(valid)
        np.add.at(again, (rows[at], columns[at, u]), 1)
    assert np.array_equal(again, mask.astype(int))
