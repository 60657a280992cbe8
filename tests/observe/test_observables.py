"""Each observable is its formula, written once more without any of the shared code."""

from __future__ import annotations

import math

import numpy as np
import pytest

import shallow
from shallow.observe import (
    OBSERVABLES,
    Observable,
    Snapshot,
    Terms,
    eigen_residual,
    infimum,
    kernel_gap,
    observable,
    supremum,
)
from shallow.observe import test_error as error_on_test_set
from shallow.observe.curvature import hessian_product
from shallow.setting.initialization import ntk
from shallow.training import GradientDescent, train

EPS = float(np.finfo(float).eps)
LOSSES = ("squared", "logistic", "exponential", "hinge")


def drawn(n: int = 9, d: int = 5, m: int = 14, k: int | None = None, seed: int = 0, **shape: float) -> tuple:
    rng = np.random.default_rng(seed)
    outputs = () if k is None else (k,)
    problem = shallow.Problem(rng.standard_normal((n, d)), rng.choice([-1.0, 1.0], (n, *outputs)))
    network = shallow.Network(rng.standard_normal((m, d)), rng.standard_normal((m, *outputs)), 0.3, **shape)
    return network, problem


def pair(k: int | None = None, loss: str = "squared", seed: int = 0) -> tuple[Snapshot, Snapshot]:
    """A moment of a run, and its start."""
    network, problem = drawn(k=k, seed=seed)
    rng = np.random.default_rng(seed + 100)
    moved = network.replace(
        W=network.W + 0.3 * rng.standard_normal(network.W.shape),
        a=network.a + 0.2 * rng.standard_normal(network.a.shape),
    )
    terms = Terms(loss, 0.7, 0.2)
    return Snapshot.of(moved, problem, terms), Snapshot.of(network, problem, terms)


def kernel(now: Snapshot) -> np.ndarray:
    """rate_W J_W J_W^T + rate_a J_a J_a^T from the Jacobian."""
    J = shallow.jacobian(now.network, now.X)
    rows = now.outputs.size
    J_W, J_a = J.W.reshape(rows, -1), J.a.reshape(rows, -1)
    return now.terms.rate_W * J_W @ J_W.T + now.terms.rate_a * J_a @ J_a.T


FORMULAS = {
    "loss": lambda now, start: float(np.sum((now.outputs - now.y) ** 2) / 2),
    "log_loss": lambda now, start: math.log(np.sum((now.outputs - now.y) ** 2) / 2),
    "residual_norm": lambda now, start: float(np.linalg.norm(now.outputs - now.y)),
    "loss_ratio": lambda now, start: float(
        np.abs(now.outputs - now.y).max() / np.abs(now.outputs - now.y).min()
    ),
    "margin_min": lambda now, start: float((now.y * now.outputs).min()),
    "smoothed_margin": lambda now, start: (
        -math.log(np.sum((now.outputs - now.y) ** 2) / 2) / float(np.sum(now.W**2) + np.sum(now.a**2))
    ),
    "lambda_min": lambda now, start: float(np.linalg.eigvalsh(kernel(now))[0]),
    "lambda_max": lambda now, start: float(np.linalg.eigvalsh(kernel(now))[-1]),
    "kernel_drift": lambda now, start: float(
        np.linalg.norm(kernel(now) - kernel(start)) / np.linalg.norm(kernel(start))
    ),
    "flip_fraction": lambda now, start: float(np.mean((now.X @ now.W.T > 0) != (now.X @ start.W.T > 0))),
    "flip_max": lambda now, start: float(
        max(np.mean((now.X @ now.W.T > 0) != (now.X @ start.W.T > 0), axis=1))
    ),
    "travel_W": lambda now, start: float(np.sqrt(np.sum((now.W - start.W) ** 2))),
    "travel_W_max": lambda now, start: float(max(np.linalg.norm(w) for w in now.W - start.W)),
    "travel_a": lambda now, start: float(np.sqrt(np.sum((now.a - start.a) ** 2))),
    "relative_travel_W": lambda now, start: float(
        np.sqrt(np.sum((now.W - start.W) ** 2) / np.sum(start.W**2))
    ),
    "relative_travel_a": lambda now, start: float(
        np.sqrt(np.sum((now.a - start.a) ** 2) / np.sum(start.a**2))
    ),
    "stable_rank": lambda now, start: float(np.sum(now.W**2) / np.linalg.norm(now.W, 2) ** 2),
    "balance": lambda now, start: float(
        max(
            abs(0.7 * (np.sum(a**2) - np.sum(b**2)) - 0.2 * (np.sum(w**2) - np.sum(v**2)))
            for w, v, a, b in zip(now.W, start.W, now.a, start.a)
        )
    ),
    "near_kinks": lambda now, start: 0.0,
}


@pytest.mark.parametrize("k", [None, 2])
@pytest.mark.parametrize("name", FORMULAS)
def test_an_observable_is_its_formula(name: str, k: int | None) -> None:
    now, start = pair(k)
    # The kernels' entries are sums of m d + m terms; an eigenvalue errs by that times lambda_max.
    size = float(np.linalg.norm(kernel(now))) if "lambda" in name else 0.0
    operations = now.W.size + now.a.size + now.outputs.size
    expected = FORMULAS[name](now, start)
    assert abs(OBSERVABLES[name](now, start) - expected) <= 4 * operations * EPS * max(abs(expected), size)


def test_every_observable_has_a_formula_or_a_test_of_its_own() -> None:
    elsewhere = {
        "margin_ratio",
        "eigen_residual",
        "ever_flipped",
        "ever_flipped_max",
        "path_length",
        "tangent_distance",
        "sharpness",
        "rate_sharpness",
    }
    assert set(OBSERVABLES) == set(FORMULAS) | elsewhere


def test_the_tables_keys_are_the_names() -> None:
    assert [entry.name for entry in OBSERVABLES.values()] == list(OBSERVABLES)


@pytest.mark.parametrize(
    "name", ["travel_W", "travel_W_max", "relative_travel_a", "kernel_drift", "flip_max", "balance"]
)
def test_what_compares_with_the_start_is_zero_there(name: str) -> None:
    _, start = pair()
    assert OBSERVABLES[name](start, start) == 0.0


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_norms_survive_squares_that_do_not(size: float) -> None:
    now, _ = pair()
    far = Snapshot(now.problem, now.terms, now.W * size, now.a, given_outputs=now.y * (1 + size))
    assert OBSERVABLES["travel_W"](far, Snapshot(now.problem, now.terms, 0 * now.W, now.a)) == pytest.approx(
        float(np.linalg.norm(now.W)) * size, rel=1e-12
    )
    assert OBSERVABLES["travel_W_max"](
        far, Snapshot(now.problem, now.terms, 0 * now.W, now.a)
    ) == pytest.approx(float(np.linalg.norm(now.W, axis=1).max()) * size, rel=1e-12)


# margins and losses


def test_the_margin_ratio_is_infinite_until_all_are_right() -> None:
    problem = shallow.Problem(np.eye(2), [1.0, -1.0])
    terms = Terms("logistic")
    blank = np.zeros((1, 2)), np.zeros(1)
    right = Snapshot(problem, terms, *blank, given_outputs=np.array([2.0, -0.5]))
    wrong = Snapshot(problem, terms, *blank, given_outputs=np.array([2.0, 0.5]))
    assert OBSERVABLES["margin_ratio"](right, right) == 4.0
    assert OBSERVABLES["margin_ratio"](wrong, wrong) == math.inf
    assert OBSERVABLES["smoothed_margin"](right, right) == 0.0


def test_the_loss_ratio_keeps_its_digits_where_the_losses_underflow() -> None:
    problem = shallow.Problem(np.eye(2), [1.0, -1.0])
    far = Snapshot(
        problem, Terms("logistic"), np.zeros((1, 2)), np.zeros(1), given_outputs=np.array([2000.0, -1998.0])
    )
    assert OBSERVABLES["loss_ratio"](far, far) == pytest.approx(math.exp(2.0), rel=2000 * EPS)
    hinge = Snapshot(
        problem, Terms("hinge"), np.zeros((1, 2)), np.zeros(1), given_outputs=np.array([2.0, 0.0])
    )
    assert OBSERVABLES["loss_ratio"](hinge, hinge) == math.inf


def test_test_error_counts_signs_or_squares() -> None:
    network, problem = drawn()
    test_set = drawn(n=40, seed=3)[1]
    f = shallow.predict(network, test_set.X)
    signs = Snapshot.of(network, problem, Terms("logistic"))
    squares = Snapshot.of(network, problem, Terms("squared"))
    entry = error_on_test_set(test_set)
    assert entry(signs, signs) == np.mean(np.sign(f) != test_set.y)
    assert entry(squares, squares) == pytest.approx(float(np.mean((f - test_set.y) ** 2)), rel=1e-13)


# kernels


def test_eigen_residual_keeps_the_norm_and_diagonalises_the_tangent_step() -> None:
    now, start = pair(k=2)
    coordinates = OBSERVABLES["eigen_residual"](now, start)
    assert np.linalg.norm(coordinates) == pytest.approx(np.linalg.norm(now.residual), rel=100 * EPS)
    V = start.eigenvectors
    np.testing.assert_allclose(
        V @ coordinates, now.residual.ravel(), atol=100 * EPS * np.linalg.norm(now.residual)
    )


def test_eigen_residual_in_a_given_basis() -> None:
    now, start = pair()
    matrix = np.diag(np.arange(1.0, 10.0))
    np.testing.assert_allclose(np.abs(eigen_residual(matrix)(now, start)), np.abs(now.residual), rtol=1e-13)
    with pytest.raises(ValueError, match="3 rows"):
        eigen_residual(np.eye(3))(now, start)
    with pytest.raises(ValueError, match="square"):
        eigen_residual(np.ones((2, 3)))


def test_the_kernel_gap_shrinks_like_one_over_root_m() -> None:
    problem = drawn(n=6, d=4)[1]
    gaps = []
    for m in (200, 3200):
        rng = np.random.default_rng(1)
        network = shallow.Network(rng.standard_normal((m, 4)), rng.standard_normal(m), m**-0.5)
        here = Snapshot.of(network, problem)
        gaps.append(kernel_gap(ntk())(here, here))
    assert 2.0 < gaps[0] / gaps[1] < 8.0  # the law says 4; the spread of one draw is about a third of it


# curvature


def numerical_hessian(now: Snapshot) -> np.ndarray:
    """Central differences of the literal gradient; exact up to eps/h + h^2 away from kinks."""
    h = 1e-5
    W, a, shape = now.W, now.a, now.W.shape
    columns = []
    for index in range(W.size + a.size):
        ends = []
        for sign in (1, -1):
            flat = np.concatenate([W.ravel(), a.ravel()])
            flat[index] += sign * h
            network = now.network.replace(W=flat[: W.size].reshape(shape), a=flat[W.size :].reshape(a.shape))
            g = shallow.gradient(network, now.problem, now.terms.loss)
            ends.append(np.concatenate([g.W.ravel(), g.a.ravel()]))
        columns.append((ends[0] - ends[1]) / (2 * h))
    return np.array(columns)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("k", "slope", "smoothing"), [(None, 0.0, 0.0), (2, 0.2, 0.0), (None, 0.3, 0.8)])
def test_the_hessian_product_is_the_derivative_of_the_gradient(
    loss: str, k: int | None, slope: float, smoothing: float
) -> None:
    network, problem = drawn(n=4, d=3, m=5, k=k, seed=4, slope=slope, smoothing=smoothing)
    now = Snapshot.of(network, problem, Terms(loss))
    product = hessian_product(now)
    size = network.W.size
    rows = []
    for unit in np.eye(size + network.a.size):
        out_W, out_a = product(unit[:size].reshape(network.W.shape), unit[size:].reshape(network.a.shape))
        rows.append(np.concatenate([out_W.ravel(), out_a.ravel()]))
    expected = numerical_hessian(now)
    scale = np.linalg.norm(expected) + 1.0
    # Step 1e-5: rounding eps/h = 2e-11, truncation h^2 = 1e-10, times third derivatives of order 100.
    np.testing.assert_allclose(rows, expected, atol=1e-7 * scale)


def test_sharpness_is_the_top_of_the_trained_layers_hessian_dense_and_by_lanczos() -> None:
    small = Snapshot.of(*drawn(n=4, d=3, m=5), Terms("squared", 0.0, 0.3))
    outer = numerical_hessian(small)[15:, 15:]
    assert OBSERVABLES["sharpness"](small, small) == pytest.approx(np.linalg.eigvalsh(outer)[-1], rel=1e-6)
    assert OBSERVABLES["rate_sharpness"](small, small) == pytest.approx(
        0.3 * np.linalg.eigvalsh(outer)[-1], rel=1e-6
    )
    network, problem = drawn(n=6, d=9, m=45)
    large = Snapshot.of(network, problem)
    product, size = hessian_product(large), network.W.size
    dense = []
    for unit in np.eye(size + 45):
        out = product(unit[:size].reshape(45, 9), unit[size:])
        dense.append(np.concatenate([out[0].ravel(), out[1]]))
    assert OBSERVABLES["sharpness"](large, large) == pytest.approx(np.linalg.eigvalsh(dense)[-1], rel=1e-10)


def test_descent_is_stable_below_two_over_the_sharpness_and_not_above() -> None:
    problem = shallow.Problem([[1.0]], [1.0])
    network = shallow.Network([[1.0]], [1.01])
    top = OBSERVABLES["sharpness"](Snapshot.of(network, problem), Snapshot.of(network, problem))
    below = train(
        network, problem, GradientDescent(1.8 / top, 1.8 / top), steps=40, record="residual_norm", at=1
    )
    above = train(
        network, problem, GradientDescent(2.2 / top, 2.2 / top), steps=10, record="residual_norm", at=1
    )
    assert below.series["residual_norm"][-1] < 1e-3 * below.series["residual_norm"][0]
    assert above.series["residual_norm"][-1] > above.series["residual_norm"][0]


# near kinks


def test_near_kinks_counts_exactly_the_signs_that_rounding_can_turn() -> None:
    problem = shallow.Problem([[1.0, 1.0], [1.0, -1.0]], [0.0, 0.0])
    on_it = Snapshot.of(shallow.Network([[0.1, -0.1], [1.0, 2.0]], [1.0, 1.0]), problem)
    assert OBSERVABLES["near_kinks"](on_it, on_it) == 1.0
    off_it = Snapshot.of(shallow.Network([[0.1, -0.1 * (1 + 8 * EPS)], [1.0, 2.0]], [1.0, 1.0]), problem)
    assert OBSERVABLES["near_kinks"](off_it, off_it) == 0.0


# what accumulates


def test_accumulated_series_see_every_step_whatever_is_recorded() -> None:
    network, problem = drawn(n=12, seed=7)
    rule = GradientDescent(0.3, 0.3)
    names = ["ever_flipped", "ever_flipped_max", "path_length", "tangent_distance"]
    watched = [*names, supremum(OBSERVABLES["travel_W"]), "inf_loss"]
    fine = train(
        network, problem, rule, steps=40, record=[*watched, "flip_fraction", "travel_W", "loss"], at=1
    )
    coarse = train(network, problem, rule, steps=40, record=watched, at=40)
    assert {name: values[-1] for name, values in coarse.series.items()} == {
        name: fine.series[name][-1] for name in coarse.series
    }
    assert fine.series["sup_travel_W"].tolist() == np.maximum.accumulate(fine.series["travel_W"]).tolist()
    assert fine.series["inf_loss"].tolist() == np.minimum.accumulate(fine.series["loss"]).tolist()
    assert (fine.series["ever_flipped"] >= fine.series["flip_fraction"]).all()
    assert fine.series["ever_flipped"][-1] > 0
    assert (np.diff(fine.series["ever_flipped"]) >= 0).all()


def test_the_path_is_at_least_the_travel_and_is_the_sum_of_its_steps() -> None:
    network, problem = drawn(n=12, seed=7)
    rule = GradientDescent(0.04, 0.01)
    run = train(
        network, problem, rule, steps=30, record=["path_length", "travel_W", {"weights": range(31)}], at=1
    )
    steps = [
        math.hypot(np.linalg.norm(v.W - u.W) / 0.2, np.linalg.norm(v.a - u.a) / 0.1)
        for u, v in zip(list(run.snapshots.values())[:-1], list(run.snapshots.values())[1:])
    ]
    np.testing.assert_allclose(run.series["path_length"][1:], np.cumsum(steps), rtol=1e-12)
    assert (run.series["path_length"] * 0.2 >= run.series["travel_W"] * (1 - 1e-12)).all()


def test_only_functions_without_memory_have_an_extremum() -> None:
    with pytest.raises(ValueError, match="already accumulates"):
        supremum(OBSERVABLES["path_length"])
    with pytest.raises(ValueError, match="not both"):
        Observable("nothing", "1", "O(1)", ())


def test_an_observable_is_looked_up_by_name_by_value_or_made_of_a_function() -> None:
    now, start = pair()
    assert observable("loss") is OBSERVABLES["loss"]
    assert observable(OBSERVABLES["loss"]) is OBSERVABLES["loss"]
    assert observable("sup_travel_W").name == supremum(OBSERVABLES["travel_W"]).name
    assert observable("inf_loss").accumulates == infimum(OBSERVABLES["loss"]).accumulates
    with pytest.raises(ValueError, match="cannot record"):
        observable("sup_path_length")
    assert observable(lambda snapshot: snapshot.W[0, 0])(now, start) == now.W[0, 0]
    with pytest.raises(ValueError, match="did you mean 'lambda_min'"):
        observable("lambda_mim")
