"""Compiled work shared out over Python threads, which the routines run without the GIL.

No threading library is left behind that would abort a forked child, and what a share does never depends on
how many there are.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

__all__ = ["Crew"]

HostArray = np.ndarray[Any, Any]


@contextlib.contextmanager
def _calling_off(gate: HostArray) -> Iterator[None]:
    """Let nobody wait for one who fails or is interrupted."""
    try:
        yield
    except BaseException:
        gate[8] = -1
        raise


class Crew:
    """Threads that stay ready between two pieces of work: starting one costs as much as a small step."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._key = (0, 0)

    def run(self, work: Callable[[int, int, HostArray], None], shares: int) -> None:
        """``work(share, shares, gate)`` for every share, one of them in the present thread.

        The gate is an array where they may meet: gate[0] is theirs, and gate[8] is -1 once the meeting is
        called off, which every waiting share must notice. When not all threads can be started the present one
        does all the work as the only share.
        """

        def come(share: int) -> None:
            while gate[8] == 0:  # until all are known to come
                time.sleep(0)
            if gate[8] > 0:
                with _calling_off(gate):
                    work(share, shares, gate)

        gate = np.zeros(16, np.int64)
        with _calling_off(gate):
            try:
                pool = self._ready(shares - 1) if shares > 1 else None
                others = [pool.submit(come, share) for share in range(1, shares)] if pool else []
            except RuntimeError:  # can't start new thread
                gate[8] = -1
                work(0, 1, np.zeros(16, np.int64))
                return
            gate[8] = 1
            work(0, shares, gate)
            for other in others:
                other.result()

    def _ready(self, count: int) -> ThreadPoolExecutor:
        """A pool of this many threads; a forked child needs its own."""
        key = (os.getpid(), count)
        if self._pool is None or key != self._key:
            self._pool, self._key = ThreadPoolExecutor(count), key
        return self._pool
