"""Rules and schedules: data that is checked once, saved as words, and stepped in literal formulas."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import shallow
from shallow.training import (
    Fixed,
    FlowScaled,
    GatedModel,
    GradientDescent,
    KernelScaled,
    LossScaled,
    TangentModel,
    train,
)
from shallow.training.rules import RULES
from shallow.training.schedules import SCHEDULES, Schedule
from shallow.training.storage import rule_from_json, rule_to_json

EVERY_SCHEDULE = (Fixed(), KernelScaled(0.5), FlowScaled(0.2), LossScaled(1e-3))


def drawn() -> tuple[shallow.Network, shallow.Problem]:
    rng = np.random.default_rng(0)
    problem = shallow.Problem(rng.standard_normal((6, 3)), rng.choice([-1.0, 1.0], 6))
    return shallow.Network(rng.standard_normal((9, 3)), rng.standard_normal(9), 0.3), problem


@pytest.mark.parametrize("schedule", EVERY_SCHEDULE)
def test_a_rule_survives_being_written_down(schedule: Schedule) -> None:
    rule = GradientDescent(0.1, 0.0, decay_W=0.3, decay_a=0.2, loss="hinge", schedule=schedule)
    assert rule_from_json(rule_to_json(rule)) == rule
    assert {type(one) for one in EVERY_SCHEDULE} == set(SCHEDULES.values())
    assert list(RULES) == ["gradient_descent"]


@pytest.mark.parametrize("kind", [KernelScaled, FlowScaled, LossScaled])
@pytest.mark.parametrize("c", [0.0, -1.0, math.nan, math.inf, "half", True])
def test_a_schedule_needs_a_positive_constant(kind: Any, c: Any) -> None:
    with pytest.raises(ValueError, match="positive finite"):
        kind(c)


@pytest.mark.parametrize("name", ["rate_W", "rate_a", "decay_W", "decay_a"])
@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_rates_and_decays_are_finite_and_at_least_zero(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        GradientDescent(**{"rate_W": 0.1, "rate_a": 0.1, name: value})


@pytest.mark.parametrize("value", [None, "fast", True])
def test_a_rate_is_a_number(value: Any) -> None:
    with pytest.raises(TypeError, match="give a number"):
        GradientDescent(value, 0.1)


def test_unknown_losses_and_schedules_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="did you mean 'logistic'"):
        GradientDescent(0.1, 0.1, loss="logistics")
    with pytest.raises(TypeError, match="KernelScaled"):
        GradientDescent(0.1, 0.1, schedule=0.5)  # type: ignore[arg-type]


def test_factors_are_what_they_say() -> None:
    network, problem = drawn()
    later = GradientDescent(0.1, 0.1).step(network, problem)
    H = [np.linalg.eigvalsh(shallow.empirical_ntk(net, problem.X, 0.3, 0.7))[-1] for net in (network, later)]
    rule = {kind: GradientDescent(0.3, 0.7, schedule=kind) for kind in EVERY_SCHEDULE}
    assert rule[Fixed()].factor(later, problem, network) == 1.0
    assert rule[KernelScaled(0.5)].factor(later, problem, network) == pytest.approx(0.5 / H[0], rel=1e-12)
    assert rule[FlowScaled(0.2)].factor(later, problem, network) == pytest.approx(0.2 / H[1], rel=1e-12)
    assert rule[LossScaled(1e-3)].factor(later, problem, network) == pytest.approx(
        1e-3 / shallow.loss(later, problem), rel=1e-12
    )


@pytest.mark.parametrize("schedule", EVERY_SCHEDULE)
def test_recorded_time_is_the_sum_of_the_factors(schedule: Schedule) -> None:
    network, problem = drawn()
    rule = GradientDescent(0.01, 0.02, schedule=schedule)
    run = train(network, problem, rule, steps=4, at=1, record={"weights": range(5)})
    factors = [rule.factor(net, problem, network) for net in list(run.snapshots.values())[:-1]]
    np.testing.assert_allclose(np.diff(run.time), factors, rtol=1e-12)
    assert len(factors) == 4


@pytest.mark.parametrize("schedule", EVERY_SCHEDULE)
@pytest.mark.parametrize("make", [TangentModel, GatedModel.of])
def test_a_models_first_factor_is_its_networks(schedule: Schedule, make: Any) -> None:
    network, problem = drawn()
    rule = GradientDescent(0.01, 0.02, schedule=schedule)
    run = train(make(network), problem, rule, steps=3, at=1)
    assert run.time[1] == pytest.approx(rule.factor(network, problem, network), rel=1e-12)
    assert (np.diff(run.time) > 0).all()


def test_a_network_trains_where_its_arrays_live_or_on_the_host_when_asked(xp_case: Any) -> None:
    network, problem = drawn()
    elsewhere = network.replace(W=xp_case.asarray(network.W), a=xp_case.asarray(network.a))
    data = problem.replace(X=xp_case.asarray(problem.X), y=xp_case.asarray(problem.y))
    rule = GradientDescent(0.1, 0.1)
    for make in (lambda net: net, TangentModel, GatedModel.of):
        here = train(make(network), problem, rule, steps=5)
        there = train(make(elsewhere), data, rule, steps=5)
        brought = train(make(elsewhere), data, rule, steps=5, backend="numpy")
        assert type(there.network.W) is type(elsewhere.W)
        assert there.network.W.device == elsewhere.W.device
        assert brought.network.W.tobytes() == here.network.W.tobytes()
        # Five steps of 3 (n + m + d) roundings each, of numbers below 10.
        bound = 5 * 3 * (problem.n + network.m + problem.d) * np.finfo(float).eps * 10
        assert np.abs(xp_case.asnumpy(there.network.W) - here.network.W).max() <= bound
