"""The configuration tree. Every default of a run stands here; flags, TOML and JSON derive from it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from shallow.configuration.catalogue import (
    FROM_RUN,
    INITIALIZATIONS,
    INPUTS,
    LABELS,
    LABELS_AGAINST,
    RULES,
)
from shallow.observe import observable

__all__ = [
    "NetworkModel",
    "ProblemModel",
    "RunModel",
    "TrainingModel",
    "explain_faults",
    "read_run",
]


def _number(value: Any) -> Any:
    if isinstance(value, bool | str) or value is None:
        raise ValueError(f"{value!r} is no number")
    if isinstance(value, np.generic):
        return value.item()
    return value


Real = Annotated[float, BeforeValidator(_number)]
NonNegative = Annotated[Real, Field(ge=0)]
Positive = Annotated[Real, Field(gt=0)]
Count = Annotated[int, BeforeValidator(_number), Field(ge=1)]
Steps = Annotated[int, BeforeValidator(_number), Field(ge=0)]
Share = Annotated[Real, Field(ge=0, lt=0.5)]
Fraction = Annotated[Real, Field(gt=0, lt=1)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _known(value: str, table: Mapping[str, Any], what: str) -> str:
    if value in table:
        return value
    near = difflib.get_close_matches(value, table, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"{value!r} is no {what}; {hint}there are {', '.join(sorted(table))}")


class ProblemModel(_Model):
    """The inputs and labels: laws by name, or a file of the user's own."""

    inputs: str = "gaussian"
    labels: str = "signs"
    n: Count = 20
    d: Count = 10
    label_scale: NonNegative = 1.0
    radius: Positive = 1.0
    mean_norm: NonNegative = 1.0
    flip: Share = 0.0
    orthogonality_ratio: Positive = 10.0
    teacher_width: Count = 5
    teacher_slope: Real = 0.0
    # labels = "searched": where the search begins, how many trainings it makes, how long each is (the run's
    # own steps if not said), and how it moves.
    search_from: str = "signs"
    search_evaluations: Count = 50
    search_steps: Count | None = None
    search_move: Literal["flip", "rotate"] = "flip"
    bias: NonNegative = 0.0
    data: Path | None = None
    # For the observable test_error: fresh samples of the same laws, or a file of the user's own.
    test_n: Count = 1000
    test_data: Path | None = None

    @field_validator("inputs")
    @classmethod
    def _inputs_are_known(cls, value: str) -> str:
        return _known(value, INPUTS, "law of inputs")

    @field_validator("labels")
    @classmethod
    def _labels_are_known(cls, value: str) -> str:
        return _known(value, {**LABELS, **LABELS_AGAINST}, "law of labels")

    @field_validator("search_from")
    @classmethod
    def _search_begins_at_a_law(cls, value: str) -> str:
        return _known(value, {name: law for name, law in LABELS.items() if law}, "law to begin a search with")


class NetworkModel(_Model):
    """The network at the start."""

    initialization: str = "ntk"
    m: Count = 100
    slope: Real = 0.0
    smoothing: NonNegative = 0.0
    init_scale: Positive = 1.0
    # initialization = "power-law": c_s is init_scale.
    p: Real = 0.5
    c_W: NonNegative = 1.0
    q: Real = 0.0
    c_a: NonNegative = 1.0
    r: Real = 0.0
    law_a: Literal["gaussian", "signs", "alternating", "balanced"] = "gaussian"
    rate_power: Real = 0.0
    doubled: bool = False
    model: Literal["network", "gated", "tangent"] = "network"

    @field_validator("initialization")
    @classmethod
    def _initialization_is_known(cls, value: str) -> str:
        return _known(value, INITIALIZATIONS, "initialization")

    @model_validator(mode="after")
    def _doubling_needs_an_even_width(self) -> NetworkModel:
        if self.doubled and self.m % 2:
            raise ValueError(f"m is {self.m}; antisymmetric doubling needs an even width")
        return self


class ScaledRate(_Model):
    """A rate in units of the kernel or of the loss: exactly one of the three."""

    kernel: Positive | None = None
    flow: Positive | None = None
    loss: Positive | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> ScaledRate:
        given = [name for name in ("kernel", "flow", "loss") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of kernel, flow and loss, not {len(given)}")
        return self


class TrainingModel(_Model):
    """How the network is trained."""

    rule: str = "gradient-descent"
    loss: Literal["squared", "logistic", "exponential", "hinge"] = "squared"
    rate: ScaledRate | None = None
    rate_ratio: NonNegative = 1.0
    rate_W: NonNegative | None = None
    rate_a: NonNegative | None = None
    decay_W: NonNegative = 0.0
    decay_a: NonNegative = 0.0
    steps: Steps = 1000
    # Stop at ||r|| <= until ||r_0||, or after this flow time (the sum of the step factors); steps is the cap.
    until: Fraction | None = None
    time: Positive | None = None
    record: tuple[str, ...] = ("residual_norm",)
    at: tuple[Steps, ...] | Count | None = None
    method: str | None = None

    @field_validator("rule")
    @classmethod
    def _rule_is_known(cls, value: str) -> str:
        return _known(value, RULES, "rule")

    @field_validator("record")
    @classmethod
    def _observables_are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in FROM_RUN:
                observable(name)
        if len(set(value)) < len(value):
            raise ValueError("a series is named twice")
        return value

    @model_validator(mode="after")
    def _recorded_steps_are_steps_of_the_run(self) -> TrainingModel:
        if isinstance(self.at, tuple) and self.at and max(self.at) > self.steps:
            raise ValueError(f"at asks for step {max(self.at)}, and the run ends at {self.steps}")
        return self

    @model_validator(mode="before")
    @classmethod
    def _default_rate(cls, fields: Any) -> Any:
        named = {"rate", "rate_W", "rate_a"}
        if isinstance(fields, dict) and not any(fields.get(name) is not None for name in named):
            return {**fields, "rate": {"kernel": 0.5}}
        return fields

    @model_validator(mode="after")
    def _one_kind_of_rate(self) -> TrainingModel:
        literal = self.rate_W is not None or self.rate_a is not None
        if literal and self.rate is not None:
            raise ValueError("rate and rate_W/rate_a exclude each other: give literal rates or a scaled one")
        if literal and (self.rate_W is None or self.rate_a is None):
            missing = "rate_W" if self.rate_W is None else "rate_a"
            raise ValueError(f"{missing} is missing: literal rates come in pairs (0 freezes a layer)")
        return self


class RunModel(_Model):
    """One run: everything that decides its result."""

    seed: Steps = 0
    # True gives every configuration streams of its own: X and the neurons are shared with no other.
    independent: bool = False
    problem: ProblemModel = ProblemModel()
    network: NetworkModel = NetworkModel()
    training: TrainingModel = TrainingModel()


def explain_faults(error: ValidationError) -> str:
    """Every fault of a configuration on a line of its own, with its dotted path."""
    lines = []
    for fault in error.errors(include_url=False):
        path = ".".join(str(part) for part in fault["loc"]) or "the configuration"
        text = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            text = "unknown key" + _suggestion(fault["loc"])
        lines.append(f"{path}: {text}")
    return "\n".join(lines)


def _suggestion(path: tuple[int | str, ...]) -> str:
    model: type[BaseModel] = RunModel
    for part in path[:-1]:
        inner = model.model_fields[str(part)].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return ""
        model = inner
    near = difflib.get_close_matches(str(path[-1]), model.model_fields, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(model.model_fields)}"


def read_run(tree: dict[str, Any]) -> RunModel:
    """The run that a nested dictionary describes.

    Raises
    ------
    ValueError
        Naming every fault at once, each with its dotted path and, for a misspelt key, a suggestion.
    """
    try:
        return RunModel.model_validate(tree)
    except ValidationError as error:
        raise ValueError(explain_faults(error)) from None
