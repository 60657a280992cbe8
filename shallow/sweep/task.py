"""One task: draw the runs of a batch, train them in one call, and say what became of each."""

from __future__ import annotations

import functools
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from shallow.configuration.build import (
    initialization_of,
    problem_of,
    record_of,
    relative_residual,
    rule_of,
    settled,
    streams_of,
    until_of,
)
from shallow.configuration.catalogue import FROM_LAW
from shallow.configuration.model import RunModel
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.sweep.batches import Batch
from shallow.sweep.key import cell_key
from shallow.sweep.record import FAILED, Record
from shallow.training import GradientDescent, Trajectory, train_many

__all__ = ["run_batch"]


@dataclass(frozen=True, eq=False)
class _Start:
    """One run before its first step."""

    cell: str
    model: RunModel
    problem: Problem
    network: Network
    rule: GradientDescent


def run_batch(batch: Batch) -> list[Record]:
    """Train every run of a batch; an error of one run is that run's outcome, FAILED.

    Results are those of each run on its own, bit for bit, and in the order of the batch.
    """
    begun = time.perf_counter()
    found: dict[int, Record] = {}
    starts: dict[int, _Start] = {}
    for place, (cell, configuration, seed) in enumerate(batch.runs):
        try:
            starts[place] = _start(cell, configuration, seed)
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


def _shared(start: _Start) -> str:
    """What has to be equal for runs to be trained by one call."""
    training = start.model.training
    law = initialization_of(start.model.network) if FROM_LAW.keys() & set(training.record) else ""
    return f"{start.rule!r} {training.model_dump_json()} {law!r}"


@functools.lru_cache(maxsize=256)
def _model(configuration: str) -> RunModel:
    return RunModel.model_validate_json(configuration)


def _start(cell: str, configuration: str, seed: int) -> _Start:
    model = _model(configuration).model_copy(update={"seed": seed})
    if model.problem.data is not None and cell_key(model) != cell:
        raise ValueError(f"{model.problem.data} has changed since the sweep began; start the sweep again")
    streams = streams_of(model)
    problem = problem_of(model.problem, streams)
    law = initialization_of(model.network)
    network = law.draw(model.network.m, problem, streams)
    return _Start(
        cell, model, problem, network, rule_of(model.training, law.rate_multiplier(model.network.m))
    )


def _trained(starts: Sequence[_Start], method: str) -> list[Record]:
    """Train runs that share a rule; if the call fails, each alone, to find the one that cannot."""
    try:
        return [_record(start, run) for start, run in zip(starts, _train(starts, method))]
    except Exception as error:
        if len(starts) == 1:
            return [_failed(starts[0].cell, starts[0].model.seed, error)]
        return [record for start in starts for record in _trained([start], method)]


def _train(starts: Sequence[_Start], method: str) -> Sequence[Trajectory]:
    training = starts[0].model.training
    return train_many(
        [start.network for start in starts],
        [start.problem for start in starts],
        starts[0].rule,
        steps=training.steps,
        record=record_of(starts[0].model),
        at=training.at,
        until=until_of(training),
        method=method,
    )


def _record(start: _Start, run: Trajectory) -> Record:
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
