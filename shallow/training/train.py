"""Training: run a rule on networks, look at what was asked for, and say how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from shallow.compute import plan
from shallow.compute.case import Machine
from shallow.setting.problem import Problem
from shallow.training.assemble import case_of, group_key
from shallow.training.batch import run_batch
from shallow.training.member import Member
from shallow.training.model import Model, require_fit
from shallow.training.placement import mover, place_model, place_problem, place_run, require_one_home
from shallow.training.record import (
    At,
    Until,
    read_record,
    read_steps,
    recording_steps,
)
from shallow.training.rules import GradientDescent
from shallow.training.trajectory import Trajectory

__all__ = ["explain", "train", "train_many"]


@overload
def train(
    network: Model,
    problem: Problem,
    rule: GradientDescent,
    *,
    steps: int,
    record: Any = ...,
    at: At = ...,
    until: Until = ...,
    method: str | None = ...,
    backend: str = ...,
    seed: int = ...,
) -> Trajectory: ...


@overload
def train(
    network: Trajectory,
    problem: int | None = ...,
    rule: None = ...,
    *,
    steps: int | None = ...,
    record: Any = ...,
    at: At = ...,
    until: Until = ...,
    backend: str = ...,
) -> Trajectory: ...


def train(
    network: Model | Trajectory,
    problem: Problem | int | None = None,
    rule: GradientDescent | None = None,
    *,
    steps: int | None = None,
    record: Any = (),
    at: At = None,
    until: Until = None,
    method: str | None = None,
    backend: str = "auto",
    seed: int = 0,
) -> Trajectory:
    """Train a network, or go on with a run: ``train(run, steps)`` has the bits of one longer run.

    Parameters
    ----------
    network : Network, GatedModel, TangentModel or Trajectory
    problem : Problem
        For a Trajectory, the number of further steps may stand here.
    rule : GradientDescent
    steps : int
        How many steps, at least 0.
    record : names, Observables, functions of a snapshot, ``{"weights": [0, 10]}``, or a list of them
        The series to record; the names stand in ``shallow.observe.OBSERVABLES``, and ``sup_`` or ``inf_``
        before one is its extremum over every step so far. The mapping keeps the networks of those steps.
        Observables that accumulate are brought up to date at every step.
    at : None, int or list of int
        When to record: about 200 log-spaced steps, every k-th, or these. The last step is always recorded.
    until : (observable, threshold), optional
        Stop at the first step at which the observable is at most the threshold; looked at every step.
    method : str, optional
        Forces a compute method; by default the plan takes the cheapest that can run the case.
    backend : "auto", "numpy" or "cupy"
        Where to compute: where the arrays live already, on the host, or on the current CUDA device. What is
        recorded comes to the host; the networks of a run on a device stay there.
    seed : int
        For rules that draw; gradient descent draws nothing.

    Returns
    -------
    Trajectory

    Raises
    ------
    TypeError, ValueError
        For shapes or types that do not fit, an unknown name, negative steps; each says what to do.
    RuntimeError
        For ``backend="cupy"`` where there is no CUDA device.

    Notes
    -----
    Cost: two products of 2 n m d operations a step, and what is recorded. Members and restarts have
    identical bits on one machine, with one version of everything and one method; on a device, those of one
    batch do.
    """
    if isinstance(network, Trajectory):
        return _go_on(network, problem if steps is None else steps, record, at, until, backend)
    if not isinstance(problem, Problem) or rule is None or steps is None:
        raise TypeError("train needs (network, problem, rule, steps=...), or a Trajectory and steps")
    return train_many(
        [network],
        [problem],
        rule,
        steps=steps,
        record=record,
        at=at,
        until=until,
        method=method,
        backend=backend,
        seed=seed,
    )[0]


def train_many(
    networks: Sequence[Model],
    problems: Sequence[Problem] | Problem,
    rule: GradientDescent,
    *,
    steps: int,
    record: Any = (),
    at: At = None,
    until: Until = None,
    method: str | None = None,
    backend: str = "auto",
    seed: int = 0,
) -> tuple[Trajectory, ...]:
    """Train many networks, each as :func:`train` would, bit for bit; returns their runs in order.

    On a device, whose library sums by the shape of the whole batch, each agrees to rounding.

    Parameters
    ----------
    networks : sequence of Network, GatedModel or TangentModel
        Of any shapes; those of one shape form a batch.
    problems : Problem or sequence of Problem
        One for all, or one for each.
    rule, steps, record, at, until, method, backend, seed
        As in :func:`train`.
    """
    given = [problems] * len(networks) if isinstance(problems, Problem) else list(problems)
    _require_request(list(networks), given, rule, seed)
    move = mover(backend)
    models = [place_model(model, move) for model in networks]
    known = {id(problem): place_problem(problem, move) for problem in given}
    shared = [known[id(problem)] for problem in given]
    for model, problem in zip(models, shared):
        require_one_home(model, problem)
    request, last = read_record(record), read_steps(steps)
    members = [Member(model, problem, rule, request, at) for model, problem in zip(models, shared)]
    points = recording_steps(at, 0, last)
    groups: dict[tuple[object, ...], list[Member]] = {}
    for member in members:
        groups.setdefault(group_key(member.initial, member.problem), []).append(member)
    for group in groups.values():
        run_batch(group, rule, request, points, last, until, method)
    return tuple(member.trajectory() for member in members)


def explain(
    network: Model,
    problem: Problem,
    rule: GradientDescent,
    *,
    steps: int,
    method: str | None = None,
    machine: Machine | None = None,
) -> plan.Choice:
    """Which compute method :func:`train` would take, what each would cost, and why the others refuse.

    ``print(explain(...))`` shows one line a method. Raises as :func:`train` does.
    """
    require_fit(network, problem)
    require_one_home(network, problem)
    case = case_of([network], [problem], rule, [network])
    return plan.explain(case, read_steps(steps), machine, method)


def _require_request(models: list[Any], problems: list[Any], rule: Any, seed: int) -> None:
    if len(models) != len(problems):
        raise ValueError(
            f"there are {len(models)} networks and {len(problems)} problems; give one problem or one each"
        )
    if not isinstance(rule, GradientDescent):
        raise TypeError(f"rule is a {type(rule).__name__}; give a GradientDescent")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed is {seed!r}; it must be a non-negative integer")
    for model, problem in zip(models, problems):
        require_fit(model, problem)


def _go_on(
    run: Trajectory, steps: Any, record: Any, at: At, until: Until, backend: str = "auto"
) -> Trajectory:
    """``run`` with more steps: its recorded part, and the new one with the same bits as one longer run."""
    run = place_run(run, mover(backend))
    request = read_record(record)
    member = Member.resume(run, request, at)
    last = run.last_step + read_steps(steps)
    if member.ended:
        return run
    points = recording_steps(member.at if isinstance(member.at, int) else at, run.last_step + 1, last)
    run_batch([member], run.rule, member.request, points, last, until, run.method)
    return member.trajectory()
