"""The cross-table hypotheses x regime x outcome: a theory's reach against what training does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from proofs_check.check.result import Result
from proofs_check.verdict import HypothesisStatus, Outcome, Regime

__all__ = ["COLUMNS", "Cell", "Reach", "Seen", "cross_table", "reach", "seen_of"]


class Reach(Enum):
    """What is known of a statement's hypotheses taken together; the value is the row's heading."""

    MET = "all hypotheses true"
    LAW = "all that can be checked true"
    OPEN = "some only up to a constant"
    FAILED = "some hypothesis false"


class Seen(Enum):
    """What a trial showed of the conclusion; the value is the word for it."""

    YES = "seen"
    NO = "failed"
    UNCLEAR = "not decided"


# None stands for a run that did not record its distance to the tangent model.
COLUMNS: tuple[Regime | None, ...] = (Regime.LAZY, Regime.BETWEEN, Regime.NOT_LAZY, None, Regime.NO_RUN)

_WORST_FIRST = (
    (HypothesisStatus.FALSE, Reach.FAILED),
    (HypothesisStatus.UP_TO_CONSTANT, Reach.OPEN),
    (HypothesisStatus.NOT_CHECKABLE, Reach.LAW),
)
_SEEN = {
    Outcome.HELD: Seen.YES,
    Outcome.FAILED: Seen.NO,
    Outcome.WITHIN_ERROR: Seen.UNCLEAR,
    Outcome.TRIVIAL: Seen.UNCLEAR,
}


@dataclass(frozen=True)
class Cell:
    """One cell: its place, the trials by what they showed, and the statements that have trials in it."""

    reach: Reach
    regime: Regime | None
    trials: dict[Seen, int]
    keys: tuple[str, ...]


def seen_of(outcome: Outcome) -> Seen:
    """What a trial with this outcome showed."""
    return _SEEN[outcome]


def reach(statuses: Iterable[HypothesisStatus]) -> Reach:
    """The row of a result: its weakest hypothesis decides."""
    found = set(statuses)
    for status, row in _WORST_FIRST:
        if status in found:
            return row
    return Reach.MET


def cross_table(results: Sequence[Result]) -> tuple[Cell, ...]:
    """The non-empty cells, rows in the order of :class:`Reach`, columns in that of ``COLUMNS``.

    A result counts with its trials: a statement seen to hold in 30 trials adds 30 to one cell. Where only
    some trials meet every hypothesis, the others stand in the row of failed hypotheses.
    """
    trials: dict[tuple[Reach, Regime | None], Counter[Seen]] = {}
    keys: dict[tuple[Reach, Regime | None], list[str]] = {}
    for result in results:
        for row, counts in _split(result).items():
            place = (row, result.regime)
            trials.setdefault(place, Counter()).update(counts)
            keys.setdefault(place, []).append(result.key)
    return tuple(
        Cell(
            row,
            column,
            {seen: trials[row, column][seen] for seen in Seen},
            tuple(dict.fromkeys(keys[row, column])),
        )
        for row in Reach
        for column in COLUMNS
        if (row, column) in trials
    )


def _split(result: Result) -> dict[Reach, Counter[Seen]]:
    every = Counter(_SEEN[outcome] for outcome in result.outcomes)
    row = reach(hypothesis.status for hypothesis in result.hypotheses)
    if result.inside in (0, result.trials) or row is Reach.FAILED:
        return {row: every}
    unclear = result.inside - result.held - result.failed
    inside = Counter({Seen.YES: result.held, Seen.NO: result.failed, Seen.UNCLEAR: unclear})
    return {row: inside, Reach.FAILED: every - inside}
