"""What a run records, and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shallow.observe.observable import Observable
from shallow.observe.table import observable

__all__ = ["At", "Request", "Until", "read_record", "read_steps", "read_until", "recording_steps"]

At = int | Sequence[int] | None
Until = tuple[Any, float] | None

LOG_POINTS = 200


@dataclass(frozen=True)
class Request:
    """The observables to record, and the steps whose networks are kept."""

    observables: tuple[Observable, ...]
    keep: tuple[int, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the series."""
        return tuple(entry.name for entry in self.observables)


def read_steps(steps: Any) -> int:
    """A number of steps, at least 0."""
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer):
        raise TypeError(f"steps is {steps!r}; give an integer")
    if steps < 0:
        raise ValueError(f"steps is {steps}; it must be at least 0")
    return int(steps)


def read_record(record: Any) -> Request:
    """The request that ``record`` means.

    ``record`` is a name, an Observable, a function of a snapshot, the mapping ``{"weights": [0, 10]}``
    (keep those networks), or a list of such things.

    Raises
    ------
    TypeError, ValueError
        For an entry that means nothing, an unknown name, or two series of one name.
    """
    single = isinstance(record, str | Observable | Mapping) or callable(record)
    observables: list[Observable] = []
    keep: set[int] = set()
    for entry in [record] if single else record:
        if isinstance(entry, Mapping):
            keep |= _kept(entry)
        else:
            observables.append(observable(entry))
    names = [entry.name for entry in observables]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two recorded series are called {name!r}; give each its own name")
    return Request(tuple(observables), tuple(sorted(keep)))


def _kept(entry: Mapping[str, Iterable[int]]) -> set[int]:
    if set(entry) != {"weights"}:
        raise ValueError(f"record has the mapping {dict(entry)!r}; only {{'weights': [steps]}} is known")
    return {read_steps(step) for step in entry["weights"]}


def read_until(until: Any) -> tuple[Observable, float] | None:
    """The stopping observable and its threshold: a run stops at the first step where it is at most that."""
    if until is None:
        return None
    try:
        what, threshold = until
        bound = float(threshold)
    except (TypeError, ValueError):
        raise TypeError(f"until is {until!r}; give (observable, threshold)") from None
    chosen = observable(what)
    if chosen.accumulates:
        raise ValueError(f"until cannot watch {chosen.name}: it accumulates, and never falls")
    if np.isnan(bound):
        raise ValueError("until has the threshold NaN; give a number")
    return chosen, bound


def recording_steps(at: At, first: int, last: int) -> tuple[int, ...]:
    """The steps in [first, last] to record at; ``last`` is always one of them.

    ``None`` is about 200 steps, 0 and then log-spaced; an integer k is every k-th; a list is itself.

    Raises
    ------
    TypeError, ValueError
        For a step that is no integer, negative, or beyond ``last``.
    """
    if at is None:
        grid = np.unique(np.geomspace(1, max(last, 1), LOG_POINTS).round().astype(np.int64))
        steps = {0, *(int(step) for step in grid)}
    elif isinstance(at, int | np.integer) and not isinstance(at, bool):
        if at < 1:
            raise ValueError(f"at is {at}; record every k steps with k at least 1")
        steps = set(range(0, last + 1, int(at)))
    else:
        steps = _listed(at)
        if steps and max(steps) > last:
            raise ValueError(f"at asks for step {max(steps)}, and the run ends at {last}")
    return tuple(sorted(step for step in steps | {last} if first <= step <= last))


def _listed(at: Any) -> set[int]:
    if isinstance(at, str) or not isinstance(at, Iterable):
        raise TypeError(f"at is {at!r}; give None, an integer or a list of steps")
    return {read_steps(step) for step in at}
