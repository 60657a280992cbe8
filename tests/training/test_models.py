"""The tangent and the frozen-gate model: linear dynamics, to machine precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import shallow
from shallow.observe import OBSERVABLES
from shallow.training import (
    FlowScaled,
    GatedModel,
    GradientDescent,
    KernelScaled,
    LossScaled,
    TangentModel,
    Trajectory,
    train,
)

EPS = float(np.finfo(float).eps)


def drawn(n: int = 8, d: int = 5, m: int = 30, k: int | None = None, seed: int = 0, **shape: float) -> tuple:
    rng = np.random.default_rng(seed)
    outputs = () if k is None else (k,)
    problem = shallow.Problem(rng.standard_normal((n, d)), rng.choice([-1.0, 1.0], (n, *outputs)))
    network = shallow.Network(
        rng.standard_normal((m, d)), rng.standard_normal((m, *outputs)), m**-0.5, **shape
    )
    return network, problem


def kernel(network: shallow.Network, X: np.ndarray, rate_W: float, rate_a: float) -> np.ndarray:
    flat = np.asarray(shallow.empirical_ntk(network, X, rate_W, rate_a))
    rows = round(flat.size**0.5)
    return flat.reshape(rows, rows)


def powers(K: np.ndarray, r: np.ndarray, steps: int) -> list[np.ndarray]:
    """(I - K)^t r for t = 0 .. steps."""
    residuals = [r.ravel()]
    for _ in range(steps):
        residuals.append(residuals[-1] - K @ residuals[-1])
    return residuals


def flat_residual(now: shallow.observe.Snapshot) -> np.ndarray:
    return now.residual.ravel()


@pytest.mark.parametrize("k", [None, 3])
@pytest.mark.parametrize(("slope", "smoothing"), [(0.0, 0.0), (0.3, 0.0), (0.2, 0.5)])
def test_the_tangent_residual_obeys_its_linear_recursion(
    k: int | None, slope: float, smoothing: float
) -> None:
    network, problem = drawn(k=k, slope=slope, smoothing=smoothing)
    steps = 60
    run = train(
        TangentModel(network), problem, GradientDescent(0.03, 0.05), steps=steps, record=flat_residual, at=1
    )
    K = kernel(network, problem.X, 0.03, 0.05)
    expected = powers(K, shallow.residual(network, problem), steps)
    assert np.linalg.norm(K, 2) < 2
    # Each step loses at most (n + m d) eps of the largest residual, and |I - K| <= 1 does not amplify it.
    bound = steps * (problem.n + network.W.size) * EPS * np.linalg.norm(expected[0])
    np.testing.assert_allclose(run.series["flat_residual"], expected, rtol=0, atol=bound)


@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_the_gated_residual_is_a_matrix_power_when_a_is_frozen(slope: float) -> None:
    network, problem = drawn(slope=slope)
    steps = 60
    run = train(
        GatedModel.of(network), problem, GradientDescent(0.05, 0.0), steps=steps, record=flat_residual, at=1
    )
    K = kernel(network, problem.X, 0.05, 0.0)
    expected = powers(K, shallow.residual(network, problem), steps)
    assert np.linalg.norm(K, 2) < 2
    bound = steps * (problem.n + network.W.size) * EPS * np.linalg.norm(expected[0])
    np.testing.assert_allclose(run.series["flat_residual"], expected, rtol=0, atol=bound)


def test_the_gated_model_starts_as_the_network_and_makes_its_first_step() -> None:
    network, problem = drawn(k=2, slope=0.1)
    rule = GradientDescent(0.1, 0.2)
    model = GatedModel.of(network)
    np.testing.assert_allclose(model.predict(problem.X), shallow.predict(network, problem.X), atol=100 * EPS)
    one, other = train(model, problem, rule, steps=1).network, train(network, problem, rule, steps=1).network
    np.testing.assert_allclose(one.W, other.W, atol=200 * EPS)
    np.testing.assert_allclose(one.a, other.a, atol=200 * EPS)
    assert isinstance(one, GatedModel)
    assert one.psi.tobytes() == network.W.tobytes()


def test_the_tangent_model_makes_the_networks_first_step() -> None:
    network, problem = drawn()
    rule = GradientDescent(0.1, 0.2, decay_W=0.3, decay_a=0.1)
    one, other = (
        train(TangentModel(network), problem, rule, steps=1).network,
        train(network, problem, rule, steps=1).network,
    )
    assert isinstance(one, TangentModel)
    np.testing.assert_allclose(network.W + one.W, other.W, atol=200 * EPS)
    np.testing.assert_allclose(network.a + one.a, other.a, atol=200 * EPS)
    assert np.linalg.norm(one.W) > 0


def test_a_trained_tangent_model_predicts_what_it_was_recorded_to() -> None:
    network, problem = drawn(k=2)
    run = train(TangentModel(network), problem, GradientDescent(0.05, 0.05), steps=20, record=flat_residual)
    predicted = run.network.predict(problem.X) - problem.y
    np.testing.assert_allclose(predicted.ravel(), run.series["flat_residual"][-1], atol=1000 * EPS)


@pytest.mark.parametrize(
    ("loss", "schedule"),
    [
        ("squared", shallow.Fixed()),
        ("squared", KernelScaled(0.5)),
        ("logistic", LossScaled(1.0)),
        ("exponential", FlowScaled(0.1)),
        ("hinge", shallow.Fixed()),
    ],
)
@pytest.mark.parametrize("decay", [0.0, 0.2])
def test_tangent_distance_in_coefficients_is_that_of_the_model_in_weights(
    loss: str, schedule: shallow.Schedule, decay: float
) -> None:
    network, problem = drawn(n=6, k=2)
    rule = GradientDescent(0.05, 0.08, decay_W=decay, decay_a=decay, loss=loss, schedule=schedule)
    steps = 25
    run = train(
        network, problem, rule, steps=steps, record=["tangent_distance", {"weights": range(steps + 1)}], at=1
    )
    factors = np.diff(run.time)
    model, gaps = TangentModel(network), [0.0]
    r_0 = np.linalg.norm(shallow.residual(network, problem))
    for step, factor in enumerate(factors, start=1):
        one = GradientDescent(
            rule.rate_W * factor, rule.rate_a * factor, decay_W=decay, decay_a=decay, loss=loss
        )
        model = train(model, problem, one, steps=1).network
        gap = shallow.predict(run.snapshots[step], problem.X) - model.predict(problem.X)
        gaps.append(float(np.linalg.norm(gap) / r_0))
    expected = np.maximum.accumulate(gaps)
    assert expected[-1] > 1e-4
    # Outputs differ by (n + m d) eps a step each; an Euler step stretches errors by less than 4 over the run.
    bound = 4 * steps * (problem.n + network.W.size) * EPS * (1 + np.linalg.norm(problem.y) / r_0)
    np.testing.assert_allclose(run.series["tangent_distance"], expected, rtol=1e-9, atol=bound)


def test_wide_networks_stay_near_their_tangent() -> None:
    distances = []
    for m in (50, 5000):
        network, problem = drawn(n=4, d=6, m=m, seed=1)
        rule = GradientDescent(0.5, 0.5, schedule=KernelScaled(0.5))
        distances.append(
            train(network, problem, rule, steps=40, record="tangent_distance").series["tangent_distance"][-1]
        )
    assert distances[1] < 0.5 * distances[0]


@pytest.mark.parametrize("make", [TangentModel, GatedModel.of])
def test_models_go_on_and_are_saved_bit_for_bit(make: type, tmp_path: Path) -> None:
    network, problem = drawn()
    rule = GradientDescent(0.05, 0.02, decay_W=0.1)
    whole = train(make(network), problem, rule, steps=20, record=["loss", "travel_W"], at=1)
    first = train(make(network), problem, rule, steps=8, record=["loss", "travel_W"], at=1)
    first.save(tmp_path / "run.npz")
    both = train(Trajectory.load(tmp_path / "run.npz"), 12)
    assert both.network.W.tobytes() == whole.network.W.tobytes()
    assert both.network.a.tobytes() == whole.network.a.tobytes()
    assert both.series["loss"].tobytes() == whole.series["loss"].tobytes()


@pytest.mark.parametrize("name", ["flip_fraction", "lambda_min", "sharpness"])
def test_what_only_a_network_has_is_not_recorded_of_a_model(name: str) -> None:
    network, problem = drawn()
    with pytest.raises(ValueError, match="tangent model has no"):
        train(TangentModel(network), problem, GradientDescent(0.1, 0.1), steps=1, record=name)
    assert name in OBSERVABLES


def test_offsets_and_gates_that_do_not_fit_are_refused() -> None:
    network, _ = drawn()
    with pytest.raises(ValueError, match="offset W"):
        TangentModel(network, W=np.zeros((2, 2)))
    with pytest.raises(TypeError, match="float32"):
        TangentModel(network, a=np.zeros(30, dtype=np.float32))
    with pytest.raises(ValueError, match="psi"):
        GatedModel(network.W, network.a, network.W[:3])
