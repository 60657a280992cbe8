"""Compiled work shared out over Python threads, which the routines run without the GIL.

No threading library is left behind that would abort a forked child, and what a share does never depends on
how many there are.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

__all__ = ["Crew"]

HostArray = np.ndarray[Any, Any]


class Crew:
    """Threads that stay ready between two pieces of work: starting one costs as much as a small step."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._key = (0, 0)

    def run(self, work: Callable[[int, int, HostArray], None], shares: int) -> None:
        """``work(share, shares, gate)`` for every share, one of them in the present thread.

        The gate is an array where they may meet: gate[8] is 0 until all are known to come, then 1, and -1
        once that is called off, which every waiting share must notice. When no thread can be started the
        present one does all the work as the only share.
        """
        gate = np.zeros(16, np.int64)
        if shares > 1:
            others: list[Future[None]] = []
            try:
                pool = self._ready(shares - 1)
                others.extend(pool.submit(work, share, shares, gate) for share in range(1, shares))
            except RuntimeError:  # can't start new thread
                gate[8] = -1
                gate, shares = np.zeros(16, np.int64), 1
            else:
                self._work_together(work, shares, gate, others)
                return
        gate[8] = 1
        work(0, shares, gate)

    def _work_together(
        self,
        work: Callable[[int, int, HostArray], None],
        shares: int,
        gate: HostArray,
        others: list[Future[None]],
    ) -> None:
        try:
            gate[8] = 1
            work(0, shares, gate)
            for other in others:
                other.result()
        except BaseException:
            gate[8] = -1
            raise

    def _ready(self, count: int) -> ThreadPoolExecutor:
        """A pool of this many threads; a forked child needs its own."""
        key = (os.getpid(), count)
        if self._pool is None or key != self._key:
            self._pool, self._key = ThreadPoolExecutor(count), key
        return self._pool
