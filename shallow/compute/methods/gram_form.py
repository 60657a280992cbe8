"""Networks in Gram space: what is kept of them, their steps in stretches, and W recovered when it is read.

The setting stands in :mod:`shallow.compute.methods.gram_steps`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shallow.compute.case import Case
from shallow.compute.jit import threads
from shallow.compute.methods import gram_routines as routines
from shallow.compute.methods.binary_routines import chunks_of, sizes
from shallow.compute.methods.loss_routines import LOSS_CODES, is_sound
from shallow.compute.methods.packing import aligned_zeros
from shallow.compute.methods.shares import Crew
from shallow.compute.threads import one_blas_thread

__all__ = [
    "GramMember",
    "GramState",
    "make_steps",
    "preactivations",
    "recovered",
    "run_in_stretches",
    "share_members",
    "start",
]

HostArray = np.ndarray[Any, Any]

_STRETCH = 64  # steps between two copies to fall back on
_SLICE = 256  # neurons of one product with X
_WORTH_SHARING = 2e7  # operations below which starting another thread costs more than it saves


@dataclass
class GramMember:
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
class GramState:
    """A batch under way. Its networks share the shape, the loss and the number of chunks."""

    case: Case
    loss: int
    scale: Any
    slope: Any
    chunks: int
    members: list[GramMember]
    crew: Crew = field(default_factory=Crew)


def start(case: Case) -> GramState:
    """A state at the case's own step; it reads the case's W for as long as it lives."""
    kind = case.dtype.type
    tile, _, _ = sizes(kind(0))
    chunks = chunks_of(-(-case.m // int(tile)))
    state = GramState(case, LOSS_CODES[case.loss], kind(case.scale), kind(case.slope), chunks, [])
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


def _new_member(case: Case, b: int, K: HostArray) -> GramMember:
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
    member = GramMember(
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


def preactivations(member: GramMember) -> HostArray:
    """W X^T as it stands, (m, n)."""
    Z: HostArray = member.Z[:, : member.X.shape[0]]
    return Z


def _fill_preactivations(crew: Crew, member: GramMember) -> None:
    """``Z = W X^T`` in slices that never depend on who makes them."""
    n, columns = member.X.shape[0], member.X.T

    def fill(part: slice) -> None:
        member.Z[part, :n] = member.W[part] @ columns

    _share_out(fill, crew, member)


def recovered(crew: Crew, member: GramMember) -> HostArray:
    """``W = kept W_0 - C X``, and W_0 itself where nothing has moved."""
    n = member.X.shape[0]
    if not member.C.any() and member.kept == 1.0:
        return member.W
    W = np.empty_like(member.W)
    kept = member.W.dtype.type(member.kept)

    def recover(part: slice) -> None:
        np.matmul(member.C[part, :n], member.X, out=W[part])
        np.subtract(member.W[part] * kept if kept != 1 else member.W[part], W[part], out=W[part])

    _share_out(recover, crew, member)
    return W


def _share_out(work: Callable[[slice], None], crew: Crew, member: GramMember) -> None:
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


def share_members(state: GramState, steps: int, run: Callable[[GramMember, int], None]) -> None:
    """``run(member, workers)`` for the networks that go on: several are dealt out, one gets all threads."""
    active = [member for member in state.members if member.diverged < 0]
    work = 0.5 * state.case.n**2 * state.case.m * steps * len(active)
    workers = threads() if work > _WORTH_SHARING else 1
    if len(active) == 1:
        run(active[0], workers)
        return

    def deal(share: int, shares: int, gate: HostArray) -> None:
        for member in active[share::shares]:
            run(member, 1)

    state.crew.run(deal, min(workers, max(1, len(active))))


def run_in_stretches(
    member: GramMember,
    steps: int,
    moving: Sequence[HostArray],
    make: Callable[[int], tuple[int, bool]],
) -> None:
    """``make`` some steps; a stretch that ends in divergence is made again up to the step before.

    ``make(steps)`` returns how many were sound and whether the next one was not, and may leave the arrays
    ``moving`` in disorder then.
    """
    left = steps
    while left > 0 and member.diverged < 0:
        length = min(left, _STRETCH)
        before = [array.copy() for array in moving]
        made, diverged = make(length)
        if diverged:
            for array, old in zip(moving, before):
                array[...] = old
            make(made)
            member.diverged = member.step + made + 1
        for _ in range(made):  # added one by one, as every method does
            member.time += member.factor
            member.kept *= float(member.rates[1])
        member.step += made
        member.last_factor = member.factor if made else member.last_factor
        left -= length


def make_steps(state: GramState, member: GramMember, steps: int, workers: int) -> tuple[int, bool]:
    """Up to ``steps`` steps of one network, as :func:`gram_routines.run_member` makes them."""
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
