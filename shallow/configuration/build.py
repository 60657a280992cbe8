"""From a configuration to the objects it names, and on to the trained run."""

from __future__ import annotations

from typing import Any

from shallow.configuration.catalogue import INITIALIZATIONS, INPUTS, LABELS
from shallow.configuration.model import NetworkModel, ProblemModel, RunModel, TrainingModel
from shallow.setting.data import read_problem
from shallow.setting.initialization import Initialization, doubled
from shallow.setting.inputs import TwoClusters
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams
from shallow.training import FlowScaled, GradientDescent, KernelScaled, LossScaled, Trajectory, train

__all__ = ["initialization_of", "network_of", "problem_of", "rule_of", "train_run"]


def problem_of(model: ProblemModel, streams: Streams) -> Problem:
    """The problem that a configuration describes: drawn from its laws, or read from its file."""
    problem = read_problem(model.data) if model.data is not None else _drawn(model, streams)
    return problem.with_bias(model.bias) if model.bias else problem


def _drawn(model: ProblemModel, streams: Streams) -> Problem:
    law = INPUTS[model.inputs](model)
    labels = LABELS[model.labels]
    if labels is None:
        if not isinstance(law, TwoClusters):
            raise ValueError(f"labels 'clusters' belong to inputs 'two-clusters', not to {model.inputs!r}")
        return law.draw_problem(model.n, model.d, streams).problem
    X = law.draw(model.n, model.d, streams)
    return Problem(X, labels(model)(X, streams), name=f"{model.inputs} inputs, {model.labels} labels")


def initialization_of(model: NetworkModel) -> Initialization:
    """The law of networks that a configuration names, doubled where it asks for that."""
    law = INITIALIZATIONS[model.initialization](model)
    return doubled(law) if model.doubled else law


def network_of(model: NetworkModel, problem: Problem, streams: Streams) -> Network:
    """The network at the start of the run."""
    return initialization_of(model).draw(model.m, problem, streams)


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


def train_run(model: RunModel) -> Trajectory:
    """Draw the problem and the network of a configuration and train it."""
    streams = Streams(model.seed)
    problem = problem_of(model.problem, streams)
    law = initialization_of(model.network)
    network = law.draw(model.network.m, problem, streams)
    rule = rule_of(model.training, law.rate_multiplier(model.network.m))
    training = model.training
    at = list(training.at) if isinstance(training.at, tuple) else training.at
    return train(
        network, problem, rule, steps=training.steps, record=training.record, at=at, method=training.method
    )
