"""One run under way: what it has recorded so far, and whether it has ended."""

from __future__ import annotations

from typing import Any

import numpy as np

from shallow.compute.case import Frame
from shallow.compute.device import device_versions
from shallow.observe.fit import norm
from shallow.observe.observable import Memory, Observable
from shallow.observe.snapshot import Snapshot
from shallow.setting.arrays import host, library_of, namespace
from shallow.setting.problem import Problem
from shallow.training.assemble import model_at, outputs_of, snapshot_at, terms_of
from shallow.training.model import Model
from shallow.training.outcome import STATIONARY_GRADIENT, Outcome, convergence_floor, relative_gradient
from shallow.training.record import At, Request
from shallow.training.rules import GradientDescent
from shallow.training.trajectory import Trajectory, software_versions

__all__ = ["Member"]


class Member:
    """A run being recorded; mutable, and private to one call of ``train``."""

    def __init__(
        self, initial: Model, problem: Problem, rule: GradientDescent, request: Request, at: At
    ) -> None:
        self.initial, self.current = initial, initial
        self.problem, self.rule, self.request, self.at = problem, rule, request, at
        self.terms = terms_of(rule)
        self.step, self.time = 0, 0.0
        self.steps: list[int] = []
        self.times: list[float] = []
        self.values: dict[str, list[Any]] = {name: [] for name in request.names}
        self.memory: dict[str, Memory] = {}
        self.snapshots: dict[int, Model] = {}
        self.outcome: Outcome | None = None
        self.outcome_step = 0
        self.method = ""
        self.method_memory: Memory = {}
        self.reference: Snapshot | None = None

    @staticmethod
    def resume(run: Trajectory, request: Request, at: At) -> Member:
        """A run that goes on from where ``run`` stands; ``request`` may bring back a user's own functions.

        Raises
        ------
        ValueError
            If it asks for series that the run has not recorded, or lacks one that it has.
        """
        given = {entry.name: entry for entry in (*run.observables, *request.observables)}
        strange = set(request.names) - set(run.series)
        if strange:
            raise ValueError(
                f"the run has not recorded {', '.join(sorted(strange))}: a series cannot start midway"
            )
        missing = [name for name in run.series if name not in given]
        if missing:
            raise ValueError(f"to go on, pass record= with the functions recorded as {', '.join(missing)}")
        full = Request(tuple(given[name] for name in run.series), request.keep)
        member = Member(run.initial, run.problem, run.rule, full, run.at if at is None else at)
        member.current = run.network
        member.step, member.time = run.last_step, float(run.time[-1])
        member.steps, member.times = [int(s) for s in run.steps], [float(t) for t in run.time]
        member.values = {name: list(values) for name, values in run.series.items()}
        member.memory, member.snapshots = dict(run.memory), dict(run.snapshots)
        member.method_memory = run.method_memory
        if run.outcome is Outcome.DIVERGED:
            member.outcome, member.outcome_step = run.outcome, run.outcome_step
        return member

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to record."""
        return self.outcome is not None

    def set_reference(self, origin: Frame, index: int, method: str) -> None:
        """Fix what observables compare with: the start as the method sees it."""
        self.method = method
        self.reference = snapshot_at(self.initial, self.problem, self.terms, origin, index, copy=True)

    def look(
        self,
        frame: Frame,
        index: int,
        record_at: frozenset[int],
        keep_at: frozenset[int],
        stop_at: tuple[Observable, float] | None,
        last: int,
    ) -> None:
        """Take in a frame: accumulate, record, keep, and end if that is due."""
        now = snapshot_at(self.initial, self.problem, self.terms, frame, index)
        diverged = int(frame.diverged[index])
        fresh = now.step > self.step or not self.steps
        self.step, self.time = now.step, now.time
        if fresh:
            self._accumulate(now)
        if stop_at is not None and diverged < 0 and self._value(stop_at[0], now) <= stop_at[1]:
            self._end(Outcome.CONVERGED, now.step)
        if diverged >= 0:
            self._end(Outcome.DIVERGED, diverged)
        if (now.step in record_at or self.ended) and now.step not in self.steps[-1:]:
            self._record(now)
        if now.step in keep_at:
            self.snapshots[now.step] = model_at(self.initial, frame, index)
        if self.ended or now.step == last:
            self.current = model_at(self.initial, frame, index)
            self.method_memory = {name: array[index] for name, array in frame.memory.items()}

    def finish(self) -> None:
        """Name the outcome of a run that used up its steps."""
        if self.outcome is None:
            self._end(self._settled(), self.step)

    def trajectory(self) -> Trajectory:
        """What the run leaves."""
        return Trajectory(
            problem=self.problem,
            rule=self.rule,
            initial=self.initial,
            network=self.current,
            steps=np.array(self.steps, dtype=np.int64),
            time=np.array(self.times, dtype=np.float64),
            series={name: np.array(values, dtype=np.float64) for name, values in self.values.items()},
            outcome=self.outcome or Outcome.OUT_OF_BUDGET,
            outcome_step=self.outcome_step,
            snapshots=self.snapshots,
            method=self.method,
            versions=software_versions(self.method) | device_versions(library_of(self.initial.W)),
            at=self.at,
            observables=self.request.observables,
            memory=self.memory,
            method_memory=self.method_memory,
        )

    def _end(self, outcome: Outcome, step: int) -> None:
        self.outcome, self.outcome_step = outcome, step

    def _accumulate(self, now: Snapshot) -> None:
        assert self.reference is not None
        for entry in self.request.observables:
            if entry.accumulate is not None:
                self.memory[entry.name] = entry.accumulate(self.memory.get(entry.name), now, self.reference)

    def _record(self, now: Snapshot) -> None:
        self.steps.append(now.step)
        self.times.append(now.time)
        for entry in self.request.observables:
            value = self.memory[entry.name]["value"] if entry.accumulates else self._value(entry, now)
            self.values[entry.name].append(np.asarray(host(value), dtype=np.float64))

    def _value(self, entry: Observable, now: Snapshot) -> Any:
        assert entry.function is not None
        assert self.reference is not None
        return entry.function(now, self.reference)

    def _settled(self) -> Outcome:
        y = self.problem.y
        f = outputs_of(self.current, self.problem)
        first = outputs_of(self.initial, self.problem) - y
        fitted = norm(f - y) <= convergence_floor(first, y) if self.rule.loss == "squared" else False
        if fitted or (self.rule.loss == "hinge" and bool(namespace(y).all(y * f >= 1))):
            return Outcome.CONVERGED
        if relative_gradient(self.current, self.problem, self.rule, f) <= STATIONARY_GRADIENT:
            return Outcome.STATIONARY
        return Outcome.OUT_OF_BUDGET
