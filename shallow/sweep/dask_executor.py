"""Batches on the workers of a dask client.

Nothing is lost to a worker that dies: its batch is tried again in halves, then run by run, and a single run
is given up only after it alone, with nothing else in flight, has killed its own worker three times.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from shallow.sweep.batches import Batch, Batches
from shallow.sweep.drive import Done
from shallow.sweep.load import require
from shallow.sweep.record import POISON, Record
from shallow.sweep.task import run_batch

__all__ = ["KILLS", "PATIENCE", "DaskExecutor"]

KILLS = 3
"""A run that has killed its own worker this often is poison."""
_AHEAD = 2  # batches in flight for each worker: one at work, one waiting
PATIENCE = 60.0
"""Seconds without any worker before a sweep gives up."""


@dataclass
class _Queue:
    """What is still to do: batches to halve or retry first, fresh ones after."""

    fresh: Batches
    again: deque[Batch] = field(default_factory=deque)
    suspects: deque[Batch] = field(default_factory=deque)
    kills: dict[Batch, int] = field(default_factory=dict)

    def next(self) -> Batch | None:
        """The next batch that may run beside others."""
        return self.again.popleft() if self.again else next(self.fresh, None)


class DaskExecutor:
    """An executor of sweeps on a dask client.

    Parameters
    ----------
    client : distributed.Client
        Its workers must be able to import ``shallow``, and should have one thread each: start those of your
        own with the environment :func:`shallow.sweep.clusters.pinned_threads`.
    function : (Batch) -> list of Record
        What a worker does with a batch.
    on_death : () -> None, optional
        Called whenever a worker has died with a batch.
    patience : float
        Seconds without any worker before giving up.
    """

    def __init__(
        self,
        client: Any,
        function: Callable[[Batch], Sequence[Record]] = run_batch,
        *,
        on_death: Callable[[], None] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.client, self.function = client, function
        self.on_death, self.patience = on_death, patience
        self._ended: SimpleQueue[Any] = SimpleQueue()

    @property
    def workers(self) -> int:
        """How many workers there are now, at least 1."""
        return max(1, len(self._addresses()))

    def __call__(self, batches: Batches, done: Done) -> None:
        """Make every batch; a bounded number is in flight at any time.

        Raises
        ------
        OSError
            If the scheduler is lost, or has had no workers for longer than ``patience``.
        """
        queue = _Queue(batches)
        flying: dict[Any, Batch] = {}
        try:
            while True:
                alone = self._fill(queue, flying)
                if not flying:
                    break
                for future in self._wait():
                    self._take(future, flying.pop(future), alone, queue, done)
        finally:
            self.client.cancel(list(flying), force=True)

    def map(self, function: Callable[[Any], Any], grid: Iterable[Any]) -> Iterator[Any]:
        """``map(function, grid)`` on the workers, in the grid's order, for :func:`shallow.sweep.execute`.

        A bounded number of calls is in flight. The function is sent by name or by value; a call whose worker
        dies is made again, and one that kills workers raises.
        """
        flying: deque[Any] = deque()
        try:
            for configuration in grid:
                flying.append(self.client.submit(function, configuration, pure=False, retries=KILLS))
                if len(flying) >= 4 * _AHEAD * self.workers:
                    yield flying.popleft().result()
            while flying:
                yield flying.popleft().result()
        finally:
            self.client.cancel(list(flying), force=True)

    def _addresses(self) -> list[str]:
        return list(self.client.scheduler_info(n_workers=-1)["workers"])

    def _fill(self, queue: _Queue, flying: dict[Any, Batch]) -> bool:
        """Send out batches; whether the one in flight is a suspect on its own."""
        if queue.suspects:
            if not flying:
                self._send(queue.suspects.popleft(), flying)
                return True
            return False  # suspects wait until nothing else is in flight
        limit = _AHEAD * self.workers
        while len(flying) < limit and (batch := queue.next()) is not None:
            self._send(batch, flying)
        return False

    def _send(self, batch: Batch, flying: dict[Any, Batch]) -> None:
        future = self.client.submit(self.function, batch, pure=False)
        flying[future] = batch
        future.add_done_callback(self._ended.put)

    def _wait(self) -> list[Any]:
        """The futures that have finished, at least one."""
        idle_since: float | None = None
        while True:
            with suppress(Empty):
                ended = [self._ended.get(timeout=2.0)]
                while not self._ended.empty():
                    ended.append(self._ended.get_nowait())
                return ended
            idle_since = self._idle_since(idle_since)

    def _idle_since(self, before: float | None) -> float | None:
        """Since when there has been no worker; raises once that is too long."""
        try:
            present = bool(self._addresses())
        except (OSError, TimeoutError) as error:
            raise OSError(f"the scheduler is lost ({error}); finished runs are safe: start again") from None
        if present:
            return None
        now = time.monotonic()
        since = now if before is None else before
        if now - since > self.patience:
            raise OSError(
                f"there has been no worker for {self.patience:.0f} s; finished runs are safe: start again"
            )
        return since

    def _take(self, future: Any, batch: Batch, alone: bool, queue: _Queue, done: Done) -> None:
        distributed = require("distributed", "a sweep on several workers")
        if future.status == "finished":
            try:
                records = future.result()
            finally:
                future.release()
            done(batch, records)
            return
        if future.status == "cancelled":  # the scheduler forgot it, not a run's fault
            queue.again.append(batch)
            return
        error = future.exception()
        future.release()
        if not isinstance(error, distributed.KilledWorker):
            raise error
        if self.on_death is not None:
            self.on_death()
        if len(batch.runs) > 1:
            queue.again.extend(batch.halves())
            return
        if alone:
            queue.kills[batch] = queue.kills.get(batch, 0) + 1
        if queue.kills.get(batch, 0) >= KILLS:
            done(batch, [_poisoned(batch)])
        else:
            queue.suspects.append(batch)


def _poisoned(batch: Batch) -> Record:
    cell, _, seed = batch.runs[0]
    return Record(cell, seed, POISON, error=f"killed its own worker {KILLS} times")
