"""Training as a map: outcomes, restarts, batches, recording, and what is refused."""

from __future__ import annotations

import math
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import shallow
from shallow.observe import OBSERVABLES, supremum
from shallow.training import (
    FlowScaled,
    GradientDescent,
    KernelScaled,
    LossScaled,
    Outcome,
    Trajectory,
    batch,
    train,
    train_many,
)

EPS = float(np.finfo(float).eps)


def drawn(n: int = 12, d: int = 6, m: int = 20, k: int | None = None, seed: int = 0) -> tuple:
    rng = np.random.default_rng(seed)
    shape = () if k is None else (k,)
    problem = shallow.Problem(rng.standard_normal((n, d)) / d**0.5, rng.choice([-1.0, 1.0], (n, *shape)))
    network = shallow.Network(rng.standard_normal((m, d)), rng.standard_normal((m, *shape)), m**-0.5)
    return network, problem


def same_run(left: Trajectory, right: Trajectory) -> bool:
    """Whether networks are equal bit for bit, and all series at their common steps."""
    common = np.intersect1d(left.steps, right.steps)
    at_left, at_right = np.isin(left.steps, common), np.isin(right.steps, common)
    series = all(
        left.series[name][at_left].tobytes() == right.series[name][at_right].tobytes() for name in left.series
    )
    times = left.time[at_left].tobytes() == right.time[at_right].tobytes()
    return len(common) > 2 and series and times and left.network.equals(right.network)


# outcomes


def test_a_wide_network_converges_to_the_rounding_floor() -> None:
    network, problem = drawn(n=4, d=8, m=60)
    run = train(network, problem, GradientDescent(1.0, 1.0, schedule=KernelScaled(0.8)), steps=6000)
    assert run.outcome is Outcome.CONVERGED


def test_until_stops_at_the_first_step_under_the_threshold() -> None:
    network, problem = drawn(n=4, d=8, m=60)
    rule = GradientDescent(0.3, 0.3)
    run = train(network, problem, rule, steps=2000, record=["residual_norm"], until=("residual_norm", 1e-3))
    every = train(network, problem, rule, steps=run.outcome_step, record=["residual_norm"], at=1)
    assert run.outcome is Outcome.CONVERGED
    assert run.outcome_step == run.last_step < 2000
    assert every.series["residual_norm"][-1] <= 1e-3 < every.series["residual_norm"][-2]
    assert every.network.equals(run.network)


def test_a_dead_network_is_stationary() -> None:
    problem = shallow.Problem([[1.0, 2.0], [2.0, 1.0]], [1.0, -1.0])
    network = shallow.Network([[-1.0, -1.0]], [1.0])
    run = train(network, problem, GradientDescent(0.1, 0.1, schedule=FlowScaled(0.5)), steps=5)
    assert run.outcome is Outcome.STATIONARY
    assert run.network.equals(network)


def test_least_squares_without_interpolation_ends_stationary() -> None:
    problem = shallow.Problem([[1.0], [1.0]], [0.0, 2.0])
    network = shallow.Network([[1.0]], [0.5])
    run = train(network, problem, GradientDescent(0.05, 0.05), steps=3000)
    assert run.outcome is Outcome.STATIONARY
    np.testing.assert_allclose(float(run.network.W[0, 0] * run.network.a[0]), 1.0, rtol=1e-8)


def test_the_budget_ends() -> None:
    network, problem = drawn()
    assert train(network, problem, GradientDescent(0.01, 0.01), steps=3).outcome is Outcome.OUT_OF_BUDGET


@pytest.mark.parametrize("rate", [1e9, 1e300])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (12, 20)])
def test_absurd_rates_diverge_without_a_warning_and_leave_a_finite_network(
    rate: float, n: int, m: int
) -> None:
    network, problem = drawn(n=n, m=m, seed=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = train(network, problem, GradientDescent(rate, rate), steps=50, record=list(OBSERVABLES))
    assert run.outcome in (Outcome.DIVERGED, Outcome.STATIONARY)
    assert np.isfinite(run.network.W).all()
    assert np.isfinite(run.network.a).all()


def test_divergence_is_named_at_its_step_whatever_is_recorded() -> None:
    network, problem = drawn()
    rule = GradientDescent(3.0, 3.0)
    coarse = train(network, problem, rule, steps=400, at=400)
    fine = train(network, problem, rule, steps=400, at=1, record=["residual_norm", "path_length"])
    assert coarse.outcome is fine.outcome is Outcome.DIVERGED
    assert coarse.outcome_step == fine.outcome_step == coarse.last_step + 1
    assert coarse.network.equals(fine.network)
    assert np.isfinite(fine.series["residual_norm"]).all()
    assert train(coarse, 10).outcome is Outcome.DIVERGED


def test_one_neuron_and_one_sample_train() -> None:
    problem = shallow.Problem([[2.0]], [3.0])
    run = train(shallow.Network([[1.0]], [1.0]), problem, GradientDescent(0.05, 0.05), steps=400)
    assert run.outcome is Outcome.CONVERGED


def test_a_problem_that_starts_beyond_all_numbers_has_diverged_at_once() -> None:
    network, problem = drawn()
    huge = network.replace(W=network.W * 1e200, a=network.a * 1e200)
    run = train(huge, problem, GradientDescent(0.1, 0.1), steps=3)
    assert (run.outcome, run.outcome_step, run.last_step) == (Outcome.DIVERGED, 0, 0)


CORNERS = {
    "duplicates that agree": ([[1.0, 2.0], [1.0, 2.0]], [1.0, 1.0]),
    "duplicates that conflict": ([[1.0, 2.0], [1.0, 2.0]], [1.0, -1.0]),
    "antipodal points": ([[1.0, 2.0], [-1.0, -2.0]], [1.0, -1.0]),
    "a zero row": ([[0.0, 0.0], [1.0, 1.0]], [1.0, -1.0]),
    "more samples than parameters": (np.linspace(-1, 1, 40).reshape(20, 2), np.resize([1.0, -1.0], 20)),
    "subnormal inputs": ([[1e-310, 2e-310], [3e-310, -1e-310]], [1.0, -1.0]),
    "huge inputs": ([[1e150, 2e150], [3e150, -1e150]], [1.0, -1.0]),
}


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("loss", ["squared", "logistic", "exponential", "hinge"])
@pytest.mark.parametrize("schedule", [shallow.Fixed(), KernelScaled(0.5), FlowScaled(0.5), LossScaled(0.02)])
def test_corners_of_the_data_give_finite_networks_and_a_named_outcome(
    corner: str, loss: str, schedule: shallow.Schedule
) -> None:
    X, y = CORNERS[corner]
    network = shallow.Network([[1.0, 0.5], [-0.5, 1.0], [2.0, -1.0]], [0.5, -1.0, 1.0])
    rule = GradientDescent(0.1, 0.1, loss=loss, schedule=schedule)
    record = ["log_loss", "loss", "residual_norm", "flip_max", "path_length", "near_kinks", "balance"]
    record += ["stable_rank", "travel_W_max", "smoothed_margin", "margin_ratio"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = train(network, shallow.Problem(X, y), rule, steps=20, record=record)
    assert isinstance(run.outcome, Outcome)
    assert np.isfinite(run.network.W).all()
    assert not np.isnan(np.concatenate([run.time, *run.series.values()])).any()


# going on, batches, threads


@pytest.mark.parametrize("schedule", [shallow.Fixed(), KernelScaled(0.5), FlowScaled(0.5), LossScaled(0.02)])
@pytest.mark.parametrize("split", [0, 1, 17, 40])
def test_going_on_has_the_bits_of_one_longer_run(schedule: shallow.Schedule, split: int) -> None:
    network, problem = drawn(k=2)
    rule = GradientDescent(0.1, 0.2, decay_W=0.01, loss="logistic", schedule=schedule)
    names = [name for name in OBSERVABLES if name not in ("sharpness", "rate_sharpness")]
    whole = train(network, problem, rule, steps=40, record=names, at=4)
    first = train(network, problem, rule, steps=split, record=names, at=4)
    assert same_run(train(first, 40 - split), whole)


def test_a_saved_run_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    network, problem = drawn()
    rule = GradientDescent(0.1, 0.2, schedule=LossScaled(0.02), loss="exponential")
    names = ["loss", "path_length", "ever_flipped", "tangent_distance", "sup_loss", {"weights": [0, 5]}]
    whole = train(network, problem, rule, steps=60, record=names, at=3)
    first = train(network, problem, rule, steps=23, record=names, at=3)
    first.save(tmp_path / "run.npz")
    loaded = Trajectory.load(tmp_path / "run.npz")
    assert loaded.rule == rule
    assert loaded.outcome is first.outcome
    assert loaded.snapshots[5].equals(first.snapshots[5])
    assert same_run(loaded, first)
    assert same_run(train(loaded, 37), whole)


def norm_of_first(now: shallow.observe.Snapshot) -> float:
    return float(np.linalg.norm(now.W[0]))


def test_a_users_function_is_recorded_and_asked_for_again_after_loading(tmp_path: Path) -> None:
    network, problem = drawn()
    run = train(network, problem, GradientDescent(0.1, 0.1), steps=4, record=norm_of_first, at=1)
    assert run.series["norm_of_first"][0] == np.linalg.norm(network.W[0])
    run.save(tmp_path / "run.npz")
    loaded = Trajectory.load(tmp_path / "run.npz")
    with pytest.raises(ValueError, match="norm_of_first"):
        train(loaded, 2)
    further = train(loaded, 2, record=norm_of_first)
    assert list(further.steps) == [0, 1, 2, 3, 4, 5, 6]


def test_a_member_has_the_same_bits_alone_and_in_any_batch() -> None:
    pairs = [drawn(seed=seed) for seed in range(4)] + [drawn(n=5, m=7, seed=9)]
    networks, problems = [p[0] for p in pairs], [p[1] for p in pairs]
    rule = GradientDescent(0.2, 0.1)
    record = ["loss", "lambda_min", "path_length"]
    runs = train_many(networks, problems, rule, steps=30, record=record)
    alone = [train(net, prob, rule, steps=30, record=record) for net, prob in pairs]
    backwards = train_many(networks[::-1], problems[::-1], rule, steps=30, record=record)[::-1]
    assert [same_run(run, one) for run, one in zip(runs, alone)] == [True] * 5
    assert [same_run(run, one) for run, one in zip(runs, backwards)] == [True] * 5


def test_members_of_one_problem_share_it() -> None:
    networks = [drawn(seed=seed)[0] for seed in range(3)]
    problem = drawn()[1]
    runs = train_many(networks, problem, GradientDescent(0.1, 0.1), steps=5)
    alone = [train(net, problem, GradientDescent(0.1, 0.1), steps=5) for net in networks]
    assert [run.network.equals(one.network) for run, one in zip(runs, alone)] == [True] * 3


def test_one_member_that_diverges_leaves_the_others_alone() -> None:
    network, problem = drawn()
    wild = network.replace(a=network.a * 40)
    rule = GradientDescent(0.5, 0.5)
    both = train_many([wild, network], problem, rule, steps=60, record="loss")
    assert both[0].outcome is Outcome.DIVERGED
    assert both[1].network.equals(train(network, problem, rule, steps=60).network)


@pytest.mark.parametrize("method", ["numpy", "numba"])
def test_groups_and_members_that_have_left_change_no_bit(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [drawn(seed=seed) for seed in range(9)]
    networks, problems = [p[0] for p in pairs], [p[1] for p in pairs]
    networks[4] = networks[4].replace(a=networks[4].a * 400)
    rule = GradientDescent(0.2, 0.1)

    def runs() -> list[Trajectory]:
        options: dict[str, Any] = {"steps": 60, "record": ["loss", "path_length"], "at": 7, "method": method}
        watched = train_many(networks, problems, rule, until=("residual_norm", 0.5), **options)
        return [*watched, *train_many(networks, problems, rule, **options)]

    together = runs()
    assert {run.outcome for run in together} >= {Outcome.CONVERGED, Outcome.DIVERGED}
    assert len({run.last_step for run in together[:9]}) > 4, "they leave at different steps"
    sizes: list[int] = []
    whole = batch._group_size
    monkeypatch.setattr(batch, "_group_size", lambda case: sizes.append(whole(case)) or 2)
    for run, one in zip(together, runs(), strict=True):
        assert (run.outcome, run.outcome_step) == (one.outcome, one.outcome_step)
        assert run.network.equals(one.network)
        assert run.time.tobytes() == one.time.tobytes()
        for name, series in run.series.items():
            assert series.tobytes() == one.series[name].tobytes(), name
    assert min(sizes) >= 9, "so small networks are one group"


def test_bits_do_not_depend_on_the_number_of_threads() -> None:
    network, problem = drawn(n=412, d=420, m=60)
    rule = GradientDescent(0.01, 0.01)
    runs = []
    for threads in (1, 2):
        with threadpool_limits(threads, "blas"):
            runs.append(train(network, problem, rule, steps=3, record=["loss", "lambda_max"], at=1))
    assert same_run(*runs)


# schedules


def test_time_counts_steps_at_the_rules_own_rates() -> None:
    network, problem = drawn()
    run = train(network, problem, GradientDescent(0.1, 0.1), steps=50, at=7)
    np.testing.assert_array_equal(run.time, run.steps)


def test_kernel_scaled_and_flow_scaled_take_the_same_first_step() -> None:
    network, problem = drawn()
    one = train(network, problem, GradientDescent(0.3, 0.7, schedule=KernelScaled(0.5)), steps=1)
    other = train(network, problem, GradientDescent(0.3, 0.7, schedule=FlowScaled(0.5)), steps=1)
    assert one.network.equals(other.network)


def test_paired_rates_share_the_flow() -> None:
    """Halving both rates and doubling the steps follows the same flow: the gap is first order in the rate."""
    network, problem = drawn(seed=5)
    gaps = []
    for factor in (1, 2, 4):
        rule = GradientDescent(0.02 / factor, 0.04 / factor)
        finer = GradientDescent(0.01 / factor, 0.02 / factor)
        coarse = train(network, problem, rule, steps=20 * factor).network
        fine = train(network, problem, finer, steps=40 * factor).network
        gaps.append(float(np.linalg.norm(coarse.W - fine.W)))
    assert gaps[0] > 1.5 * gaps[1] > 2.25 * gaps[2] > 0


@pytest.mark.parametrize("loss", ["logistic", "exponential"])
def test_loss_scaled_rates_reach_a_loss_of_1e_minus_100(loss: str) -> None:
    network, problem = drawn(n=4, d=10, m=30, seed=2)
    rule = GradientDescent(1.0, 1.0, loss=loss, schedule=LossScaled(0.2))
    run = train(
        network, problem, rule, steps=4000, record="log_loss", until=("log_loss", -100 * math.log(10))
    )
    assert run.outcome is Outcome.CONVERGED
    further = train(run, 3000, until=("log_loss", -350 * math.log(10)))
    assert further.series["log_loss"][-1] <= -350 * math.log(10)
    assert np.isfinite(further.network.W).all()


# recording


def test_the_default_grid_is_logarithmic_and_holds_both_ends() -> None:
    network, problem = drawn(n=2, m=2)
    run = train(network, problem, GradientDescent(0.01, 0.01), steps=5000)
    assert (run.steps[0], run.steps[-1]) == (0, 5000)
    assert 100 <= len(run.steps) <= 202


def test_lists_and_intervals_of_steps() -> None:
    network, problem = drawn(n=2, m=2)
    rule = GradientDescent(0.01, 0.01)
    assert list(train(network, problem, rule, steps=10, at=4).steps) == [0, 4, 8, 10]
    assert list(train(network, problem, rule, steps=10, at=[2, 3]).steps) == [2, 3, 10]
    assert list(train(network, problem, rule, steps=0, record="loss").series["loss"].shape) == [1]


def test_kept_networks_are_those_of_their_steps() -> None:
    network, problem = drawn()
    rule = GradientDescent(0.1, 0.1)
    run = train(network, problem, rule, steps=12, record={"weights": [0, 5, 12]}, at=12)
    assert list(run.snapshots) == [0, 5, 12]
    assert run.snapshots[0].equals(network)
    assert run.snapshots[5].equals(train(network, problem, rule, steps=5).network)
    assert run.snapshots[12].equals(run.network)


def test_recording_changes_no_bit() -> None:
    network, problem = drawn()
    rule = GradientDescent(0.2, 0.1)
    names = ["tangent_distance", "lambda_min", supremum(OBSERVABLES["travel_W"])]
    assert train(network, problem, rule, steps=25, record=names).network.equals(
        train(network, problem, rule, steps=25).network
    )


def test_series_are_read_only_float64_of_one_length() -> None:
    network, problem = drawn()
    single = shallow.Network(network.W.astype(np.float32), network.a.astype(np.float32), network.scale)
    small = shallow.Problem(problem.X.astype(np.float32), problem.y.astype(np.float32))
    run = train(single, small, GradientDescent(0.1, 0.1), steps=9, record=list(OBSERVABLES), at=3)
    assert {values.dtype for values in run.series.values()} == {np.dtype(np.float64)}
    assert {len(values) for values in run.series.values()} == {4}
    assert run.network.W.dtype == np.float32
    assert not any(values.flags.writeable for values in run.series.values())


# what is refused


@pytest.mark.parametrize("rate", [-0.1, math.nan, math.inf])
def test_a_rate_that_is_negative_or_not_finite_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="rate_W"):
        GradientDescent(rate, 0.1)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"steps": -1}, ValueError, "steps is -1"),
        ({"steps": 1.5}, TypeError, "integer"),
        ({"record": ["residul_norm"]}, ValueError, "did you mean 'residual_norm'"),
        ({"record": ["kernel_gap"]}, ValueError, r"kernel_gap\(initialization\)"),
        ({"record": ["loss", "loss"]}, ValueError, "two recorded series"),
        ({"record": [{"bias": [1]}]}, ValueError, "weights"),
        ({"record": [3]}, TypeError, "cannot record 3"),
        ({"at": 0}, ValueError, "at least 1"),
        ({"at": [99]}, ValueError, "99"),
        ({"at": "often"}, TypeError, "list of steps"),
        ({"until": "loss"}, TypeError, "threshold"),
        ({"until": ("path_length", 1.0)}, ValueError, "accumulates"),
        ({"until": ("loss", math.nan)}, ValueError, "NaN"),
        ({"method": "nunpy"}, ValueError, "did you mean 'numpy'"),
        ({"backend": "tpu"}, ValueError, "use 'auto', 'numpy', 'cupy'"),
        ({"seed": -1}, ValueError, "seed"),
    ],
)
def test_a_wrong_request_is_refused_in_words(change: dict, error: type[Exception], words: str) -> None:
    network, problem = drawn(n=2, m=2)
    with pytest.raises(error, match=words):
        train(network, problem, GradientDescent(0.1, 0.1), **{"steps": 3, **change})


def test_shapes_and_types_that_do_not_fit_are_refused() -> None:
    network, problem = drawn()
    rule = GradientDescent(0.1, 0.1)
    with pytest.raises(ValueError, match="inputs"):
        train(network, shallow.Problem(np.ones((3, 2)), np.ones(3)), rule, steps=1)
    with pytest.raises(ValueError, match=r"\(n, k\)"):
        train(network, problem.replace(y=problem.y[:, None]), rule, steps=1)
    with pytest.raises(TypeError, match="float32"):
        train(
            network, shallow.Problem(problem.X.astype("float32"), problem.y.astype("float32")), rule, steps=1
        )
    with pytest.raises(ValueError, match="one problem or one each"):
        train_many([network], [problem, problem], rule, steps=1)
    with pytest.raises(TypeError, match="GradientDescent"):
        train(network, problem, "descent", steps=1)  # type: ignore[call-overload]


def test_the_plan_is_explained_for_a_network() -> None:
    network, problem = drawn()
    choice = shallow.training.explain(network, problem, GradientDescent(0.1, 0.1), steps=10)
    run = train(network, problem, GradientDescent(0.1, 0.1), steps=10)
    assert choice.method == run.method
    assert f"-> {run.method}: about" in str(choice)
    assert {"python", "numpy"} <= set(run.versions)


def test_a_small_run_loads_neither_numba_nor_scipy() -> None:
    code = (
        "import sys, shallow\n"
        "net, prob = shallow.Network([[1.0]], [1.0]), shallow.Problem([[1.0]], [2.0])\n"
        "run = shallow.train(net, prob, shallow.GradientDescent(0.1, 0.1), steps=5, record='loss')\n"
        "print(run.method, sorted({'numba', 'scipy', 'matplotlib'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "numpy []"


def test_margins_that_grow_beyond_all_labels_are_no_divergence_under_a_classification_loss() -> None:
    # f = w x with x = y = 1: every step c / L_t times a gradient of about L_t adds about c to the margin.
    network, problem = shallow.Network([[1.0]], [1.0]), shallow.Problem([[1.0]], [1.0])
    rule = GradientDescent(1e13, 0.0, loss="exponential", schedule=LossScaled(1.0))
    run = train(network, problem, rule, steps=3, record=["log_loss"])
    assert run.outcome is Outcome.OUT_OF_BUDGET
    assert run.series["log_loss"][-1] < -1e13
