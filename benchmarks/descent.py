"""Gradient descent on both layers: the data, the oracle, and our contender as ``shallow.train`` runs it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.measure import Agreement, Contender
from shallow.compute import plan
from shallow.compute.case import Case
from shallow.compute.methods import load_method
from shallow.compute.threads import one_blas_thread
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.training.assemble import case_of
from shallow.training.rules import GradientDescent

__all__ = ["LONG", "Data", "agreement", "case", "draw", "followed", "ours", "trajectory"]

Array = np.ndarray[Any, Any]

LONG = 1_000_000
"""Steps of the runs for which a method is chosen where a single step is measured: start-up does not count."""


_SAME = 1e-12  # relative error up to which two trajectories are called the same


@dataclass(frozen=True, eq=False)
class Data:
    """``batch`` problems on the same inputs: W (B, m, d), a (B, m), X (n, d), y (B, n), and the rates."""

    W: Array
    a: Array
    X: Array
    y: Array
    rate_W: float
    rate_a: float

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Batch, n, d, m."""
        batch, m, d = self.W.shape
        return batch, len(self.X), d, m


def draw(n: int, d: int, m: int, dtype: Any = np.float64, batch: int = 1) -> Data:
    """Gaussian rows of norm 1, Gaussian labels and W, ``a = +-1/sqrt(m)``; seed 0; stable rates."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    W = rng.standard_normal((batch, m, d))
    a = rng.choice([-1.0, 1.0], (batch, m)) / np.sqrt(m)
    y = rng.standard_normal((batch, n))
    X, W, a, y = (array.astype(dtype) for array in (X, W, a, y))
    return Data(W, a, X, y, float(0.3 / np.linalg.norm(X, 2) ** 2), 0.05 / (m * n))


def trajectory(data: Data, steps: int) -> tuple[Array, Array]:
    """The oracle: W and a after ``steps`` steps, float64, by the literal formula.

    Where d exceeds n many steps are made on the pre-activations, ``Z <- Z - rate_W (a r^T o S) X X^T``, with
    the coefficients of X added up; few steps, and all where d is small, are made on W itself.
    """
    batch, n, d, _ = data.sizes
    through_gram = d > 2 * n and steps > 20
    step = _gram_steps if through_gram else _primal_steps
    X = data.X.astype(np.float64)
    W, a, y = (part.astype(np.float64) for part in (data.W, data.a, data.y))
    pairs = [step(W[b], a[b], y[b], X, data, steps) for b in range(batch)]
    return np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs])


def _primal_steps(W: Array, a: Array, y: Array, X: Array, data: Data, steps: int) -> tuple[Array, Array]:
    for _ in range(steps):
        Z = W @ X.T
        features = np.maximum(Z, 0.0)
        r = a @ features - y
        W, a = (
            W - data.rate_W * (((Z > 0) * r) * a[:, None]) @ X,
            a - data.rate_a * (features @ r),
        )
    return W, a


def _gram_steps(W: Array, a: Array, y: Array, X: Array, data: Data, steps: int) -> tuple[Array, Array]:
    K, Z, C = X @ X.T, W @ X.T, np.zeros((len(W), len(X)))
    for _ in range(steps):
        features = np.maximum(Z, 0.0)
        r = a @ features - y
        G = (Z > 0) * r * a[:, None]
        C += G
        Z -= data.rate_W * (G @ K)
        a = a - data.rate_a * (features @ r)
    return W - data.rate_W * (C @ X), a


def agreement(data: Data, steps: int) -> Callable[[tuple[Array, Array]], Agreement]:
    """A check of (W, a), shaped as in the data, against the oracle after ``steps`` steps.

    The error is that of the change of W in the Frobenius norm, as a share of the change, plus the same for a.
    A step's products have lengths n, d and m, so each step may add ``4 (n + d + m)`` roundings of the change
    and one of W itself. Of float64 no more than ``_SAME`` is allowed: a thousand steps stay under it, since
    rounding errors cancel and no gate opens in one run and stays shut in another.
    """
    W, a = trajectory(data, steps)
    moved_W, moved_a = np.linalg.norm(W - data.W), np.linalg.norm(a - data.a)
    _, n, d, m = data.sizes
    eps = float(np.finfo(data.W.dtype).eps)
    roundings = 4 * (n + d + m) + np.linalg.norm(W) / moved_W + np.linalg.norm(a) / moved_a
    bound = float(steps * eps * roundings)
    if data.W.dtype == np.float64:
        bound = min(bound, _SAME)

    def check(result: tuple[Array, Array]) -> Agreement:
        got_W, got_a = (np.asarray(part, dtype=np.float64) for part in result)
        if got_W.shape != W.shape or got_a.shape != a.shape:
            return Agreement(float("nan"), bound)
        error = np.linalg.norm(got_W - W) / moved_W + np.linalg.norm(got_a - a) / moved_a
        return Agreement(float(error), bound)

    return check


def case(data: Data) -> Case:
    """The case that ``train_many`` would make of the data."""
    networks = [Network(W, a) for W, a in zip(data.W, data.a)]
    X = Problem(data.X, data.y[0])
    problems = [X] if len(networks) == 1 else [Problem(data.X, y) for y in data.y]
    made = case_of(networks, problems, GradientDescent(data.rate_W, data.rate_a), networks)
    return made if len(networks) == 1 else _with_shared_inputs(made, data.X)


def _with_shared_inputs(made: Case, X: Array) -> Case:
    """All members have one X, as Case allows; ``train_many`` knows it of problems with one X."""
    return dataclasses.replace(made, X=np.ascontiguousarray(X)[None])


def ours(data: Data, steps: int, method: str | None = None) -> Contender:
    """Steps of a run under way, by the method that the plan takes for long runs or the one named."""
    made = case(data)
    chosen = load_method(method or plan.choose(made, LONG))

    def run(state: Any) -> Any:
        with np.errstate(all="ignore"), one_blas_thread():
            return chosen.advance(state, steps)

    def start() -> Any:
        with np.errstate(all="ignore"), one_blas_thread():
            return chosen.start(made)

    return Contender(
        name=f"shallow ({chosen.name})",
        peer="ours",
        call=f'load_method("{chosen.name}").advance(state, {steps})',
        start=start,
        run=run,
        result=lambda state: _weights(chosen.snapshot(state)),
        steps=steps,
    )


def followed(data: Data, steps: int, method: str | None = None) -> Contender:
    """Whole runs from W to W: the start, the steps and the recovery of W are all timed."""
    made = case(data)
    chosen = load_method(method or plan.choose(made, steps))

    def run(_: Any) -> Any:
        with np.errstate(all="ignore"), one_blas_thread():
            return _weights(chosen.snapshot(chosen.advance(chosen.start(made), steps)))

    return Contender(
        name=f"shallow ({chosen.name})",
        peer="ours",
        call=f"m.snapshot(m.advance(m.start(case), {steps})).W",
        start=lambda: None,
        run=run,
        steps=steps,
    )


def _weights(frame: Any) -> tuple[Array, Array]:
    return frame.W, frame.a
