"""One trial: draw the instance, look at its hypotheses, gather the evidence, judge the claims."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.check.judge import Judgement, judge
from proofs_check.statement import Claim, Hypothesis, Statement
from proofs_check.verdict import HypothesisStatus, Outcome
from shallow.compute.threads import one_blas_thread
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = [
    "Cell",
    "Summary",
    "Trial",
    "TrialStreams",
    "barred_before",
    "met",
    "run_trial",
    "summarize",
    "tangent_gap",
    "worst_outcome",
]

EVERYTHING = frozenset({"init", "data", "labels"})

_WORST_FIRST = (Outcome.FAILED, Outcome.WITHIN_ERROR, Outcome.TRIVIAL, Outcome.HELD)


def _source_of(purpose: str) -> str:
    """Which source of randomness a stream's purpose belongs to: "labels", "data" or "init"."""
    word = purpose.lower()
    if any(part in word for part in ("label", "teacher", "flip", "target")) or word == "y":
        return "labels"
    if any(part in word for part in ("input", "data", "sample", "cluster", "mean", "test")) or word == "x":
        return "data"
    return "init"


@dataclass(frozen=True)
class TrialStreams(Streams):
    """The streams of one trial: only the sources in ``over`` differ from trial to trial.

    Trial 0 draws what plain ``Streams(seed)`` draws. "data" covers inputs and labels, "labels" the labels
    alone, "init" everything else.
    """

    trial: int = 0
    over: frozenset[str] = EVERYTHING

    def generator(self, purpose: str, **parameters: float | int | str) -> np.random.Generator:
        """A fresh generator for ``purpose``; it moves with the trial when its source is in ``over``."""
        source = _source_of(purpose)
        moves = source in self.over or (source == "labels" and "data" in self.over)
        words = (*self.independent, f"trial {self.trial}") if moves and self.trial else self.independent
        return Streams(self.seed, words).generator(purpose, **parameters)


@dataclass(frozen=True, eq=False)
class Cell:
    """One thing to run: a statement at parameters, with a seed and a trial number."""

    statement: Statement
    parameters: Any
    seed: int
    trial: int
    over: frozenset[str] = EVERYTHING
    problem: Problem | None = None
    independent: tuple[str, ...] = ()

    @property
    def streams(self) -> TrialStreams:
        """The trial's streams."""
        return TrialStreams(self.seed, self.independent, self.trial, self.over)

    def __getstate__(self) -> dict[str, Any]:
        """For another process: a statement goes by its place, as its functions may have no names."""
        return {**vars(self), "statement": _place_of(self.statement) or self.statement}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Fill the fields, the statement looked up at its place."""
        given = state["statement"]
        found = _at_place(given) if isinstance(given, str) else given
        for name, value in {**state, "statement": found}.items():
            object.__setattr__(self, name, value)


def _place_of(statement: Statement) -> str | None:
    """``module:NAME`` of a statement that is a module's attribute, found where its own functions are from."""
    modules = {getattr(value, "__module__", None) for value in vars(statement).values()}
    for module in sorted(name for name in modules if name in sys.modules and name != "__main__"):
        for name, value in vars(sys.modules[module]).items():
            if value is statement:
                return f"{module}:{name}"
    return None


def _at_place(place: str) -> Statement:
    module, name = place.split(":")
    found: Statement = getattr(importlib.import_module(module), name)
    return found


@dataclass(frozen=True, eq=False)
class Trial:
    """What one trial showed. ``refusal`` is the one-line reason when the statement could not speak of it."""

    number: int
    hypotheses: tuple[Hypothesis, ...]
    claims: tuple[Claim, ...]
    judgements: tuple[Judgement, ...]
    outcome: Outcome
    regime_value: float | None
    trained: bool
    refusal: str = ""


@dataclass(frozen=True, eq=False)
class Summary:
    """What one instance contributes to a scaling law."""

    hypotheses: tuple[Hypothesis, ...]
    content: Any
    regime_value: float | None
    trained: bool
    refusal: str = ""


def run_trial(cell: Cell) -> Trial:
    """Draw, train and judge one instance of a statement that has claims.

    A ValueError of the statement on a user's own data, or on an instance outside its hypotheses, is a
    refusal: its first line is kept. Any other exception propagates with the statement's key in a note.
    """
    found = summarize(cell, keep_evidence=_claims_of)
    if found.refusal:
        return Trial(
            cell.trial,
            found.hypotheses,
            (),
            (),
            Outcome.TRIVIAL,
            found.regime_value,
            found.trained,
            found.refusal,
        )
    claims, judgements = found.content
    return Trial(
        cell.trial,
        found.hypotheses,
        claims,
        judgements,
        worst_outcome(judgements),
        found.regime_value,
        found.trained,
    )


def summarize(cell: Cell, keep_evidence: Any = None) -> Summary:
    """Draw one instance and gather its evidence; ``keep_evidence`` says what to keep of it.

    BLAS has one thread, so that the numbers do not depend on where they are computed.
    """
    with one_blas_thread():
        return _summarize(cell, keep_evidence)


def _summarize(cell: Cell, keep_evidence: Any) -> Summary:
    statement = cell.statement
    hypotheses: tuple[Hypothesis, ...] = ()
    try:
        instance = statement.instance(cell.parameters, cell.streams, cell.problem)
        hypotheses = tuple(statement.hypotheses(instance))
        evidence = statement.evidence(instance)
        hypotheses += tuple(statement.hypotheses_along(instance, evidence))
        content = evidence if keep_evidence is None else keep_evidence(statement, instance, evidence)
        run = None if statement.run is None else statement.run(instance, evidence)
    except ValueError as error:
        outside = any(item.status is HypothesisStatus.FALSE for item in hypotheses)
        if cell.problem is None and not outside:
            error.add_note(f"while checking {statement.key} (seed {cell.seed}, trial {cell.trial})")
            raise
        return Summary(hypotheses, None, None, False, str(error).partition("\n")[0])
    except Exception as error:
        error.add_note(f"while checking {statement.key} (seed {cell.seed}, trial {cell.trial})")
        raise
    return Summary(hypotheses, content, tangent_gap(run), run is not None)


def barred_before(cell: Cell, assume: Sequence[str]) -> bool:
    """Whether a hypothesis that needs no training already keeps the statement away from this instance."""
    try:
        instance = cell.statement.instance(cell.parameters, cell.streams, cell.problem)
        return not met(cell.statement.hypotheses(instance), assume)
    except ValueError:
        return cell.problem is not None


def met(hypotheses: Sequence[Hypothesis], assume: Sequence[str]) -> bool:
    """Whether no hypothesis is false, and every one on a law is assumed by name."""
    return all(
        item.status in (HypothesisStatus.TRUE, HypothesisStatus.UP_TO_CONSTANT)
        or (item.status is HypothesisStatus.NOT_CHECKABLE and item.name in assume)
        for item in hypotheses
    )


def _claims_of(
    statement: Statement, instance: Any, evidence: Any
) -> tuple[tuple[Claim, ...], tuple[Judgement, ...]]:
    if statement.claims is None:
        raise TypeError(f"{statement.key} has a grid and a law, no claims of one instance")
    claims = tuple(statement.claims(instance, evidence))
    return claims, tuple(judge(claim) for claim in claims)


def worst_outcome(judgements: tuple[Judgement, ...]) -> Outcome:
    """FAILED if any claim failed, else WITHIN_ERROR, else TRIVIAL if any claim is empty, else HELD."""
    outcomes = {item.outcome for item in judgements}
    return next((outcome for outcome in _WORST_FIRST if outcome in outcomes), Outcome.TRIVIAL)


def tangent_gap(run: Any) -> float | None:
    """E = sup_t ||f_t - f_tangent,t|| / ||r_0|| of a run that recorded it; infinite once it is no number."""
    series: Mapping[str, Any] = {} if run is None else run.series
    if "tangent_distance" not in series:
        return None
    values = np.asarray(series["tangent_distance"], dtype=np.float64)
    if values.size == 0:
        return None
    return math.inf if bool(np.isnan(values).any()) else float(values.max())
