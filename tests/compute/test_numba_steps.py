"""The compiled method against the NumPy method, step by step, within a bound derived from its sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shallow.compute.case import Case, Frame
from shallow.compute.methods import binary_routines, load_method, numba_steps, packing

NUMBA, NUMPY = numba_steps.METHOD, load_method("numpy")
LOSSES = ("squared", "logistic", "exponential", "hinge")


def make(
    n: int,
    d: int,
    m: int,
    *,
    batch: int = 1,
    seed: int = 0,
    dtype: type = np.float64,
    rate: float = 0.1,
    **fields: object,
) -> Case:
    rng = np.random.default_rng(seed)
    W, a = rng.standard_normal((batch, m, d)).astype(dtype), rng.standard_normal((batch, m)).astype(dtype)
    X, y = rng.standard_normal((batch, n, d)).astype(dtype), rng.standard_normal((batch, n)).astype(dtype)
    if fields.get("loss", "squared") != "squared":
        y = np.where(y >= 0, dtype(1), dtype(-1))
    case = Case(
        W=W,
        a=a,
        X=X,
        y=y,
        scale=float(dtype(m**-0.5)),
        slope=0.0,
        smoothing=0.0,
        loss="squared",
        rate_W=rate,
        rate_a=rate,
        decay_W=0.0,
        decay_a=0.0,
        pace="constant",
        constant=1.0,
        factor=np.ones(batch),
        step=0,
        time=np.zeros(batch),
        limit=np.full(batch, 1e12),
    )
    return replace(case, **fields)  # type: ignore[arg-type]


def after(method: object, case: Case, *blocks: int) -> Frame:
    state = method.start(case)  # type: ignore[attr-defined]
    for steps in blocks:
        state = method.advance(state, steps)  # type: ignore[attr-defined]
    return method.snapshot(state)  # type: ignore[attr-defined]


def bits(frame: Frame) -> list[bytes]:
    fields = (frame.W, frame.a, frame.outputs, frame.step, frame.time, frame.diverged)
    return [np.ascontiguousarray(field).tobytes() for field in fields]


def allowed(case: Case, frame: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How far two methods may be apart: outputs at equal weights, and W and a one step later.

    Sums of k terms err by at most k eps sum |terms| each, whatever their order; twice that between two
    methods. The loss passes an error of f on with its curvature, and its own formula errs by 8 eps |c|.
    """
    eps = float(np.finfo(case.dtype).eps)
    wide = np.float64
    W, a, X, y = (
        np.abs(case.W.astype(wide)),
        np.abs(case.a.astype(wide)),
        np.abs(case.X.astype(wide)),
        case.y,
    )
    n, d, m = case.n, case.d, case.m
    gain = max(1.0, abs(case.slope) + abs(1 - case.slope))
    z_size = np.einsum("bmd,bnd->bnm", W, X) * gain
    f_error = 2 * (m + d + 4) * eps * abs(case.scale) * np.einsum("bnm,bm->bn", z_size, a)
    f = frame.outputs.astype(wide)
    q = y * f
    c = {
        "squared": np.abs(f - y),
        "logistic": np.abs(y) / (1 + np.exp(q)),
        "exponential": np.abs(y) * np.exp(-q),
        "hinge": np.abs(y) * (q < 1),
    }[case.loss]
    curvature = {"squared": 1.0, "logistic": 0.25, "exponential": 2 * c, "hinge": 0.0}[case.loss]
    c_error = curvature * f_error + 8 * eps * (c + np.abs(y) + np.abs(f))
    c_total = 2 * (n + 4) * eps * c + c_error
    rate_W, rate_a = (rate * abs(case.scale) for rate in (case.rate_W, case.rate_a))
    W_error = rate_W * gain * a[:, :, None] * np.einsum("bn,bnd->bd", c_total, X)[:, None, :] + 8 * eps * (
        W + rate_W * gain * a[:, :, None] * np.einsum("bn,bnd->bd", c, X)[:, None, :]
    )
    z_error = 2 * d * eps * z_size
    a_push = np.einsum("bn,bnm->bm", c_total, z_size) + np.einsum("bn,bnm->bm", c, z_error)
    a_error = rate_a * a_push + 8 * eps * (a + rate_a * np.einsum("bn,bnm->bm", c, z_size))
    return f_error, W_error, a_error


def assert_steps_agree(case: Case) -> None:
    start, reference = after(NUMBA, case), after(NUMPY, case)
    f_error, W_error, a_error = allowed(case, reference)
    eps = float(np.finfo(case.dtype).eps)
    z_error = 2 * case.d * eps * np.einsum("bmd,bnd->bnm", np.abs(case.W), np.abs(case.X))
    assert reference.preactivations is not None
    # A gate may differ only where z is under its own error; exact zeros are zero in both methods.
    doubtful = (np.abs(reference.preactivations) <= z_error) & (reference.preactivations != 0)
    assert not np.any(doubtful)
    assert np.all(np.abs(start.outputs - reference.outputs) <= f_error)
    one, other = after(NUMBA, case, 1), after(NUMPY, case, 1)
    assert np.all(np.abs(one.W - other.W) <= W_error)
    assert np.all(np.abs(one.a - other.a) <= a_error)
    assert one.step.tolist() == other.step.tolist()
    assert one.time.tolist() == other.time.tolist()


@given(
    n=st.integers(1, 20),
    d=st.integers(1, 13),
    m=st.integers(1, 70),
    loss=st.sampled_from(LOSSES),
    slope=st.sampled_from([0.0, 0.2, 1.0, -0.5, 2.0]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40)
def test_one_step_equals_the_numpy_methods_on_ragged_sizes(
    n: int, d: int, m: int, loss: str, slope: float, seed: int
) -> None:
    assert_steps_agree(make(n, d, m, seed=seed, loss=loss, slope=slope))


@pytest.mark.parametrize("loss", LOSSES)
def test_float32_steps_agree_too(loss: str) -> None:
    assert_steps_agree(make(9, 5, 41, seed=3, dtype=np.float32, loss=loss, slope=0.25, rate=0.125))


@pytest.mark.parametrize(("n", "d", "m"), [(300, 4, 20), (5, 600, 17), (40, 10, 300)])
def test_deep_products_and_several_chunks_agree(n: int, d: int, m: int) -> None:
    assert_steps_agree(make(n, d, m, rate=0.001))


def test_one_neuron_and_one_sample_by_hand() -> None:
    case = make(1, 1, 1, W=np.array([[[2.0]]]), a=np.array([[3.0]]), X=np.array([[[1.0]]]))
    case = replace(case, y=np.array([[5.0]]))
    frame = after(NUMBA, case, 1)
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
    np.testing.assert_allclose(after(NUMBA, case, 1).W[0, 1], expected, rtol=1e-15, atol=0)


def test_weight_decay_and_frozen_layers() -> None:
    decay = make(6, 4, 19, decay_W=0.3, decay_a=0.2)
    assert_steps_agree(decay)
    no_push = replace(decay, scale=0.0)
    np.testing.assert_allclose(after(NUMBA, no_push, 1).W, decay.W * (1 - 0.1 * 0.3), rtol=4e-16)
    for rates, field in (((0.0, 0.1), "W"), ((0.1, 0.0), "a")):
        case = make(6, 4, 19, rate_W=rates[0], rate_a=rates[1])
        assert_steps_agree(case)
        assert np.array_equal(getattr(after(NUMBA, case, 3), field), getattr(case, field))


def test_bits_do_not_depend_on_threads_or_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    case = make(12, 7, 600, batch=3, rate=0.01)
    monkeypatch.setattr(numba_steps, "_WORTH_SHARING", 0.0)
    monkeypatch.setattr(packing, "_WORTH_MEETING", 0.0)
    found = []
    for count in ("1", "2", "3"):
        monkeypatch.setenv("NUMBA_NUM_THREADS", count)
        found.append(bits(after(NUMBA, case, 6)))
    assert found[0] == found[1] == found[2]
    for b in range(3):
        one = slice(b, b + 1)
        fields = ("W", "a", "X", "y", "factor", "time", "limit")
        alone = replace(case, **{name: getattr(case, name)[one] for name in fields})
        whole = after(NUMBA, case, 6)
        # With more than one thread a single network shares out its own chunks.
        assert after(NUMBA, alone, 6).W.tobytes() == whole.W[one].tobytes()
        assert after(NUMBA, alone, 2, 4).outputs.tobytes() == whole.outputs[one].tobytes()


@pytest.mark.parametrize("sharing", [0.0, 1e30])
def test_a_network_that_diverges_keeps_its_last_finite_step(
    sharing: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numba_steps, "_WORTH_SHARING", sharing)
    monkeypatch.setattr(packing, "_WORTH_MEETING", sharing)
    monkeypatch.setenv("NUMBA_NUM_THREADS", "2")
    case = make(8, 4, 300, rate=50.0)
    frame = after(NUMBA, case, 100)
    reached, diverged = int(frame.step[0]), int(frame.diverged[0])
    assert diverged == reached + 1
    assert bits(after(NUMBA, case, reached))[:4] == bits(frame)[:4]
    assert np.all(np.isfinite(frame.W))


def test_a_start_beyond_the_limit_has_diverged_already() -> None:
    case = make(4, 3, 5, limit=np.array([1e-9]))
    frame = after(NUMBA, case, 3)
    assert frame.diverged.tolist() == [0]
    assert np.array_equal(frame.W, case.W)


@pytest.mark.compiler
def test_an_infinite_weight_behind_a_closed_gate_is_seen() -> None:
    tile, _, lanes = binary_routines.sizes(0.0)
    W, a = np.zeros((2, tile, lanes)), np.zeros((2, tile))
    G, rates = np.zeros((tile, lanes)), np.array([1.0, 1.0, 1.0, 1.0])
    rooms = np.zeros(tile), np.zeros(tile * lanes), np.zeros(2 * lanes)
    assert binary_routines._move(W[0], W[1], a[0], a[1], G, rates, 0, 3, *rooms) == 0
    W[0, 2, 1] = np.inf
    assert np.isnan(binary_routines._move(W[0], W[1], a[0], a[1], G, rates, 0, 3, *rooms))
    assert binary_routines._move(W[0], W[1], a[0], a[1], G, rates, 0, 2, *rooms) == 0


@pytest.mark.compiler
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pace": "flow"}, "pace"),
        ({"model": "gated"}, "model"),
    ],
)
def test_what_it_cannot_run_is_refused(changes: dict[str, object], reason: str) -> None:
    refusal = NUMBA.refuses(make(4, 3, 5, **changes))  # type: ignore[arg-type]
    assert refusal is not None
    assert reason in refusal


@pytest.mark.compiler
def test_without_a_compiler_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    assert NUMBA.refuses(make(4, 3, 5)) is None
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert "NUMBA_DISABLE_JIT" in str(NUMBA.refuses(make(4, 3, 5)))
