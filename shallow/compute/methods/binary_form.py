"""The binary form of the compiled method: exact gates and one output; see :mod:`.binary_routines`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from shallow.compute.case import Case, Frame
from shallow.compute.methods import binary_routines as routines
from shallow.compute.methods.loss_routines import LOSS_CODES
from shallow.compute.methods.packing import Books, aligned_zeros, books_of, spread

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
    y : (1 or B, n), f : (B, n)
    """

    case: Case
    books: Books
    W: HostArray
    a: HostArray
    words: HostArray
    X: HostArray
    panels: HostArray
    y: HostArray
    f: HostArray
    chunks: int


def start(case: Case) -> BinaryState:
    """A state at the case's own step."""
    kind = case.dtype.type
    tile, R, lanes = routines.sizes(kind(0))
    B, T, Q = case.batch, -(-case.m // tile), -(-case.n // R)
    W = aligned_zeros((B, 2, T * tile, _row_length(case.d, lanes, case.dtype)), case.dtype)
    a = np.zeros((B, 2, T * tile), case.dtype)
    W[:, :, : case.m, : case.d] = case.W[:, None]
    a[:, :, : case.m] = case.a.reshape(B, 1, case.m)
    X = aligned_zeros((case.X.shape[0], Q * R, W.shape[3]), case.dtype)
    X[:, : case.n, : case.d] = case.X
    panels = aligned_zeros((X.shape[0], Q, case.d, R), case.dtype)
    panels[:] = X[:, :, : case.d].reshape(-1, Q, R, case.d).transpose(0, 1, 3, 2)
    words, f = np.zeros((B, T, Q, tile, R // 8), np.uint8), np.zeros((B, case.n), case.dtype)
    y, chunks = np.array(case.y, order="C").reshape(-1, case.n), routines.chunks_of(T)
    state = BinaryState(case, books_of(case), W, a, words, X, panels, y, f, chunks)
    routines.start_members(
        W, a, words, panels, y, f, kind(case.scale), kind(case.slope), state.books.limit, state.books.clock,
        chunks,
    )  # fmt: skip
    return state


def _row_length(d: int, lanes: int, dtype: np.dtype[Any]) -> int:
    """d in whole registers, but no multiple of 4096 bytes: a tile's rows would share one place in cache."""
    length = -(-d // lanes) * lanes
    return length + lanes if length * dtype.itemsize % 4096 == 0 else length


def advance(state: BinaryState, steps: int, workers: int) -> None:
    """``steps`` steps of the networks that have not diverged, shared out over this many threads."""
    case, books, kind = state.case, state.books, state.case.dtype.type

    def room(shares: int) -> tuple[HostArray, HostArray]:
        sums = aligned_zeros((2, state.chunks, state.X.shape[1]), case.dtype)
        return sums, np.zeros((2, shares), case.dtype)

    def run(first: int, last: int, sums: HostArray, doubts: HostArray, *share: Any) -> None:
        routines.run_members(
            first, last, state.W, state.a, state.words, state.X, state.panels, state.y, state.f, case.m,
            LOSS_CODES[case.loss], kind(case.scale), kind(case.slope), books.rates, books.limit, books.factor,
            books.clock, books.time, books.last_factor, steps, sums, doubts, *share,
        )  # fmt: skip

    spread(books, case, state.chunks, workers, room, run)


def snapshot(state: BinaryState) -> Frame:
    """Where the batch stands."""
    m, d, books = state.case.m, state.case.d, state.books
    members, present = np.arange(state.case.batch), books.clock[:, 0]
    if len(members) == 1:  # views, which cost nothing
        W, a = state.W[:, present[0], :m, :d], state.a[:, present[0], :m]
    else:
        W, a = state.W[members, present, :m, :d], state.a[members, present, :m]
    return Frame(
        step=books.clock[:, 1].copy(),
        time=books.time.copy(),
        factor=books.last_factor.copy(),
        diverged=books.clock[:, 2].copy(),
        W=W,
        a=a.reshape(state.case.a.shape),
        outputs=state.f.reshape(len(members), *state.case.y.shape[1:]),
    )
