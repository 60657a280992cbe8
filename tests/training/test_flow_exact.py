"""The flow against closed forms, its conservation laws, and sliding decided by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shallow import Network, Problem
from shallow.training.flow import flow
from shallow.training.flow_exact import _layer, _start, trace
from shallow.training.flow_kinks import FlowError, choose_sides, find_lines
from shallow.training.flow_pieces import Setting, expand, modes_of

EPS = float(np.finfo(np.float64).eps)

# w_2 relaxes to 1.5 while z_1 stays at its kink: pulls -1 + t on one side, 1/2 on the other.
SLIDING = Problem(X=[[1.0, 0.0], [1.0, 1.0]], y=[-1.0, 1.5])


def _instance(seed: int, n: int, d: int, m: int, slope: float = 0.0) -> tuple[Network, Problem]:
    rng = np.random.default_rng(seed)
    network = Network(rng.standard_normal((m, d)), rng.standard_normal(m), 1 / math.sqrt(m), slope)
    return network, Problem(rng.standard_normal((n, d)), rng.standard_normal(n))


def _gap(p: Network, q: Network) -> float:
    return math.hypot(np.linalg.norm(p.W - q.W), np.linalg.norm(p.a - q.a))


def _rounding(run) -> float:
    """What an event-by-event run may lose: its reported error and a rounding for each event."""
    size = math.hypot(np.linalg.norm(run.network.W), np.linalg.norm(run.network.a))
    return 8 * float(np.max(run.error)) + 64 * EPS * size * (1 + run.events)


def test_one_balanced_neuron_follows_the_logistic_curve() -> None:
    # a = w keeps a = w, and f = w a obeys f' = -2 f (f - y).
    y, start, T = 2.0, 0.01, 4.0
    run = flow(Network([[0.1]], [0.1]), Problem([[1.0]], [y]), time=T, at=np.linspace(0.5, T, 8))
    f = y / (1 + (y / start - 1) * np.exp(-2 * y * run.time))
    sensitivity = np.exp(2 * y * T)  # of f to its start, at most
    np.testing.assert_allclose(run.series["residual_norm"], np.abs(f - y), atol=16 * EPS * sensitivity)


def test_one_neuron_with_a_frozen_output_weight_relaxes_exponentially() -> None:
    run = flow(Network([[0.5]], [2.0]), Problem([[3.0]], [7.0]), rate_W=0.1, rate_a=0.0, time=1.0)
    r = abs(2.0 * 1.5 - 7.0) * np.exp(-0.1 * 4.0 * 9.0 * run.time)
    np.testing.assert_allclose(run.series["residual_norm"], r, atol=64 * EPS * 7.0)


def test_a_dead_neuron_never_moves() -> None:
    run = flow(Network([[-1.0]], [1.0]), Problem([[1.0]], [5.0]), time=10.0)
    assert run.network.equals(run.initial)
    assert run.outcome.name == "STATIONARY"


@pytest.mark.parametrize("w_1", [0.0, 0.3])
def test_a_neuron_pulled_to_its_kink_from_both_sides_slides(w_1: float) -> None:
    run = flow(Network([[w_1, 1.0]], [1.0]), SLIDING, rate_a=0.0, time=3.0, at=np.linspace(1, 3, 9))
    assert run.sliding_pairs == 1
    assert run.events == (1 if w_1 > 0 else 0)
    assert run.branchings == 0
    setting = Setting(SLIDING.X, SLIDING.y, 1.0, 1.0, 0.0)
    kept = trace(run.initial.W, run.initial.a, setting, 0.0, run.time.tolist())
    assert float(np.max(np.abs(kept.W[:, 0, 0]))) <= 8 * EPS
    if_started_on_the_kink = 1.5 - 0.5 * np.exp(-run.time)
    if w_1 == 0.0:
        np.testing.assert_allclose(kept.W[:, 0, 1], if_started_on_the_kink, rtol=64 * EPS)


@pytest.mark.parametrize("rate_a", [0.0, 1.0])
def test_sliding_is_what_small_euler_steps_do(rate_a: float) -> None:
    network = Network([[0.3, 1.0]], [1.0])
    exact = flow(network, SLIDING, rate_a=rate_a, time=3.0, at=[3.0])
    gaps = []
    for share in (0.02, 0.005):
        options = {"rate_a": rate_a, "time": 3.0, "at": [3.0], "step_fraction": share}
        pair = flow(network, SLIDING, method="euler-pair", **options)
        assert pair.sliding_pairs == 1
        gaps.append(_gap(exact.network, pair.network))
    assert exact.sliding_pairs == 1
    assert gaps[1] <= gaps[0] / 2  # O(h) with a chattering constant: a quarter on average
    assert gaps[1] <= 0.005


def test_filippovs_rule_for_one_kink() -> None:
    X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    lines = find_lines(X[:2])
    D_off = np.array([0.0, 1.0])
    decide = [
        # (residuals, sign of scale a_k, preferred side) -> side
        (([1.0, 0.0], 1.0, 1.0), 0),  # pushed down at D = 1, nothing at D = 0: leaves tangentially
        (([-1.0, 0.0], 1.0, 1.0), 1),
        (([-1.0, 0.0], 1.0, 0.0), 1),  # repels, and the plus side is faster
    ]
    for (r, sign, prefer), share in decide:
        found = choose_sides(lines, X[:2], np.array(r), D_off, np.array([0]), np.array([prefer]), 0.0, sign)
        assert found is not None
        assert found.share.tolist() == [share]
        assert not found.slides[0]


def test_a_repelling_kink_branches_and_says_so() -> None:
    # x_2 pulls z_1 to the left, x_1 to the right once it is active: both sides are solutions.
    problem = Problem([[1.0, 0.0], [-0.5, 1.0]], [3.0, 2.0])
    run = flow(Network([[0.0, 1.0]], [1.0]), problem, rate_a=0.0, time=0.05)
    assert run.branchings == 1
    speeds = {side: float(v) for side, v in (("minus", -1.0 * -0.5 * -1.0), ("plus", 3.0 - 0.5))}
    assert float(run.network.W[0, 0]) > 0
    assert speeds["plus"] > abs(speeds["minus"])  # the faster of the two solutions is taken


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.1, 1.5, -0.5]), st.sampled_from([0.0, 0.3, 1.0]))
@settings(max_examples=25)
def test_layers_exchange_what_unequal_rates_conserve(seed: int, slope: float, rate_a: float) -> None:
    network, problem = _instance(seed, 4, 2, 3, slope)
    run = flow(network, problem, rate_W=0.7, rate_a=rate_a, time=2.0, at=[2.0])
    start, end = (0.7 * net.a**2 - rate_a * np.sum(net.W**2, axis=1) for net in (run.initial, run.network))
    if rate_a == 0.0:
        assert np.array_equal(run.initial.a, run.network.a)
    size = max(np.linalg.norm(run.network.W), np.linalg.norm(network.W), np.linalg.norm(network.a))
    assert float(np.max(np.abs(end - start))) <= 4 * size * _rounding(run)


@given(st.integers(0, 10**6), st.booleans(), st.sampled_from([0.0, 0.25]))
@settings(max_examples=40)
def test_dissipation_equals_squared_speed_also_while_sliding(seed: int, on_kink: bool, slope: float) -> None:
    network, problem = _instance(seed, 4, 3, 3, slope)
    W, a = np.array(network.W), np.array(network.a)
    if on_kink:  # put every neuron on the kink of sample 0
        u = problem.X[0] / np.linalg.norm(problem.X[0])
        W -= np.outer(W @ u, u)
    setting = Setting(problem.X, problem.y, network.scale, 0.7, 0.3)
    lines = find_lines(problem.X)
    walk = _start(W, a, lines, setting, slope)
    layer = _layer(walk, lines, slope)
    series = expand(setting, layer, walk.W, walk.a, 4, None)
    speed = np.sum(series.W[1] ** 2) / 0.7 + np.sum(series.a[1] ** 2) / 0.3
    rate = float(series.r[0] @ series.r[1])
    assert abs(rate + speed) <= 256 * EPS * (speed + np.sum(np.abs(series.r[0] * series.r[1])))
    assert np.all((walk.share >= 0) & (walk.share <= 1))


def test_a_frozen_outer_layer_gives_the_matrix_exponential() -> None:
    from scipy.linalg import expm

    network, problem = _instance(3, 5, 4, 6)
    s, gates = network.scale, (problem.X @ network.W.T > 0).astype(float)
    H = s**2 * (problem.X @ problem.X.T) * ((gates * network.a**2) @ gates.T)
    r = s * ((gates * (problem.X @ network.W.T)) @ network.a) - problem.y
    run = flow(network, problem, rate_a=0.0, time=0.02, at=[0.02])
    assert run.events == 0
    expected = np.linalg.norm(expm(-0.02 * H) @ r)
    assert run.series["residual_norm"][-1] == pytest.approx(expected, rel=256 * EPS)


def test_eigenvectors_and_products_of_series_give_one_series() -> None:
    network, problem = _instance(5, 6, 4, 5, 0.2)
    setting = Setting(problem.X, problem.y, network.scale, 1.0, 0.0)
    lines = find_lines(problem.X)
    walk = _start(network.W, network.a, lines, setting, 0.2)
    layer = _layer(walk, lines, 0.2)
    modes = modes_of(setting, layer, walk.W, walk.a)
    direct = expand(setting, layer, walk.W, walk.a, 8, None)
    linear = expand(setting, layer, walk.W, walk.a, 8, modes)
    largest = float(modes.values[-1])
    for j in range(9):
        size = np.linalg.norm(direct.r[0]) * largest**j / math.factorial(j) + np.linalg.norm(problem.y)
        np.testing.assert_allclose(direct.r[j], linear.r[j], atol=512 * EPS * size)
    tau = 0.1 / largest
    exact = modes.weights(setting, layer, walk.a, tau)
    np.testing.assert_allclose(exact, linear.at(tau)[0], atol=64 * EPS * np.linalg.norm(exact) + 0.1**9)


def test_the_outer_layer_alone_is_linear_for_all_time() -> None:
    network, problem = _instance(4, 5, 4, 6)
    F = network.scale * np.maximum(problem.X @ network.W.T, 0)
    values, Q = np.linalg.eigh(F @ F.T)
    run = flow(network, problem, rate_W=0.0, rate_a=2.0, time=30.0)
    r = Q.T @ (F @ network.a - problem.y)
    expected = np.sqrt(np.sum((np.exp(-2.0 * np.outer(run.time, values)) * r) ** 2, axis=1))
    assert np.array_equal(run.network.W, network.W)
    np.testing.assert_allclose(run.series["residual_norm"], expected, atol=1e4 * EPS * expected[0])


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_duplicates_with_conflicting_labels_are_one_weighted_sample(slope: float) -> None:
    network, _ = _instance(11, 3, 3, 4, slope)
    X = np.random.default_rng(12).standard_normal((3, 3))
    twice = Problem(np.vstack([X, X[:1]]), [1.0, -0.5, 0.3, -2.0])
    merged = Problem(np.vstack([math.sqrt(2) * X[:1], X[1:]]), [math.sqrt(2) * -0.5, -0.5, 0.3])
    runs = [flow(network, problem, time=5.0, at=[5.0]) for problem in (twice, merged)]
    assert _gap(runs[0].network, runs[1].network) <= _rounding(runs[0]) + _rounding(runs[1])
    assert runs[0].events == runs[1].events


def test_antipodal_samples_share_one_kink_and_switch_oppositely() -> None:
    lines = find_lines(np.array([[1.0, 2.0], [-2.0, -4.0], [0.0, 0.0], [3.0, -1.0]]))
    assert lines.of_sample.tolist() == [0, 0, -1, 1]
    assert lines.factor[1] == -2 * lines.factor[0]
    network, _ = _instance(2, 3, 2, 3)
    X = np.array([[1.0, 0.5], [-1.0, -0.5], [0.3, -1.0]])
    problem = Problem(X, [-1.0, -1.0, 0.5])
    exact = flow(network, problem, time=6.0, at=[6.0])
    pair = flow(network, problem, time=6.0, at=[6.0], method="euler-pair", step_fraction=0.005)
    assert _gap(exact.network, pair.network) <= 4 * pair.error[-1] + 1e-12


@pytest.mark.parametrize(
    ("seed", "n", "d", "m", "slope", "rate_a"),
    [
        (1, 5, 3, 4, 0.0, 1.0),
        (2, 6, 3, 5, 0.3, 0.1),
        (3, 6, 2, 4, 0.0, 0.0),
        (4, 4, 6, 3, 0.1, 1.0),
        (5, 7, 2, 5, -0.3, 0.5),
        (6, 1, 3, 4, 0.0, 1.0),
        (7, 6, 3, 1, 0.0, 1.0),
    ],
)
def test_exact_flow_and_euler_pairs_agree(
    seed: int, n: int, d: int, m: int, slope: float, rate_a: float
) -> None:
    network, problem = _instance(seed, n, d, m, slope)
    exact = flow(network, problem, rate_a=rate_a, time=5.0, at=[1.0, 5.0])
    pair = flow(network, problem, rate_a=rate_a, time=5.0, at=[1.0, 5.0], method="euler-pair")
    assert exact.branchings == 0
    # The chatter of sliding pairs makes the O(h) constants of the two runs differ: factor 4.
    assert _gap(exact.network, pair.network) <= 4 * pair.error[-1] + 1e-12
    slack = 4 * pair.series_error["residual_norm"] + 4 * pair.error * np.linalg.norm(problem.X)
    assert np.all(np.abs(exact.series["residual_norm"] - pair.series["residual_norm"]) <= slack)


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 4), st.integers(1, 5))
@settings(max_examples=25)
def test_the_residual_never_grows(seed: int, n: int, d: int, m: int) -> None:
    network, problem = _instance(seed, n, d, m)
    run = flow(network, problem, rate_a=0.5, time=4.0, at=np.linspace(0, 4, 41))
    norms = run.series["residual_norm"]
    slack = 64 * EPS * (1 + np.linalg.norm(problem.y)) * (1 + run.events) + 8 * np.max(run.error)
    assert float(np.max(np.diff(norms))) <= slack


@given(st.integers(0, 10**6))
@settings(max_examples=15)
def test_the_path_does_not_know_the_order_of_neurons_and_samples(seed: int) -> None:
    # Independent inputs: where more kinks meet than are independent, a choice may depend on order.
    network, problem = _instance(seed, 5, 6, 4)
    p, q = np.random.default_rng(seed).permutation(4), np.random.default_rng(seed + 1).permutation(5)
    run = flow(network, problem, time=2.0, at=[2.0])
    other = flow(
        network.replace(W=network.W[p], a=network.a[p]),
        problem.replace(X=problem.X[q], y=problem.y[q]),
        time=2.0,
        at=[2.0],
    )
    back = other.network.replace(W=other.network.W[np.argsort(p)], a=other.network.a[np.argsort(p)])
    assert run.events == other.events
    assert _gap(run.network, back) <= _rounding(run) + _rounding(other)


def test_a_neuron_at_the_origin_starts_in_a_consistent_direction() -> None:
    network, problem = _instance(9, 4, 3, 3)
    W = np.array(network.W)
    W[1] = 0.0
    run = flow(network.replace(W=W), problem, time=1.0, at=[1.0])
    assert np.all(np.isfinite(run.network.W))
    assert run.series["residual_norm"][-1] <= np.linalg.norm(problem.y) * 10


def test_zero_output_weights_move_first() -> None:
    network, problem = _instance(10, 4, 3, 3)
    start = network.replace(a=np.zeros(3))
    exact = flow(start, problem, time=2.0, at=[2.0])
    pair = flow(start, problem, time=2.0, at=[2.0], method="euler-pair", step_fraction=0.005)
    assert _gap(exact.network, pair.network) <= 4 * pair.error[-1] + 1e-12


def test_too_many_events_are_refused_with_the_neuron_named() -> None:
    network, problem = _instance(1, 8, 2, 6)
    setting = Setting(problem.X, problem.y, network.scale, 1.0, 1.0)
    with pytest.raises(FlowError, match=r"stalls at time .* neuron"):
        trace(network.W, network.a, setting, 0.0, [50.0], event_limit=1)


@pytest.mark.parametrize(
    ("seed", "n", "d", "m", "rate_a"),
    [(11, 5, 2, 5, 0.0), (6, 7, 2, 7, 0.0), (6, 6, 1, 6, 0.1), (21, 9, 3, 7, 0.0)],
)
def test_low_dimensions_drive_neurons_into_the_origin_and_the_flow_goes_on(
    seed: int, n: int, d: int, m: int, rate_a: float
) -> None:
    network, problem = _instance(seed, n, d, m)
    exact = flow(network, problem, rate_a=rate_a, time=6.0, at=[6.0])
    pair = flow(network, problem, rate_a=rate_a, time=6.0, at=[6.0], method="euler-pair", step_fraction=0.005)
    at_origin = np.linalg.norm(exact.network.W, axis=1) <= 1e-12
    assert np.any(at_origin)
    assert exact.branchings == 0
    assert _gap(exact.network, pair.network) <= 4 * pair.error[-1] + 1e-12
