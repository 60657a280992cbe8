"""Frozen stretches: the same trajectories as ordinary steps, and no flip missed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shallow
from shallow.compute import plan
from shallow.compute.case import Case, Frame, Machine
from shallow.compute.methods import frozen_steps, load_method
from shallow.training.trajectory import Trajectory

FROZEN, NUMPY = frozen_steps.METHOD, load_method("numpy")
EPS = float(np.finfo(np.float64).eps)


def make(
    n: int, d: int, m: int, *, batch: int = 1, seed: int = 0, rate: float = 0.3, **fields: object
) -> Case:
    rng = np.random.default_rng(seed)
    W, a = rng.standard_normal((batch, m, d)), rng.choice([-1.0, 1.0], (batch, m)) * rng.uniform(0.5, 1, m)
    X = rng.standard_normal((1, n, d))
    X /= np.linalg.norm(X, axis=2, keepdims=True)
    case = Case(
        W=W, a=a, X=X, y=rng.standard_normal((1, n)), scale=m**-0.5, slope=0.0, smoothing=0.0,
        loss="squared", rate_W=rate, rate_a=0.0, decay_W=0.0, decay_a=0.0, pace="constant", constant=1.0,
        factor=np.ones(batch), step=0, time=np.zeros(batch), limit=np.full(batch, 1e12),
    )  # fmt: skip
    return replace(case, **fields)  # type: ignore[arg-type]


def after(method: object, case: Case, *blocks: int) -> Frame:
    state = method.start(case)  # type: ignore[attr-defined]
    for steps in blocks:
        state = method.advance(state, steps)  # type: ignore[attr-defined]
    return method.snapshot(state)  # type: ignore[attr-defined]


def bits(frame: Frame) -> list[bytes]:
    fields = (frame.W, frame.a, frame.outputs, frame.preactivations, frame.step, frame.time, frame.diverged)
    return [np.ascontiguousarray(field).tobytes() for field in fields]


def assert_trajectories_agree(case: Case, *blocks: int) -> None:
    """A step errs by (n + m + d) eps of the sizes; the steps of a stable rate stretch that by O(1)."""
    state, other, steps = FROZEN.start(case), NUMPY.start(case), 0
    for block in blocks:
        state, other, steps = FROZEN.advance(state, block), NUMPY.advance(other, block), steps + block
        ours, theirs = FROZEN.snapshot(state), NUMPY.snapshot(other)
        size = max(np.linalg.norm(case.y), float(np.abs(theirs.preactivations).max()), 1.0)
        bound = 10 * (steps + 1) * (case.n + case.m + case.d) * EPS * size
        assert np.abs(ours.outputs - theirs.outputs).max() <= bound
        assert np.abs(ours.W - theirs.W).max() <= bound
        assert ours.preactivations is not None
        assert theirs.preactivations is not None
        assert np.abs(ours.preactivations - theirs.preactivations).max() <= bound
        differ = (ours.preactivations > 0) != (theirs.preactivations > 0)
        assert np.all(np.abs(theirs.preactivations[differ]) <= bound)
        assert np.array_equal(ours.a, case.a)
        assert ours.time.tolist() == theirs.time.tolist()


@given(
    n=st.integers(1, 24),
    d=st.integers(1, 40),
    m=st.integers(1, 40),
    slope=st.sampled_from([0.0, 0.2, 1.0, -0.5]),
    rate=st.sampled_from([0.02, 0.3]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25)
def test_trajectories_are_those_of_ordinary_steps(
    n: int, d: int, m: int, slope: float, rate: float, seed: int
) -> None:
    assert_trajectories_agree(make(n, d, m, slope=slope, rate=rate, seed=seed), 1, 2, 37, 100)


def test_a_long_tail_is_made_in_few_stretches() -> None:
    case = make(12, 30, 200, rate=0.5)
    assert_trajectories_agree(case, 200, 1500)
    state = FROZEN.advance(FROZEN.start(case), 1700)
    assert state.stretches[0].pause[0] == 1
    assert state.stretches[0].books[2] > 100


def gates_that_contradict(case: Case, steps: int) -> tuple[int, int, int]:
    """Gates on the books that are not those of z (|z| <= 2 e aside), flips, and steps, within stretches."""
    state, wrong, flips, seen = FROZEN.start(case), 0, 0, 0
    before = None
    for _ in range(steps):
        state = FROZEN.advance(state, 1)
        stretch, member = state.stretches[0], state.gram.members[0]
        if stretch.pause[0] == 0 or stretch.books[2] == 0:
            before = None
            continue
        seen += 1
        frame = FROZEN.snapshot(state)
        assert frame.preactivations is not None
        Z = frame.preactivations[0].T
        K = case.X[0] @ case.X[0].T
        push = case.rate_W * case.scale * max(1.0, abs(case.slope))
        span = push * np.abs(case.a[0])[:, None] * np.linalg.norm(K, axis=1)
        error = EPS * ((case.n + 2 * stretch.books[2] + 16) * span * stretch.books[0])
        error += 4 * EPS * np.abs(member.Z[:, : case.n])
        expected = np.where(Z > 0, 1.0, case.slope)
        wrong += int(((stretch.gate != expected) & (np.abs(Z) > 2 * error)).sum())
        flips += 0 if before is None else int((before != stretch.gate).sum())
        before = stretch.gate.copy()
    return wrong, flips, seen


@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_no_flip_is_missed(slope: float) -> None:
    wrong, flips, seen = gates_that_contradict(make(20, 60, 150, rate=0.3, slope=slope), 500)
    assert wrong == 0
    assert flips >= 20
    assert seen >= 100


def test_with_too_short_a_reach_flips_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = frozen_steps._reach
    monkeypatch.setattr(frozen_steps, "_reach", lambda state, member: right(state, member) / 50)
    wrong, _, seen = gates_that_contradict(make(20, 60, 150, rate=0.2), 300)
    assert seen >= 100
    assert wrong > 0


def test_kinks_hit_exactly_duplicates_zero_rows_and_dead_neurons() -> None:
    case = make(8, 5, 14)
    X, W, a = case.X.copy(), case.W.copy(), case.a.copy()
    X[0, 3], X[0, 4], X[0, 5] = X[0, 0], -X[0, 1], 0.0
    W[0, 2], a[0, 3] = 0.0, 0.0
    for slope in (0.0, 0.3):
        assert_trajectories_agree(replace(case, X=X, W=W, a=a, slope=slope), 1, 1, 60, 200)


def test_a_network_that_does_not_move_stays() -> None:
    case = make(5, 3, 7, rate_W=0.0)
    frame = after(FROZEN, case, 1200)
    assert np.array_equal(frame.W, case.W)
    assert np.array_equal(frame.outputs, after(FROZEN, case).outputs)
    assert frame.step.tolist() == [1200]


@pytest.mark.parametrize("power", [-150, 150])
def test_rescaling_the_inputs_by_a_power_of_two_rescales_the_bits(power: int) -> None:
    case, t = make(9, 7, 21), 2.0**power
    other = replace(case, X=case.X * t, W=case.W / t, rate_W=case.rate_W / t / t)
    one, two = after(FROZEN, case, 150), after(FROZEN, other, 150)
    assert np.abs(one.W / t - two.W).max() <= 1e4 * EPS * np.abs(two.W).max()  # margins round to other bits
    assert np.abs(one.outputs - two.outputs).max() <= 1e4 * EPS * np.linalg.norm(case.y)


def test_blocks_threads_and_batches_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    case = make(12, 20, 120, batch=3)
    whole = after(FROZEN, case, 400)
    assert bits(after(FROZEN, case, 1, 149, 3, 0, 247)) == bits(whole)
    monkeypatch.setattr(frozen_steps.gram_form, "_WORTH_SHARING", 0.0)
    for count in ("1", "2"):
        monkeypatch.setenv("NUMBA_NUM_THREADS", count)
        assert bits(after(FROZEN, case, 400)) == bits(whole)
    for b in range(3):
        one = slice(b, b + 1)
        names = ("W", "a", "factor", "time", "limit")
        alone = replace(case, **{name: getattr(case, name)[one] for name in names})
        assert after(FROZEN, alone, 400).W.tobytes() == whole.W[one].tobytes()


def test_a_start_from_a_frame_within_a_stretch_has_the_same_bits() -> None:
    case = make(12, 20, 120, batch=2)
    state = FROZEN.advance(FROZEN.start(case), 250)
    assert [int(s.pause[0]) for s in state.stretches] == [1, 1]
    middle = FROZEN.snapshot(state)
    later = replace(
        case, W=middle.W.copy(), a=middle.a.copy(), step=250, time=middle.time.copy(), memory=middle.memory
    )
    assert bits(FROZEN.snapshot(FROZEN.start(later)))[:4] == bits(middle)[:4]
    assert bits(after(FROZEN, later, 150)) == bits(after(FROZEN, case, 400))


@pytest.mark.compiler
def test_a_run_goes_on_from_its_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    problem = shallow.Problem(rng.standard_normal((7, 30)), rng.standard_normal(7))
    network = shallow.Network(rng.standard_normal((20, 30)), rng.choice([-1.0, 1.0], 20), 20**-0.5)
    rule = shallow.GradientDescent(0.05, 0.0)
    whole = shallow.train(network, problem, rule, steps=300, method="frozen")
    half = shallow.train(network, problem, rule, steps=130, method="frozen")
    half.save(tmp_path / "half.npz")
    later = shallow.train(Trajectory.load(tmp_path / "half.npz"), 170)
    assert np.asarray(later.network.W).tobytes() == np.asarray(whole.network.W).tobytes()
    assert whole.method == "frozen"


def test_a_stretch_that_diverges_ends_at_its_last_finite_step() -> None:
    # One open gate for ever: r <- (1 - p a^2 |x|^2 scale) r = -1.1 r.
    one = np.ones((1, 1))
    case = make(
        1, 1, 1, W=np.array([[[1e6]]]), a=one, X=np.ones((1, 1, 1)), y=np.array([[1e6 - 1]]), scale=1.0
    )
    case = replace(case, rate_W=2.1, limit=np.array([1000.0]))
    frame, other = after(FROZEN, case, 300), after(NUMPY, case, 300)
    assert frame.diverged.tolist() == other.diverged.tolist()
    assert frame.step.tolist() == [72]
    assert bits(frame)[:4] == bits(after(FROZEN, case, 72))[:4]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rate_a": 0.1}, "first layer"),
        ({"decay_W": 0.1}, "first layer"),
        ({"loss": "hinge"}, "loss"),
        ({"smoothing": 0.1}, "smoothing"),
        ({"pace": "flow"}, "pace"),
    ],
)
@pytest.mark.compiler
def test_what_it_cannot_run_is_refused(changes: dict[str, object], reason: str) -> None:
    assert FROZEN.refuses(make(4, 3, 5)) is None
    assert reason in str(FROZEN.refuses(make(4, 3, 5, **changes)))  # type: ignore[arg-type]


@pytest.mark.compiler
def test_the_plan_takes_it_only_when_it_is_asked_to() -> None:
    for shape in ((20, 400, 50), (100, 1000, 1000), (30, 5, 40)):
        case = make(*shape)
        assert plan.choose(case, 10**6, Machine(2)) != "frozen"
        assert plan.choose(case, 10**6, Machine(2), method="frozen") == "frozen"
