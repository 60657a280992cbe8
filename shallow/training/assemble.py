"""From models, problems and a rule to the Case a method runs, and back from its frames."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from shallow.compute.case import Case, Frame, Pace
from shallow.compute.pacing import positive_ratio
from shallow.observe.snapshot import Snapshot, Terms
from shallow.setting.arrays import Array, dtype_name, library_of, namespace
from shallow.setting.losses import LOSSES
from shallow.setting.problem import Problem
from shallow.training.gated import GatedModel
from shallow.training.model import Model, kind_of, largest_kernel_eigenvalue, planes
from shallow.training.outcome import DIVERGED_GROWTH
from shallow.training.rules import GradientDescent
from shallow.training.schedules import FlowScaled, KernelScaled, LossScaled
from shallow.training.tangent import TangentModel

__all__ = ["case_of", "group_key", "model_at", "outputs_of", "snapshot_at", "terms_of"]


def group_key(model: Model, problem: Problem) -> tuple[object, ...]:
    """Members with one key fit into one Case."""
    return (
        kind_of(model),
        tuple(model.W.shape),
        tuple(model.a.shape),
        tuple(problem.X.shape),
        library_of(model.W),
        dtype_name(model.W),
        model.scale,
        model.slope,
        model.smoothing,
    )


def terms_of(rule: GradientDescent) -> Terms:
    """What observables need to know of a rule."""
    return Terms(rule.loss, rule.rate_W, rule.rate_a, rule.decay_W, rule.decay_a)


def case_of(
    models: Sequence[Model],
    problems: Sequence[Problem],
    rule: GradientDescent,
    initials: Sequence[Model],
    *,
    step: int = 0,
    time: Sequence[float] | None = None,
) -> Case:
    """The case of members that share a :func:`group_key`, standing at ``step``; ``initials`` at step 0."""
    first = models[0]
    shared = all(problem is problems[0] for problem in problems)
    inputs = problems[:1] if shared else problems
    schedule = rule.schedule
    paces: dict[type, Pace] = {FlowScaled: "flow", LossScaled: "loss"}
    kind = kind_of(first)
    tangents = [model for model in models if isinstance(model, TangentModel)]
    xp = namespace(first.W)
    gates = [planes(m, p.X)[0] for m, p in zip(models, problems) if isinstance(m, GatedModel)]
    return Case(
        W=xp.stack([model.W for model in models]),
        a=xp.stack([model.a for model in models]),
        X=xp.stack([problem.X for problem in inputs]),
        y=xp.stack([problem.y for problem in inputs]),
        scale=first.scale,
        slope=first.slope,
        smoothing=first.smoothing,
        loss=rule.loss,
        rate_W=rule.rate_W,
        rate_a=rule.rate_a,
        decay_W=rule.decay_W,
        decay_a=rule.decay_a,
        pace=paces.get(type(schedule), "constant"),
        constant=float(getattr(schedule, "c", 1.0)),
        factor=np.array([_constant_factor(rule, m, p) for m, p in zip(initials, problems)]),
        step=step,
        time=np.zeros(len(models)) if time is None else np.array(time, dtype=np.float64),
        limit=np.array([_limit(model, problem, rule.loss) for model, problem in zip(initials, problems)]),
        model=kind,
        gates=xp.stack(gates) if gates else None,
        anchor_W=xp.stack([model.at.W for model in tangents]) if tangents else None,
        anchor_a=xp.stack([model.at.a for model in tangents]) if tangents else None,
    )


def _constant_factor(rule: GradientDescent, initial: Model, problem: Problem) -> float:
    if not isinstance(rule.schedule, KernelScaled):
        return 1.0
    return positive_ratio(
        rule.schedule.c, largest_kernel_eigenvalue(initial, problem, rule.rate_W, rule.rate_a)
    )


def _limit(initial: Model, problem: Problem, loss: str) -> float:
    """The residual beyond which a run has diverged; 0 when it already starts beyond all numbers.

    Under a loss for classification margins are meant to grow without bound, so only the largest number is
    a limit.
    """
    y, start = problem.y, outputs_of(initial, problem)
    xp = namespace(y)
    most = float(xp.finfo(y.dtype).max)
    if not bool(xp.all(xp.isfinite(start))):
        return 0.0
    if LOSSES[loss].classification:
        return most
    return min(DIVERGED_GROWTH * max(float(xp.max(xp.abs(start - y))), float(xp.max(xp.abs(y)))), most)


def outputs_of(model: Model, problem: Problem) -> Array:
    """f(X) where the arrays live, without the checks of the public functions."""
    if isinstance(model, GatedModel | TangentModel):
        return model.predict(problem.X)
    _, features, a = planes(model, problem.X)
    return model.scale * (features.T @ a)


def snapshot_at(
    model: Model, problem: Problem, terms: Terms, frame: Frame, member: int, *, copy: bool = False
) -> Snapshot:
    """The snapshot of one member of a frame; ``model`` is what the member started from."""
    a, f = frame.a[member, ...], frame.outputs[member, ...]
    if isinstance(model, TangentModel):
        a = model.at.a + a
    Z = None if frame.preactivations is None else frame.preactivations[member, ...]
    W: Any = partial(_inner_weights, model, frame, member)
    if copy:
        xp = namespace(a)
        W, a, f = (xp.asarray(array, copy=True) for array in (W(), a, f))
        Z = None if Z is None else xp.asarray(Z, copy=True)
    return Snapshot(
        problem,
        terms,
        W,
        a,
        model.scale,
        model.slope,
        model.smoothing,
        model=kind_of(model),
        step=int(frame.step[member]),
        time=float(frame.time[member]),
        factor=float(frame.factor[member]),
        given_outputs=f,
        given_preactivations=Z,
    )


def _inner_weights(model: Model, frame: Frame, member: int) -> Array:
    """W, worked out only when somebody reads it: a method may have to recover it."""
    W = frame.W[member, ...]
    return model.at.W + W if isinstance(model, TangentModel) else W


def model_at(model: Model, frame: Frame, member: int) -> Model:
    """``model`` with the weights of one member of a frame (a copy)."""
    return model.replace(W=frame.W[member, ...], a=frame.a[member, ...])
