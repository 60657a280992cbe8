"""Steps in the array API standard: the same numbers on any library, and nothing of NumPy's on a device."""

from __future__ import annotations

import itertools
from typing import Any

import array_api_strict
import numpy as np
import pytest

import shallow
from shallow.compute import case as cases
from shallow.compute import plan
from shallow.compute.case import Case, Frame
from shallow.compute.methods import load_method
from shallow.observe import OBSERVABLES
from shallow.setting.arrays import host
from shallow.setting.losses import LOSSES
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.training import (
    Fixed,
    FlowScaled,
    GatedModel,
    GradientDescent,
    KernelScaled,
    LossScaled,
    TangentModel,
    train,
    train_many,
)
from shallow.training.assemble import case_of
from shallow.training.train import explain

DEVICE = array_api_strict.Device("device1")
SCHEDULES = (Fixed(), KernelScaled(0.5), FlowScaled(0.4), LossScaled(0.1))
CELLS = tuple(
    itertools.product((None, 1, 3), (0.0, 0.3, -0.5), (0.0, 0.25), ("float64", "float32"), SCHEDULES)
)


def on_device(array: Any) -> Any:
    return array_api_strict.asarray(np.asarray(array), device=DEVICE)


def moved(thing: Any) -> Any:
    """The network or problem with its arrays on a device where NumPy cannot reach them."""
    if isinstance(thing, Problem):
        return thing.replace(X=on_device(thing.X), y=on_device(thing.y))
    return thing.replace(W=on_device(thing.W), a=on_device(thing.a))


def drawn(
    n: int = 7,
    d: int = 4,
    m: int = 9,
    k: int | None = None,
    dtype: str = "float64",
    seed: int = 0,
    **shape: float,
) -> tuple[Network, Problem]:
    rng = np.random.default_rng(seed)
    outputs = () if k is None else (k,)
    W, a = rng.standard_normal((m, d)).astype(dtype), rng.standard_normal((m, *outputs)).astype(dtype)
    X, y = rng.standard_normal((n, d)).astype(dtype), rng.choice([-1.0, 1.0], (n, *outputs)).astype(dtype)
    return Network(W, a, 0.4, **shape), Problem(X, y)


def frame_after(method: str, case: Case, *blocks: int) -> Frame:
    chosen = load_method(method)
    state = chosen.start(case)
    for steps in blocks:
        state = chosen.advance(state, steps)
    return chosen.snapshot(state)


def gap(ours: Frame, theirs: Frame) -> float:
    """The largest difference of any weight, in float64."""
    return max(
        float(np.abs(host(p).astype(float) - host(q).astype(float)).max())
        for p, q in ((ours.W, theirs.W), (ours.a, theirs.a))
    )


def bound(case: Case, frame: Frame, steps: int) -> float:
    """Sums of at most n + m + d + k terms and 40 operations more, at weights and outputs of these sizes.

    An error in f reaches the weights through dL/df, whose change is at most (1 + |f|) times it, and the
    rates of this module keep a step's own stretching below 2.
    """
    eps = float(np.finfo(case.dtype).eps)
    terms = case.n + case.m + case.d + case.k + 40
    weights = max(float(np.abs(host(x)).max()) for x in (case.W, case.a, frame.W, frame.a))
    outputs = float(np.abs(host(frame.outputs)).max())
    return 2 * terms * steps * 2**steps * eps * weights * (1 + outputs) ** 2


@pytest.mark.parametrize("loss", LOSSES)
def test_on_a_device_every_cell_steps_as_the_numpy_method_does(loss: str) -> None:
    travelled = []
    for k, slope, smoothing, dtype, schedule in CELLS:
        network, problem = drawn(k=k, dtype=dtype, slope=slope, smoothing=smoothing)
        rule = GradientDescent(0.05, 0.03, decay_W=0.2, decay_a=0.1, loss=loss, schedule=schedule)
        there = case_of([moved(network)], [moved(problem)], rule, [moved(network)])
        here = case_of([network], [problem], rule, [network])
        ours, theirs = frame_after("portable", there, 2), frame_after("numpy", here, 2)
        cell = (k, slope, smoothing, dtype, schedule)
        assert ours.W.device == DEVICE
        assert gap(ours, theirs) <= bound(here, theirs, 2), cell
        assert np.allclose(ours.time, theirs.time, rtol=200 * float(np.finfo(dtype).eps), atol=0), cell
        travelled.append(float(np.abs(theirs.W[0] - network.W).max()))
    assert len(travelled) == len(CELLS)
    assert min(travelled) > 1e-4


@pytest.mark.parametrize("make", [lambda net: net, TangentModel, GatedModel.of])
@pytest.mark.parametrize("k", [None, 2])
def test_every_model_trains_on_a_device(make: Any, k: int | None) -> None:
    network, problem = drawn(k=k, slope=0.2)
    rule = GradientDescent(0.05, 0.05, decay_W=0.1)
    ours = train(make(moved(network)), moved(problem), rule, steps=8, record="residual_norm")
    theirs = train(make(network), problem, rule, steps=8, record="residual_norm")
    assert ours.method == "portable"
    assert ours.network.W.device == DEVICE
    np.testing.assert_allclose(ours.series["residual_norm"], theirs.series["residual_norm"], rtol=1e-12)


@pytest.mark.parametrize("frozen", ["W", "a"])
def test_a_frozen_layer_keeps_its_bits(frozen: str) -> None:
    network, problem = drawn()
    rule = GradientDescent(0.0, 0.1) if frozen == "W" else GradientDescent(0.1, 0.0)
    run = train(moved(network), moved(problem), rule, steps=5)
    still, going = (run.network.W, run.network.a) if frozen == "W" else (run.network.a, run.network.W)
    starts = (network.W, network.a) if frozen == "W" else (network.a, network.W)
    assert host(still).tobytes() == starts[0].tobytes()
    assert np.abs(host(going) - starts[1]).max() > 0


def test_every_observable_reads_a_device() -> None:
    network, problem = drawn()
    rule = GradientDescent(0.05, 0.02)
    names = list(OBSERVABLES)
    ours = train(moved(network), moved(problem), rule, steps=6, record=names, at=2)
    theirs = train(network, problem, rule, steps=6, record=names, at=2)
    assert list(ours.series) == names
    counts = {"flip_fraction", "flip_max", "ever_flipped", "ever_flipped_max", "near_kinks"}
    for name in names:
        assert isinstance(ours.series[name], np.ndarray)
        p, q = ours.series[name], theirs.series[name]
        if name in counts:
            assert p.tolist() == q.tolist(), name
        elif name == "eigen_residual":  # eigenvectors have no signs of their own
            np.testing.assert_allclose(np.abs(p), np.abs(q), rtol=0, atol=1e-10)
        else:
            # Eigenvalues and drifts are differences of sums of norm at most lambda_max.
            size = max(1.0, float(theirs.series["lambda_max"].max()))
            np.testing.assert_allclose(p, q, rtol=1e-11, atol=1e-11 * size, err_msg=name)


def test_members_of_a_batch_are_as_they_are_alone_and_one_that_diverges_stops_alone() -> None:
    pairs = [drawn(seed=seed) for seed in range(3)]
    wild = pairs[1][0].replace(W=30 * pairs[1][0].W, a=30 * pairs[1][0].a)
    networks = [moved(pairs[0][0]), moved(wild), moved(pairs[2][0])]
    problems = [moved(problem) for _, problem in pairs]
    rule = GradientDescent(0.05, 0.05)
    together = train_many(networks, problems, rule, steps=12, record="flip_fraction")
    alone = [
        train(net, problem, rule, steps=12, record="flip_fraction")
        for net, problem in zip(networks, problems)
    ]
    assert [run.outcome.name for run in together] == ["OUT_OF_BUDGET", "DIVERGED", "OUT_OF_BUDGET"]
    assert together[1].last_step == together[1].outcome_step - 1 < 12
    for ours, one in zip(together, alone):
        assert host(ours.network.W).tobytes() == host(one.network.W).tobytes()
        assert ours.series["flip_fraction"].tolist() == one.series["flip_fraction"].tolist()
        assert np.isfinite(host(ours.network.W)).all()


def test_shared_inputs_are_kept_once() -> None:
    nets = [drawn(seed=seed)[0] for seed in range(3)]
    problem = drawn()[1]
    rule = GradientDescent(0.05, 0.05)
    ours = train_many([moved(net) for net in nets], moved(problem), rule, steps=4)
    theirs = train_many(nets, problem, rule, steps=4)
    for mine, other in zip(ours, theirs):
        assert np.abs(host(mine.network.W) - other.network.W).max() <= 1e-13


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_going_on_has_the_bits_of_one_longer_run(dtype: str) -> None:
    network, problem = drawn(dtype=dtype, smoothing=0.1)
    rule = GradientDescent(0.05, 0.05, schedule=FlowScaled(0.3))
    record = ["residual_norm", "path_length", "tangent_distance", "ever_flipped"]
    whole = train(moved(network), moved(problem), rule, steps=9, record=record, at=3)
    parts = train(train(moved(network), moved(problem), rule, steps=4, record=record, at=3), 5)
    assert host(parts.network.W).tobytes() == host(whole.network.W).tobytes()
    assert parts.time[-1] == whole.time[-1]
    assert [parts.series[name][-1] for name in record] == [whole.series[name][-1] for name in record]


def test_a_saved_run_goes_on_elsewhere_when_it_is_told_where(tmp_path: Any) -> None:
    network, problem = drawn()
    run = train(moved(network), moved(problem), GradientDescent(0.05, 0.05), steps=3, record="path_length")
    run.save(tmp_path / "run.npz")
    loaded = shallow.Trajectory.load(tmp_path / "run.npz")
    assert isinstance(loaded.network.W, np.ndarray)
    assert isinstance(train(run, 2, backend="numpy").network.W, np.ndarray)
    assert (
        train(loaded, 2).series["path_length"][-1] == train(run, 2, backend="numpy").series["path_length"][-1]
    )


def test_a_device_is_asked_for_in_words() -> None:
    network, problem = drawn()
    rule = GradientDescent(0.1, 0.1)
    with pytest.raises(TypeError, match="array_api_strict's and the problem's numpy's"):
        train(moved(network), problem, rule, steps=1)
    mixed = train(moved(network), problem, rule, steps=1, backend="numpy")
    assert isinstance(mixed.network.W, np.ndarray)
    with pytest.raises(
        ValueError, match="'numpy' refuses: the arrays are array_api_strict's, it takes numpy's"
    ):
        train(moved(network), moved(problem), rule, steps=1, method="numpy")


def test_the_plan_never_takes_the_portable_method_for_numpy_arrays_nor_another_for_a_device() -> None:
    rule = GradientDescent(0.1, 0.1)
    for n, d, m in ((1, 1, 1), (7, 4, 9), (40, 30, 500)):
        network, problem = drawn(n, d, m)
        for steps in (1, 10**6):
            here = case_of([network], [problem], rule, [network])
            there = case_of([moved(network)], [moved(problem)], rule, [moved(network)])
            assert plan.choose(here, steps) != "portable"
            assert plan.choose(there, steps) == "portable"


def test_a_user_function_sees_the_devices_own_arrays() -> None:
    network, problem = drawn()
    seen = []

    def largest_weight(now: Any) -> Any:
        seen.append(now.W.device)
        return array_api_strict.max(array_api_strict.abs(now.W))

    run = train(moved(network), moved(problem), GradientDescent(0.1, 0.1), steps=2, record=largest_weight)
    assert seen == [DEVICE] * 3
    assert run.series["largest_weight"][0] == np.abs(network.W).max()


def test_kept_networks_stay_on_the_device_and_stand_where_the_run_stood() -> None:
    network, problem = drawn()
    rule = GradientDescent(0.05, 0.05)
    run = train(moved(network), moved(problem), rule, steps=6, record={"weights": [0, 4]})
    assert sorted(run.snapshots) == [0, 4]
    assert run.snapshots[4].W.device == DEVICE
    assert host(run.snapshots[0].W).tobytes() == network.W.tobytes()
    assert run.snapshots[4].equals(train(moved(network), moved(problem), rule, steps=4).network)


def test_a_run_on_a_device_stops_where_it_is_told_and_ends_as_on_the_host() -> None:
    network, problem = drawn(n=3, d=8, m=40)
    rule, until = GradientDescent(0.05, 0.05), ("residual_norm", 1e-2)
    run = train(moved(network), moved(problem), rule, steps=300, until=until)
    assert run.outcome.name == "CONVERGED"
    assert run.outcome_step == train(network, problem, rule, steps=300, until=until).outcome_step
    settled = train(moved(network), moved(problem), rule, steps=300)
    assert settled.outcome is train(network, problem, rule, steps=300).outcome


@pytest.mark.parametrize(
    ("schedule", "k", "method"),
    [(Fixed(), None, "cupy"), (FlowScaled(0.2), None, "portable"), (Fixed(), 2, "portable")],
)
def test_the_plan_takes_the_fused_method_for_cupys_arrays_where_it_can(
    monkeypatch: pytest.MonkeyPatch, schedule: Any, k: int | None, method: str
) -> None:
    monkeypatch.setattr(cases, "library_of", lambda array: "cupy")
    network, problem = drawn(k=k)
    choice = explain(network, problem, GradientDescent(0.1, 0.1, schedule=schedule), steps=100)
    assert choice.method == method
    refusals = {offer.method: offer.refusal for offer in choice.offers}
    assert refusals["numpy"] == "the arrays are cupy's, it takes numpy's"
    assert refusals["portable"] is None
