"""The runs still to do, handed out in batches of one shape that last a few seconds each."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from shallow.sweep.plan import Cell

__all__ = ["Batch", "Batches"]

TASK_SECONDS = 2.0
"""How long a batch should take: far above the cost of sending it away and of writing it down."""
_MOST_RUNS = 512
_MOST_BYTES = 256e6


@dataclass(frozen=True)
class Batch:
    """Runs that one task makes: (cell key, configuration, seed) of each, and their method."""

    runs: tuple[tuple[str, str, int], ...]
    method: str
    shape: tuple[object, ...] = field(default=(), compare=False)

    def halves(self) -> tuple[Batch, ...]:
        """The same runs in two batches; a single run is one."""
        middle = len(self.runs) // 2
        parts = (self.runs[:middle], self.runs[middle:])
        return tuple(replace(self, runs=part) for part in parts if part)


@dataclass
class _Group:
    """The runs of one shape, and how the seconds they take compare with the prediction."""

    rest: deque[tuple[Cell, int]]
    seconds: float
    bytes: float
    pace: float = 1.0
    known: bool = False

    @property
    def seconds_left(self) -> float:
        return len(self.rest) * self.seconds * self.pace


class Batches:
    """An iterator over batches, made one at a time; never all at once.

    Parameters
    ----------
    todo : sequence of (cell, seed)
    workers : int
        How many batches are made at the same time.
    """

    def __init__(self, todo: Sequence[tuple[Cell, int]], workers: int = 1) -> None:
        self.left, self.workers = len(todo), max(workers, 1)
        self._groups: dict[tuple[object, ...], _Group] = {}
        for cell, seed in todo:
            if cell.shape not in self._groups:
                self._groups[cell.shape] = _Group(deque(), cell.seconds, cell.bytes)
            self._groups[cell.shape].rest.append((cell, seed))
        # Long runs first, so that the last tasks to finish are short ones.
        self._order = deque(sorted(self._groups.values(), key=lambda group: -group.seconds))

    @property
    def seconds_left(self) -> float:
        """Predicted seconds of the work not yet handed out, for one worker."""
        return sum(group.seconds_left for group in self._order)

    def learn(self, batch: Batch, seconds: float) -> None:
        """Take in how long a batch took, so that coming ones of its shape last about two seconds."""
        group = self._groups[batch.shape]
        measured = seconds / (len(batch.runs) * group.seconds)
        group.pace = math.sqrt(group.pace * measured) if group.known else measured
        group.known = True

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        while self._order and not self._order[0].rest:
            self._order.popleft()
        if not self._order:
            raise StopIteration
        group = self._order[0]
        size = min(
            TASK_SECONDS / max(group.seconds * group.pace, 1e-9),
            _MOST_BYTES / group.bytes,
            _MOST_RUNS,
            math.ceil(self.left / self.workers),
        )
        taken = [group.rest.popleft() for _ in range(min(max(1, int(size)), len(group.rest)))]
        self.left -= len(taken)
        runs = tuple((cell.key, cell.configuration, seed) for cell, seed in taken)
        return Batch(runs, taken[0][0].method, taken[0][0].shape)
