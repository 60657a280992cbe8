"""Gradient descent in the array API standard: the whole batch at once, on whatever device its arrays live.

Every product is one stacked `matmul` over the members, and nothing is decided on the host: a member that
diverges is held back by a mask, so no step waits for a device. Only `snapshot` reads anything, and it hands
out arrays of the same device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shallow.compute import capabilities
from shallow.compute.case import Case, Frame, Machine
from shallow.compute.device import require_full_products
from shallow.compute.threads import one_blas_thread
from shallow.exact.activation import activation, gate
from shallow.setting.arrays import Array, host, namespace
from shallow.setting.losses import LOSSES

__all__ = ["METHOD", "PortableSteps"]


@dataclass(frozen=True, eq=False)
class _Setting:
    """What does not change during a run. ``rows`` are inputs (B or 1, n, d), ``columns`` their transposes."""

    case: Case
    xp: Any
    rows: Array
    columns: Array
    labels: Array  # (B, k, n)
    limit: Array  # (B, 1, 1)
    factor: Array  # (B,) float64
    gates: Array | None = None  # gated and tangent models: (B, m, n), for ever
    anchor_W: Array | None = None
    anchor_a: Array | None = None
    anchor_features: Array | None = None
    offset: Array | None = None  # tangent model: f at the anchor


@dataclass(frozen=True, eq=False)
class _Forward:
    """Z, phi'(Z) and phi(Z), each (B, m, n), and f, (B, k, n)."""

    Z: Array
    gate: Array
    features: Array
    outputs: Array


@dataclass(frozen=True, eq=False)
class _State:
    """Weights ``W`` (B, m, d) and ``a`` (B, m, k), what they compute, and a clock for each member."""

    setting: _Setting
    W: Array
    a: Array
    forward: _Forward
    step: Array
    time: Array
    last_factor: Array
    diverged: Array


class PortableSteps:
    """The method for arrays that live anywhere; see :class:`shallow.compute.case.Method`.

    Its frames hold arrays of the case's own namespace and device. On a CPU a member's bits do not depend
    on its batch. On a device the library behind `matmul` picks its order of summation by the shape of the
    whole stack, so there a run repeats its bits only for the same batch, device and library versions.

    Cost of a step: two stacked products of 2 n m d operations a member, and about 15 passes over
    (B, m, n) arrays; at the pace "flow" also the kernels, O(n^2 k^2 m) each, and their eigenvalues.
    """

    name = "portable"

    def refuses(self, case: Case) -> str | None:
        """Why this method cannot run the case, or None."""
        return capabilities.refuses(self.name, case)

    def cost(self, case: Case, machine: Machine, steps: int) -> float:
        """Predicted seconds for this many steps."""
        return capabilities.cost(self.name, case, machine, steps)

    def start(self, case: Case) -> _State:
        """A state at the case's own step."""
        with np.errstate(all="ignore"), one_blas_thread():
            if case.arrays == "cupy":
                require_full_products(case.dtype)
            setting = _read(case)
            xp, device = setting.xp, case.W.device
            W, a = xp.asarray(case.W, copy=True), _with_outputs(xp.asarray(case.a, copy=True), case)
            forward = _forward(setting, W, a)
            sound = _is_sound(setting, W, a, forward.outputs)
            here = xp.full((case.batch,), case.step, dtype=xp.int64, device=device)
            return _State(
                setting,
                W,
                a,
                forward,
                step=here,
                time=xp.asarray(np.array(case.time, dtype=np.float64), device=device),
                last_factor=xp.zeros((case.batch,), dtype=xp.float64, device=device),
                diverged=xp.where(sound, xp.full_like(here, -1), here),
            )

    def advance(self, state: _State, steps: int) -> _State:
        """The state ``steps`` steps later."""
        with np.errstate(all="ignore"), one_blas_thread():
            for _ in range(steps):
                state = _step(state)
        return state

    def snapshot(self, state: _State) -> Frame:
        """Where the batch stands. Clocks come to the host; weights, outputs and pre-activations do not."""
        case, xp = state.setting.case, state.setting.xp
        diverged = host(state.diverged)
        outputs, a = xp.matrix_transpose(state.forward.outputs), state.a
        Z = None
        if case.model == "network":
            # Beside a diverged member's last finite weights stand the pre-activations of its next ones.
            Z = state.forward.Z if (diverged < 0).all() else state.W @ state.setting.columns
            Z = xp.matrix_transpose(Z)
        return Frame(
            step=host(state.step),
            time=host(state.time),
            factor=host(state.last_factor),
            diverged=diverged,
            W=state.W,
            a=a[:, :, 0] if case.a.ndim == 2 else a,
            outputs=outputs[:, :, 0] if case.a.ndim == 2 else outputs,
            preactivations=Z,
        )


def _read(case: Case) -> _Setting:
    xp = namespace(case.W)
    device = case.W.device
    labels = case.y[..., None] if case.a.ndim == 2 else case.y
    labels = xp.matrix_transpose(labels)
    setting = _Setting(
        case,
        xp,
        rows=case.X,
        columns=_transposed(xp, case.X),
        labels=_contiguous(xp, xp.broadcast_to(labels, (case.batch, *labels.shape[1:]))),
        limit=xp.asarray(case.limit.astype(case.dtype)[:, None, None], device=device),
        factor=xp.asarray(np.array(case.factor, dtype=np.float64), device=device),
        gates=case.gates,
    )
    if case.model != "tangent":
        return setting
    assert case.anchor_W is not None
    assert case.anchor_a is not None
    anchor_a = _with_outputs(case.anchor_a, case)
    Z = case.anchor_W @ setting.columns
    features = activation(Z, case.slope, case.smoothing)
    return replace(
        setting,
        gates=gate(Z, case.slope, case.smoothing),
        anchor_W=case.anchor_W,
        anchor_a=anchor_a,
        anchor_features=features,
        offset=case.scale * (xp.matrix_transpose(anchor_a) @ features),
    )


def _with_outputs(a: Array, case: Case) -> Array:
    return a[:, :, None] if case.a.ndim == 2 else a


def _contiguous(xp: Any, array: Array) -> Array:
    """The same entries row by row in memory: a stacked product copies a transposed view at every call."""
    return xp.reshape(xp.reshape(array, (-1,)), array.shape)


def _transposed(xp: Any, array: Array) -> Array:
    return _contiguous(xp, xp.matrix_transpose(array))


def _forward(setting: _Setting, W: Array, a: Array) -> _Forward:
    case, xp = setting.case, setting.xp
    Z = W @ setting.columns
    rows_of_a = xp.matrix_transpose(a)
    if case.model == "tangent":
        assert setting.anchor_a is not None
        linear = xp.matrix_transpose(setting.anchor_a) @ (setting.gates * Z)
        linear = linear + rows_of_a @ setting.anchor_features
        return _Forward(Z, setting.gates, setting.anchor_features, setting.offset + case.scale * linear)
    gates = gate(Z, case.slope, case.smoothing) if setting.gates is None else setting.gates
    features = activation(Z, case.slope, case.smoothing) if setting.gates is None else gates * Z
    return _Forward(Z, gates, features, case.scale * (rows_of_a @ features))


def _step(state: _State) -> _State:
    setting, xp = state.setting, state.setting.xp
    case = setting.case
    coefficients, length, factor = _coefficients(state)
    W, a = state.W, state.a
    if case.rate_W > 0:
        W = _moved_W(state, coefficients, length, factor)
    if case.rate_a > 0:
        a = _moved_a(state, coefficients, length, factor)
    forward = _forward(setting, W, a)
    alive = state.diverged < 0
    sound = _is_sound(setting, W, a, forward.outputs)
    moves = alive & sound
    wide = moves[:, None, None]
    return _State(
        setting,
        W=xp.where(wide, W, state.W),
        a=xp.where(wide, a, state.a),
        forward=replace(forward, outputs=xp.where(wide, forward.outputs, state.forward.outputs)),
        step=state.step + xp.astype(moves, xp.int64),
        time=xp.where(moves, state.time + factor, state.time),
        last_factor=xp.where(moves, factor, state.last_factor),
        diverged=xp.where(alive & ~sound, state.step + 1, state.diverged),
    )


def _coefficients(state: _State) -> tuple[Array, Array, Array]:
    """What multiplies the Jacobian's rows, the number in front of it (B, 1, 1), and the factor h (B,).

    At the pace "loss" the coefficients are (dL/df)/L and the number is c, as in the NumPy method.
    """
    setting, xp = state.setting, state.setting.xp
    case, f = setting.case, state.forward.outputs
    if case.pace == "loss":
        return _loss_scaled(state)
    factor = setting.factor if case.pace == "constant" else _flow_factor(state)
    length = xp.astype(factor, case.W.dtype)[:, None, None]
    return LOSSES[case.loss].derivative(f, setting.labels), length, factor


def _loss_scaled(state: _State) -> tuple[Array, Array, Array]:
    setting, xp = state.setting, state.setting.xp
    case, f, y = setting.case, state.forward.outputs, setting.labels
    table = LOSSES[case.loss]
    logs = xp.stack([table.log_value(f[b, ...], y[b, ...]) for b in range(case.batch)])
    solved = logs == -math.inf
    shift = xp.where(solved, xp.zeros_like(logs), logs)[:, None, None]
    direction = xp.sign(-y) if table.classification else xp.sign(f - y)
    scaled = direction * xp.exp(table.log_abs_derivative(f, y) - shift)
    scaled = xp.where(solved[:, None, None], xp.zeros_like(scaled), scaled)
    exponent = math.log(case.constant) - xp.astype(logs, xp.float64) if case.constant > 0 else None
    factor = xp.zeros_like(setting.factor)
    if exponent is not None:
        over = exponent >= 709.0
        capped = xp.exp(xp.where(over | solved, factor, exponent))
        factor = xp.where(solved, factor, xp.where(over, xp.full_like(factor, math.inf), capped))
    length = xp.full((case.batch, 1, 1), case.constant, dtype=case.W.dtype, device=case.W.device)
    return scaled, length, factor


def _flow_factor(state: _State) -> Array:
    """constant / lambda_max of each member's kernel, 0 where that kernel is 0."""
    setting, xp = state.setting, state.setting.xp
    kernels = xp.astype(_kernels(state), xp.float64)
    finite = xp.all(xp.isfinite(kernels), axis=(1, 2))
    zero = xp.all(kernels == 0, axis=(1, 2))  # some CUDA solvers return NaN for the zero matrix
    safe = xp.where(finite[:, None, None], kernels, xp.zeros_like(kernels))
    largest = xp.linalg.eigvalsh(safe)[:, -1]
    usable = finite & ~zero & (largest > 0)
    return xp.where(
        usable,
        setting.case.constant / xp.where(usable, largest, xp.ones_like(largest)),
        xp.zeros_like(setting.factor),
    )


def _kernels(state: _State) -> Array:
    """``rate_W H_W + rate_a H_a`` of every member, (B, k n, k n)."""
    setting, forward, xp = state.setting, state.forward, state.setting.xp
    case = setting.case
    outer = state.a if setting.anchor_a is None else setting.anchor_a
    gram = setting.rows @ setting.columns
    weighted = [forward.gate * outer[:, :, p : p + 1] for p in range(case.k)]
    second = (case.scale**2 * case.rate_a) * (xp.matrix_transpose(forward.features) @ forward.features)
    blocks = []
    for p in range(case.k):
        row = [
            (case.scale**2 * case.rate_W) * (xp.matrix_transpose(weighted[p]) @ weighted[q]) * gram
            for q in range(case.k)
        ]
        row[p] = row[p] + second
        blocks.append(xp.concat(row, axis=2))
    kernels = xp.concat(blocks, axis=1)
    return 0.5 * (kernels + xp.matrix_transpose(kernels))


def _moved_W(state: _State, coefficients: Array, length: Array, factor: Array) -> Array:
    setting, xp = state.setting, state.setting.xp
    case = setting.case
    outer = state.a if setting.anchor_a is None else setting.anchor_a
    rate = length * (case.rate_W * case.scale)
    if case.k == 1:
        change = ((state.forward.gate * coefficients) @ setting.rows) * (outer * rate)
    else:
        change = ((state.forward.gate * (outer @ coefficients)) @ setting.rows) * rate
    if case.decay_W == 0:
        return state.W - change
    lost = xp.astype(factor * (case.rate_W * case.decay_W), case.W.dtype)[:, None, None]
    at = state.W if setting.anchor_W is None else state.W + setting.anchor_W
    return state.W - change - lost * at


def _moved_a(state: _State, coefficients: Array, length: Array, factor: Array) -> Array:
    setting, xp = state.setting, state.setting.xp
    case = setting.case
    change = (length * (case.rate_a * case.scale)) * (state.forward.features @ _transposed(xp, coefficients))
    if case.decay_a == 0:
        return state.a - change
    lost = xp.astype(factor * (case.rate_a * case.decay_a), case.W.dtype)[:, None, None]
    at = state.a if setting.anchor_a is None else state.a + setting.anchor_a
    return state.a - change - lost * at


def _is_sound(setting: _Setting, W: Array, a: Array, outputs: Array) -> Array:
    """Whether weights and residual are finite and the residual is within the limit, (B,)."""
    xp = setting.xp
    within = xp.all(xp.abs(outputs - setting.labels) <= setting.limit, axis=(1, 2))  # false for NaN
    return within & xp.all(xp.isfinite(W), axis=(1, 2)) & xp.all(xp.isfinite(a), axis=(1, 2))


METHOD = PortableSteps()
