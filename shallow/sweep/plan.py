"""Which method runs a cell, how long one run takes, and how much memory."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from shallow.compute import plan
from shallow.compute.case import Case, Machine, Pace
from shallow.configuration.build import initialization_of
from shallow.configuration.catalogue import FROM_RUN
from shallow.configuration.model import ProblemModel, RunModel
from shallow.observe import observable
from shallow.setting.data import read_problem

__all__ = ["Cell", "cell_of", "cells_of"]

# Start-up costs are shared by the many runs of a sweep, so they do not decide between methods; and a worker
# has one thread. The choice depends on the configuration alone, never on the batch, the grid or the machine.
_SHARED_BY = 10_000
_WORKER = Machine(cores=1)

_LOOK = 25e-6  # seconds of Python for each recorded or watched step
_DRAW = 5e-4  # seconds to draw and set up a run


@dataclass(frozen=True)
class Cell:
    """A configuration with what the ledger fixes before its first run.

    Parameters
    ----------
    key : str
    configuration : str
        The model as JSON.
    method : str
        The compute method of every run of the cell.
    shape : tuple
        Cells of equal shape are trained in one call.
    seconds : float
        Predicted for one run. A model, not a timing.
    bytes : float
        Predicted memory of one run.
    """

    key: str
    configuration: str
    method: str
    shape: tuple[object, ...] = field(compare=False)
    seconds: float = field(compare=False)
    bytes: float = field(compare=False)


def cell_of(model: RunModel, key: str, method: str | None = None) -> Cell:
    """Plan a configuration; ``method`` is the one already fixed for it, if there is one.

    Raises
    ------
    ValueError
        If the configuration forces a method that cannot run it.
    """
    n, d, outputs = _sizes(model.problem)
    training = model.training
    case = _case(model, n, d, outputs)
    chosen = plan.explain(case, training.steps * _SHARED_BY, _WORKER, method or training.method)
    offer = next(offer for offer in chosen.offers if offer.method == chosen.method)
    looks = _looks(model)
    k = outputs or 1
    m = model.network.m
    return Cell(
        key=key,
        configuration=model.model_dump_json(),
        method=chosen.method,
        shape=(chosen.method, *_shape(model, n, d, outputs), _rule(model)),
        seconds=(1 + _searches(model)) * offer.seconds / _SHARED_BY
        + looks * _LOOK * len(training.record or (1,))
        + _DRAW,
        bytes=8.0 * (6 * m * (d + k) + 4 * n * m + n * d + 200 * (2 + len(training.record))),
    )


def _shape(model: RunModel, n: int, d: int, outputs: int | None) -> tuple[object, ...]:
    network = model.network
    return n, d, network.m, outputs, network.slope, network.smoothing, network.model


def _searches(model: RunModel) -> float:
    """How many trainings of the run's length go into finding its labels."""
    problem, steps = model.problem, max(model.training.steps, 1)
    if problem.labels != "searched" or problem.data is not None:
        return 0.0
    return problem.search_evaluations * (problem.search_steps or steps) / steps


def _sizes(problem: ProblemModel) -> tuple[int, int, int | None]:
    bias = 1 if problem.bias else 0
    if problem.data is None:
        return problem.n, problem.d + bias, None
    return _sizes_of_file(problem.data, problem.data.stat().st_mtime_ns, bias)


@functools.lru_cache(maxsize=64)
def _sizes_of_file(path: Path, modified: int, bias: int) -> tuple[int, int, int | None]:
    read = read_problem(path)
    return read.n, read.d + bias, None if read.y.ndim == 1 else int(read.y.shape[1])


def _case(model: RunModel, n: int, d: int, outputs: int | None) -> Case:
    """A case of the run's shape with no numbers in it: zeros take no memory until they are written."""
    training, m, tail = model.training, model.network.m, () if outputs is None else (outputs,)
    kind = model.network.model
    pace: Pace = "constant"
    if training.rate is not None and training.rate.kernel is None:
        pace = "flow" if training.rate.flow is not None else "loss"
    return Case(
        W=np.zeros((1, m, d)),
        a=np.zeros((1, m, *tail)),
        X=np.zeros((1, n, d)),
        y=np.zeros((1, n, *tail)),
        scale=1.0,
        slope=model.network.slope,
        smoothing=model.network.smoothing,
        loss=training.loss,
        rate_W=1.0,
        rate_a=1.0,
        decay_W=training.decay_W,
        decay_a=training.decay_a,
        pace=pace,
        constant=1.0,
        factor=np.ones(1),
        step=0,
        time=np.zeros(1),
        limit=np.ones(1),
        model=kind,
        gates=np.zeros((1, m, n)) if kind == "gated" else None,
        anchor_W=np.zeros((1, m, d)) if kind == "tangent" else None,
        anchor_a=np.zeros((1, m, *tail)) if kind == "tangent" else None,
    )


def _looks(model: RunModel) -> int:
    """At how many steps Python looks at the run."""
    training = model.training
    watched = training.until is not None or training.time is not None
    if watched or any(name not in FROM_RUN and observable(name).accumulates for name in training.record):
        return training.steps
    if isinstance(training.at, tuple):
        return len(training.at) + 1
    return training.steps // training.at + 1 if isinstance(training.at, int) else min(training.steps, 200)


def _rule(model: RunModel) -> str:
    """What has to be equal for runs to be trained by one call."""
    training = model.training
    literal = training.rate_W is not None
    multiplier = initialization_of(model.network).rate_multiplier(model.network.m) if literal else 1.0
    return f"{training.model_dump_json()} {multiplier!r}"


def cells_of(
    models: Iterable[RunModel], key: Callable[[RunModel], str], methods: dict[str, str] | None = None
) -> list[Cell]:
    """Plan every configuration of a grid in order; ``methods`` has those that are fixed already."""
    known = methods or {}
    keys = ((model, key(model)) for model in models)
    return [cell_of(model, name, known.get(name)) for model, name in keys]
