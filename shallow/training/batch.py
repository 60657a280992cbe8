"""A batch of one shape on its way: a cache full of members at a time, and without those that have ended.

Neither changes a bit: a method promises that a member's bits depend neither on its batch nor on a restart.
On a device, where the bits depend on the batch and a large one costs no more, all members stay together.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from shallow.compute import plan
from shallow.compute.case import Case, Frame, Memory, Method
from shallow.compute.jit import threads
from shallow.compute.methods import load_method
from shallow.compute.threads import one_blas_thread
from shallow.setting.arrays import namespace
from shallow.training.assemble import case_of
from shallow.training.member import Member
from shallow.training.record import Request, Until, read_until
from shallow.training.rules import GradientDescent

__all__ = ["run_batch"]

_CACHE = 2**20
"""Bytes of members that one thread takes on at a time. Between two recorded steps every member of a group
makes a few steps; a larger group would be fetched from memory at each of them (20 % slower at n, d, m =
50, 20, 100)."""


@dataclass(frozen=True)
class _Looks:
    """When somebody looks at a run."""

    stops: tuple[int, ...]
    record_at: frozenset[int]
    keep_at: frozenset[int]
    stop_at: tuple[Any, float] | None
    every_step: bool

    @property
    def last(self) -> int:
        """The last step."""
        return self.stops[-1]

    def after(self, step: int) -> int:
        """The next step at which somebody looks."""
        return step + 1 if self.every_step else next(s for s in self.stops if s > step)


def run_batch(
    members: list[Member],
    rule: GradientDescent,
    request: Request,
    points: tuple[int, ...],
    last: int,
    until: Until,
    method: str | None,
) -> None:
    """Bring a batch of one shape to step ``last``, stopping wherever somebody has to look."""
    stop_at = read_until(until)
    looks = _Looks(
        stops=tuple(sorted({*points, *(step for step in request.keep if step < last), last})),
        record_at=frozenset(points),
        keep_at=frozenset(request.keep),
        stop_at=stop_at,
        every_step=stop_at is not None or any(entry.accumulates for entry in request.observables),
    )
    with np.errstate(all="ignore"), one_blas_thread():
        initials = [member.initial for member in members]
        whole = case_of(initials, [member.problem for member in members], rule, initials)
        chosen = load_method(plan.choose(whole, last, method=method))
        size = _group_size(whole)
        for first in range(0, len(members), size):
            group = members[first : first + size]
            _run_group(group, _part(whole, range(first, first + len(group))), chosen, looks)


def _group_size(case: Case) -> int:
    """How many members fit into the caches of the threads at once, and at least one for each thread."""
    if case.arrays != "numpy":
        return case.batch
    rows = case.dtype.itemsize * (2 * case.m * (case.d + case.k) + 2 * case.n * case.m + case.n * case.d)
    return int(threads() * max(1, _CACHE // rows))


def _part(case: Case, chosen: range | list[int]) -> Case:
    """The case of some members."""
    index = slice(chosen.start, chosen.stop) if isinstance(chosen, range) else chosen
    changes: dict[str, Any] = {
        name: getattr(case, name)[index, ...] for name in ("W", "a", "factor", "time", "limit")
    }
    for name in ("gates", "anchor_W", "anchor_a"):
        array = getattr(case, name)
        changes[name] = None if array is None else array[index, ...]
    if case.X.shape[0] > 1:
        changes |= {"X": case.X[index, ...], "y": case.y[index, ...]}
    return dataclasses.replace(case, **changes)


def _run_group(members: list[Member], origin: Case, method: Method, looks: _Looks) -> None:
    state = method.start(origin)
    frame = method.snapshot(state)
    for index, member in enumerate(members):
        member.set_reference(frame, index, method.name)
    step, case, active = members[0].step, origin, members
    if step == 0:
        _look(active, frame, looks)
    else:
        state = method.start(_standing(origin, members))
    while step < looks.last and not all(member.ended for member in active):
        left = [index for index, member in enumerate(active) if not member.ended]
        if origin.arrays == "numpy" and 2 * len(left) <= len(active):
            case, active = _moved(_part(case, left), frame, left, step), [active[index] for index in left]
            state = method.start(case)
        target = looks.after(step)
        state = method.advance(state, target - step)
        step, frame = target, method.snapshot(state)
        _look(active, frame, looks)
    for member in members:
        member.finish()


def _standing(origin: Case, members: list[Member]) -> Case:
    """The case of members that go on from an earlier run."""
    models = [member.current for member in members]
    xp = namespace(origin.W)
    return dataclasses.replace(
        origin,
        W=xp.stack([model.W for model in models]),
        a=xp.stack([model.a for model in models]),
        time=np.array([member.time for member in members]),
        step=members[0].step,
        memory=_stacked([member.method_memory for member in members]),
    )


def _stacked(memories: list[Memory]) -> Memory | None:
    """What a method left of each member, if anything, with the members on the first axis."""
    if len(memories) == 1:  # views: the arrays may be as large as W
        return {name: array[None] for name, array in memories[0].items()} or None
    return {name: np.stack([memory[name] for memory in memories]) for name in memories[0]} or None


def _moved(case: Case, frame: Frame, left: list[int], step: int) -> Case:
    """The case where some members of a frame stand."""
    memory = {name: array[left] for name, array in frame.memory.items()} or None
    return dataclasses.replace(
        case, W=frame.W[left], a=frame.a[left], time=frame.time[left], step=step, memory=memory
    )


def _look(members: list[Member], frame: Frame, looks: _Looks) -> None:
    for index, member in enumerate(members):
        if not member.ended:
            member.look(frame, index, looks.record_at, looks.keep_at, looks.stop_at, looks.last)
