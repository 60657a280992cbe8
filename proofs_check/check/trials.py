"""The trials behind a verdict: which to run, and running them through the sweep's executor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from proofs_check.check import data as own_data
from proofs_check.check.combine import worst_hypotheses
from proofs_check.check.draw import (
    EVERYTHING,
    Cell,
    Summary,
    Trial,
    barred_before,
    worst_outcome,
)
from proofs_check.check.judge import judge
from proofs_check.statement import Hypothesis, Point, Statement
from proofs_check.verdict import Outcome
from shallow.setting.problem import Problem
from shallow.sweep.execute import execute

__all__ = ["BEYOND", "LOOK", "Executor", "Job", "Progress", "run_job", "sources"]

Progress = Callable[[int, int], None]
"""Called with (cells finished, cells in all)."""

Executor = Any

BEYOND = "beyond"
"""The preset that lies past the hypotheses."""

LOOK = 3
"""How many trials are trained to see the conclusion where the hypotheses fail in every one of them."""


@dataclass(frozen=True, eq=False)
class Job:
    """What a check runs."""

    statement: Statement
    parameters: Any
    size: str
    seed: int
    trials: int | None = None
    problem: Problem | None = None
    assume: Sequence[str] = ()
    progress: Progress | None = None
    executor: Executor = "serial"

    @property
    def count(self) -> int:
        """The number of trials: asked for, or the file's, or the parameter ``trials``, or 1.

        At size "beyond" a few tell what becomes of the conclusion; a law is still fitted once.
        """
        if self.trials is not None:
            return self.trials
        if self.size == BEYOND:
            return LOOK if self.statement.law is None else 1
        if self.statement.probability is not None:
            counts = self.statement.probability.trials
            return counts.get(self.size, next(iter(counts.values())))
        declared = getattr(self.parameters, "trials", 1)
        return declared if isinstance(declared, int) and declared >= 1 else 1

    def cell(self, parameters: Any, trial: int, independent: tuple[str, ...] = ()) -> Cell:
        """One trial at ``parameters``."""
        over = sources(self.statement)
        return Cell(self.statement, parameters, self.seed, trial, over, self.problem, independent)


def sources(statement: Statement) -> frozenset[str]:
    """The randomness that moves from trial to trial: what the probability is over, or everything."""
    return EVERYTHING if statement.probability is None else frozenset(statement.probability.over)


def run_job(job: Job) -> list[Trial]:
    """The trials of a statement; a statement about scaling is one trial, whatever its grid."""
    return _run_trials(job) if job.statement.law is None else [_run_law(job)]


def _run_trials(job: Job) -> list[Trial]:
    """Every trial; only the first few when hypotheses that need no training fail in all of them.

    The verdict is settled then, and training serves to see the conclusion outside.
    """
    cells = [job.cell(job.parameters, t) for t in range(job.count)]
    settled = job.trials is None and len(cells) > LOOK and all(barred_before(c, job.assume) for c in cells)
    return _execute(job, cells[: _looks(job)] if settled else cells, "proofs_check.check.draw:run_trial")


def _looks(job: Job) -> int:
    return LOOK if job.problem is None else own_data.looks(job.parameters, job.problem, LOOK)


def _run_law(job: Job) -> Trial:
    """Every cell of the grid with its trials, then one law over all."""
    statement, count = job.statement, job.count
    if statement.grid is None or statement.law is None:
        raise TypeError(f"{statement.key} has no grid and law")
    sizes = list(statement.grid(job.parameters))
    # Cells do not share their randomness: the law's interval takes them as independent.
    cells = [job.cell(size, t, (f"cell {i}",)) for i, size in enumerate(sizes) for t in range(count)]
    found: list[Summary] = _execute(job, cells, "proofs_check.check.draw:summarize")
    # A summary says nothing of how far its runs went: not measured, unless nothing was gathered at all.
    trained = statement.gathers_evidence
    values = [item.regime_value for item in found if item.regime_value is not None]
    worst = worst_hypotheses([_bare_trial(tuple(item for one in found for item in one.hypotheses))])
    refusals = [item.refusal for item in found if item.refusal]
    if refusals:
        return _bare_trial(worst, refusals[0], trained)
    points = [
        Point(size, tuple(item.content for item in found[i * count : (i + 1) * count]))
        for i, size in enumerate(sizes)
    ]
    claims = tuple(statement.law(job.parameters, points))
    judgements = tuple(judge(claim) for claim in claims)
    gap = max(values) if values else None
    return Trial(0, worst, claims, judgements, worst_outcome(judgements), gap, trained)


def _bare_trial(hypotheses: tuple[Hypothesis, ...], refusal: str = "", trained: bool = False) -> Trial:
    return Trial(0, hypotheses, (), (), Outcome.TRIVIAL, None, trained, refusal)


def _execute(job: Job, cells: Sequence[Cell], function: str) -> list[Any]:
    """``function``, a name that a worker can import, of every cell; progress as results come in."""
    where: Any = map if job.executor == "serial" else job.executor
    if job.progress is None or not callable(where):
        return execute(cells, function, job.executor)
    progress = job.progress

    def watched(call: Callable[[Cell], Any], grid: Iterable[Cell]) -> Iterator[Any]:
        for done, value in enumerate(where(call, grid), 1):
            progress(done, len(cells))
            yield value

    return execute(cells, function, watched)
