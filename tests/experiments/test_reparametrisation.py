"""The exact shift R1 in the plane (gamma, gamma'): label scale and rate ratio move in it, bit for bit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shallow.setting.initialization import power_law
from shallow.setting.inputs import Sphere
from shallow.setting.labels import GaussianLabels
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams
from shallow.training import FlowScaled, GradientDescent, Trajectory, train

M = 16  # m and its roots are powers of 2, so that every rescaling is exact in binary arithmetic
STEPS = 60


def run(
    p: float, q: float, r: float, label_scale: float, rates: tuple[float, float], *, flow: bool = False
) -> Trajectory:
    """A training whose inputs, labels and neurons are the same but for the given powers of m."""
    streams = Streams(5)
    X = Sphere().draw(6, 4, streams)
    problem = Problem(X, GaussianLabels(1.0).draw(X, streams) * label_scale)
    network = power_law(p=p, q=q, r=r).draw(M, problem, streams)
    rule = GradientDescent(*rates, schedule=FlowScaled(0.2)) if flow else GradientDescent(*rates)
    return train(network, problem, rule, steps=STEPS, record=["residual_norm"], at=1, method="numpy")


@pytest.mark.parametrize("power", [0.5, 1.0, -0.5])
def test_labels_of_size_m_to_the_p_add_p_to_gamma(power: float) -> None:
    tau = math.pow(M, power)
    scaled = run(0.5, 0.0, 0.0, tau, (0.02, 0.03))
    shifted = run(0.5 + power, 0.0, 0.0, 1.0, (0.02 * tau**2, 0.03 * tau**2))
    np.testing.assert_array_equal(scaled.network.W, shifted.network.W)
    np.testing.assert_array_equal(scaled.network.a, shifted.network.a)
    np.testing.assert_array_equal(scaled.series["residual_norm"], tau * shifted.series["residual_norm"])
    assert scaled.series["residual_norm"][-1] < scaled.series["residual_norm"][0]


@pytest.mark.parametrize("power", [1.0, 2.0, -1.0])
@pytest.mark.parametrize("flow", [False, True])
def test_a_rate_ratio_of_m_to_the_q_takes_q_over_two_from_gamma_prime(power: float, flow: bool) -> None:
    ratio = math.pow(M, power)
    unequal = run(0.5, 0.0, 0.25, 1.0, (0.01 * ratio, 0.01), flow=flow)
    equal = run(0.5 - power / 2, power / 2, 0.25, 1.0, (0.01, 0.01), flow=flow)
    root = math.sqrt(ratio)
    np.testing.assert_array_equal(unequal.network.W, root * equal.network.W)
    np.testing.assert_array_equal(unequal.network.a, equal.network.a)
    np.testing.assert_array_equal(unequal.series["residual_norm"], equal.series["residual_norm"])
    before, after = power_law(p=0.5, r=0.25), power_law(p=0.5 - power / 2, q=power / 2, r=0.25)
    assert after.gamma == before.gamma
    assert after.gamma_prime == before.gamma_prime - power / 2
