"""What the public ``flow`` promises: its choice of method, its errors, its records."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shallow import Network, Problem
from shallow.training.flow import EXACT_PAIRS, FLOW_SERIES, FlowError, FlowOutcome, flow


def _instance(n: int = 5, d: int = 3, m: int = 4, **fields: float) -> tuple[Network, Problem]:
    rng = np.random.default_rng(n + 10 * d + 100 * m)
    network = Network(rng.standard_normal((m, d)), rng.standard_normal(m), 1 / math.sqrt(m), **fields)
    return network, Problem(rng.standard_normal((n, d)), rng.standard_normal(n))


def test_the_method_follows_size_loss_and_smoothing() -> None:
    network, problem = _instance()
    assert flow(network, problem, time=0.1, at=[0.1]).method == "exact"
    assert flow(network.replace(smoothing=0.5), problem, time=0.1, at=[0.1]).method == "adaptive"
    signs = problem.replace(y=np.sign(problem.y))
    assert flow(network, signs, time=0.1, at=[0.1], loss="logistic").method == "euler-pair"
    large, wide = _instance(n=11, m=EXACT_PAIRS // 11 + 1)
    assert flow(large, wide, time=0.01, at=[0.01]).method == "euler-pair"


def test_every_series_is_recorded_with_its_error() -> None:
    network, problem = _instance()
    run = flow(network, problem, time=1.0, record=tuple(FLOW_SERIES), at=[0.0, 0.5, 1.0])
    assert set(run.series) == set(FLOW_SERIES)
    assert set(run.series_error) == set(FLOW_SERIES)
    for name in FLOW_SERIES:
        assert run.series[name].shape == run.time.shape == run.error.shape == (3,)
    assert run.series["travel_W"][0] == run.series["travel_a"][0] == run.series["flip_fraction"][0] == 0
    squared = 0.5 * run.series["residual_norm"] ** 2
    np.testing.assert_allclose(run.series["loss"], squared, rtol=32 * np.finfo(np.float64).eps)
    assert np.all(run.series["travel_W_max"] <= run.series["travel_W"] * (1 + 1e-15))


def test_the_last_time_is_always_recorded() -> None:
    network, problem = _instance()
    assert flow(network, problem, time=1.0, at=[0.25]).time.tolist() == [0.25, 1.0]
    assert flow(network, problem, time=1.0).time.size == 201


def test_an_interpolating_start_stays_where_it_is() -> None:
    network, problem = _instance()
    f = network.scale * np.maximum(problem.X @ network.W.T, 0) @ network.a
    run = flow(network, problem.replace(y=f), time=3.0)
    assert run.outcome in (FlowOutcome.CONVERGED, FlowOutcome.STATIONARY)
    assert float(np.max(np.abs(run.network.W - network.W))) <= 1e-12


def test_convergence_and_its_time_are_reported() -> None:
    network, problem = _instance(n=3, d=5, m=12)
    run = flow(network, problem, time=500.0)
    assert run.outcome is FlowOutcome.CONVERGED
    assert run.settled is not None
    assert 0 < run.settled < 500.0


def test_frozen_layers_do_not_move() -> None:
    network, problem = _instance()
    for rates, layer in (((0.0, 1.0), "W"), ((1.0, 0.0), "a")):
        run = flow(network, problem, rate_W=rates[0], rate_a=rates[1], time=1.0, at=[1.0])
        assert np.array_equal(getattr(run.network, layer), getattr(network, layer))
    still = flow(network, problem, rate_W=0.0, rate_a=0.0, time=1.0, at=[1.0])
    assert still.network.equals(network)


def test_a_rate_is_a_unit_of_time() -> None:
    network, problem = _instance()
    slow = flow(network, problem, time=1e9, at=[1e9], rate_W=1e-9, rate_a=1e-9)
    plain = flow(network, problem, time=1.0, at=[1.0])
    allowed = 16 * (slow.error[-1] + plain.error[-1])
    assert float(np.linalg.norm(slow.network.W - plain.network.W)) <= allowed


def test_smoothed_networks_agree_between_solver_and_euler_pairs() -> None:
    network, problem = _instance(smoothing=0.4)
    run = flow(network, problem, time=2.0, at=[2.0], tolerance=1e-7)
    pair = flow(network, problem, time=2.0, at=[2.0], method="euler-pair")
    assert run.outcome is FlowOutcome.REACHED
    assert float(np.linalg.norm(run.network.W - pair.network.W)) <= 4 * pair.error[-1]
    assert pair.sliding_pairs == 0


def test_an_adaptive_solver_refuses_to_slide() -> None:
    problem = Problem([[1.0, 0.0], [1.0, 1.0]], [-1.0, 1.5])
    with pytest.raises(FlowError, match="slides on its kink; use method='exact'"):
        flow(Network([[0.3, 1.0]], [1.0]), problem, rate_a=0.0, time=3.0, method="adaptive")


def test_a_loss_with_a_tail_decreases_along_euler_pairs() -> None:
    network, problem = _instance(m=8)
    signs = problem.replace(y=np.sign(problem.y))
    for loss in ("logistic", "exponential"):
        run = flow(network, signs, time=5.0, record=("loss",), at=np.linspace(0, 5, 21), loss=loss)
        assert float(np.max(np.diff(run.series["loss"]))) <= 0
        assert np.all(run.error < 0.1)


def test_several_outputs_go_by_euler_pairs() -> None:
    rng = np.random.default_rng(0)
    network = Network(rng.standard_normal((4, 3)), rng.standard_normal((4, 2)), 0.5)
    problem = Problem(rng.standard_normal((5, 3)), rng.standard_normal((5, 2)))
    run = flow(network, problem, time=1.0, at=np.linspace(0, 1, 11))
    assert run.method == "euler-pair"
    assert float(np.max(np.diff(run.series["residual_norm"]))) < 0
    with pytest.raises(ValueError, match="one output"):
        flow(network, problem, time=1.0, method="exact")


def test_float32_is_followed_in_float64() -> None:
    network, problem = _instance()
    narrow = Network(network.W.astype(np.float32), network.a.astype(np.float32), network.scale)
    data = Problem(problem.X.astype(np.float32), problem.y.astype(np.float32))
    run = flow(narrow, data, time=0.5, at=[0.5])
    assert run.network.W.dtype == np.float64
    assert np.array_equal(run.initial.W, narrow.W.astype(np.float64))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"time": 0.0}, "time is 0.0"),
        ({"time": math.nan}, "time is nan"),
        ({"time": 1.0, "rate_W": -1.0}, "rate_W is -1.0"),
        ({"time": 1.0, "rate_a": math.inf}, "rate_a is inf"),
        ({"time": 1.0, "at": [0.5, 0.5]}, "at must be increasing"),
        ({"time": 1.0, "at": [2.0]}, "between 0 and 1.0"),
        ({"time": 1.0, "at": []}, "at must be"),
        ({"time": 1.0, "record": ("colour",)}, "series 'colour' is unknown"),
        ({"time": 1.0, "method": "magic"}, "flow method 'magic' is unknown"),
        ({"time": 1.0, "loss": "cubic"}, "loss 'cubic' is unknown"),
        ({"time": 1.0, "loss": "hinge", "method": "exact"}, "follows the squared loss"),
        ({"time": 1.0, "method": "euler-pair", "step_fraction": 2.0}, "step_fraction is 2.0"),
    ],
)
def test_what_cannot_be_followed_is_said_in_one_sentence(changes: dict[str, object], message: str) -> None:
    network, problem = _instance()
    with pytest.raises(ValueError, match=message):
        flow(network, problem, **changes)  # type: ignore[arg-type]


def test_shapes_that_do_not_fit_are_named() -> None:
    network, problem = _instance()
    with pytest.raises(ValueError, match="3 columns and the network reads 2"):
        flow(Network([[1.0, 2.0]], [1.0]), problem, time=1.0)
    with pytest.raises(ValueError, match="follow"):
        flow(network.replace(smoothing=0.1), problem, time=1.0, method="exact")
