"""The binary form of the compiled method: exact gates and one output; see :mod:`.binary_routines`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shallow.compute.case import Case, Frame
from shallow.compute.methods import binary_routines as routines
from shallow.compute.methods.loss_routines import LOSS_CODES
from shallow.compute.methods.shares import Crew

__all__ = ["BinaryState", "advance", "snapshot", "start"]

HostArray = np.ndarray[Any, Any]


@dataclass
class BinaryState:
    """A batch under way. W[:, 0] and W[:, 1] take turns, and so do a[:, 0] and a[:, 1].

    Parameters
    ----------
    W : (B, 2, M, D), a : (B, 2, M)
        m padded to whole tiles, d to whole registers, with zeros.
    words : (B, tiles, panels, TILE, R / 8) bytes
        The gates at the present weights.
    X : (1 or B, N, D), panels : (1 or B, N / R, d, R)
        The inputs as rows and as panels of columns; n padded to N.
    rates : (B, 4)
        Scale times length times rate, and 1 minus decay, for W and for a.
    clock : (B, 3)
        Which of the two is present, steps made, and the step that diverged or -1.
    """

    case: Case
    W: HostArray
    a: HostArray
    words: HostArray
    X: HostArray
    panels: HostArray
    y: HostArray
    f: HostArray
    rates: HostArray
    limit: HostArray
    factor: HostArray
    clock: HostArray
    time: HostArray
    last_factor: HostArray
    chunks: int
    crew: Crew = field(default_factory=Crew)


def start(case: Case) -> BinaryState:
    """A state at the case's own step."""
    kind = case.dtype.type
    tile, R, lanes = routines.sizes(kind(0))
    B, T, Q = case.batch, -(-case.m // tile), -(-case.n // R)
    W = _aligned_zeros((B, 2, T * tile, _row_length(case.d, lanes, case.dtype)), case.dtype)
    a = np.zeros((B, 2, T * tile), case.dtype)
    W[:, :, : case.m, : case.d] = case.W[:, None]
    a[:, :, : case.m] = case.a[:, None]
    X = _aligned_zeros((case.X.shape[0], Q * R, W.shape[3]), case.dtype)
    X[:, : case.n, : case.d] = case.X
    panels = _aligned_zeros((X.shape[0], Q, case.d, R), case.dtype)
    panels[:] = X[:, :, : case.d].reshape(-1, Q, R, case.d).transpose(0, 1, 3, 2)
    state = BinaryState(
        case=case,
        W=W,
        a=a,
        words=np.zeros((B, T, Q, tile, R // 8), np.uint8),
        X=X,
        panels=panels,
        y=np.array(case.y, order="C"),
        f=np.zeros((B, case.n), case.dtype),
        rates=_rates(case),
        limit=np.array(case.limit, np.float64),
        factor=np.array(case.factor, np.float64),
        clock=np.tile(np.array([0, case.step, -1]), (B, 1)),
        time=np.array(case.time, np.float64),
        last_factor=np.zeros(B),
        chunks=routines.chunks_of(T),
    )
    routines.start_members(
        W, a, state.words, panels, state.y, state.f, kind(case.scale), kind(case.slope), state.limit,
        state.clock, state.chunks,
    )  # fmt: skip
    return state


def _row_length(d: int, lanes: int, dtype: np.dtype[Any]) -> int:
    """d in whole registers, but no multiple of 4096 bytes: a tile's rows would share one place in cache."""
    length = -(-d // lanes) * lanes
    return length + lanes if length * dtype.itemsize % 4096 == 0 else length


def _aligned_zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> HostArray:
    """Zeros that begin at the start of a cache line."""
    count = int(np.prod(shape))
    flat = np.zeros(count + 64 // dtype.itemsize, dtype)
    skip = -flat.ctypes.data % 64 // dtype.itemsize
    return flat[skip : skip + count].reshape(shape)


def _rates(case: Case) -> HostArray:
    factor = np.asarray(case.factor, np.float64)
    columns = (
        factor * case.rate_W * case.scale,
        1.0 - factor * case.rate_W * case.decay_W,
        factor * case.rate_a * case.scale,
        1.0 - factor * case.rate_a * case.decay_a,
    )
    return np.stack(columns, axis=1).astype(case.dtype)


def advance(state: BinaryState, steps: int, workers: int) -> None:
    """``steps`` steps of the networks that have not diverged, shared out over this many threads.

    One network, or the last of few large ones, is spread over all threads, chunk by chunk; a batch of small
    ones is dealt out whole.
    """
    case, kind = state.case, state.case.dtype.type

    def run(first: int, last: int, share: int, shares: int, gate: HostArray, sums: Any, doubts: Any) -> None:
        routines.run_members(
            first, last, state.W, state.a, state.words, state.X, state.panels, state.y, state.f, case.m,
            LOSS_CODES[case.loss], kind(case.scale), kind(case.slope), state.rates, state.limit, state.factor,
            state.clock, state.time, state.last_factor, steps, sums, doubts, share, shares, gate,
        )  # fmt: skip

    def buffers(shares: int) -> tuple[HostArray, HostArray]:
        shape = (2, state.chunks, state.X.shape[1])
        return _aligned_zeros(shape, case.dtype), np.zeros((2, shares), case.dtype)

    if case.batch >= workers > 1 and not _is_large(case):

        def deal(share: int, shares: int, gate: HostArray) -> None:
            first, last = share * case.batch // shares, (share + 1) * case.batch // shares
            run(first, last, 0, 1, gate, *buffers(1))

        state.crew.run(deal, workers)
        return
    shares = min(workers, state.chunks)
    sums, doubts = buffers(shares)
    state.crew.run(lambda share, shares, gate: run(0, case.batch, share, shares, gate, sums, doubts), shares)


def _is_large(case: Case) -> bool:
    return 4.0 * case.n * case.m * case.d > 1e8


def snapshot(state: BinaryState) -> Frame:
    """Where the batch stands."""
    m, d = state.case.m, state.case.d
    members, present = np.arange(state.case.batch), state.clock[:, 0]
    if len(members) == 1:  # views, which cost nothing
        W, a = state.W[:, present[0], :m, :d], state.a[:, present[0], :m]
    else:
        W, a = state.W[members, present, :m, :d], state.a[members, present, :m]
    return Frame(
        step=state.clock[:, 1].copy(),
        time=state.time.copy(),
        factor=state.last_factor.copy(),
        diverged=state.clock[:, 2].copy(),
        W=W,
        a=a,
        outputs=state.f,
    )
