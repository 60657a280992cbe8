"""From a configuration to the objects it names, and on to the trained run."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from shallow.configuration.canonical import canonical
from shallow.configuration.catalogue import (
    FROM_RUN,
    INITIALIZATIONS,
    INPUTS,
    LABELS,
    LABELS_AGAINST,
    MODELS,
    Opponent,
)
from shallow.configuration.fresh import test_problem_of
from shallow.configuration.model import NetworkModel, ProblemModel, RunModel, TrainingModel
from shallow.observe import Observable, Snapshot
from shallow.observe.fit import norm
from shallow.setting.arrays import host
from shallow.setting.data import read_problem
from shallow.setting.initialization import Initialization, doubled
from shallow.setting.inputs import TwoClusters
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams
from shallow.training import FlowScaled, GradientDescent, KernelScaled, LossScaled, Outcome, Trajectory, train
from shallow.training.assemble import outputs_of
from shallow.training.model import Model
from shallow.training.outcome import STATIONARY_GRADIENT, relative_gradient

__all__ = [
    "Start",
    "initialization_of",
    "problem_of",
    "relative_residual",
    "rule_of",
    "settled",
    "start_of",
    "streams_of",
    "train_run",
    "until_of",
]


def streams_of(model: RunModel) -> Streams:
    """The streams of a run: paired with every run of its seed, or its configuration's own."""
    return Streams(model.seed, (canonical(model),) if model.independent else ())


def problem_of(model: ProblemModel, streams: Streams) -> Problem:
    """The problem that a configuration describes: drawn from its laws, or read from its file.

    Raises
    ------
    ValueError
        For labels that are chosen against a network: :func:`start_of` draws those.
    """
    problem = read_problem(model.data) if model.data is not None else _drawn(model, streams)
    return problem.with_bias(model.bias) if model.bias else problem


def _drawn(model: ProblemModel, streams: Streams) -> Problem:
    if model.labels in LABELS_AGAINST:
        raise ValueError(
            f"labels {model.labels!r} are chosen against a run's network, which is not given here"
        )
    law = INPUTS[model.inputs](model)
    labels = LABELS[model.labels]
    if labels is None:
        if not isinstance(law, TwoClusters):
            raise ValueError(f"labels 'clusters' belong to inputs 'two-clusters', not to {model.inputs!r}")
        return law.draw_problem(model.n, model.d, streams).problem
    X = law.draw(model.n, model.d, streams)
    return Problem(X, labels(model)(X, streams), name=f"{model.inputs} inputs, {model.labels} labels")


@dataclass(frozen=True, eq=False)
class Start:
    """A run before its first step.

    Parameters
    ----------
    problem : Problem
    network : Network, GatedModel or TangentModel
        What is trained.
    rule : GradientDescent
    record : tuple of names and Observables
        What is recorded, with the run's own law and test problem where an observable needs one.
    """

    problem: Problem
    network: Model
    rule: GradientDescent
    record: tuple[str | Observable, ...]


def start_of(model: RunModel) -> Start:
    """Draw the problem and the network of a run, and the labels against it where they are so named."""
    streams = streams_of(model)
    against = LABELS_AGAINST.get(model.problem.labels) if model.problem.data is None else None
    given = model.problem
    if against is not None:  # the network is drawn for the labels that the search begins with
        given = given.model_copy(update={"labels": given.search_from})
    problem = problem_of(given, streams)
    law = initialization_of(model.network)
    network = law.draw(model.network.m, problem, streams)
    trained = MODELS[model.network.model](network)
    rule = rule_of(model.training, law.rate_multiplier(model.network.m))
    if against is not None:
        opponent = Opponent(
            network, trained, host(problem.X), host(problem.y), rule, model.training.steps, streams
        )
        y = against(model.problem, opponent)
        problem = problem.replace(y=y, name=f"{given.inputs} inputs, {model.problem.labels} labels")
    test = test_problem_of(model, streams, problem) if "test_error" in model.training.record else None
    record = tuple(FROM_RUN[name](law, test) if name in FROM_RUN else name for name in model.training.record)
    return Start(problem, trained, rule, record)


def initialization_of(model: NetworkModel) -> Initialization:
    """The law of networks that a configuration names, doubled where it asks for that."""
    law = INITIALIZATIONS[model.initialization](model)
    return doubled(law) if model.doubled else law


def rule_of(model: TrainingModel, rate_multiplier: float = 1.0) -> GradientDescent:
    """The rule of training; literal rates are multiplied by the initialisation's natural multiplier."""
    common: dict[str, Any] = {"loss": model.loss, "decay_W": model.decay_W, "decay_a": model.decay_a}
    if model.rate_W is not None and model.rate_a is not None:
        return GradientDescent(model.rate_W * rate_multiplier, model.rate_a * rate_multiplier, **common)
    return GradientDescent(model.rate_ratio, 1.0, schedule=_schedule(model), **common)


def _schedule(model: TrainingModel) -> KernelScaled | FlowScaled | LossScaled:
    scaled = model.rate
    if scaled is not None and scaled.flow is not None:
        return FlowScaled(scaled.flow)
    if scaled is not None and scaled.loss is not None:
        return LossScaled(scaled.loss)
    if scaled is not None and scaled.kernel is not None:
        return KernelScaled(scaled.kernel)
    raise ValueError("training.rate names no rate: give one of kernel, flow and loss")


def until_of(model: TrainingModel) -> tuple[Observable, float] | None:
    """Where training stops early: at a relative residual, after a flow time, or never."""
    if model.until is None and model.time is None:
        return None
    goal = 0.0 if model.until is None else model.until
    budget = math.inf if model.time is None else model.time

    def remaining(now: Snapshot, start: Snapshot) -> float:
        reached = norm(now.residual) <= goal * norm(start.residual) and model.until is not None
        return 0.0 if reached or now.time >= budget else 1.0

    return Observable("remaining", "1", "O(n k)", ("residual",), remaining), 0.0


def relative_residual(run: Trajectory) -> float:
    """||f - y|| at the last finite step over ||f - y|| at the start, for a start of 0 taken as 1."""
    y = host(run.problem.y)
    with np.errstate(all="ignore"):
        first, last = (norm(outputs_of(model, run.problem) - y) for model in (run.initial, run.network))
    return last / (first or 1.0)


def settled(run: Trajectory, model: TrainingModel) -> Trajectory:
    """``run`` with the outcome that the configuration's own goal and budget give it.

    With ``until`` or ``time``, CONVERGED means that the goal was met, STATIONARY that it was not and the
    gradient is relatively zero, OUT_OF_BUDGET that the flow time or the steps ended first.
    """
    if until_of(model) is None or run.outcome is Outcome.DIVERGED:
        return run
    if model.until is not None:
        met = relative_residual(run) <= model.until
    else:
        met = run.outcome is Outcome.CONVERGED and run.time[-1] < (model.time or math.inf)
    if met:
        return dataclasses.replace(run, outcome=Outcome.CONVERGED)
    f = outputs_of(run.network, run.problem)
    still = relative_gradient(run.network, run.problem, run.rule, f) <= STATIONARY_GRADIENT
    return dataclasses.replace(run, outcome=Outcome.STATIONARY if still else Outcome.OUT_OF_BUDGET)


def train_run(model: RunModel) -> Trajectory:
    """Draw the problem and the network of a configuration and train it."""
    start, training = start_of(model), model.training
    run = train(
        start.network,
        start.problem,
        start.rule,
        steps=training.steps,
        record=list(start.record),
        at=training.at,
        until=until_of(training),
        method=training.method,
    )
    return settled(run, training)
