"""The method of Gram space against the NumPy method, within bounds derived from its sums."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shallow
from shallow.compute import plan
from shallow.compute.case import Case, Frame, Machine
from shallow.compute.methods import gram_form, gram_steps, load_method
from shallow.compute.methods.shares import Crew
from shallow.training.trajectory import Trajectory

GRAM, NUMPY = gram_steps.METHOD, load_method("numpy")
LOSSES = ("squared", "logistic", "exponential", "hinge")


def make(
    n: int, d: int, m: int, *, batch: int = 1, seed: int = 0, dtype: type = np.float64, rate: float = 0.1,
    **fields: object,
) -> Case:  # fmt: skip
    rng = np.random.default_rng(seed)
    W, a = rng.standard_normal((batch, m, d)).astype(dtype), rng.standard_normal((batch, m)).astype(dtype)
    X = (rng.standard_normal((batch, n, d)) / np.sqrt(d)).astype(dtype)
    y = rng.standard_normal((batch, n)).astype(dtype)
    if fields.get("loss", "squared") != "squared":
        y = np.where(y >= 0, dtype(1), dtype(-1))
    case = Case(
        W=W, a=a, X=X, y=y, scale=float(dtype(m**-0.5)), slope=0.0, smoothing=0.0, loss="squared",
        rate_W=rate, rate_a=rate, decay_W=0.0, decay_a=0.0, pace="constant", constant=1.0,
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


def at(case: Case, frame: Frame) -> Case:
    """The case standing where a frame of another method stands."""
    return replace(case, W=frame.W.copy(), a=frame.a.copy(), step=int(frame.step[0]), time=frame.time.copy())


def sizes(case: Case, frame: Frame) -> dict[str, np.ndarray]:
    """Magnitudes that errors are made of, in float64; b, m, n and d are the axes."""
    f, y = frame.outputs.astype(np.float64), case.y.astype(np.float64)
    q = y * f if case.loss != "squared" else np.zeros_like(f)
    X, W, a = (np.abs(x.astype(np.float64)) for x in (case.X, frame.W, frame.a))
    c = {
        "squared": np.abs(f - y),
        "logistic": np.abs(y) / (1 + np.exp(q)),
        "exponential": np.abs(y) * np.exp(-q),
        "hinge": np.abs(y) * (q < 1),
    }[case.loss]
    g = max(1.0, abs(1 - case.slope) + abs(case.slope))
    z = np.einsum("bmd,bnd->bmn", W, X)
    K = np.einsum("bnd,bid->bni", X, X)
    found = {"X": X, "W": W, "a": a, "c": c, "z": z, "K": K, "f": np.abs(f), "y": np.abs(y)}
    return found | {"g": np.asarray(g)}


def errors_of_a_step(case: Case, frame: Frame) -> dict[str, np.ndarray]:
    """How far two methods may be apart: f at equal weights, then W, a and Z one step later.

    A sum of k terms errs by at most k u sum |terms| in any order, twice that between two methods. The loss
    passes an error of f on with its curvature, and its own formula errs by 8 u |c|. In Gram space K errs by
    (d + 1) u, and the pre-activations by (n + 10) u of their moves.
    """
    s, u = sizes(case, frame), float(np.finfo(case.dtype).eps)
    n, d, m = case.n, case.d, case.m
    f_error = 2 * (m + d + 4) * u * abs(case.scale) * np.einsum("bmn,bm->bn", s["z"], s["a"]) * s["g"]
    curvature = {"squared": 1.0, "logistic": 0.25, "exponential": 2 * s["c"], "hinge": 0.0}[case.loss]
    c_error = curvature * f_error + 8 * u * (s["c"] + s["y"] + s["f"])
    push = 2 * (n + d + 12) * u * s["c"] + c_error
    rate_W, rate_a = (rate * abs(case.scale) for rate in (case.rate_W, case.rate_a))
    move_W = rate_W * s["g"] * s["a"][:, :, None] * np.einsum("bn,bnd->bd", push, s["X"])[:, None, :]
    whole_W = rate_W * s["g"] * s["a"][:, :, None] * np.einsum("bn,bnd->bd", s["c"], s["X"])[:, None, :]
    W_error = move_W + 8 * u * (s["W"] + whole_W)
    z_error = 2 * (d + 2) * u * s["z"]
    change = np.einsum("bn,bmn->bm", push, s["z"]) + np.einsum("bn,bmn->bm", s["c"], z_error)
    a_error = rate_a * s["g"] * change
    a_error += 8 * u * (s["a"] + rate_a * s["g"] * np.einsum("bn,bmn->bm", s["c"], s["z"]))
    move_Z = rate_W * s["g"] * s["a"][:, :, None] * np.einsum("bn,bni->bi", push, s["K"])[:, None, :]
    Z_error = z_error + move_Z + np.einsum("bmd,bnd->bmn", W_error + 2 * d * u * (s["W"] + whole_W), s["X"])
    return {"f": f_error, "W": W_error, "a": a_error, "Z": Z_error, "z": z_error}


def assert_steps_agree(case: Case, steps: int = 1) -> None:
    """Each of some steps of the NumPy method, from its own state."""
    state = NUMPY.start(case)
    for _ in range(steps):
        before = NUMPY.snapshot(state)
        here, error = at(case, before), errors_of_a_step(case, before)
        ours = after(GRAM, here)
        assert ours.preactivations is not None
        Z = ours.preactivations.transpose(0, 2, 1)
        # A gate may differ only where z is under its own error; exact zeros are zero in both methods.
        assert not np.any((np.abs(Z) <= error["z"]) & (Z != 0))
        assert np.all(np.abs(ours.outputs - before.outputs) <= error["f"])
        one = after(GRAM, here, 1)
        state = NUMPY.advance(state, 1)
        other = NUMPY.snapshot(state)
        assert np.all(np.abs(one.W - other.W) <= error["W"])
        assert np.all(np.abs(one.a - other.a) <= error["a"])
        assert one.preactivations is not None
        assert other.preactivations is not None
        gap = np.abs(one.preactivations - other.preactivations).transpose(0, 2, 1)
        assert np.all(gap <= error["Z"])
        differ = ((one.preactivations > 0) != (other.preactivations > 0)).transpose(0, 2, 1)
        assert np.all(np.abs(other.preactivations.transpose(0, 2, 1))[differ] <= error["Z"][differ])
        assert one.step.tolist() == other.step.tolist()
        assert one.time.tolist() == other.time.tolist()


@given(
    n=st.integers(1, 40),
    d=st.integers(1, 40),
    m=st.integers(1, 40),
    loss=st.sampled_from(LOSSES),
    slope=st.sampled_from([0.0, 0.2, 1.0, -0.5, 2.0]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40)
def test_each_step_equals_the_numpy_methods_on_ragged_sizes(
    n: int, d: int, m: int, loss: str, slope: float, seed: int
) -> None:
    assert_steps_agree(make(n, d, m, seed=seed, loss=loss, slope=slope, rate=0.02), steps=2)


@pytest.mark.parametrize("loss", LOSSES)
def test_float32_steps_agree_too(loss: str) -> None:
    assert_steps_agree(make(9, 5, 41, seed=3, dtype=np.float32, loss=loss, slope=0.25, rate=0.125), steps=2)


@pytest.mark.parametrize(("n", "d", "m"), [(300, 4, 20), (5, 600, 17), (40, 10, 300), (33, 700, 130)])
def test_deep_tables_and_several_blocks_agree(n: int, d: int, m: int) -> None:
    assert_steps_agree(make(n, d, m, rate=0.001))


def test_one_neuron_and_one_sample_by_hand() -> None:
    case = make(1, 1, 1, W=np.array([[[2.0]]]), a=np.array([[3.0]]), X=np.array([[[1.0]]]))
    frame = after(GRAM, replace(case, y=np.array([[5.0]])), 1)
    # f = 6, r = 1: w' = 2 - 0.1 * 3, a' = 3 - 0.1 * 2.
    np.testing.assert_allclose(frame.W, [[[1.7]]], rtol=4e-16)
    np.testing.assert_allclose(frame.a, [[2.8]], rtol=4e-16)


@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_a_kink_that_is_hit_exactly_gates_with_the_slope(slope: float) -> None:
    W, X = np.array([[[1.0, 0.0], [0.0, 0.0]]]), np.array([[[0.0, 1.0], [2.0, 0.0]]])
    case = make(2, 2, 2, W=W, X=X, a=np.array([[1.0, 1.0]]), y=np.zeros((1, 2)), slope=slope)
    assert_steps_agree(case)
    c = case.scale * np.array([0.0, 2.0])  # f, as the labels are 0
    expected = -0.1 * case.scale * (slope * c[0] * X[0, 0] + slope * c[1] * X[0, 1])
    np.testing.assert_allclose(after(GRAM, case, 1).W[0, 1], expected, rtol=1e-15, atol=0)


def test_duplicate_and_antipodal_inputs_agree() -> None:
    case = make(6, 4, 19)
    X = case.X.copy()
    X[0, 3], X[0, 4], X[0, 5] = X[0, 0], -X[0, 1], 0.0
    assert_steps_agree(replace(case, X=X), steps=3)


def test_weight_decay_and_frozen_layers() -> None:
    decay = make(6, 4, 19, decay_W=0.3, decay_a=0.2)
    assert_steps_agree(decay, steps=2)
    no_push = replace(decay, scale=0.0)
    kept = (1 - 0.1 * 0.3) ** 2
    np.testing.assert_allclose(after(GRAM, no_push, 2).W, decay.W * kept, rtol=8e-16)
    for rates, field in (((0.0, 0.1), "W"), ((0.1, 0.0), "a")):
        case = make(6, 4, 19, rate_W=rates[0], rate_a=rates[1])
        assert_steps_agree(case)
        assert np.array_equal(getattr(after(GRAM, case, 3), field), getattr(case, field))


def test_preactivations_stay_with_the_recovered_weights() -> None:
    case, steps = make(23, 50, 37, rate=0.05, decay_W=0.01), 40
    state, drift, moved = GRAM.start(case), np.zeros((1, 37, 23)), np.zeros((1, 37, 23))
    u = float(np.finfo(np.float64).eps)
    for _ in range(steps):
        frame = GRAM.snapshot(state)
        s = sizes(case, frame)
        pushes = case.rate_W * case.scale * np.einsum("bn,bni->bi", s["c"], s["K"])
        moves = s["a"][:, :, None] * pushes[:, None, :]
        moved += moves
        assert frame.preactivations is not None
        drift += u * (23 + 50 + 11) * moves + 3 * u * np.abs(frame.preactivations.transpose(0, 2, 1))
        state = GRAM.advance(state, 1)
    last = GRAM.snapshot(state)
    assert last.preactivations is not None
    # Reading W, and multiplying it with X, err too; so does the C of every step, by 3 u |C| <= 3 u moved.
    size = np.abs(case.W) @ np.abs(case.X).transpose(0, 2, 1) + moved
    reading = u * (23 + 2 * 50 + 6 + 3 * steps) * size
    gap = np.abs(last.preactivations - case.X @ last.W.transpose(0, 2, 1)).transpose(0, 2, 1)
    assert np.all(gap <= drift + reading)
    assert np.abs(last.W - case.W).max() > 0.05


@pytest.mark.parametrize("power", [-400, -150, 150, 400])
def test_rescaling_the_inputs_by_a_power_of_two_rescales_the_bits(power: int) -> None:
    # (X, W, rate_W) -> (t X, W / t, rate_W / t^2) leaves z, f and a as they are.
    case, t = make(9, 7, 21), 2.0**power
    other = replace(case, X=case.X * t, W=case.W / t, rate_W=case.rate_W / t / t)
    one, two = after(GRAM, case, 9), after(GRAM, other, 9)
    assert np.array_equal(one.W / t, two.W)
    assert np.array_equal(one.a, two.a)
    assert np.array_equal(one.outputs, two.outputs)


@pytest.mark.parametrize(
    ("size", "reason"), [(1e200, "overflows"), (1e-160, "underflows"), (np.nan, "finite")]
)
@pytest.mark.compiler
def test_inputs_whose_gram_matrix_does_not_fit_are_refused(size: float, reason: str) -> None:
    case = make(4, 3, 5)
    X = case.X.copy()
    X[0, 2] = size
    assert reason in str(GRAM.refuses(replace(case, X=X)))
    X[0, 2] = 0.0
    assert GRAM.refuses(replace(case, X=X)) is None


@pytest.mark.parametrize("shared", [True, False])
def test_bits_do_not_depend_on_threads_or_batch(shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    case = make(12, 7, 600, batch=3, rate=0.01)
    if shared:
        case = replace(case, X=case.X[:1], y=case.y[:1])
    monkeypatch.setattr(gram_form, "_WORTH_SHARING", 0.0)
    found = []
    for count in ("1", "2", "3"):
        monkeypatch.setenv("NUMBA_NUM_THREADS", count)
        found.append(bits(after(GRAM, case, 6)))
    assert found[0] == found[1] == found[2]
    whole = after(GRAM, case, 6)
    for b in range(3):
        one = slice(b, b + 1)
        given_per_member = ("W", "a", "factor", "time", "limit", *(() if shared else ("X", "y")))
        alone = replace(case, **{name: getattr(case, name)[one] for name in given_per_member})
        assert after(GRAM, alone, 6).W.tobytes() == whole.W[one].tobytes()
        assert after(GRAM, alone, 2, 4).outputs.tobytes() == whole.outputs[one].tobytes()


@pytest.mark.parametrize("stretch", [1, 3, 64])
def test_a_network_that_diverges_keeps_its_last_finite_step(
    stretch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gram_form, "_STRETCH", stretch)
    case = make(8, 4, 300, rate=4.0)
    frame = after(GRAM, case, 100)
    reached, diverged = int(frame.step[0]), int(frame.diverged[0])
    assert reached > 0
    assert diverged == reached + 1
    assert bits(after(GRAM, case, reached))[:4] == bits(frame)[:4]
    assert np.all(np.isfinite(frame.W))


def test_a_start_beyond_the_limit_has_diverged_already() -> None:
    case = make(4, 3, 5, limit=np.array([1e-9]))
    frame = after(GRAM, case, 3)
    assert frame.diverged.tolist() == [0]
    assert np.array_equal(frame.W, case.W)


def test_coefficients_too_large_for_the_weights_end_a_run() -> None:
    # z and f stay at 0 behind closed gates, only W would overflow: |x|^2 c = 2^-400 2^400, W = 2^200 C.
    case = make(1, 1, 1, X=np.array([[[2.0**200]]]), W=np.array([[[-(2.0**-200)]]]), slope=2.0**-500)
    case = replace(case, a=np.array([[1.0]]), y=np.array([[1.0]]), rate_W=2.0**1022, rate_a=0.0)
    frame = after(GRAM, case, 20)
    assert frame.diverged[0] > 0
    assert np.all(np.isfinite(frame.W))


def test_what_is_given_may_be_read_only_and_in_any_order() -> None:
    case = make(7, 5, 9, batch=2)
    plain = bits(after(GRAM, case, 5))
    turned = {}
    for name in ("W", "a", "X", "y"):
        array = getattr(case, name)
        wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), order="F")
        wide[..., ::2] = array
        turned[name] = wide[..., ::2]
        turned[name].setflags(write=False)
    assert bits(after(GRAM, replace(case, **turned), 5)) == plain


def test_weights_are_recovered_only_when_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def recovered(crew: object, member: object) -> np.ndarray:
        calls.append(1)
        return np.zeros((9, 5))

    monkeypatch.setattr(gram_form, "recovered", recovered)
    frame = after(GRAM, make(7, 5, 9), 3)
    assert np.isfinite(frame.outputs).all()
    assert calls == []
    assert frame.W.shape == (1, 9, 5)
    assert frame.W is frame.W
    assert calls == [1]


def problem_and_network(seed: int) -> tuple[shallow.Problem, shallow.Network]:
    rng = np.random.default_rng(seed)
    problem = shallow.Problem(rng.standard_normal((9, 30)), rng.standard_normal(9))
    return problem, shallow.Network(rng.standard_normal((21, 30)), rng.standard_normal(21), 21**-0.5)


@pytest.mark.compiler
def test_a_run_goes_on_with_the_same_bits_in_memory_and_from_a_file(tmp_path: Path) -> None:
    problem, network = problem_and_network(1)
    rule = shallow.GradientDescent(0.1, 0.05)
    whole = shallow.train(network, problem, rule, steps=30, record=("loss",), at=5, method="gram")
    half = shallow.train(network, problem, rule, steps=12, record=("loss",), at=5, method="gram")
    half.save(tmp_path / "half.npz")
    for run in (half, Trajectory.load(tmp_path / "half.npz")):
        later = shallow.train(run, 18)
        assert np.asarray(later.network.W).tobytes() == np.asarray(whole.network.W).tobytes()
        assert np.asarray(later.network.a).tobytes() == np.asarray(whole.network.a).tobytes()
        assert later.series["loss"][-1] == whole.series["loss"][-1]
    watched = shallow.train(network, problem, rule, steps=30, record=("sup_travel_W",), at=1, method="gram")
    assert np.asarray(watched.network.W).tobytes() == np.asarray(whole.network.W).tobytes()


@pytest.mark.compiler
def test_observables_of_outputs_and_patterns_do_not_recover_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, right = [], gram_form.recovered

    def recovered(crew: Crew, member: gram_form.GramMember) -> np.ndarray:
        calls.append(member.step)
        return right(crew, member)

    monkeypatch.setattr(gram_form, "recovered", recovered)
    problem, network = problem_and_network(1)
    record = ("loss", "residual_norm", "flip_fraction", "travel_a")
    shallow.train(
        network, problem, shallow.GradientDescent(0.1, 0.05), steps=30, record=record, method="gram"
    )
    assert calls == [0, 30]


@pytest.mark.compiler
def test_a_batch_of_runs_goes_on_with_the_same_bits() -> None:
    (problem, first), (_, second) = problem_and_network(1), problem_and_network(2)
    rule = shallow.GradientDescent(0.1, 0.05)
    both = shallow.training.train_many([first, second], problem, rule, steps=12, method="gram")
    for network, run in zip((first, second), both):
        whole = shallow.train(network, problem, rule, steps=30, method="gram")
        assert np.asarray(shallow.train(run, 18).network.W).tobytes() == np.asarray(whole.network.W).tobytes()


@pytest.mark.parametrize("method", ["gram", "frozen"])
@pytest.mark.compiler
def test_members_that_end_early_leave_the_others_their_bits(method: str) -> None:
    problem, _ = problem_and_network(1)
    networks = [problem_and_network(seed)[1] for seed in (2, 3, 4, 5)]
    rule = shallow.GradientDescent(0.1, 0.05 if method == "gram" else 0.0)
    alone = [
        shallow.train(network, problem, rule, steps=80, until=("loss", 0.05), method=method)
        for network in networks
    ]
    together = shallow.training.train_many(
        networks, problem, rule, steps=80, until=("loss", 0.05), method=method
    )
    assert len({run.last_step for run in together}) > 1
    for one, other in zip(alone, together):
        assert one.last_step == other.last_step
        assert np.asarray(one.network.W).tobytes() == np.asarray(other.network.W).tobytes()
        further = [shallow.train(run, 20) for run in (one, other)]
        assert np.asarray(further[0].network.W).tobytes() == np.asarray(further[1].network.W).tobytes()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"smoothing": 0.1}, "smoothing"),
        ({"pace": "flow"}, "pace"),
        ({"model": "gated"}, "model"),
        ({"a": np.ones((1, 5, 2)), "y": np.ones((1, 4, 2))}, "output axis"),
    ],
)
@pytest.mark.compiler
def test_what_it_cannot_run_is_refused(changes: dict[str, object], reason: str) -> None:
    assert reason in str(GRAM.refuses(make(4, 3, 5, **changes)))  # type: ignore[arg-type]


@pytest.mark.compiler
def test_the_plan_takes_it_where_inputs_are_long_and_steps_many() -> None:
    long, wide = make(20, 400, 50), make(80, 4, 50)
    assert plan.choose(long, 10**6, Machine(2)) == "gram"
    assert plan.choose(wide, 10**6, Machine(2)) != "gram"
    assert plan.choose(long, 3, Machine(2)) == "numpy"


def test_the_twins_of_its_instructions_make_the_same_steps() -> None:
    """With the compiler off all runs in plain Python; a product then rounds twice where it was fused."""
    program = """
import sys
sys.path.insert(0, sys.argv[1])
import test_gram_steps as tests
for dtype, slope in ((float, 0.0), (tests.np.float32, 0.25)):
    tests.assert_steps_agree(tests.make(19, 5, 11, dtype=dtype, slope=slope, decay_W=0.1), steps=2)
print(tests.GRAM.refuses(tests.make(4, 3, 5)))
"""
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(Path(__file__).parent)],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "NUMBA_DISABLE_JIT" in done.stdout
