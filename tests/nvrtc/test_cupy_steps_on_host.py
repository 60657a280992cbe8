"""The CuPy method's own code, its launches run on the host: every step is the rule's, to rounding."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import shallow
from shallow.compute import case as cases
from shallow.compute.capabilities import CAPABILITIES
from shallow.compute.case import Case, Frame
from shallow.compute.methods import cupy_steps, load_method
from shallow.compute.methods.cupy_steps import CupySteps
from shallow.setting.losses import LOSSES
from shallow.training import GradientDescent, train, train_many
from shallow.training.assemble import case_of

pytestmark = pytest.mark.cxx

CELLS = tuple(itertools.product(LOSSES, (0.0, 0.3, -0.5), (0.0, 0.25), ("float64", "float32")))


def drawn(
    n: int = 11, d: int = 6, m: int = 17, seed: int = 0, dtype: str = "float64", **shape: float
) -> tuple[shallow.Network, shallow.Problem]:
    rng = np.random.default_rng(seed)
    W, a = rng.standard_normal((m, d)).astype(dtype), rng.standard_normal(m).astype(dtype)
    X, y = rng.standard_normal((n, d)).astype(dtype), rng.choice([-1.0, 1.0], n).astype(dtype)
    return shallow.Network(W, a, m**-0.5, **shape), shallow.Problem(X, y)


def batch(rule: GradientDescent, count: int = 3, shared: bool = False, **options: Any) -> Case:
    pairs = [drawn(seed=seed, **options) for seed in range(count)]
    networks = [network for network, _ in pairs]
    problems = [pairs[0][1]] * count if shared else [problem for _, problem in pairs]
    return case_of(networks, problems, rule, networks)


def frame_after(method: Any, case: Case, *blocks: int) -> Frame:
    state = method.start(case)
    for steps in blocks:
        state = method.advance(state, steps)
    return method.snapshot(state)


def bits(frame: Frame) -> list[bytes]:
    parts = (frame.W, frame.a, frame.outputs, frame.preactivations, frame.time, frame.step, frame.diverged)
    return [np.ascontiguousarray(x).tobytes() for x in parts]


def require_close(ours: Frame, theirs: Frame, case: Case, steps: int) -> None:
    """Sums of at most n + m + d terms and 40 operations more on each side; a step stretches by at most 2."""
    eps = float(np.finfo(case.dtype).eps)
    terms = case.n + case.m + case.d + 40
    size = max(float(np.abs(x).max()) for x in (theirs.W, theirs.a))
    reach = 1 + float(np.abs(theirs.outputs).max())
    bound = 2 * terms * steps * 2**steps * eps * size * reach**2
    for name in ("W", "a", "outputs", "preactivations"):
        p, q = getattr(ours, name), getattr(theirs, name)
        assert p.shape == q.shape, name
        assert p.dtype == q.dtype, name
        stretch = np.sqrt(case.d) * float(np.abs(case.X).max()) if name == "preactivations" else 1.0
        assert float(np.abs(p.astype(float) - q).max()) <= bound * max(1.0, stretch), name
    assert ours.time.tolist() == theirs.time.tolist()
    assert ours.factor.tolist() == theirs.factor.tolist()
    assert ours.step.tolist() == theirs.step.tolist()


@pytest.fixture
def method(host_cupy: Any) -> CupySteps:
    """The CuPy method with the host as its device."""
    return CupySteps(library=lambda dtype: host_cupy)


@pytest.mark.parametrize("shared", [False, True])
def test_every_cell_of_its_row_steps_as_the_numpy_method_does(method: CupySteps, shared: bool) -> None:
    travelled = []
    for loss, slope, smoothing, dtype in CELLS:
        rule = GradientDescent(0.05, 0.03, decay_W=0.2, decay_a=0.1, loss=loss)
        case = batch(rule, shared=shared, dtype=dtype, slope=slope, smoothing=smoothing)
        ours, theirs = frame_after(method, case, 3), frame_after(load_method("numpy"), case, 3)
        require_close(ours, theirs, case, 3)
        travelled.append(float(np.abs(theirs.W - case.W).max()))
    assert len(travelled) == len(CELLS)
    assert min(travelled) > 1e-3


@pytest.mark.parametrize("seed", range(12))
def test_ragged_sizes_step_as_the_numpy_method_does(method: CupySteps, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, d, m = (1, 1, 1) if seed == 0 else (int(size) for size in rng.integers(1, 41, size=3))
    case = batch(GradientDescent(0.02, 0.02), count=1 + seed % 3, n=n, d=d, m=m, slope=0.1)
    require_close(frame_after(method, case, 2), frame_after(load_method("numpy"), case, 2), case, 2)


def test_blocks_longer_than_a_launch_add_up(method: CupySteps) -> None:
    # More samples than a block has threads, more neurons than a chunk has rows, more weights than threads.
    case = batch(GradientDescent(0.01, 0.01), count=2, n=300, d=270, m=1100)
    require_close(frame_after(method, case, 1), frame_after(load_method("numpy"), case, 1), case, 1)


@pytest.mark.parametrize("frozen", ["W", "a"])
def test_a_frozen_layer_keeps_its_bits(method: CupySteps, frozen: str) -> None:
    rule = GradientDescent(0.0, 0.05) if frozen == "W" else GradientDescent(0.05, 0.0)
    case = batch(rule, smoothing=0.1)
    ours, theirs = frame_after(method, case, 3), frame_after(load_method("numpy"), case, 3)
    require_close(ours, theirs, case, 3)
    assert getattr(ours, frozen).tobytes() == getattr(case, frozen).tobytes()


def test_blocks_of_steps_and_restarts_have_the_bits_of_one_run(method: CupySteps) -> None:
    case = batch(GradientDescent(0.05, 0.05))
    whole = frame_after(method, case, 12)
    assert bits(frame_after(method, case, 5, 0, 7)) == bits(whole)
    middle = frame_after(method, case, 5)
    later = replace(case, W=middle.W.copy(), a=middle.a.copy(), step=5, time=middle.time.copy())
    assert bits(frame_after(method, later, 7)) == bits(whole)


def test_no_launch_depends_on_the_order_of_blocks_or_threads(
    method: CupySteps, host_cupy_backwards: Any
) -> None:
    case = batch(GradientDescent(0.05, 0.05, loss="logistic"), n=70, m=90)
    other = CupySteps(library=lambda dtype: host_cupy_backwards)
    assert bits(frame_after(other, case, 4)) == bits(frame_after(method, case, 4))


def test_a_diverged_member_stays_at_its_last_finite_step_and_the_others_go_on(method: CupySteps) -> None:
    calm = batch(GradientDescent(0.05, 0.05))
    W = calm.W.copy()
    W[1] *= 40
    case = replace(calm, W=W)
    ours, theirs = frame_after(method, case, 30), frame_after(load_method("numpy"), case, 30)
    assert ours.diverged.tolist() == theirs.diverged.tolist()
    assert (ours.diverged >= 0).tolist() == [False, True, False]
    assert ours.step.tolist() == theirs.step.tolist()
    assert np.isfinite(ours.W).all()
    assert np.isfinite(ours.preactivations).all()
    for steps in (31, 32, 33):
        later = frame_after(method, case, steps)
        assert later.W[1].tobytes() == ours.W[1].tobytes()
        assert later.outputs[1].tobytes() == ours.outputs[1].tobytes()
        assert later.time[1] == ours.time[1]
    alone = frame_after(method, calm, 30)
    assert ours.W[0].tobytes() == alone.W[0].tobytes()


def test_a_member_beyond_its_limit_at_the_start_has_diverged_there(method: CupySteps) -> None:
    case = batch(GradientDescent(0.05, 0.05))
    case = replace(case, limit=np.array([1e3, 1e-9, 1e3]), step=4)
    frame = frame_after(method, case, 3)
    assert frame.diverged.tolist() == [-1, 4, -1]
    assert frame.step.tolist() == [7, 4, 7]
    assert frame.W[1].tobytes() == case.W[1].tobytes()


def test_a_hinge_met_exactly_does_not_move(method: CupySteps) -> None:
    network = shallow.Network(np.array([[1.0]]), np.array([1.0]))
    problem = shallow.Problem(np.array([[1.0]]), np.array([1.0]))
    case = case_of([network], [problem], GradientDescent(0.1, 0.1, loss="hinge"), [network])
    frame = frame_after(method, case, 2)
    assert (frame.W.item(), frame.a.item(), frame.step.item()) == (1.0, 1.0, 2)


def test_an_infinite_weight_behind_a_closed_gate_is_seen(method: CupySteps) -> None:
    network = shallow.Network(np.array([[1.0], [-1e308]]), np.array([1.0, 1e-3]))
    problem = shallow.Problem(np.array([[1.0]]), np.array([2.0]))
    rule = GradientDescent(0.1, 0.0, decay_W=30.0)  # |1 - 3| = 2: the closed neuron doubles at every step
    case = case_of([network], [problem], rule, [network])
    frame = frame_after(method, case, 3)
    assert frame.diverged.tolist() == frame_after(load_method("numpy"), case, 3).diverged.tolist() == [1]


def test_kinks_hit_exactly_are_gated_by_positive_preactivations(method: CupySteps) -> None:
    network = shallow.Network(
        np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 1.0]]), np.array([1.0, -2.0, 0.5]), slope=0.2
    )
    problem = shallow.Problem(np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]), np.array([1.0, -1.0, 0.5]))
    rule = GradientDescent(0.25, 0.5)
    frame = frame_after(method, case_of([network], [problem], rule, [network]), 1)
    literal = rule.step(network, problem)
    np.testing.assert_allclose(frame.W[0], literal.W, rtol=0, atol=16 * np.finfo(float).eps)
    np.testing.assert_allclose(frame.a[0], literal.a, rtol=0, atol=16 * np.finfo(float).eps)


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e150])
def test_huge_and_tiny_weights_step_as_they_do_in_numpy(method: CupySteps, scale: float) -> None:
    network, problem = drawn()
    network = network.replace(W=scale * network.W, a=network.a / max(scale, 1e-150))
    case = case_of([network], [problem], GradientDescent(1e-9, 0.0), [network])
    ours, theirs = frame_after(method, case, 1), frame_after(load_method("numpy"), case, 1)
    assert ours.diverged.tolist() == theirs.diverged.tolist()
    gap = np.abs(ours.W - theirs.W).max()
    assert gap <= 200 * np.finfo(float).eps * np.abs(theirs.W).max()


def test_the_case_is_never_written_to_and_may_be_laid_out_in_any_way(method: CupySteps) -> None:
    case = batch(GradientDescent(0.05, 0.05))
    strange = replace(
        case,
        W=np.asfortranarray(case.W),
        X=np.repeat(case.X, 2, axis=2)[:, :, ::2],
        y=case.y[:, ::-1][:, ::-1],
    )
    before = [x.copy() for x in (strange.W, strange.a, strange.X, strange.y)]
    for array in (strange.W, strange.a, strange.X, strange.y):
        array.setflags(write=False)
    assert bits(frame_after(method, strange, 4)) == bits(frame_after(method, case, 4))
    after = (strange.W, strange.a, strange.X, strange.y)
    assert [np.array_equal(p, q) for p, q in zip(before, after)] == [True] * 4


def test_a_whole_training_goes_through_the_method_and_records_every_observable(
    monkeypatch: pytest.MonkeyPatch, method: CupySteps
) -> None:
    pairs = [drawn(seed=seed) for seed in range(3)]
    networks, problems = [net for net, _ in pairs], [problem for _, problem in pairs]
    networks[1] = networks[1].replace(W=40 * networks[1].W)
    rule, names = (
        GradientDescent(0.05, 0.05),
        ["loss", "flip_fraction", "path_length", "lambda_min", "travel_W"],
    )
    theirs = train_many(networks, problems, rule, steps=20, record=names, at=5, method="numpy")
    monkeypatch.setattr(cases, "library_of", lambda array: "cupy")
    monkeypatch.setattr(cupy_steps, "METHOD", method)
    ours = train_many(networks, problems, rule, steps=20, record=names, at=5)
    for mine, other in zip(ours, theirs):
        assert mine.method == "cupy"
        assert (mine.outcome, mine.outcome_step) == (other.outcome, other.outcome_step)
        assert mine.steps.tolist() == other.steps.tolist()
        for name in names:
            np.testing.assert_allclose(mine.series[name], other.series[name], rtol=1e-9, atol=1e-12)
    assert [run.outcome.name for run in ours] == ["OUT_OF_BUDGET", "DIVERGED", "OUT_OF_BUDGET"]
    assert train(train(networks[0], problems[0], rule, steps=8), 12).network.equals(
        train(networks[0], problems[0], rule, steps=20).network
    )


def test_numpy_arrays_are_refused_in_words() -> None:
    refusal = load_method("cupy").refuses(batch(GradientDescent(0.1, 0.1)))
    assert refusal == "the arrays are numpy's, it takes cupy's"
    assert CAPABILITIES["cupy"].arrays == ("cupy",)
