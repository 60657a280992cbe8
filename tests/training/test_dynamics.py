"""Mathematics that every run must obey: conservation, descent, symmetry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shallow
from shallow.training import FlowScaled, GradientDescent, KernelScaled, train

EPS = float(np.finfo(float).eps)


def drawn(n: int = 8, d: int = 5, m: int = 16, k: int | None = None, seed: int = 0, **shape: float) -> tuple:
    rng = np.random.default_rng(seed)
    outputs = () if k is None else (k,)
    problem = shallow.Problem(rng.standard_normal((n, d)), rng.choice([-1.0, 1.0], (n, *outputs)))
    network = shallow.Network(
        rng.standard_normal((m, d)), rng.standard_normal((m, *outputs)), m**-0.5, **shape
    )
    return network, problem


@pytest.mark.parametrize("k", [None, 2])
def test_balance_drifts_at_the_second_order_of_a_step_and_first_of_a_run(k: int | None) -> None:
    network, problem = drawn(k=k, slope=0.2)
    drifts = []
    for parts in (1, 2, 4, 8):
        rule = GradientDescent(0.03 / parts, 0.01 / parts)
        run = train(network, problem, rule, steps=40 * parts, record="balance")
        # In the rates' own units: b is conserved by the flow, and both rates are divided by `parts`.
        drifts.append(run.series["balance"][-1] * parts)
    ratios = np.array(drifts[:-1]) / np.array(drifts[1:])
    assert (ratios > 1.6).all()
    assert (ratios < 2.4).all()


@given(seed=st.integers(0, 10**6), rate_W=st.floats(0.01, 3), rate_a=st.floats(0.01, 3))
@settings(max_examples=20)
def test_one_steps_balance_changes_by_exactly_the_squared_gradients(
    seed: int, rate_W: float, rate_a: float
) -> None:
    """b' - b = rate_W rate_a (rate_a ||g_a||^2 - rate_W ||g_w||^2), as <w, g_w> = <a, g_a>."""
    network, problem = drawn(seed=seed)
    g = shallow.gradient(network, problem)
    after = GradientDescent(rate_W, rate_a).step(network, problem)
    b = [rate_W * net.a**2 - rate_a * np.sum(net.W**2, axis=1) for net in (network, after)]
    expected = rate_W * rate_a * (rate_a * g.a**2 - rate_W * np.sum(g.W**2, axis=1))
    size = np.abs(b[0]).max() + np.abs(b[1]).max() + np.abs(expected).max()
    np.testing.assert_allclose(
        b[1] - b[0], expected, rtol=0, atol=200 * EPS * (1 + rate_W + rate_a) ** 2 * size
    )


@given(seed=st.integers(0, 10**6), loss=st.sampled_from(["squared", "logistic", "exponential"]))
@settings(max_examples=20)
def test_small_steps_never_raise_the_loss(seed: int, loss: str) -> None:
    network, problem = drawn(
        seed=seed, slope=0.5, smoothing=0.5
    )  # a smooth loss: no kink can be stepped over
    rule = GradientDescent(0.5, 0.5, loss=loss, schedule=FlowScaled(1e-3))
    losses = train(network, problem, rule, steps=40, record="loss", at=1).series["loss"]
    assert (np.diff(losses) <= 0).all()
    assert losses[-1] < losses[0]


def test_on_one_sample_the_first_step_contracts_by_one_minus_lambda_up_to_second_order() -> None:
    network, problem = drawn(n=1)
    rule = GradientDescent(0.5, 0.5, schedule=KernelScaled(1e-4))
    run = train(network, problem, rule, steps=1, record="residual_norm", at=1)
    r = run.series["residual_norm"]
    assert abs(r[1] / r[0] - (1 - 1e-4)) <= 1e-6


# twins: transformations that carry whole paths to whole paths

TWINS = {
    "neurons permuted": lambda net, prob, rng: _neurons_permuted(net, prob, rng),
    "data and weights rotated": lambda net, prob, rng: _rotated(net, prob, rng),
    "samples permuted": lambda net, prob, rng: _samples_permuted(net, prob, rng),
    "signs of labels and outer weights flipped": lambda net, prob, rng: (
        net.replace(a=-net.a),
        prob.replace(y=-prob.y),
    ),
}


def _neurons_permuted(net: shallow.Network, prob: shallow.Problem, rng: np.random.Generator) -> tuple:
    order = rng.permutation(net.m)
    return net.replace(W=net.W[order], a=net.a[order]), prob


def _rotated(net: shallow.Network, prob: shallow.Problem, rng: np.random.Generator) -> tuple:
    Q = np.linalg.qr(rng.standard_normal((net.d, net.d)))[0]
    return net.replace(W=net.W @ Q), prob.replace(X=prob.X @ Q)


def _samples_permuted(net: shallow.Network, prob: shallow.Problem, rng: np.random.Generator) -> tuple:
    order = rng.permutation(prob.n)
    return net, prob.replace(X=prob.X[order], y=prob.y[order])


SERIES = (
    "loss",
    "residual_norm",
    "lambda_min",
    "lambda_max",
    "kernel_drift",
    "travel_W",
    "path_length",
    "stable_rank",
)


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize("k", [None, 2])
def test_twins_keep_the_whole_path(twin: str, k: int | None) -> None:
    network, problem = drawn(k=k, slope=0.1, smoothing=0.3)  # smooth: rounding cannot turn a gate
    steps, rule = 40, GradientDescent(0.05, 0.03, decay_W=0.01)
    other_network, other_problem = TWINS[twin](network, problem, np.random.default_rng(1))
    run = train(network, problem, rule, steps=steps, record=list(SERIES), at=1)
    other = train(other_network, other_problem, rule, steps=steps, record=list(SERIES), at=1)
    # A step errs by (n + m + d) eps of a weight; the smooth step map stretches errors by O(1) over the run.
    bound = 100 * steps * (problem.n + network.m + network.d) * EPS
    for name in SERIES:
        size = float(np.abs(run.series[name]).max())
        np.testing.assert_allclose(other.series[name], run.series[name], rtol=0, atol=bound * max(size, 1.0))
    assert run.series["travel_W"][-1] > 1e-2


@pytest.mark.parametrize("twin", ["samples permuted", "signs of labels and outer weights flipped"])
def test_flipping_signs_keeps_every_bit_and_sample_order_keeps_the_network(twin: str) -> None:
    network, problem = drawn()
    other = TWINS[twin](network, problem, np.random.default_rng(1))
    rule = GradientDescent(0.05, 0.03)
    one, two = train(network, problem, rule, steps=10).network, train(*other, rule, steps=10).network
    np.testing.assert_allclose(one.W, two.W, rtol=0, atol=1000 * EPS)
    assert (twin == "samples permuted") or one.W.tobytes() == two.W.tobytes()


def test_rescaled_and_split_neurons_keep_the_function_but_not_the_path() -> None:
    network, problem = drawn()
    c = np.linspace(0.5, 2.0, network.m)
    rescaled = network.replace(W=network.W * c[:, None], a=network.a / c)
    split = network.replace(
        W=np.concatenate([network.W, network.W]), a=np.concatenate([network.a, network.a]) / 2
    )
    f = shallow.predict(network, problem.X)
    rule = GradientDescent(0.05, 0.05)
    moved = shallow.predict(train(network, problem, rule, steps=20).network, problem.X)
    for twin in (rescaled, split):
        np.testing.assert_allclose(shallow.predict(twin, problem.X), f, atol=200 * EPS)
        after = shallow.predict(train(twin, problem, rule, steps=20).network, problem.X)
        assert np.linalg.norm(after - moved) > 1e-3


def test_unequal_rates_are_equal_rates_in_rescaled_weights() -> None:
    """With W = sqrt(rate_W) V and a = sqrt(rate_a) b, it is descent on V, b at (1, 1)."""
    network, problem = drawn()
    rate_W, rate_a, steps = 0.04, 0.0025, 30
    run = train(network, problem, GradientDescent(rate_W, rate_a), steps=steps)
    same = network.replace(
        W=network.W / rate_W**0.5, a=network.a / rate_a**0.5, scale=network.scale * (rate_W * rate_a) ** 0.5
    )
    other = train(same, problem, GradientDescent(1.0, 1.0), steps=steps)
    bound = 100 * steps * (problem.n + network.m + network.d) * EPS
    np.testing.assert_allclose(other.network.W * rate_W**0.5, run.network.W, rtol=0, atol=bound)
    np.testing.assert_allclose(other.network.a * rate_a**0.5, run.network.a, rtol=0, atol=bound)


def test_weight_decay_shrinks_what_the_data_do_not_see() -> None:
    problem = shallow.Problem([[1.0, 0.0]], [0.0])
    network = shallow.Network([[-1.0, 2.0]], [3.0])  # dead on the sample: only the decay acts
    run = train(network, problem, GradientDescent(0.1, 0.2, decay_W=0.5, decay_a=0.25), steps=10)
    np.testing.assert_allclose(run.network.W, network.W * (1 - 0.05) ** 10, rtol=40 * EPS)
    np.testing.assert_allclose(run.network.a, network.a * (1 - 0.05) ** 10, rtol=40 * EPS)


def test_a_frozen_layer_keeps_every_bit() -> None:
    network, problem = drawn(k=2)
    outer = train(network, problem, GradientDescent(0.0, 0.1, decay_W=1.0), steps=10).network
    inner = train(network, problem, GradientDescent(0.1, 0.0, decay_a=1.0), steps=10).network
    assert outer.W.tobytes() == network.W.tobytes()
    assert inner.a.tobytes() == network.a.tobytes()
    assert outer.a.tobytes() != network.a.tobytes()
    assert inner.W.tobytes() != network.W.tobytes()
