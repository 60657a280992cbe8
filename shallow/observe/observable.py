"""An observable: one named number (or vector) of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shallow.observe.snapshot import Snapshot
from shallow.setting.arrays import Array, host

__all__ = ["Memory", "Observable", "infimum", "supremum"]

Memory = Mapping[str, Array]  # "value" is NumPy's; the rest may live on a device
Value = Any  # a float or a 1-D array


@dataclass(frozen=True)
class Observable:
    """A quantity that can be recorded along a run.

    Parameters
    ----------
    name : str
        Its key in ``run.series``.
    unit : str
        What it is measured in: "loss", "output", "weight", "kernel", "1" for pure numbers, ...
    cost : str
        Order of the work each time it is read.
    needs : tuple of str
        Parts of a snapshot that it reads.
    function : (snapshot, reference) -> float or 1-D array, optional
        The value now; ``reference`` is the run's first snapshot.
    accumulate : (memory or None, snapshot, reference) -> memory, optional
        For what depends on every step so far: called at each step, first with None; the value is
        ``memory["value"]``. A memory is a mapping of arrays, so that a saved run can go on.

    Raises
    ------
    ValueError
        Unless exactly one of ``function`` and ``accumulate`` is given.
    """

    name: str
    unit: str
    cost: str
    needs: tuple[str, ...]
    function: Callable[[Snapshot, Snapshot], Value] | None = None
    accumulate: Callable[[Memory | None, Snapshot, Snapshot], Memory] | None = None

    def __post_init__(self) -> None:
        if (self.function is None) == (self.accumulate is None):
            raise ValueError(f"observable {self.name!r} needs either a function or an accumulate, not both")

    @property
    def accumulates(self) -> bool:
        """Whether it looks at every step."""
        return self.accumulate is not None

    def __call__(self, snapshot: Snapshot, reference: Snapshot) -> Value:
        """The value at ``snapshot``; for an accumulating observable, of the run with only these two."""
        if self.function is not None:
            return self.function(snapshot, reference)
        assert self.accumulate is not None
        memory = self.accumulate(None, reference, reference)
        return self.accumulate(memory, snapshot, reference)["value"]


def supremum(observable: Observable) -> Observable:
    """The largest value of ``observable`` at any step so far, as ``sup_<name>``; it looks at every step."""
    return _extremum(observable, np.maximum, "sup")


def infimum(observable: Observable) -> Observable:
    """The smallest value of ``observable`` at any step so far, as ``inf_<name>``; it looks at every step."""
    return _extremum(observable, np.minimum, "inf")


def _extremum(observable: Observable, choose: Callable[[Any, Any], Any], word: str) -> Observable:
    function = observable.function
    if function is None:
        raise ValueError(f"{observable.name} already accumulates over the steps")

    def accumulate(memory: Memory | None, snapshot: Snapshot, reference: Snapshot) -> Memory:
        now = np.asarray(host(function(snapshot, reference)), dtype=np.float64)
        return {"value": now if memory is None else choose(memory["value"], now)}

    return replace(observable, name=f"{word}_{observable.name}", function=None, accumulate=accumulate)
