"""The certificates: committed settings, mutants, the constants re-derived, the flip energy against search."""

from __future__ import annotations

import dataclasses
import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs_check.check import check, check_mutants
from proofs_check.theorems import THEOREMS
from proofs_check.theorems.certificates._pieces import closeness, flip_energy
from proofs_check.verdict import Verdict
from shallow.exact.gradient import jacobian
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

FLOWS = (
    "certificates/cert-a",
    "certificates/cert-b",
    "certificates/cert-f",
    "certificates/cert-f-integrated",
)
KEYS = (*FLOWS, "certificates/cert-b-gd", "certificates/lmin-1")


@pytest.mark.parametrize("key", KEYS)
def test_committed_setting_holds(key: str) -> None:
    result = check(THEOREMS[key])
    assert result.verdict is Verdict.HOLDS, result.reason
    assert result.evaluated > 0


@pytest.mark.parametrize("key", KEYS)
def test_every_mutant_is_refuted(key: str) -> None:
    found = check_mutants(THEOREMS[key])
    assert len(found) == 3 + (key == "certificates/cert-b-gd")
    assert [item.name for item in found if not item.refuted] == []


def test_the_constants_of_descent() -> None:
    """e = s0/8: 2e/(s0 - e) = 2/7, so 5/7; 2 (5/7) - 1 = 3/7; (3/7)(7/8)^2 = 21/64; (3/14)(7/8) = 3/16."""
    e = Fraction(1, 8)
    kept = 1 - 2 * e / (1 - e)
    gained = 2 * kept - 1
    assert kept == Fraction(5, 7)
    assert gained * (1 - e) ** 2 == Fraction(21, 64)
    assert 1 / (gained / 2 * (1 - e)) == Fraction(16, 3)


def test_the_ratio_of_sides_of_descent() -> None:
    """(n, d, m) = (5, 50, 2000), tau = 0.01: near 0.26 at rates 0.01 : 1 and near 2.6 at 1 : 1."""
    statement = THEOREMS["certificates/cert-b-gd"]
    quick = statement.presets["quick"]

    def sides(rate_W: float) -> float:
        parameters = dataclasses.replace(quick, rate_W=rate_W)
        found = []
        for seed in range(8):
            instance = statement.instance(parameters, Streams(seed), None)
            close = next(item for item in statement.hypotheses(instance) if item.name == "closeness")
            found.append(1 / close.ratio)
        return float(np.median(found))

    assert 0.2 < sides(0.01) < 0.35
    assert 2.0 < sides(1.0) < 3.5


def test_at_equal_rates_the_certificate_does_not_apply_but_descent_converges() -> None:
    result = check(THEOREMS["certificates/cert-b-gd"], set={"rate_W": 1.0})
    assert result.verdict is Verdict.NOT_APPLICABLE
    assert "closeness is false" in result.reason
    assert result.outside


def test_twice_the_step_is_refused_by_name() -> None:
    result = check(THEOREMS["certificates/cert-b-gd"], set={"step": 2.0})
    assert result.verdict is Verdict.NOT_APPLICABLE
    assert "step is false" in result.reason


def _flippable(network: Network, X: np.ndarray, radius: float) -> float:
    """The flip energy by trying every set of neurons on every sample."""
    best = 0.0
    for x in X:
        cost = (network.W @ x / np.linalg.norm(x)) ** 2
        for chosen in itertools.product([False, True], repeat=network.m):
            mask = np.array(chosen)
            if cost[mask].sum() <= radius**2:
                best = max(best, float((network.a[mask] ** 2).sum()))
    return best


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), m=st.integers(1, 7), radius=st.floats(0.0, 3.0))
def test_flip_energy_bounds_every_set_of_neurons(seed: int, m: int, radius: float) -> None:
    rng = np.random.default_rng(seed)
    network = Network(rng.standard_normal((m, 3)), rng.standard_normal(m))
    X = rng.standard_normal((2, 3))
    energy = flip_energy(network, X, radius)
    assert energy >= _flippable(network, X, radius) * (1 - 1e-12)
    assert energy <= float((network.a**2).sum()) * (1 + 1e-12)


def test_flip_energy_counts_what_lies_on_the_kink_and_skips_zero_samples() -> None:
    network = Network([[0.0, 1.0], [1.0, 0.0]], [3.0, 1.0])
    assert flip_energy(network, np.array([[1.0, 0.0]]), 0.0) == 9.0
    assert flip_energy(network, np.array([[0.0, 0.0]]), 5.0) == 0.0


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), length=st.floats(1e-3, 1.0))
def test_closeness_bounds_how_far_the_rate_scaled_jacobian_moves(seed: int, length: float) -> None:
    statement = THEOREMS["certificates/cert-b"]
    parameters = dataclasses.replace(
        statement.presets["quick"], n=3, d=4, m=6, rate_W=0.3, rate_a=0.7, initialization="ntk"
    )
    instance = statement.instance(parameters, Streams(seed), None)
    rng = np.random.default_rng(seed)
    dW, da = rng.standard_normal((6, 4)), rng.standard_normal(6)
    size = length / np.hypot(np.linalg.norm(dW), np.linalg.norm(da))
    start = instance.network
    moved = start.replace(W=start.W + np.sqrt(0.3) * size * dW, a=start.a + np.sqrt(0.7) * size * da)
    X = instance.problem.X
    then, now = jacobian(start, X), jacobian(moved, X)
    shift = np.hstack(
        [np.sqrt(0.3) * (now.W - then.W).reshape(3, -1), np.sqrt(0.7) * (now.a - then.a).reshape(3, -1)]
    )
    assert np.linalg.norm(shift, 2) <= closeness(instance, length) * (1 + 1e-12)


@pytest.mark.parametrize("key", ["certificates/cert-f", "certificates/cert-f-integrated"])
def test_fewer_neurons_than_samples_have_no_features(key: str) -> None:
    result = check(THEOREMS[key], set={"n": 5, "m": 4})
    assert result.verdict is Verdict.NOT_APPLICABLE
    assert "m < n" in result.reason


@pytest.mark.parametrize("key", KEYS)
def test_duplicate_rows_are_not_applicable(key: str) -> None:
    X = np.vstack([np.eye(3), [[0.0, 1.0, 0.0]]])
    result = check(THEOREMS[key], problem=Problem(X, [1.0, -1.0, 1.0, 1.0]), set={"m": 60}, trials=2)
    assert result.verdict is Verdict.NOT_APPLICABLE
    assert len(result.duplicates) == 1
    assert not result.outside


@pytest.mark.parametrize("key", KEYS)
def test_one_sample_of_any_norm_is_handled(key: str) -> None:
    result = check(THEOREMS[key], problem=Problem([[0.0, 2.0]], [1e-4]), trials=2)
    assert result.failed == 0


@pytest.mark.parametrize("key", KEYS)
def test_one_neuron_is_handled(key: str) -> None:
    quick = THEOREMS[key].presets["quick"]
    changes = {"m": 1, "n": 2} | ({"initialization": "ntk"} if hasattr(quick, "initialization") else {})
    result = check(THEOREMS[key], set=changes, trials=2)
    assert result.verdict is Verdict.NOT_APPLICABLE


def test_the_flow_with_a_frozen_first_layer_is_certified_for_any_labels() -> None:
    result = check(THEOREMS["certificates/cert-f"], set={"rate_W": 0.0, "label_scale": 1e4})
    assert result.verdict is Verdict.HOLDS


def test_no_certificate_claims_to_be_the_theorem_whose_setting_it_shares() -> None:
    for key in (*FLOWS, "certificates/cert-b-gd"):
        assert any("not his theorem" in note for note in THEOREMS[key].notes), key
