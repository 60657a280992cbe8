"""The binary form against the literal formulas: exactly on integers, within the derived bound elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shallow.compute.case import Case, Frame
from shallow.compute.methods import binary_form, numba_steps
from shallow.compute.methods.binary_routines import chunks_of

METHOD = numba_steps.METHOD
WIDE = np.longdouble


def case_of(
    W: np.ndarray, a: np.ndarray, X: np.ndarray, y: np.ndarray, *, scale: float = 1.0, slope: float = 0.0,
    rate: float = 0.125,
) -> Case:  # fmt: skip
    """One network and squared loss."""
    return Case(
        W=W[None], a=a[None], X=X[None], y=y[None], scale=scale, slope=slope, smoothing=0.0, loss="squared",
        rate_W=rate, rate_a=rate, decay_W=0.0, decay_a=0.0, pace="constant", constant=1.0, factor=np.ones(1),
        step=0, time=np.zeros(1), limit=np.full(1, 1e300 if W.dtype == np.float64 else 1e30),
    )  # fmt: skip


def after(case: Case, steps: int) -> Frame:
    return METHOD.snapshot(METHOD.advance(METHOD.start(case), steps))


def literal_step(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """f at the weights, and W and a one step later, in extended precision."""
    W, a, X, y = (np.asarray(x[0], WIDE) for x in (case.W, case.a, case.X, case.y))
    Z = X @ W.T
    gate = np.where(Z > 0, WIDE(1), WIDE(case.slope))
    f = case.scale * ((gate * Z) @ a)
    c = f - y
    G = (gate * c[:, None]).T @ X
    step = WIDE(case.rate_W) * case.scale
    return f, W - step * a[:, None] * G, a - step * ((gate * Z).T @ c)


def bounds(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Largest errors of f, W and a after a step, from the bounds in the docstring of NumbaSteps."""
    info = np.finfo(case.dtype)
    u, least = float(info.eps) / 2, float(info.smallest_subnormal)
    n, d, m = case.n, case.d, case.m
    W, a, X = (np.abs(np.asarray(x[0], WIDE)) for x in (case.W, case.a, case.X))
    gain = max(1.0, abs(case.slope) + abs(1 - case.slope))
    scale, rate = abs(case.scale), abs(case.rate_W * case.scale)
    sizes = gain * (X @ W.T)
    f, _, _ = literal_step(case)
    f_error = (m + d + 4) * u * scale * (sizes @ a) + (m * (d + 2)) * least * (1 + scale * a.sum())
    c = np.abs(f - np.asarray(case.y[0], WIDE))
    c_error = f_error + u * (c + f_error)
    E, E_error = gain * (c @ X), gain * (c_error @ X)
    G_error = (n + 6) * u * E + E_error + (2 * n + 8) * least
    W_error = 4 * u * (W + rate * a[:, None] * E) + rate * a[:, None] * G_error + 8 * least * (1 + rate)
    push = W @ E + (sizes.T @ c)
    a_error = rate * ((n + d + 6) * u * push + W @ (E_error + (2 * n + 8) * least)) + 4 * u * (
        a + rate * push
    )
    return f_error, W_error, a_error + (d + 8) * least * (1 + rate)


def no_gate_is_doubtful(case: Case) -> bool:
    """Whether every z is either zero in exact arithmetic on both sides or beyond its rounding error."""
    W, X = np.asarray(case.W[0], WIDE), np.asarray(case.X[0], WIDE)
    error = case.d * float(np.finfo(case.dtype).eps) * (np.abs(X) @ np.abs(W).T)
    return bool(np.all(np.abs(X @ W.T) > error))


def assert_a_step_is_the_literal_one(case: Case) -> None:
    f, W, a = literal_step(case)
    f_error, W_error, a_error = bounds(case)
    assert np.all(np.abs(after(case, 0).outputs[0] - f) <= f_error)
    frame = after(case, 1)
    assert np.all(np.abs(frame.W[0] - W) <= W_error)
    assert np.all(np.abs(frame.a[0] - a) <= a_error)


SIZES = st.integers(1, 40)


@given(n=SIZES, d=SIZES, m=SIZES, seed=st.integers(0, 10**6), slope=st.sampled_from([0.0, 1.0, -2.0, 4.0]))
@settings(max_examples=60, deadline=None)
def test_on_small_integers_a_step_is_exact(n: int, d: int, m: int, seed: int, slope: float) -> None:
    # Kinks are hit exactly, and samples are doubled and antipodal: nothing here ever rounds.
    rng = np.random.default_rng(seed)
    W, a, X, y = (rng.integers(-2, 3, size).astype(float) for size in ((m, d), m, (n, d), n))
    X[n // 2 :] = -X[: n - n // 2]
    X[n // 3 : n // 2] = X[: n // 2 - n // 3]
    W[0] = 0
    case = case_of(W, a, X, y, slope=slope)
    f, next_W, next_a = literal_step(case)
    assert np.array_equal(after(case, 0).outputs[0], f)
    frame = after(case, 1)
    assert np.array_equal(frame.W[0], next_W)
    assert np.array_equal(frame.a[0], next_a)


@given(
    n=SIZES,
    d=SIZES,
    m=SIZES,
    seed=st.integers(0, 10**6),
    slope=st.sampled_from([0.0, 0.01, 1.0, -0.5, 3.0]),
    dtype=st.sampled_from([np.float64, np.float32]),
)
@settings(max_examples=80, deadline=None)
def test_a_step_of_any_ragged_size_is_the_literal_one_within_the_bound(
    n: int, d: int, m: int, seed: int, slope: float, dtype: type
) -> None:
    rng = np.random.default_rng(seed)
    W, a, X, y = (rng.standard_normal(size).astype(dtype) for size in ((m, d), m, (n, d), n))
    case = case_of(W, a, X, y, slope=float(dtype(slope)), scale=float(dtype(m**-0.5)))
    clear = np.abs(np.asarray(X, WIDE) @ np.asarray(W, WIDE).T) > d * np.finfo(dtype).eps * (
        np.abs(X) @ np.abs(W).T
    )
    X[~clear.all(axis=1)] = 0  # a sample on which a gate is in doubt; almost never one
    assert_a_step_is_the_literal_one(case)


def scaled_case(size_X: float, size_W: float) -> Case:
    rng = np.random.default_rng(5)
    W, a, X, y = (rng.standard_normal(size) for size in ((17, 9), 17, (21, 9), 21))
    return case_of(W * size_W, a, X * size_X, y, rate=1e-3)


@pytest.mark.parametrize(("size_X", "size_W"), [(1e-308, 1e40), (1e100, 1e-80), (1e-5, 1e60), (1e-90, 1e-90)])
def test_huge_tiny_and_subnormal_inputs_keep_the_bound(size_X: float, size_W: float) -> None:
    case = scaled_case(size_X, size_W)
    assert no_gate_is_doubtful(case)
    assert_a_step_is_the_literal_one(case)


def test_pre_activations_under_the_smallest_number_are_zero_and_gate_with_the_slope() -> None:
    case = scaled_case(1e-200, 1e-200)
    frame = after(replace(case, slope=0.5), 1)
    assert np.all(frame.outputs == 0)
    push = -case.y[0] @ case.X[0]
    expected = case.W[0] - 1e-3 * case.a[0][:, None] * 0.5 * push
    np.testing.assert_allclose(frame.W[0], expected, rtol=60 * np.finfo(float).eps, atol=1e-215)


def test_layouts_do_not_matter_and_inputs_stay_untouched() -> None:
    rng = np.random.default_rng(1)
    wide = [rng.standard_normal(size) for size in ((34, 14), 34, (46, 14), 46)]
    plain = case_of(*(np.ascontiguousarray(x[::2]) for x in wide))
    strided = case_of(*(x[::2] for x in wide))
    fortran = case_of(*(np.asfortranarray(x[::2]) for x in wide))
    reference = after(plain, 3)
    for case in (strided, fortran):
        for x in (case.W, case.a, case.X, case.y):
            x.flags.writeable = False
        frame = after(case, 3)
        assert np.array_equal(frame.W, reference.W)
        assert np.array_equal(frame.outputs, reference.outputs)
    assert np.array_equal(plain.W[0], wide[0][::2])


@pytest.mark.parametrize("where", ["W", "a", "X"])
def test_a_number_that_is_not_one_is_a_divergence_at_once(where: str) -> None:
    rng = np.random.default_rng(2)
    arrays = {"W": rng.standard_normal((5, 3)), "a": rng.standard_normal(5), "X": rng.standard_normal((4, 3))}
    arrays[where].flat[0] = np.nan
    frame = after(case_of(**arrays, y=np.zeros(4)), 2)
    assert frame.diverged.tolist() == [0]
    assert frame.step.tolist() == [0]


def test_chunks_are_even_and_short() -> None:
    for tiles in range(1, 400):
        chunks = chunks_of(tiles)
        assert 1 <= chunks <= tiles
        assert -(-tiles // chunks) <= 8
        assert chunks == 1 or chunks % 2 == 0


def test_rows_of_weights_do_not_fight_for_one_place_in_cache() -> None:
    for dtype in (np.dtype(np.float64), np.dtype(np.float32)):
        lengths = [binary_form._row_length(d, 8, dtype) for d in range(1, 1200)]
        assert all(length % 8 == 0 and length * dtype.itemsize % 4096 for length in lengths)
        assert all(0 <= length - d < 16 for d, length in enumerate(lengths, 1))


def test_views_of_one_network_are_those_of_the_present_weights() -> None:
    rng = np.random.default_rng(3)
    case = case_of(*(rng.standard_normal(size) for size in ((15, 5), 15, (7, 5), 7)))
    state = METHOD.start(case)
    for steps in (1, 2, 3):
        state = METHOD.advance(state, steps)
        frame = METHOD.snapshot(state)
        again = replace(case, W=frame.W.copy(), a=frame.a.copy())
        assert np.array_equal(after(again, 0).outputs, frame.outputs)
