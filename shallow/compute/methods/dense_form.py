"""The dense form of the compiled method: any smoothing and any outputs; see :mod:`.dense_routines`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from shallow.compute.case import Case, Frame
from shallow.compute.methods import dense_routines as routines
from shallow.compute.methods.loss_routines import LOSS_CODES
from shallow.compute.methods.packing import Books, aligned_zeros, books_of, spread

__all__ = ["DenseState", "advance", "snapshot", "start"]

HostArray = np.ndarray[Any, Any]


@dataclass
class DenseState:
    """A batch under way. W[:, 0] and W[:, 1] take turns, and so do a[:, 0] and a[:, 1].

    Parameters
    ----------
    W : (B, 2, P, d, R), a : (B, 2, P, k, R), Z : (B, P, n, R)
        Neurons in panels of R, m padded with zeros.
    X : (1 or B, n, d), columns : (1 or B, d, n)
    y : (1 or B, n, k), f : (B, n, k)
    shape : (7,)
        The numbers of the activation, see ``dense_routines``.
    """

    case: Case
    books: Books
    W: HostArray
    a: HostArray
    Z: HostArray
    X: HostArray
    columns: HostArray
    y: HostArray
    f: HostArray
    shape: HostArray
    chunks: int


def start(case: Case) -> DenseState:
    """A state at the case's own step."""
    kind = case.dtype.type
    R = int(routines.panel_width(kind(0)))
    B, P, s = case.batch, -(-case.m // R), case.slope
    W = aligned_zeros((B, 2, P, case.d, R), case.dtype)
    a = aligned_zeros((B, 2, P, case.k, R), case.dtype)
    W[:] = _packed(case.W, P, R)[:, None]
    a[:] = _packed(case.a.reshape(B, case.m, case.k), P, R)[:, None]
    Z = aligned_zeros((B, P, case.n, R), case.dtype)
    X = np.array(case.X, order="C")
    y = np.array(case.y, order="C").reshape(-1, case.n, case.k)
    shape = np.array([s, case.smoothing, (1 + s) / 2, (1 - s) / 2, (1 - s) / 4, 0, 1]).astype(case.dtype)
    state = DenseState(
        case, books_of(case), W, a, Z, X, np.ascontiguousarray(X.transpose(0, 2, 1)), y,
        np.zeros((B, case.n, case.k), case.dtype), shape, routines.chunks_of(P),
    )  # fmt: skip
    routines.start_members(
        W, a, Z, state.columns, y, state.f, kind(case.scale), shape, state.books.limit, state.books.clock,
        _room(state, 1)[0],
    )  # fmt: skip
    return state


def _packed(rows: HostArray, P: int, R: int) -> HostArray:
    """(B, m, k) rows of neurons as (B, P, k, R) panels."""
    B, m, k = rows.shape
    padded = np.zeros((B, P * R, k), rows.dtype)
    padded[:, :m] = rows
    return padded.reshape(B, P, R, k).transpose(0, 1, 3, 2)


def _room(state: DenseState, shares: int) -> tuple[HostArray, HostArray]:
    sums = np.zeros((2, state.chunks, state.case.n * state.case.k), state.case.dtype)
    return sums, np.zeros((2, shares), state.case.dtype)


def advance(state: DenseState, steps: int, workers: int) -> None:
    """``steps`` steps of the networks that have not diverged, shared out over this many threads."""
    case, books, kind = state.case, state.books, state.case.dtype.type

    def run(first: int, last: int, outputs: HostArray, doubts: HostArray, *share: Any) -> None:
        routines.run_members(
            first, last, state.W, state.a, state.Z, state.X, state.columns, state.y, state.f,
            LOSS_CODES[case.loss], kind(case.scale), state.shape, books.rates, books.limit, books.factor,
            books.clock, books.time, books.last_factor, steps, outputs, doubts, *share,
        )  # fmt: skip

    spread(books, case, state.chunks, workers, lambda shares: _room(state, shares), run)


def snapshot(state: DenseState) -> Frame:
    """Where the batch stands."""
    case, books = state.case, state.books
    members, present = np.arange(case.batch), books.clock[:, 0]
    return Frame(
        step=books.clock[:, 1].copy(),
        time=books.time.copy(),
        factor=books.last_factor.copy(),
        diverged=books.clock[:, 2].copy(),
        W=_unpacked(state.W[members, present], case.m),
        a=_unpacked(state.a[members, present], case.m).reshape(case.a.shape),
        outputs=state.f.reshape(case.batch, *case.y.shape[1:]),
    )


def _unpacked(panels: HostArray, m: int) -> HostArray:
    """(B, P, k, R) panels as (B, m, k) rows of neurons."""
    B, P, k, R = panels.shape
    return panels.transpose(0, 1, 3, 2).reshape(B, P * R, k)[:, :m]
