"""One task: draw the runs of a batch, train them in one call, and say what became of each."""

from __future__ import annotations

import functools
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from shallow.configuration.build import (
    Start,
    initialization_of,
    relative_residual,
    settled,
    start_of,
    until_of,
)
from shallow.configuration.catalogue import FROM_RUN
from shallow.configuration.model import RunModel
from shallow.sweep.batches import Batch
from shallow.sweep.key import cell_key
from shallow.sweep.record import FAILED, Record
from shallow.training import Trajectory, train_many

__all__ = ["run_batch"]


@dataclass(frozen=True, eq=False)
class _Begun:
    """One run of a cell before its first step."""

    cell: str
    model: RunModel
    start: Start


def run_batch(batch: Batch) -> list[Record]:
    """Train every run of a batch; an error of one run is that run's outcome, FAILED.

    Results are those of each run on its own, bit for bit, and in the order of the batch.
    """
    begun = time.perf_counter()
    found: dict[int, Record] = {}
    starts: dict[int, _Begun] = {}
    for place, (cell, configuration, seed) in enumerate(batch.runs):
        try:
            starts[place] = _begin(cell, configuration, seed)
        except Exception as error:  # whatever a law or a file raises belongs to this run alone
            found[place] = _failed(cell, seed, error)
    groups: dict[str, list[int]] = {}
    for place, start in starts.items():
        groups.setdefault(_shared(start), []).append(place)
    for places in groups.values():
        found |= dict(zip(places, _trained([starts[place] for place in places], batch.method)))
    share = (time.perf_counter() - begun) / len(batch.runs)
    host = platform.node()
    return [replace(found[place], seconds=share, host=host) for place in range(len(batch.runs))]


def _shared(begun: _Begun) -> str:
    """What has to be equal for runs to be trained by one call."""
    training = begun.model.training
    own = FROM_RUN.keys() & set(training.record)
    # A test problem is one run's alone; a law is shared by the runs that name it.
    law = f"{begun.cell}/{begun.model.seed}" if "test_error" in own else ""
    law += repr(initialization_of(begun.model.network)) if own else ""
    return f"{begun.start.rule!r} {training.model_dump_json()} {law}"


@functools.lru_cache(maxsize=256)
def _model(configuration: str) -> RunModel:
    return RunModel.model_validate_json(configuration)


def _begin(cell: str, configuration: str, seed: int) -> _Begun:
    model = _model(configuration).model_copy(update={"seed": seed})
    files = [file for file in (model.problem.data, model.problem.test_data) if file is not None]
    if files and cell_key(model) != cell:
        names = " or ".join(str(file) for file in files)
        raise ValueError(f"{names} has changed since the sweep began; start the sweep again")
    return _Begun(cell, model, start_of(model))


def _trained(starts: Sequence[_Begun], method: str) -> list[Record]:
    """Train runs that share a rule; if the call fails, each alone, to find the one that cannot."""
    try:
        return [_record(start, run) for start, run in zip(starts, _train(starts, method))]
    except Exception as error:
        if len(starts) == 1:
            return [_failed(starts[0].cell, starts[0].model.seed, error)]
        return [record for start in starts for record in _trained([start], method)]


def _train(starts: Sequence[_Begun], method: str) -> Sequence[Trajectory]:
    training = starts[0].model.training
    return train_many(
        [begun.start.network for begun in starts],
        [begun.start.problem for begun in starts],
        starts[0].start.rule,
        steps=training.steps,
        record=list(starts[0].start.record),
        at=training.at,
        until=until_of(training),
        method=method,
    )


def _record(start: _Begun, run: Trajectory) -> Record:
    ended = settled(run, start.model.training)
    scalars = {name: float(values[-1]) for name, values in run.series.items() if values.ndim == 1}
    return Record(
        cell=start.cell,
        seed=start.model.seed,
        outcome=ended.outcome.name,
        outcome_step=run.outcome_step,
        steps=run.last_step,
        time=float(run.time[-1]),
        scalars={**scalars, "relative_residual": relative_residual(run)},
        series={"steps": np.asarray(run.steps), "time": np.asarray(run.time), **run.series},
        versions={**run.versions, "method": run.method},
    )


def _failed(cell: str, seed: int, error: Exception) -> Record:
    return Record(cell, seed, FAILED, error=f"{type(error).__name__}: {error}")
