"""What a run leaves: its series, its last finite network, its outcome, and enough to go on."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from shallow.observe.observable import Memory, Observable
from shallow.setting.archive import read_archive, write_archive
from shallow.setting.problem import Problem
from shallow.training.model import Model
from shallow.training.outcome import Outcome
from shallow.training.record import At
from shallow.training.rules import GradientDescent
from shallow.training.storage import pack, unpack

__all__ = ["Trajectory", "software_versions"]

HostArray = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A training run.

    Parameters
    ----------
    problem, rule : what was trained
    initial, network : Network, GatedModel or TangentModel
        At the start, and at the last finite step.
    steps : (T,) integers
        The recorded steps; the last finite step is always among them.
    time : (T,) float64 array
        Sum of the step factors at those steps: one unit is one step at the rule's own rates.
    series : mapping of name to (T, ...) float64 array
    outcome : Outcome
    outcome_step : int
        The step at which the outcome was reached; for DIVERGED the first that was not finite.
    snapshots : mapping of step to network
        The networks that ``record={"weights": [...]}`` asked for.
    method : str
        The compute method that made the steps.
    versions : mapping of package to version
    at : what ``at`` was, for going on
    observables, memory : what ``train(run, steps)`` needs to go on with the same bits
    method_memory : mapping of name to array
        What the compute method needs for that besides the network; mostly nothing.
    """

    problem: Problem
    rule: GradientDescent
    initial: Model
    network: Model
    steps: HostArray
    time: HostArray
    series: Mapping[str, HostArray]
    outcome: Outcome
    outcome_step: int
    snapshots: Mapping[int, Model]
    method: str
    versions: Mapping[str, str]
    at: At = None
    observables: tuple[Observable, ...] = ()
    memory: Mapping[str, Memory] = field(default_factory=dict)
    method_memory: Memory = field(default_factory=dict)

    def __post_init__(self) -> None:
        for array in (self.steps, self.time, *self.series.values()):
            array.setflags(write=False)
        for name in ("series", "snapshots", "versions", "memory", "method_memory"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    @property
    def last_step(self) -> int:
        """The last finite step, the one ``network`` stands at."""
        return int(self.steps[-1])

    def save(self, path: str | Path) -> None:
        """Write the run to an NPZ file, without pickle; the file appears whole or not at all.

        Users' own functions are saved by name: to go on, pass them to ``train(run, steps, record=...)``.
        """
        write_archive(path, kind="trajectory", **pack(self))

    @staticmethod
    def load(path: str | Path) -> Trajectory:
        """Read a run that :meth:`save` wrote.

        Raises
        ------
        ValueError
            If the file is no such archive.
        """
        fields = read_archive(path, kind="trajectory", required=("about", "X", "y", "steps", "time"))
        return Trajectory(**unpack(fields, str(path)))


def software_versions(method: str) -> dict[str, str]:
    """Versions of what made the numbers of a run."""
    packages = ["shallow-relu", "numpy", *(["numba", "llvmlite"] if method.startswith("numba") else [])]
    versions = {"python": platform.python_version()}
    return versions | {package: _version(package) for package in packages}


@functools.cache
def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
