"""Runs as NPZ files: plain numbers and JSON text, no pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from shallow.observe.table import known
from shallow.setting.arrays import host
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.training.gated import GatedModel
from shallow.training.model import Model, kind_of
from shallow.training.outcome import Outcome
from shallow.training.rules import RULES, GradientDescent
from shallow.training.schedules import SCHEDULES
from shallow.training.tangent import TangentModel

if TYPE_CHECKING:
    from shallow.training.trajectory import Trajectory

__all__ = ["pack", "rule_from_json", "rule_to_json", "unpack"]

_FORMAT = 1


def pack(run: Trajectory) -> dict[str, Any]:
    """The run as arrays and one JSON text."""
    about = {
        "format": _FORMAT,
        "rule": rule_to_json(run.rule),
        "outcome": run.outcome.name,
        "outcome_step": run.outcome_step,
        "method": run.method,
        "versions": dict(run.versions),
        "at": run.at if run.at is None or isinstance(run.at, int) else [int(step) for step in run.at],
        "problem_name": run.problem.name,
        "series": list(run.series),
        "memory": {name: list(memory) for name, memory in run.memory.items()},
        "method_memory": list(run.method_memory),
        "model": kind_of(run.initial),
        "numbers": {key: getattr(run.initial, key) for key in ("scale", "slope", "smoothing")},
        "snapshots": list(run.snapshots),
    }
    fields: dict[str, Any] = {"X": host(run.problem.X), "y": host(run.problem.y)}
    fields |= {"steps": run.steps, "time": run.time}
    fields |= _weights("initial", run.initial) | _weights("network", run.network) | _fixed_parts(run.initial)
    for step, model in run.snapshots.items():
        fields |= _weights(f"snapshot_{step}", model)
    for index, values in enumerate(run.series.values()):
        fields[f"series_{index}"] = values
    for index, memory in enumerate(run.memory.values()):
        for key, values in memory.items():
            fields[f"memory_{index}_{key}"] = host(values)
    for name, values in run.method_memory.items():
        fields[f"method_memory_{name}"] = values
    return {"about": json.dumps(about), **fields}


def unpack(fields: Mapping[str, np.ndarray[Any, Any]], source: str) -> dict[str, Any]:
    """The fields of a Trajectory from what :func:`pack` made; ``source`` is named in errors."""
    about = json.loads(str(fields["about"]))
    if about["format"] != _FORMAT:
        raise ValueError(f"{source} has the format {about['format']}, this version reads {_FORMAT}")
    names = about["series"]
    return {
        "problem": Problem(fields["X"], fields["y"], name=about["problem_name"]),
        "rule": rule_from_json(about["rule"]),
        "initial": _model("initial", fields, about),
        "network": _model("network", fields, about),
        "steps": fields["steps"],
        "time": fields["time"],
        "series": {name: fields[f"series_{index}"] for index, name in enumerate(names)},
        "outcome": Outcome[about["outcome"]],
        "outcome_step": about["outcome_step"],
        "snapshots": {step: _model(f"snapshot_{step}", fields, about) for step in about["snapshots"]},
        "method": about["method"],
        "versions": about["versions"],
        "at": about["at"],
        "observables": tuple(entry for name in names if (entry := known(name)) is not None),
        "memory": {
            name: {key: fields[f"memory_{index}_{key}"] for key in keys}
            for index, (name, keys) in enumerate(about["memory"].items())
        },
        "method_memory": {name: fields[f"method_memory_{name}"] for name in about.get("method_memory", ())},
    }


def rule_to_json(rule: GradientDescent) -> dict[str, Any]:
    """The rule as plain numbers and words."""
    word = next(word for word, kind in SCHEDULES.items() if isinstance(rule.schedule, kind))
    name = next(name for name, kind in RULES.items() if isinstance(rule, kind))
    return {
        "name": name,
        "rate_W": rule.rate_W,
        "rate_a": rule.rate_a,
        "decay_W": rule.decay_W,
        "decay_a": rule.decay_a,
        "loss": rule.loss,
        "schedule": {"name": word, **vars(rule.schedule)},
    }


def rule_from_json(words: Mapping[str, Any]) -> GradientDescent:
    """The rule that :func:`rule_to_json` described."""
    parts = dict(words)
    schedule = dict(parts.pop("schedule"))
    kind = SCHEDULES[schedule.pop("name")]
    return RULES[parts.pop("name")](**parts, schedule=kind(**schedule))


def _weights(prefix: str, model: Model) -> dict[str, np.ndarray[Any, Any]]:
    return {f"{prefix}_W": host(model.W), f"{prefix}_a": host(model.a)}


def _fixed_parts(model: Model) -> dict[str, np.ndarray[Any, Any]]:
    """What a model has besides its trained weights, the same along the run."""
    if isinstance(model, GatedModel):
        return {"psi": host(model.psi)}
    if isinstance(model, TangentModel):
        return {"at_W": host(model.at.W), "at_a": host(model.at.a)}
    return {}


def _model(prefix: str, fields: Mapping[str, Any], about: Mapping[str, Any]) -> Model:
    W, a, numbers = fields[f"{prefix}_W"], fields[f"{prefix}_a"], about["numbers"]
    if about["model"] == "gated":
        return GatedModel(W, a, fields["psi"], **numbers)
    if about["model"] == "tangent":
        return TangentModel(Network(fields["at_W"], fields["at_a"], **numbers), W, a)
    return Network(W, a, **numbers)
