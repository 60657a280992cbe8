"""How far a sweep is, on standard error: a changing line on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TextIO

__all__ = ["Progress", "duration"]

_TERMINAL = 0.2  # seconds between two updates
_ELSEWHERE = 30.0


def duration(seconds: float) -> str:
    """``90`` as "1.5 min": two digits and a unit, from seconds to days."""
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}" if seconds < 10 * size else f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 9.5 else f"{seconds:.2g} s"


class Progress:
    """Counts what is done and says it, with the time left and the failures so far.

    Parameters
    ----------
    total, before : int
        Runs of the grid, and how many of them were recorded earlier.
    stream : file, optional
        Standard error by default.
    """

    def __init__(self, total: int, before: int, stream: TextIO | None = None) -> None:
        self.total, self.done, self.failed = total, before, 0
        self.stream = sys.stderr if stream is None else stream
        self.live = self.stream.isatty()
        self._shown = -_ELSEWHERE if self.live else time.monotonic()
        self._width = 0

    def add(self, done: int, failed: int, seconds_left: float) -> None:
        """Take in a batch; say so if it is time to."""
        self.done += done
        self.failed += failed
        now = time.monotonic()
        if now - self._shown >= (_TERMINAL if self.live else _ELSEWHERE):
            self._shown = now
            self._say(f"{self.line()}, about {duration(seconds_left)} left", end="" if self.live else "\n")

    def line(self) -> str:
        """Done, total and failures."""
        failures = f", {self.failed} failed" if self.failed else ""
        return f"{self.done} of {self.total} runs ({100 * self.done // max(self.total, 1)} %){failures}"

    def close(self) -> None:
        """Say the last count on a line of its own."""
        self._say(self.line(), end="\n")

    def note(self, text: str) -> None:
        """Say something on a line of its own."""
        self._say(text, end="\n")

    def _say(self, text: str, end: str) -> None:
        start = "\r" if self.live else ""
        print(start + text.ljust(self._width), end=end, file=self.stream, flush=True)
        self._width = len(text) if end == "" and self.live else 0
