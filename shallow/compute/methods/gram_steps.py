"""Gradient descent in Gram space: pre-activations evolve through X X^T, and W is recovered when it is read.

With K = X X^T, Z = W X^T, S the gates phi'(Z), both (m, n), and c = dL/df, a step on both layers reads

    Z <- keep_W Z - rate_W h scale diag(a) S diag(c) K,
    a <- keep_a a - rate_a h scale phi(Z) c,                       keep = 1 - h rate decay,

and the first layer is ``W_T = kept W_0 - C X`` with the coefficients

    C <- keep_W C + rate_W h scale diag(a) S diag(c)

and kept the product of the factors keep_W. This is gradient descent itself, no approximation, and d has left
the steps. For the ReLU S is binary and S (diag(c) K) a product by lookups; with a slope s it is
``(1 - s) [Z > 0] + s``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shallow.compute import capabilities
from shallow.compute.case import Case, Frame, Machine
from shallow.compute.jit import threads
from shallow.compute.methods import gram_routines as routines
from shallow.compute.methods.binary_routines import chunks_of, sizes
from shallow.compute.methods.loss_routines import LOSS_CODES, is_sound
from shallow.compute.methods.packing import aligned_zeros
from shallow.compute.methods.shares import Crew
from shallow.compute.registers import unavailable
from shallow.compute.threads import one_blas_thread

__all__ = ["METHOD", "GramSteps"]

HostArray = np.ndarray[Any, Any]

_STRETCH = 64  # steps between two copies to fall back on
_SLICE = 256  # neurons of one product with X
_WORTH_SHARING = 2e7  # operations below which starting another thread costs more than it saves


@dataclass
class _Member:
    """One network under way; rows of Z and C are filled up with zeros to whole panels."""

    W: HostArray  # (m, d), where the run began; never written to
    X: HostArray  # (n, d)
    K: HostArray  # (N, D)
    y: HostArray
    Z: HostArray  # (m, N)
    C: HostArray  # (m, N)
    a: HostArray
    f: HostArray
    rates: HostArray
    largest: Any  # times a coefficient is finite: then so is W
    words: HostArray  # (T, N / R, TILE, R / 8)
    factor: float
    limit: float
    step: int
    time: float
    kept: float
    diverged: int = -1
    last_factor: float = 0.0


@dataclass
class _State:
    case: Case
    loss: int
    scale: Any
    slope: Any
    chunks: int
    members: list[_Member]
    crew: Crew = field(default_factory=Crew)


class GramSteps:
    """The method of Gram space; see :class:`shallow.compute.case.Method` for what it promises.

    One output, no smoothing, constant pace. A frame's ``memory`` holds Z, C, kept and the W where the run
    began; a start without it begins at its own W.

    Error, with u the unit roundoff, g = |1 - slope| + |slope| and p = rate_W h scale |c|: the z_ki of a step
    is within

        u ((n + 10) |a_k| g sum_j p_j |K_ij| + 3 |z_ki|) + |a_k| g sum_j p_j E_ij,

    E_ij = (d + 1) u <|x_i|, |x_j|>, of the same step in exact arithmetic. So far does Z leave W X^T, at most,
    and the distances of the steps add up; the C of a step is within ``3 u |C|``, and a read W
    within ``(n + 2) u (|C| |X| + |kept W_0|)`` of the one that C and W_0 define.

    Cost: ``n^2 m / 4`` additions of table entries a step and two passes over (m, n) arrays; once 2 n^2 d
    for K and 2 n m d for Z, and that again when W is read. Memory: 2 m n numbers and
    the W where the run began.
    """

    name = "gram"

    def refuses(self, case: Case) -> str | None:
        """Why this method cannot run the case, or None."""
        return unavailable() or capabilities.refuses(self.name, case) or _unsafe_inputs(case)

    def cost(self, case: Case, machine: Machine, steps: int) -> float:
        """Predicted seconds for this many steps."""
        return capabilities.cost(self.name, case, machine, steps)

    def start(self, case: Case) -> _State:
        """A state at the case's own step; it reads the case's W for as long as it lives."""
        kind = case.dtype.type
        tile, _, _ = sizes(kind(0))
        chunks = chunks_of(-(-case.m // int(tile)))
        state = _State(case, LOSS_CODES[case.loss], kind(case.scale), kind(case.slope), chunks, [])
        kernels = [_padded_kernel(X) for X in case.X]
        for b in range(case.batch):
            member = _new_member(case, b, kernels[b if len(kernels) > 1 else 0])
            if case.memory is None:
                _fill_preactivations(state.crew, member)
            sums = np.empty((chunks, member.Z.shape[1]), case.dtype)
            routines.start_member(member.Z, member.a, member.f, state.scale, state.slope, sums)
            if not is_sound(member.f, member.y, member.limit, state.scale * 0):
                member.diverged = case.step
            state.members.append(member)
        return state

    def advance(self, state: _State, steps: int) -> _State:
        """The state ``steps`` steps later; the old one is recycled."""
        active = [member for member in state.members if member.diverged < 0]
        work = 0.5 * state.case.n**2 * state.case.m * steps * len(active)
        workers = threads() if work > _WORTH_SHARING else 1
        if len(active) == 1:
            _run(state, active[0], steps, workers)
            return state

        def run(share: int, shares: int, gate: HostArray) -> None:
            for member in active[share::shares]:
                _run(state, member, steps, 1)

        state.crew.run(run, min(workers, max(1, len(active))))
        return state

    def snapshot(self, state: _State) -> Frame:
        """Where the batch stands."""
        members, n = state.members, state.case.n
        return Frame(
            step=np.array([p.step for p in members]),
            time=np.array([p.time for p in members]),
            factor=np.array([p.last_factor for p in members]),
            diverged=np.array([p.diverged for p in members]),
            W=lambda: _stack([_recovered(state.crew, p, n) for p in members]),
            a=_stack([p.a for p in members]),
            outputs=_stack([p.f for p in members]),
            preactivations=_stack([p.Z[:, :n].T for p in members]),
            memory=lambda: _memory(members),
        )


def _unsafe_inputs(case: Case) -> str | None:
    """Why X X^T would not hold what X holds, or None."""
    info = np.finfo(case.dtype)
    if not np.isfinite(case.X).all():
        return "an input is not finite"
    sizes = np.abs(case.X).max(axis=2).astype(np.longdouble)
    if case.d * np.max(sizes) ** 2 > info.max:
        return "the inputs are so large that X X^T overflows"
    small = sizes[(sizes > 0) & (sizes**2 < np.longdouble(info.tiny) / info.eps)]
    return "the inputs are so small that X X^T underflows" if small.size else None


def _padded_kernel(X: HostArray) -> HostArray:
    """K = X X^T in float64, rounded once, with zeros up to whole panels of rows and registers of columns."""
    n = X.shape[0]
    wide = X.astype(np.float64, copy=False)
    _, panel, lanes = sizes(X.dtype.type(0))
    K = aligned_zeros((_whole(n, int(panel)), _whole(n, int(lanes))), X.dtype)
    with one_blas_thread(), np.errstate(all="ignore"):
        K[:n, :n] = wide @ wide.T
    return K


def _whole(count: int, of: int) -> int:
    return -(-count // of) * of


def _new_member(case: Case, b: int, K: HostArray) -> _Member:
    kind, n, m, N = case.dtype.type, case.n, case.m, K.shape[0]
    tile, panel, _ = (int(size) for size in sizes(kind(0)))
    X = np.ascontiguousarray(case.X[b if case.X.shape[0] > 1 else 0])
    factor = float(case.factor[b])
    memory = case.memory
    rates = [
        factor * case.rate_W * case.scale,
        1.0 - factor * case.rate_W * case.decay_W,
        factor * case.rate_a * case.scale,
        1.0 - factor * case.rate_a * case.decay_a,
    ]
    member = _Member(
        W=case.W[b] if memory is None else memory["W"][b],
        X=X,
        K=K,
        y=np.ascontiguousarray(case.y[b if case.y.shape[0] > 1 else 0]),
        Z=aligned_zeros((m, N), case.dtype),
        C=aligned_zeros((m, N), case.dtype),
        a=case.a[b].copy(),
        f=np.empty(n, kind),
        rates=np.array(rates, kind),
        largest=kind(np.float64(2 * n) * np.abs(X).max()) if n else kind(0),
        words=np.zeros((-(-m // tile), N // panel, tile, panel // 8), np.uint8),
        factor=factor,
        limit=float(case.limit[b]),
        step=case.step,
        time=float(case.time[b]),
        kept=1.0,
    )
    if memory is not None:
        member.Z[:, :n], member.C[:, :n] = memory["Z"][b], memory["C"][b]
        member.kept = float(memory["kept"][b])
    return member


def _fill_preactivations(crew: Crew, member: _Member) -> None:
    """``Z = W X^T`` in slices that never depend on who makes them."""
    n, columns = member.X.shape[0], member.X.T

    def fill(part: slice) -> None:
        member.Z[part, :n] = member.W[part] @ columns

    _share_out(fill, crew, member)


def _recovered(crew: Crew, member: _Member, n: int) -> HostArray:
    """``W = kept W_0 - C X``, and W_0 itself where nothing has moved."""
    if not member.C.any() and member.kept == 1.0:
        return member.W
    W = np.empty_like(member.W)
    kept = member.W.dtype.type(member.kept)

    def recover(part: slice) -> None:
        np.matmul(member.C[part, :n], member.X, out=W[part])
        np.subtract(member.W[part] * kept if kept != 1 else member.W[part], W[part], out=W[part])

    _share_out(recover, crew, member)
    return W


def _share_out(work: Callable[[slice], None], crew: Crew, member: _Member) -> None:
    """``work`` on slices of neurons, whose bits do not depend on who does it."""
    m = len(member.W)
    parts = [slice(first, min(m, first + _SLICE)) for first in range(0, m, _SLICE)]
    large = 2.0 * member.W.size * len(member.X) > _WORTH_SHARING

    def run(share: int, shares: int, gate: HostArray) -> None:
        with np.errstate(all="ignore"):
            for part in parts[share::shares]:
                work(part)

    with one_blas_thread():
        crew.run(run, min(threads() if large else 1, len(parts)))


def _memory(members: list[_Member]) -> Mapping[str, HostArray]:
    n = members[0].f.shape[0]
    return {
        "W": _stack([p.W for p in members]),
        "Z": np.stack([p.Z[:, :n] for p in members]),
        "C": np.stack([p.C[:, :n] for p in members]),
        "kept": np.array([p.kept for p in members]),
    }


def _stack(arrays: list[HostArray]) -> HostArray:
    return arrays[0][None] if len(arrays) == 1 else np.stack(arrays)


def _run(state: _State, member: _Member, steps: int, workers: int) -> None:
    """Some steps, in stretches: one that ends in divergence is made again up to the step before."""
    left = steps
    while left > 0 and member.diverged < 0:
        length = min(left, _STRETCH)
        before = [array.copy() for array in _moving(member)]
        made, diverged = _steps(state, member, length, workers)
        if diverged:
            for array, old in zip(_moving(member), before):
                array[:] = old
            _steps(state, member, made, workers)
            member.diverged = member.step + made + 1
        for _ in range(made):  # added one by one, as every method does
            member.time += member.factor
            member.kept *= float(member.rates[1])
        member.step += made
        member.last_factor = member.factor if made else member.last_factor
        left -= length


def _moving(member: _Member) -> tuple[HostArray, ...]:
    return member.Z, member.C, member.a, member.f


def _steps(state: _State, member: _Member, steps: int, workers: int) -> tuple[int, bool]:
    workers = min(workers, state.chunks)
    sums = np.empty((2, state.chunks, member.Z.shape[1]), member.Z.dtype)
    doubts = np.zeros((2, workers), member.Z.dtype)
    found: list[tuple[int, bool]] = []

    def run(share: int, shares: int, gate: HostArray) -> None:
        result = routines.run_member(
            member.Z, member.C, member.a, member.K, member.words, member.y, member.f, state.loss, state.scale,
            state.slope, member.rates, member.limit, member.largest, steps, sums, doubts, share, shares, gate,
        )  # fmt: skip
        found.append((int(result[0]), bool(result[1])))

    if workers > 1:
        state.crew.run(run, workers)
    else:
        run(0, 1, np.zeros(16, np.int64))
    return found[0]


METHOD = GramSteps()
