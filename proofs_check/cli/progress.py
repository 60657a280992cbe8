"""Progress on standard error: a bar on a terminal, plain lines off it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

__all__ = ["Reporter", "reporter"]


class Reporter(Protocol):
    """What the run command tells as it works."""

    def begin(self, key: str) -> Callable[[int, int], None]:
        """A statement is being checked; the callable takes (trials done, trials in all)."""

    def end(self, line: str) -> None:
        """A statement is done; the line says what came out."""


class _Lines:
    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0

    def begin(self, key: str) -> Callable[[int, int], None]:
        return lambda done, total: None

    def end(self, line: str) -> None:
        self._done += 1
        print(f"[{self._done}/{self._total}] {line}", file=sys.stderr, flush=True)


class _Bar:
    def __init__(self, bar: object, total: int) -> None:
        from rich.progress import Progress

        if not isinstance(bar, Progress):
            raise TypeError("the bar must be a rich Progress")
        self._bar = bar
        self._whole = bar.add_task("statements", total=total)
        self._part = bar.add_task("", total=1)

    def begin(self, key: str) -> Callable[[int, int], None]:
        self._bar.reset(self._part, description=key, total=1)
        return lambda done, total: self._bar.update(self._part, completed=done, total=total)

    def end(self, line: str) -> None:
        self._bar.console.print(line, highlight=False, markup=False)
        self._bar.advance(self._whole)


@contextmanager
def reporter(total: int) -> Iterator[Reporter]:
    """A reporter for ``total`` statements."""
    if not sys.stderr.isatty():
        yield _Lines(total)
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        yield _Bar(bar, total)
