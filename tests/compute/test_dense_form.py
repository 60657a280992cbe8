"""The dense form, smooth gates and several outputs, against the literal formulas within a derived bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shallow.compute.case import Case, Frame
from shallow.compute.methods import dense_form, dense_routines, load_method, numba_steps, packing

METHOD, NUMPY = numba_steps.METHOD, load_method("numpy")
WIDE = np.longdouble
SIZES = st.integers(1, 40)


def make(
    n: int,
    d: int,
    m: int,
    k: int | None,
    *,
    slope: float = 0.0,
    smoothing: float = 0.5,
    loss: str = "squared",
    dtype: type = np.float64,
    batch: int = 1,
    seed: int = 0,
    rate: float = 0.125,
    **changes: object,
) -> Case:
    rng = np.random.default_rng(seed)
    tail = () if k is None else (k,)
    W, a, X, y = (
        rng.standard_normal((batch, *size)).astype(dtype) for size in ((m, d), (m, *tail), (n, d), (n, *tail))
    )
    fields: dict[str, object] = {
        "W": W, "a": a, "X": X, "y": y if loss == "squared" else np.where(y > 0, dtype(1), dtype(-1)),
        "scale": float(dtype(m**-0.5)), "slope": float(dtype(slope)), "smoothing": float(dtype(smoothing)),
        "loss": loss, "rate_W": rate, "rate_a": rate, "decay_W": 0.0, "decay_a": 0.0, "pace": "constant",
        "constant": 1.0, "factor": np.ones(batch), "step": 0, "time": np.zeros(batch),
        "limit": np.full(batch, 1e12),
    }  # fmt: skip
    return Case(**{**fields, **changes})  # type: ignore[arg-type]


def after(case: Case, *blocks: int) -> Frame:
    state = METHOD.start(case)
    assert isinstance(state, dense_form.DenseState)
    for steps in blocks:
        state = METHOD.advance(state, steps)
    return METHOD.snapshot(state)


def gate_and_feature(z: np.ndarray, slope: float, h: float) -> tuple[np.ndarray, np.ndarray]:
    """phi' and phi, by the formula: phi' is linear on [-h, h], and phi its integral, 0 at 0."""
    s = WIDE(slope)
    if h == 0:
        gate = np.where(z > 0, WIDE(1), s)
        return gate, gate * z
    gate = np.where(z >= h, WIDE(1), np.where(z <= -h, s, (1 + s) / 2 + (1 - s) / 2 * z / h))
    inside = (1 + s) / 2 * z + (1 - s) / 4 * z * z / h
    outside = (1 + s) / 2 * h * np.sign(z) + (1 - s) / 4 * h + gate * (z - h * np.sign(z))
    return gate, np.where(np.abs(z) < h, inside, outside)


def assert_a_step_is_the_literal_one(case: Case) -> None:
    """Outputs, and both layers a step later, within twice the first-order bound (squared loss)."""
    eps = float(np.finfo(case.dtype).eps)
    n, d, m, k = case.n, case.d, case.m, case.k
    W, X = np.asarray(case.W[0], WIDE), np.asarray(case.X[0], WIDE)
    a, y = np.asarray(case.a[0], WIDE).reshape(m, k), np.asarray(case.y[0], WIDE).reshape(n, k)
    scale, rate, h = WIDE(case.scale), WIDE(case.rate_W) * WIDE(case.scale), case.smoothing
    Z = X @ W.T
    gate, phi = gate_and_feature(Z, case.slope, h)
    c = scale * (phi @ a) - y
    next_W = W - rate * (gate * (c @ a.T)).T @ X
    next_a = a - rate * phi.T @ c

    gain = max(1.0, abs(case.slope))
    z_error = d * eps * (np.abs(X) @ np.abs(W).T)
    # A smooth gate passes the error of z on with its slope, and both formulas round a few times.
    gate_error = (abs(1 - case.slope) / (2 * h) * z_error if h > 0 else 0) + 6 * eps * gain
    phi_error = gain * z_error + 8 * eps * gain * (np.abs(Z) + h)
    size = gain * (np.abs(Z) + h)
    A, C = np.abs(a), np.abs(c)
    f_error = scale * ((m + 4) * eps * (size @ A) + phi_error @ A)
    c_error = f_error + eps * C
    back, back_error = gain * (C @ A.T), gate_error * (C @ A.T) + gain * ((k + 4) * eps * C + c_error) @ A.T
    W_error = rate * ((n + 4) * eps * back + back_error).T @ np.abs(X) + 4 * eps * np.abs(W)
    push = size.T @ C
    a_error = rate * ((n + 4) * eps * push + phi_error.T @ C + size.T @ c_error) + 4 * eps * (A + rate * push)

    frame, start = after(case, 1), after(case, 0)
    assert np.all(np.abs(start.outputs[0].reshape(n, k) - (c + y)) <= 2 * f_error)
    assert np.all(np.abs(frame.W[0] - next_W) <= 2 * W_error)
    assert np.all(np.abs(frame.a[0].reshape(m, k) - next_a) <= 2 * a_error)


@given(
    n=SIZES,
    d=SIZES,
    m=SIZES,
    k=st.sampled_from([None, 1, 2, 5]),
    seed=st.integers(0, 10**6),
    slope=st.sampled_from([0.0, 0.25, 1.0, -0.5, 2.0]),
    smoothing=st.sampled_from([2.0**-20, 0.25, 3.0, 100.0]),
    dtype=st.sampled_from([np.float64, np.float32]),
)
@settings(max_examples=80)
def test_a_smooth_step_of_any_ragged_size_is_the_literal_one(
    n: int, d: int, m: int, k: int | None, seed: int, slope: float, smoothing: float, dtype: type
) -> None:
    case = make(n, d, m, k, seed=seed, slope=slope, smoothing=smoothing, dtype=dtype, rate=0.03125)
    assert_a_step_is_the_literal_one(case)


@given(n=SIZES, d=SIZES, m=SIZES, k=st.integers(2, 6), seed=st.integers(0, 10**6))
@settings(max_examples=40)
def test_on_small_integers_a_step_with_several_outputs_is_exact(
    n: int, d: int, m: int, k: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    W, a, X, y = (rng.integers(-2, 3, (1, *size)).astype(float) for size in ((m, d), (m, k), (n, d), (n, k)))
    case = make(1, 1, 1, k, W=W, a=a, X=X, y=y, scale=1.0, smoothing=0.0, slope=0.5)
    gate = np.where(X[0] @ W[0].T > 0, 1.0, 0.5)
    phi = gate * (X[0] @ W[0].T)
    c = phi @ a[0] - y[0]
    frame = after(case, 1)
    assert np.array_equal(after(case, 0).outputs[0], phi @ a[0])
    assert np.array_equal(frame.W[0], W[0] - 0.125 * (gate * (c @ a[0].T)).T @ X[0])
    assert np.array_equal(frame.a[0], a[0] - 0.125 * phi.T @ c)


def test_one_output_with_an_axis_is_one_output_without() -> None:
    axis = make(9, 4, 20, 1, smoothing=0.0)
    state = METHOD.advance(METHOD.start(axis), 3)
    frame = METHOD.snapshot(state)
    plain = make(9, 4, 20, None, smoothing=0.0)
    other = METHOD.snapshot(METHOD.advance(METHOD.start(plain), 3))
    assert frame.a.shape == (1, 20, 1)
    assert frame.outputs.shape == (1, 9, 1)
    assert np.array_equal(frame.a[..., 0], other.a)
    assert np.array_equal(frame.W, other.W)


@pytest.mark.parametrize("smoothing", [0.0, 0.5])
@pytest.mark.parametrize("slope", [0.0, -0.5, 1.0])
def test_gates_and_features_at_their_corners_are_exact(smoothing: float, slope: float) -> None:
    z = np.array([-4.0, -0.5, -0.25, -0.0, 0.0, 0.25, 0.5, 4.0, np.nan])
    h = smoothing
    shape = np.array([slope, h, (1 + slope) / 2, (1 - slope) / 2, (1 - slope) / 4, 0, 1])
    gate, phi = np.empty_like(z), np.empty_like(z)
    dense_routines._gates(z, shape, gate, phi)
    expected = gate_and_feature(z.astype(WIDE), slope, h)
    assert np.array_equal(gate[:-1], expected[0][:-1])
    assert np.array_equal(phi, expected[1], equal_nan=True)


@pytest.mark.parametrize("loss", ["squared", "logistic", "exponential", "hinge"])
@pytest.mark.parametrize("frozen", ["W", "a", None])
def test_every_loss_decay_and_frozen_layer_is_that_of_the_numpy_method(loss: str, frozen: str | None) -> None:
    rates = {"rate_W": 0.0 if frozen == "W" else 0.05, "rate_a": 0.0 if frozen == "a" else 0.02}
    case = make(13, 5, 37, 3, loss=loss, slope=0.25, decay_W=0.5, decay_a=0.25, **rates)
    ours, theirs = after(case, 4), NUMPY.snapshot(NUMPY.advance(NUMPY.start(case), 4))
    # Sums of at most 100 terms of size at most 100, four times over, each stretched by less than 10 a step.
    bound = 4 * 100 * 100 * 10**4 * float(np.finfo(float).eps)
    for name in ("W", "a", "outputs"):
        assert np.abs(getattr(ours, name) - getattr(theirs, name)).max() <= bound
    if frozen is not None:
        assert np.array_equal(getattr(ours, frozen), getattr(case, frozen))


def test_bits_depend_neither_on_threads_nor_on_the_batch_nor_on_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(numba_steps, "_WORTH_SHARING", 0.0)
    monkeypatch.setattr(packing, "_WORTH_MEETING", 0.0)
    case = make(11, 4, 450, 2, batch=3, rate=0.01)
    found = []
    for count in ("1", "2", "3"):
        monkeypatch.setenv("NUMBA_NUM_THREADS", count)
        frame = after(case, 5)
        found.append((frame.W.tobytes(), frame.a.tobytes(), frame.outputs.tobytes()))
    assert found[0] == found[1] == found[2]
    one = make(11, 4, 450, 2, batch=3, rate=0.01)
    fields = {name: getattr(one, name)[1:2] for name in ("W", "a", "X", "y", "factor", "time", "limit")}
    alone = after(make(11, 4, 450, 2, rate=0.01, **fields), 2, 3)
    assert alone.W.tobytes() == np.ascontiguousarray(frame.W[1:2]).tobytes()


def test_a_diverging_member_keeps_its_last_finite_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba_steps, "_WORTH_SHARING", 0.0)
    monkeypatch.setattr(packing, "_WORTH_MEETING", 0.0)
    for count in ("1", "2"):
        monkeypatch.setenv("NUMBA_NUM_THREADS", count)
        case = make(8, 4, 300, 2, rate=50.0)
        frame = after(case, 100)
        reached = int(frame.step[0])
        assert frame.diverged.tolist() == [reached + 1]
        assert after(case, reached).W.tobytes() == frame.W.tobytes()
        assert after(case, reached).outputs.tobytes() == frame.outputs.tobytes()
        assert np.all(np.isfinite(frame.W))
