"""Gradient descent step by step in NumPy: every loss, pace, shape and model, one member after another.

Members are never stacked into one product: BLAS chooses its summation order by the shape of what it is
given, and by the number of threads. So each member has its own products and one BLAS thread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shallow.compute import capabilities
from shallow.compute.case import Case, Frame, Machine
from shallow.compute.gates import Gating, gating
from shallow.compute.pacing import (
    kernel_of_planes,
    largest_eigenvalue_or_inf,
    loss_scaled_coefficients,
    positive_ratio,
    time_step,
)
from shallow.compute.threads import one_blas_thread
from shallow.setting.losses import LOSSES

__all__ = ["METHOD", "NumpySteps"]

HostArray = np.ndarray[Any, Any]


@dataclass
class _Member:
    """One network under way. ``W``/``a`` and ``next_W``/``next_a`` change places at every step."""

    W: HostArray
    a: HostArray
    X: HostArray
    X_columns: HostArray
    y: HostArray
    step: int
    time: float
    factor: float
    limit: float
    next_W: HostArray
    next_a: HostArray
    Z: HostArray
    gate: HostArray
    features: HostArray
    outputs: HostArray
    back: HostArray  # dL/dZ, or dL/dZ without the factor a_k when there is one output
    grad_W: HostArray
    diverged: int = -1
    last_factor: float = 0.0
    gram: HostArray | None = None
    offset: HostArray | None = None  # tangent model: f at the anchor
    anchor_W: HostArray | None = None
    anchor_a: HostArray | None = None


@dataclass
class _State:
    case: Case
    gate_with: Gating
    members: list[_Member] = field(default_factory=list)


class NumpySteps:
    """The complete method; see :class:`shallow.compute.case.Method` for what it promises.

    Cost of a step: two products of 2 n m d operations and a few passes over (m, n) arrays; at the pace
    "flow" also the kernel, O(n^2 k^2 m), and its eigenvalues, O((n k)^3).
    """

    name = "numpy"

    def refuses(self, case: Case) -> str | None:
        """Why this method cannot run the case, or None."""
        return capabilities.refuses(self.name, case)

    def cost(self, case: Case, machine: Machine, steps: int) -> float:
        """Predicted seconds for this many steps."""
        return capabilities.cost(self.name, case, machine, steps)

    def start(self, case: Case) -> _State:
        """A state at the case's own step."""
        fill, gate_dtype = gating(case.slope, case.smoothing)
        state = _State(case, fill)
        with np.errstate(all="ignore"), one_blas_thread():
            for b in range(case.batch):
                member = _new_member(case, b, gate_dtype or case.dtype)
                if case.model == "gated":
                    assert case.gates is not None
                    member.gate[...] = case.gates[b]
                elif case.model == "tangent":
                    _anchor(state, member, case, b)
                _forward(state, member)
                if not _is_sound(member):
                    member.diverged = case.step
                state.members.append(member)
        return state

    def advance(self, state: _State, steps: int) -> _State:
        """The state ``steps`` steps later; the old one is recycled."""
        with np.errstate(all="ignore"), one_blas_thread():
            for member in state.members:
                _run(state, member, steps)
        return state

    def snapshot(self, state: _State) -> Frame:
        """Where the batch stands."""
        members = state.members
        has_preactivations = state.case.model == "network"
        return Frame(
            step=np.array([p.step for p in members]),
            time=np.array([p.time for p in members]),
            factor=np.array([p.last_factor for p in members]),
            diverged=np.array([p.diverged for p in members]),
            W=_stack([p.W for p in members]),
            a=_stack([p.a for p in members]),
            outputs=_stack([p.outputs for p in members]),
            preactivations=_stack([p.Z.T for p in members]) if has_preactivations else None,
        )


def _run(state: _State, member: _Member, steps: int) -> None:
    for _ in range(steps):
        if member.diverged >= 0:
            return
        _step(state, member)


def _stack(arrays: list[HostArray]) -> HostArray:
    return arrays[0][None] if len(arrays) == 1 else np.stack(arrays)


def _member_of(array: HostArray, b: int) -> HostArray:
    return np.asarray(array[b if array.shape[0] > 1 else 0])


def _new_member(case: Case, b: int, gate_dtype: Any) -> _Member:
    W, a = case.W[b].copy(), case.a[b].copy()
    X, y = np.ascontiguousarray(_member_of(case.X, b)), _member_of(case.y, b)
    plane = (case.m, case.n)
    return _Member(
        W=W,
        a=a,
        X=X,
        X_columns=np.ascontiguousarray(X.T),
        y=y,
        step=case.step,
        time=float(case.time[b]),
        factor=float(case.factor[b]),
        limit=float(case.limit[b]),
        next_W=W.copy(),
        next_a=a.copy(),
        Z=np.empty(plane, case.dtype),
        gate=np.empty(plane, gate_dtype if case.model != "gated" else case.dtype),
        features=np.empty(plane, case.dtype),
        outputs=np.empty(y.shape, case.dtype),
        back=np.empty(plane, case.dtype),
        grad_W=np.empty_like(W),
        gram=X @ X.T if case.pace == "flow" else None,
    )


def _anchor(state: _State, member: _Member, case: Case, b: int) -> None:
    """Freeze gates and features of the tangent model where it is tangent."""
    assert case.anchor_W is not None
    assert case.anchor_a is not None
    member.anchor_W, member.anchor_a = case.anchor_W[b], case.anchor_a[b]
    np.matmul(member.anchor_W, member.X_columns, out=member.Z)
    state.gate_with(member.Z, member.gate, member.features)
    member.offset = case.scale * _outputs(member.features, member.anchor_a)


def _outputs(features: HostArray, a: HostArray) -> HostArray:
    return np.asarray(a @ features if a.ndim == 1 else features.T @ a)


def _forward(state: _State, member: _Member) -> None:
    """Pre-activations, gates, features and outputs at the member's W and a."""
    model = state.case.model
    if model == "tangent":
        _forward_tangent(state, member)
        return
    np.matmul(member.W, member.X_columns, out=member.Z)
    if model == "network":
        state.gate_with(member.Z, member.gate, member.features)
    else:
        np.multiply(member.gate, member.Z, out=member.features)
    member.outputs = state.case.scale * _outputs(member.features, member.a)


def _forward_tangent(state: _State, member: _Member) -> None:
    """``f = f_0 + J_W W + J_a a`` with outputs and Jacobians at the anchor, W and a the offsets."""
    assert member.offset is not None
    assert member.anchor_a is not None
    np.matmul(member.W, member.X_columns, out=member.Z)
    np.multiply(member.gate, member.Z, out=member.Z)
    linear = _outputs(member.Z, member.anchor_a) + _outputs(member.features, member.a)
    member.outputs = member.offset + state.case.scale * linear


def _step(state: _State, member: _Member) -> None:
    case = state.case
    coefficients, length, factor = _coefficients(case, member)
    outer = member.anchor_a if case.model == "tangent" else member.a
    assert outer is not None
    if case.rate_W > 0:
        _move_W(case, member, coefficients, length, factor, outer)
    if case.rate_a > 0:
        _move_a(case, member, coefficients, length, factor)
    _exchange(case, member)
    _forward_if_moved(state, member)
    if _is_sound(member):
        member.step += 1
        member.time += factor
        member.last_factor = factor
        return
    member.diverged = member.step + 1
    _exchange(case, member)
    _forward(state, member)


def _coefficients(case: Case, member: _Member) -> tuple[HostArray, float, float]:
    """What multiplies the Jacobian's rows, the number in front of it, and the factor h of the step.

    At the pace "loss" the coefficients are (dL/df)/L and the number is c: h = c/L itself may be 1e300.
    """
    if case.pace == "loss":
        scaled, log_loss = loss_scaled_coefficients(case.loss, member.outputs, member.y)
        return scaled, case.constant, time_step(case.constant, log_loss)
    if case.loss == "squared":
        derivative = member.outputs - member.y
    else:
        derivative = LOSSES[case.loss].derivative(member.outputs, member.y)
    factor = member.factor
    if case.pace == "flow":
        factor = positive_ratio(case.constant, _largest_kernel_eigenvalue(case, member))
    return derivative, factor, factor


def _move_W(
    case: Case, member: _Member, coefficients: HostArray, length: float, factor: float, outer: HostArray
) -> None:
    rate = length * case.rate_W * case.scale
    if outer.ndim == 1:
        np.multiply(member.gate, coefficients, out=member.back)
        np.matmul(member.back, member.X, out=member.grad_W)
        member.grad_W *= (outer * rate)[:, None]
    else:
        np.matmul(outer, coefficients.T, out=member.back)
        member.back *= member.gate
        np.matmul(member.back, member.X, out=member.grad_W)
        member.grad_W *= rate
    if case.decay_W > 0:
        lost = factor * case.rate_W * case.decay_W
        np.multiply(member.W, 1 - lost, out=member.next_W)
        member.next_W -= member.grad_W
        if member.anchor_W is not None:
            member.next_W -= lost * member.anchor_W
    else:
        np.subtract(member.W, member.grad_W, out=member.next_W)


def _move_a(case: Case, member: _Member, coefficients: HostArray, length: float, factor: float) -> None:
    change = (length * case.rate_a * case.scale) * (member.features @ coefficients)
    if case.decay_a > 0:
        lost = factor * case.rate_a * case.decay_a
        change += lost * (member.a if member.anchor_a is None else member.a + member.anchor_a)
    np.subtract(member.a, change, out=member.next_a)


def _exchange(case: Case, member: _Member) -> None:
    if case.rate_W > 0:
        member.W, member.next_W = member.next_W, member.W
    if case.rate_a > 0:
        member.a, member.next_a = member.next_a, member.a


def _forward_if_moved(state: _State, member: _Member) -> None:
    """A forward pass, without the product when only the outer layer has moved."""
    case = state.case
    if case.model == "network" and case.rate_W == 0:
        member.outputs = case.scale * _outputs(member.features, member.a)
    else:
        _forward(state, member)


def _is_sound(member: _Member) -> bool:
    """Whether weights and residual are finite and the residual is within the limit."""
    residual = (member.outputs - member.y).ravel()
    square = float(np.dot(residual, residual))
    within = square < 1e30 and math.sqrt(square) <= member.limit
    if not within and not float(np.abs(residual).max()) <= member.limit:
        return False
    # An infinite weight can hide behind a closed gate; the sum of squares shows it.
    sizes = float(np.vdot(member.W, member.W)) + float(np.vdot(member.a, member.a))
    return math.isfinite(sizes) or bool(np.isfinite(member.W).all() and np.isfinite(member.a).all())


def _largest_kernel_eigenvalue(case: Case, member: _Member) -> float:
    outer = member.anchor_a if case.model == "tangent" else member.a
    assert member.gram is not None
    assert outer is not None
    kernel = kernel_of_planes(
        member.gate, member.features, outer, member.gram, case.scale, case.rate_W, case.rate_a
    )
    return largest_eigenvalue_or_inf(kernel)


METHOD = NumpySteps()
