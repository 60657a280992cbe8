"""Whole methods with the compiler off: their routines in plain Python, exact where nothing rounds."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from shallow.compute import capabilities
from shallow.compute.case import Case
from shallow.compute.methods import METHODS, dense_routines, load_method

DTYPES = (np.float64, np.float32)
SHAPES = [(3, 2, 5), (1, 1, 1), (7, 3, 19), (5, 4, 41)]


def make(n: int, d: int, m: int, dtype: type, *, whole: bool, slope: float = 0.25) -> Case:
    """One network on normal data, or on small whole numbers."""
    rng = np.random.default_rng(n + 10 * d + 100 * m)

    def draw(*shape: int) -> np.ndarray:
        values = rng.integers(-1, 2, shape) if whole else rng.standard_normal(shape)
        return values.astype(dtype)[None]

    return Case(
        W=draw(m, d),
        a=draw(m),
        X=draw(n, d),
        y=draw(n),
        scale=1.0 if whole else float(dtype(m**-0.5)),
        slope=slope,
        smoothing=0.0,
        loss="squared",
        rate_W=0.25,
        rate_a=0.25,
        decay_W=0.0,
        decay_a=0.0,
        pace="constant",
        constant=1.0,
        factor=np.ones(1),
        step=0,
        time=np.zeros(1),
        limit=np.full(1, 1e12),
    )


def methods(case: Case) -> list[Any]:
    """The methods on the CPU that know the case, whether or not they would run without the compiler."""
    able = [load_method(name) for name in METHODS if capabilities.refuses(name, case) is None]
    refusals = {method.name: method.refuses(case) or "NUMBA_DISABLE_JIT" for method in able}
    return [method for method in able if "NUMBA_DISABLE_JIT" in refusals[method.name]]


def in_fractions(case: Case, steps: int) -> tuple[list[list[Fraction]], list[Fraction], list[Fraction]]:
    """The literal formula in rational numbers: W, a and f after some steps."""
    W, X = ([[Fraction(float(w)) for w in row] for row in rows[0]] for rows in (case.W, case.X))
    a, y = ([Fraction(float(v)) for v in values[0]] for values in (case.a, case.y))
    slope, scale = Fraction(case.slope), Fraction(case.scale)

    def forward() -> tuple[list[list[Fraction]], list[Fraction]]:
        z = [[sum((w * x for w, x in zip(row, point)), Fraction(0)) for row in W] for point in X]
        phi = [[max(v, Fraction(0)) + slope * min(v, Fraction(0)) for v in row] for row in z]
        return z, [scale * sum((b * v for b, v in zip(a, row)), Fraction(0)) for row in phi]

    z, f = forward()
    for _ in range(steps):
        r = [value - label for value, label in zip(f, y)]
        gate = [[Fraction(1) if v > 0 else slope for v in row] for row in z]
        eta_W, eta_a = scale * Fraction(case.rate_W), scale * Fraction(case.rate_a)
        push = [
            [sum(r[i] * gate[i][k] * X[i][j] for i in range(case.n)) for j in range(case.d)]
            for k in range(case.m)
        ]
        turn = [sum(r[i] * gate[i][k] * z[i][k] for i in range(case.n)) for k in range(case.m)]
        W = [[w - eta_W * a[k] * p for w, p in zip(W[k], push[k])] for k in range(case.m)]
        a = [b - eta_a * t for b, t in zip(a, turn)]
        z, f = forward()
    return W, a, f


def check_exact_steps(dtypes: tuple[type, ...] = DTYPES) -> list[str]:
    """On small whole numbers and dyadic rates nothing rounds, so every method has the rational numbers."""
    run = []
    for shape in SHAPES:
        for slope in (0.0, 0.5):
            for dtype in dtypes:
                steps = 2 if dtype == np.float64 and shape[2] <= 5 else 1  # each needs three times the digits
                case = make(*shape, dtype, whole=True, slope=slope)
                W, a, f = in_fractions(case, steps)
                for method in methods(case):
                    frame = method.snapshot(method.advance(method.start(case), steps))
                    where = f"{method.name} {shape} {dtype.__name__}"
                    assert [[Fraction(float(w)) for w in row] for row in frame.W[0]] == W, where
                    assert [Fraction(float(v)) for v in frame.a[0]] == a, where
                    assert [Fraction(float(v)) for v in frame.outputs[0]] == f, where
                    run.append(method.name)
    return run


def step_within(case: Case, W: np.ndarray, a: np.ndarray, new_W: np.ndarray, new_a: np.ndarray) -> float:
    """The error of one step of the squared loss in units of its derived bound, at most 1.

    A sum of k terms errs by at most ``k eps sum |terms|``; a gate is the formula's wherever ``z`` exceeds its
    own error, and elsewhere the whole change of gate is allowed.
    """
    eps = float(np.finfo(case.dtype).eps)
    wide = np.longdouble
    X, y, W, a = case.X[0].astype(wide), case.y[0].astype(wide), W.astype(wide), a.astype(wide)
    n, d, m = case.n, case.d, case.m
    z, z_size = X @ W.T, abs(X) @ abs(W).T
    z_error = d * eps * z_size
    gate = np.where(z > 0, 1.0, case.slope).astype(wide)
    f_error = case.scale * ((z_error + (m + 3) * eps * z_size) @ abs(a))
    r = case.scale * (gate * z) @ a - y
    r_error = f_error + eps * abs(r)
    doubt = np.where(abs(z) <= z_error, 1.0, 0.0)
    c_error = r_error + (n + 4) * eps * (abs(r) + r_error)
    push = (gate * r[:, None]).T @ X
    push_error = (np.ones_like(gate) * c_error[:, None] + doubt * (abs(r) + c_error)[:, None]).T @ abs(X)
    turn = np.einsum("ik,i,ik->k", gate, r, z)
    turn_error = c_error @ z_size + (abs(r) + c_error) @ (z_error + doubt * z_error)
    eta_W, eta_a = case.rate_W * case.scale, case.rate_a * case.scale
    expected_W, expected_a = W - eta_W * a[:, None] * push, a - eta_a * turn
    bound_W = eta_W * abs(a)[:, None] * (push_error + 4 * eps * abs(push)) + 2 * eps * (
        abs(W) + abs(expected_W)
    )
    bound_a = eta_a * (turn_error + 4 * eps * abs(turn)) + 2 * eps * (abs(a) + abs(expected_a))
    return float(max(np.max(abs(new_W - expected_W) / bound_W), np.max(abs(new_a - expected_a) / bound_a)))


def check_bounded_steps(dtypes: tuple[type, ...] = DTYPES) -> list[str]:
    """Each step of a training on normal data is within its bound of the formula from its own start."""
    run = []
    for shape in SHAPES:
        for dtype in dtypes:
            case = make(*shape, dtype, whole=False)
            for method in methods(case):
                state = method.start(case)
                before = method.snapshot(state)
                for _ in range(6):
                    W, a = before.W[0].copy(), before.a[0].copy()
                    state = method.advance(state, 1)
                    before = method.snapshot(state)
                    assert step_within(case, W, a, before.W[0], before.a[0]) <= 1, (method.name, shape)
                run.append(method.name)
    return run


def check_everything(dtypes: tuple[type, ...] = DTYPES) -> None:
    """For a process of its own: everything above, and which methods that were."""
    names = check_exact_steps(dtypes) + check_bounded_steps(dtypes)
    if os.environ.get("NUMBA_DISABLE_JIT") == "1":
        assert not hasattr(dense_routines.product, "py_func")  # plain Python indeed
    print(" ".join(sorted(set(names))), len(names))


def in_a_process(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    folder = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {folder!r}); import test_vector_twins as t; t.check_everything()"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env=environment
    )


def test_with_the_compiler_off_whole_trainings_run_in_plain_python() -> None:
    done = in_a_process({**os.environ, "NUMBA_DISABLE_JIT": "1"})
    assert done.returncode == 0, done.stderr[-3000:]
    names = done.stdout.split()
    assert {"numba", "numpy"} <= set(names)


def test_where_nothing_rounds_every_method_has_the_rational_numbers() -> None:
    assert len(check_exact_steps()) >= 2 * len(SHAPES) * 4


def test_every_step_of_every_method_is_within_its_bound() -> None:
    assert len(check_bounded_steps()) >= 2 * len(SHAPES) * 2


def test_the_bound_of_a_step_is_not_idle() -> None:
    case = make(7, 3, 19, np.float64, whole=False)
    numpy = load_method("numpy")
    frame = numpy.snapshot(numpy.advance(numpy.start(case), 1))
    wrong = frame.W[0] * (1 + 1e-12)
    assert step_within(case, case.W[0], case.a[0], wrong, frame.a[0]) > 1
