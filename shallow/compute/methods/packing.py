"""What both compiled forms need of a Case before the first step, and where a batch's books are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shallow.compute.case import Case
from shallow.compute.methods.shares import Crew

__all__ = ["Books", "aligned_zeros", "books_of", "spread"]

HostArray = np.ndarray[Any, Any]
_WORTH_MEETING = 2.5e6  # operations of a step below which to meet once (about 6 us) costs more than is saved
_LARGE = 1e8  # operations of a step from which the members of a batch are worked on one after another


@dataclass
class Books:
    """What is written down about every member of a batch, and the threads that work on it.

    Parameters
    ----------
    rates : (B, 4)
        Scale times length times rate, and 1 minus decay, for W and for a.
    limit, factor, time, last_factor : (B,) float64
    clock : (B, 3) integers
        Which of the two generations of weights is present, steps made, and the step that diverged or -1.
    """

    rates: HostArray
    limit: HostArray
    factor: HostArray
    clock: HostArray
    time: HostArray
    last_factor: HostArray
    crew: Crew = field(default_factory=Crew)


def books_of(case: Case) -> Books:
    """Books of a batch that stands at the case's own step."""
    factor = np.array(case.factor, np.float64)
    columns = (
        factor * case.rate_W * case.scale,
        1.0 - factor * case.rate_W * case.decay_W,
        factor * case.rate_a * case.scale,
        1.0 - factor * case.rate_a * case.decay_a,
    )
    return Books(
        rates=np.stack(columns, axis=1).astype(case.dtype),
        limit=np.array(case.limit, np.float64),
        factor=factor,
        clock=np.tile(np.array([0, case.step, -1]), (case.batch, 1)),
        time=np.array(case.time, np.float64),
        last_factor=np.zeros(case.batch),
    )


def aligned_zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> HostArray:
    """Zeros that begin at the start of a cache line."""
    count = int(np.prod(shape))
    flat = np.zeros(count + 64 // dtype.itemsize, dtype)
    skip = -flat.ctypes.data % 64 // dtype.itemsize
    return flat[skip : skip + count].reshape(shape)


def spread(
    books: Books,
    case: Case,
    chunks: int,
    workers: int,
    room: Callable[[int], tuple[HostArray, HostArray]],
    run: Callable[..., None],
) -> None:
    """``run(first, last, *room(shares), share, shares, gate)`` over all members and this many threads.

    Large networks are each spread over all threads, chunk by chunk; a batch of small ones is dealt out whole.
    ``room`` makes the arrays in which the shares of a network leave their sums.
    """
    work = 4.0 * case.n * case.m * case.d
    if case.batch >= workers > 1 and work < _LARGE:

        def deal(share: int, shares: int, gate: HostArray) -> None:
            first, last = share * case.batch // shares, (share + 1) * case.batch // shares
            run(first, last, *room(1), 0, 1, gate)

        books.crew.run(deal, workers)
        return
    together = min(workers, chunks) if work >= _WORTH_MEETING else 1
    arrays = room(together)

    def join(share: int, shares: int, gate: HostArray) -> None:
        run(0, case.batch, *arrays, share, shares, gate)

    books.crew.run(join, together)
