"""The closed-form certificates at the start, and how the integrated forms improve them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from proofs_check.certificates.flips import flip_energy_of
from proofs_check.certificates.initial import INITIAL, certify_initial, lmin_probability, lmin_width
from shallow.exact.ntk import empirical_ntk
from shallow.setting.initialization import doubled, lecun, ntk, ntk_signs
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams


def start(tau: float, m: int = 4000, n: int = 5, d: int = 50) -> tuple[Network, Problem]:
    rng = np.random.default_rng(0)
    problem = Problem(rng.standard_normal((n, d)) / math.sqrt(d), tau * rng.choice([-1.0, 1.0], n))
    return doubled(ntk()).draw(m, problem, Streams(1)), problem


def test_small_labels_are_certified_by_all_and_the_integrated_forms_reach_further() -> None:
    network, problem = start(1e-4)
    found = certify_initial(network, problem, (1.0, 1.0))
    assert set(found) == set(INITIAL)
    assert all(found[name].certified for name in ("CERT-B", "CERT-AB+", "CERT-F", "CERT-F+"))
    assert found["CERT-AB+"].decay > found["CERT-B"].decay
    assert found["CERT-F+"].decay > found["CERT-F"].decay
    assert found["CERT-AB+"].travel_W < found["CERT-B"].travel_W
    reaches = {name: _reach(name) for name in ("CERT-B", "CERT-AB+", "CERT-F", "CERT-F+")}
    assert reaches["CERT-AB+"] >= 1.5 * reaches["CERT-B"]
    assert reaches["CERT-F+"] == pytest.approx(2 * reaches["CERT-F"], rel=0.02)


def _reach(name: str) -> float:
    """The largest certified label scale on a grid of ratio 1.02 from 1e-5."""
    low, high = 0, 900
    while high - low > 1:
        middle = (low + high) // 2
        certified = certify_initial(*start(1e-5 * 1.02**middle), (1.0, 1.0))[name].certified
        low, high = (middle, high) if certified else (low, middle)
    return 1e-5 * 1.02**low


def test_cert_a_is_cert_b_for_a_frozen_second_layer() -> None:
    network, problem = start(1e-4)
    frozen = certify_initial(network, problem, (3.0, 0.0))
    assert frozen["CERT-A"].ratio == frozen["CERT-B"].ratio
    assert frozen["CERT-A"].certified
    assert not frozen["CERT-F"].certified
    assert "rate_a" in frozen["CERT-F"].reason
    assert not certify_initial(network, problem, (3.0, 1.0))["CERT-A"].certified


def test_time_scales_with_both_rates() -> None:
    network, problem = start(1e-4)
    once, thrice = (certify_initial(network, problem, (c, c)) for c in (1.0, 3.0))
    for name in ("CERT-B", "CERT-AB+", "CERT-F", "CERT-F+"):
        assert thrice[name].decay == pytest.approx(3 * once[name].decay, rel=1e-9)
        assert thrice[name].travel_W == pytest.approx(once[name].travel_W, rel=1e-9)


def test_descent_needs_short_steps() -> None:
    network, problem = start(1e-6)
    H = empirical_ntk(network, problem.X, 1.0, 1.0)
    largest = float(np.linalg.eigvalsh(H)[-1])
    short, long = (certify_initial(network, problem, (h / largest,) * 2)["CERT-B-GD"] for h in (0.5, 1.5))
    assert short.certified
    assert not long.certified
    assert short.decay == pytest.approx(21 / 128 * float(np.linalg.eigvalsh(H)[0]) * 0.5 / largest, rel=1e-6)


def test_fewer_neurons_than_samples_have_no_independent_features() -> None:
    rng = np.random.default_rng(0)
    problem = Problem(rng.standard_normal((6, 8)), rng.standard_normal(6))
    network = lecun().draw(4, problem, Streams(0))
    assert "m >= n" in certify_initial(network, problem)["CERT-F+"].reason


def test_what_nothing_fits_is_refused_by_all() -> None:
    X = np.array([[1.0, 2.0], [1.0, 2.0]])
    found = certify_initial(Network(np.eye(2), np.ones(2)), Problem(X, [1.0, -1.0]))
    assert all("conflicting" in item.reason and not item.certified for item in found.values())


@pytest.mark.parametrize("seed", range(8))
def test_the_flip_energy_is_the_largest_over_all_subsets_for_equal_outer_weights(seed: int) -> None:
    rng = np.random.default_rng(seed)
    W, X, a = rng.standard_normal((6, 3)), rng.standard_normal((4, 3)), rng.choice([-0.5, 0.5], 6)
    W[0] -= X[0] * (W[0] @ X[0]) / (X[0] @ X[0])
    energy = flip_energy_of(W, a, X)
    cost = (X @ W.T / np.linalg.norm(X, axis=1)[:, None]) ** 2
    for radius in (0.0, 0.3, 1.0, 10.0):
        exact = max(_subsets(row, a**2, radius**2 * (1 + 1e-12)) for row in cost)
        assert exact - 1e-9 <= energy(radius) <= exact + 0.25 + 1e-9


def _subsets(cost: Any, worth: Any, budget: float) -> float:
    masks = (np.arange(2 ** len(cost))[:, None] >> np.arange(len(cost))) & 1
    return float(np.max(np.where(masks @ cost <= budget, masks @ worth, 0.0)))


def test_lmin_width_is_where_its_probability_reaches_delta() -> None:
    width = lmin_width(0.3, 2.0, 20, 0.1)
    assert lmin_probability(0.3, 2.0, 20, math.ceil(width)) <= 0.1
    assert lmin_probability(0.3, 2.0, 20, math.floor(width) - 1) > 0.1
    with pytest.raises(ValueError, match="delta"):
        lmin_width(0.3, 2.0, 20, 1.0)
    with pytest.raises(ValueError, match="slope"):
        lmin_width(0.3, 2.0, 20, 0.1, slope=math.nan)


def test_steep_slopes_make_the_summands_of_lmin_larger() -> None:
    """D K D reaches L^2 ||X||^2: with slope 3 and one sample the tail n e^(-...) needs the 9."""
    assert lmin_probability(0.3, 2.0, 20, 500, slope=-0.9) == lmin_probability(0.3, 2.0, 20, 500)
    assert lmin_probability(0.3, 2.0, 20, 4500, slope=-3.0) == pytest.approx(
        lmin_probability(0.3, 2.0, 20, 500)
    )
    assert lmin_width(0.3, 2.0, 20, 0.1, slope=3.0) == pytest.approx(9 * lmin_width(0.3, 2.0, 20, 0.1))


def test_the_tail_of_lmin_is_above_the_frequency_for_steep_slopes() -> None:
    """One input x = 1, gates 1 or 3 with equal chances: the mean of m gates squared, lambda0 = 5."""
    m, share, rng = 20, 0.5, np.random.default_rng(0)
    means = np.mean(np.where(rng.random((20000, m)) < 0.5, 1.0, 9.0), axis=1)
    frequency = np.mean(means <= (1 - share) * 5.0)
    assert frequency <= lmin_probability(5.0, 1.0, 1, m, share, slope=3.0)
    assert frequency > lmin_probability(5.0, 1.0, 1, m, share, slope=1.0)


def test_the_kernel_of_a_wide_network_of_signs_is_positive() -> None:
    rng = np.random.default_rng(0)
    problem = Problem(rng.standard_normal((8, 10)), np.ones(8))
    network = ntk_signs().draw(2000, problem, Streams(0))
    assert np.linalg.eigvalsh(empirical_ntk(network, problem.X, 1.0, 0.0))[0] > 0
