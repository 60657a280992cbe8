"""Gradient descent on a CUDA device: products by cuBLAS into kept buffers, everything between them fused.

A step moves Z five times between memory and chip, two of them in the products, whatever the loss and the
activation. Nothing is allocated, nothing waits for the host, and the launches of a step are put together
once. A member that diverges is skipped by every launch from then on: weights and outputs alternate between
two buffers, and ``home`` says in which one its last finite ones lie.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from shallow.compute import capabilities
from shallow.compute.case import Case, Frame, Machine
from shallow.compute.methods.cuda_launch import Launcher, Library, cupy_for, launcher, power_of_two
from shallow.compute.methods.cuda_sources import LOSS_CODES, STEPS
from shallow.setting.arrays import Array, host

__all__ = ["METHOD", "CupySteps"]

Work = Callable[[], object]

_COLUMNS = 128  # threads of a block that go along the samples
_MOST_MEMBERS = 65535  # the grid's third side


@dataclass
class _State:
    """Buffers on the device; ``now`` is the pair member of the doubled ones that living members are in."""

    case: Case
    cupy: Any
    launch: Launcher
    rows: Array  # X, (B or 1, n, d)
    columns: Array  # its transposes, (B or 1, d, n)
    labels: Array  # (B or 1, n)
    limit: Array
    factor: Array
    W: tuple[Array, Array]
    a: tuple[Array, Array]
    outputs: tuple[Array, Array]
    Z: Array  # (B, m, n); dL/dZ without its factor a_r while a step is under way
    grad_W: Array
    inner: Array
    coefficients: Array
    partial: Array
    chunk: int
    step: Array
    time: Array
    last_factor: Array
    diverged: Array
    home: Array
    alive: Array
    sound: Array
    now: int = 0
    steps: tuple[tuple[Work, ...], ...] = ()  # what a step does, from either buffer


class CupySteps:
    """The method for CuPy's arrays; see :class:`shallow.compute.case.Method` for what a method promises.

    One promise is weaker here: cuBLAS chooses its order of summation by the shape of the whole batch, so a
    run repeats its bits for the same batch on the same device with the same CuPy and CUDA versions, and for
    no other batch. No launch of our own uses an atomic operation.

    Cost of a step: two products of 2 n m d operations and 5 n m + 5 m d numbers moved, a member.
    """

    name = "cupy"

    def __init__(self, library: Library = cupy_for) -> None:
        self._library = library

    def refuses(self, case: Case) -> str | None:
        """Why this method cannot run the case, or None."""
        refusal = capabilities.refuses(self.name, case)
        if refusal is None and case.batch > _MOST_MEMBERS:
            return f"there are {case.batch} members, it knows {_MOST_MEMBERS}"
        return refusal

    def cost(self, case: Case, machine: Machine, steps: int) -> float:
        """Predicted seconds for this many steps."""
        return capabilities.cost(self.name, case, machine, steps)

    def start(self, case: Case) -> _State:
        """A state at the case's own step. Waits for the device once."""
        state = _allocate(case, self._library(case.dtype))
        for work in (_product(state, 0), *_forward(state, 0)):
            work()
        sound = host(state.sound).astype(bool)
        state.alive[...] = state.sound
        state.diverged[...] = state.cupy.asarray(np.where(sound, -1, case.step))
        state.steps = _step_from(state, 0), _step_from(state, 1)
        return state

    def advance(self, state: _State, steps: int) -> _State:
        """The state ``steps`` steps later; the old one is recycled. Returns before the device is done."""
        for _ in range(steps):
            for work in state.steps[state.now]:
                work()
            state.now = 1 - state.now
        return state

    def snapshot(self, state: _State) -> Frame:
        """Where the batch stands; its clocks come to the host, its arrays stay on the device."""
        case, diverged = state.case, host(state.diverged)
        whole = bool((diverged < 0).all())
        W, a, outputs = (_at_home(state, pair, whole) for pair in (state.W, state.a, state.outputs))
        Z = state.Z
        if not whole:
            Z = state.cupy.matmul(W, state.columns)
        return Frame(
            step=host(state.step),
            time=host(state.time),
            factor=host(state.last_factor),
            diverged=diverged,
            W=W,
            a=a.reshape(case.a.shape),
            outputs=outputs.reshape((case.batch, case.n, *case.a.shape[2:])),
            preactivations=Z.swapaxes(1, 2),
        )


def _allocate(case: Case, cupy: Any) -> _State:
    B, m, n, d = case.batch, case.m, case.n, case.d
    real = case.dtype
    chunk = max(32, -(-m // 512))

    def numbers(*shape: int) -> Array:
        return cupy.zeros(shape, dtype=real)

    def counts(kind: type, value: int = 0) -> Array:
        return cupy.full((B,), value, dtype=kind)

    def pair(array: Array, *shape: int) -> tuple[Array, Array]:
        first = cupy.array(array, dtype=real, order="C", copy=True).reshape(shape)
        return first, first.copy()

    device = int(cupy.cuda.runtime.getDevice())
    return _State(
        case=case,
        cupy=cupy,
        launch=launcher(cupy, STEPS, real.name, device),
        rows=cupy.ascontiguousarray(case.X),
        columns=cupy.ascontiguousarray(case.X.swapaxes(1, 2)),
        labels=cupy.ascontiguousarray(case.y).reshape(case.y.shape[0], n),
        limit=cupy.asarray(np.asarray(case.limit, dtype=np.float64)),
        factor=cupy.asarray(np.asarray(case.factor, dtype=np.float64)),
        W=pair(case.W, B, m, d),
        a=pair(case.a, B, m),
        outputs=(numbers(B, n), numbers(B, n)),
        Z=numbers(B, m, n),
        grad_W=numbers(B, m, d),
        inner=numbers(B, m),
        coefficients=numbers(B, n),
        partial=numbers(B, -(-m // chunk), n),
        chunk=chunk,
        step=counts(np.int64, case.step),
        time=cupy.asarray(np.array(case.time, dtype=np.float64)),
        last_factor=cupy.zeros((B,), dtype=np.float64),
        diverged=counts(np.int64, -1),
        home=counts(np.int32),
        alive=counts(np.int32, 1),
        sound=counts(np.int32),
    )


def _step_from(state: _State, here: int) -> tuple[Work, ...]:
    """The work of one step that leaves the buffers ``here`` for the others, in order."""
    case, launch, there = state.case, state.launch, 1 - here
    rows, moves_W = case.batch * case.m, case.rate_W > 0
    grid, block = (rows,), (power_of_two(case.n),)
    numbers = case.m, case.n, launch.real(case.slope), launch.real(case.smoothing)
    back = state.Z if moves_W else None
    work = [
        launch.bind(
            "pull_back", grid, block, state.Z, state.coefficients, state.alive, back, state.inner, *numbers
        )
    ]
    if moves_W:
        work += [
            _stacked(state, state.Z, state.rows, state.grad_W),
            _update_W(state, here),
        ]
    if case.rate_a > 0:
        work.append(_update_a(state, here))
    if moves_W:
        work.append(_product(state, there))
    return (*work, *_forward(state, there), _move_clocks(state, there))


def _update_W(state: _State, here: int) -> Work:
    case, launch = state.case, state.launch
    return launch.bind(
        "update_W",
        (case.batch * case.m,),
        (power_of_two(case.d),),
        state.W[here],
        state.grad_W,
        state.a[here],
        state.factor,
        state.alive,
        state.W[1 - here],
        case.m,
        case.d,
        float(case.rate_W),
        launch.real(case.scale),
        float(case.decay_W),
    )


def _update_a(state: _State, here: int) -> Work:
    case, launch = state.case, state.launch
    rows = case.batch * case.m
    return launch.bind(
        "update_a",
        (-(-rows // _COLUMNS),),
        (_COLUMNS,),
        state.a[here],
        state.inner,
        state.factor,
        state.alive,
        state.a[1 - here],
        np.int64(rows),
        case.m,
        float(case.rate_a),
        launch.real(case.scale),
        float(case.decay_a),
    )


def _forward(state: _State, there: int) -> tuple[Work, Work]:
    """Outputs, dL/df and soundness of the network in buffer ``there`` from its Z."""
    case, launch = state.case, state.launch
    chunks = int(state.partial.shape[1])
    sums = launch.bind(
        "forward_partial",
        (-(-case.n // _COLUMNS), chunks, case.batch),
        (_COLUMNS,),
        state.Z,
        state.a[there],
        state.partial,
        state.alive,
        case.m,
        case.n,
        state.chunk,
        launch.real(case.slope),
        launch.real(case.smoothing),
    )
    outputs = launch.bind(
        "finish_outputs",
        (case.batch,),
        (power_of_two(case.n),),
        state.partial,
        state.labels,
        np.int64(case.n if state.labels.shape[0] > 1 else 0),
        state.limit,
        state.alive,
        state.outputs[there],
        state.coefficients,
        state.sound,
        case.n,
        chunks,
        launch.real(case.scale),
        LOSS_CODES[case.loss],
    )
    return sums, outputs


def _move_clocks(state: _State, there: int) -> Work:
    return state.launch.bind(
        "move_clocks",
        (-(-state.case.batch // _COLUMNS),),
        (_COLUMNS,),
        state.sound,
        state.alive,
        state.step,
        state.time,
        state.last_factor,
        state.diverged,
        state.home,
        state.factor,
        state.case.batch,
        there,
    )


def _product(state: _State, there: int) -> Work:
    """Z = W X^T of every member in buffer ``there``."""
    return _stacked(state, state.W[there], state.columns, state.Z)


def _stacked(state: _State, left: Array, right: Array, out: Array) -> Work:
    """``out = left @ right`` for each member; inputs that all share make it one product."""
    if right.shape[0] == 1:
        left, right = left.reshape(-1, left.shape[2]), right[0]
        out = out.reshape(-1, out.shape[2])
    return functools.partial(state.cupy.matmul, left, right, out=out)


def _at_home(state: _State, pair: tuple[Array, Array], whole: bool) -> Array:
    if whole:
        return pair[state.now]
    first = (state.home == 0).reshape((-1,) + (1,) * (pair[0].ndim - 1))
    return state.cupy.where(first, pair[0], pair[1])


METHOD = CupySteps()
