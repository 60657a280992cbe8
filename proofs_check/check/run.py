"""Check a statement: run its trials, combine them, and write down everything the verdict rests on."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from proofs_check.check import data as own_data
from proofs_check.check.combine import Decision, combine, holm_reasons, regime_of, worst_hypotheses
from proofs_check.check.draw import EVERYTHING, Cell, Summary, Trial, run_trial, summarize, worst_outcome
from proofs_check.check.judge import judge
from proofs_check.check.parameters import choose
from proofs_check.check.result import ClaimSummary, Result
from proofs_check.statement import Hypothesis, Point, Statement
from proofs_check.verdict import Evidence, Outcome, Regime, Verdict
from shallow.setting.problem import Problem
from shallow.sweep.execute import execute

__all__ = ["Progress", "adjust", "check", "check_sweep", "check_trial"]

Progress = Callable[[int, int], None]
"""Called with (cells finished, cells in all); only the serial executor reports while it works."""

Executor = Any


def check(
    statement: Statement,
    *,
    size: str = "quick",
    seed: int = 0,
    parameters: Any = None,
    set: Mapping[str, Any] | None = None,
    trials: int | None = None,
    problem: Problem | None = None,
    assume: Sequence[str] = (),
    progress: Progress | None = None,
    executor: Executor = "serial",
) -> Result:
    """Check one statement and say what was found.

    Parameters
    ----------
    statement : Statement
        One of :data:`proofs_check.THEOREMS`, or any other.
    size : "quick" or "full"
        The preset to start from.
    seed : int
        Everything random derives from it.
    parameters : dataclass, optional
        Parameters instead of a preset's.
    set : mapping, optional
        Single fields to change; text is read as the field's type.
    trials : int, optional
        A number of trials other than the file's; marks the result exploratory.
    problem : Problem, optional
        The user's own data in place of a law.
    assume : sequence of str
        Names of hypotheses on a law that are taken as true of that data.
    progress : callable, optional
        Called with (done, total) after each trial.
    executor : "serial" or a callable with ``map``'s signature

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        For parameters that do not exist or fit, or trials < 1. A ValueError of the statement on the user's
        data becomes a NOT_APPLICABLE verdict; on its own instances it propagates.
    """
    started = time.perf_counter()
    if trials is not None and trials < 1:
        raise ValueError(f"trials is {trials}; at least one is needed")
    chosen = choose(statement, size, parameters, set)
    duplicates: tuple[str, ...] = ()
    if problem is not None:
        duplicates = own_data.describe_duplicates(problem)
        if own_data.refusal(statement):
            result = _refused(statement, chosen, size, seed, own_data.refusal(statement))
            return dataclasses.replace(result, data=problem.name, duplicates=duplicates)
        problem, chosen = own_data.prepare(statement, problem, chosen, set, seed)
    run = _run_law if statement.law is not None else _run_trials
    found, whole = run(statement, chosen, size, seed, trials, problem, progress, executor)
    delta = _delta(statement, size)
    decision = combine(found, delta=delta, assume=assume, scaling=statement.law is not None)
    result = _result(statement, chosen, size, seed, found, whole, decision)
    return dataclasses.replace(
        result,
        exploratory=trials is not None,
        assumed=tuple(name for name in assume if any(name == item.name for item in result.hypotheses)),
        data="" if problem is None else problem.name,
        duplicates=duplicates,
        replay=_replay_text(statement, size, seed, chosen, set, trials, problem, parameters),
        seconds=time.perf_counter() - started,
    )


def check_trial(
    statement: Statement, parameters: Any, *, seed: int, trial: int, problem: Problem | None = None
) -> Result:
    """One numbered trial on its own, as :func:`check` drew it; a probability is left out.

    Raises
    ------
    ValueError
        For a statement about scaling, whose trials mean something only together.
    """
    if statement.law is not None:
        raise ValueError(f"{statement.key} fits a law over a grid; use check")
    found = run_trial(Cell(statement, parameters, seed, trial, _over(statement), problem))
    decision = combine([found])
    return _result(statement, parameters, "", seed, [found], found.trained, decision)


def check_sweep(
    statement: Statement, field: str, values: Sequence[Any], *, executor: Executor = "serial", **options: Any
) -> list[Result]:
    """Check the statement at each value of one of its parameters, through the sweep's executor.

    ``options`` go to :func:`check`; the results come in the order of ``values``.
    """
    fixed = dict(options.pop("set", None) or {})
    choose(statement, options.get("size", "quick"), options.get("parameters"), {**fixed, field: values[0]})
    grid = [_SweepCell(statement, {**fixed, field: value}, dict(options)) for value in values]
    return execute(grid, _check_cell, executor)


@dataclasses.dataclass(frozen=True, eq=False)
class _SweepCell:
    statement: Statement
    changes: Mapping[str, Any]
    options: Mapping[str, Any]


def _check_cell(cell: _SweepCell) -> Result:
    return check(cell.statement, set=cell.changes, **cell.options)


def adjust(results: Sequence[Result]) -> list[Result]:
    """Holm's correction over a report: a violation whose adjusted p-value exceeds 0.05 becomes UNDECIDED."""
    known = {str(i): item.p_violation for i, item in enumerate(results) if item.p_violation is not None}
    adjusted = holm_reasons(known)
    made = []
    for i, item in enumerate(results):
        value = adjusted.get(str(i))
        if value is None:
            made.append(item)
            continue
        changes: dict[str, Any] = {"p_adjusted": value}
        if item.verdict is Verdict.VIOLATED and value > 0.05:
            changes |= {
                "verdict": Verdict.UNDECIDED,
                "reason": f"{item.reason}; p = {value:.2g} after Holm's correction over {len(known)}",
            }
        made.append(dataclasses.replace(item, **changes))
    return made


def _delta(statement: Statement, size: str) -> float | None:
    probability = statement.probability
    if probability is None or statement.law is not None:
        return None
    return probability.delta.get(size, next(iter(probability.delta.values())))


def _trial_count(statement: Statement, size: str, trials: int | None, parameters: Any) -> int:
    if trials is not None:
        return trials
    if statement.probability is not None:
        counts = statement.probability.trials
        return counts.get(size, next(iter(counts.values())))
    declared = getattr(parameters, "trials", 1)
    return declared if isinstance(declared, int) and declared >= 1 else 1


def _over(statement: Statement) -> frozenset[str]:
    return EVERYTHING if statement.probability is None else frozenset(statement.probability.over)


def _run_trials(
    statement: Statement,
    parameters: Any,
    size: str,
    seed: int,
    trials: int | None,
    problem: Problem | None,
    progress: Progress | None,
    executor: Executor,
) -> tuple[list[Trial], bool]:
    count = _trial_count(statement, size, trials, parameters)
    cells = [Cell(statement, parameters, seed, t, _over(statement), problem) for t in range(count)]
    found: list[Trial] = execute(cells, _reporting(run_trial, count, progress, executor), executor)
    return found, any(trial.trained for trial in found)


def _run_law(
    statement: Statement,
    parameters: Any,
    size: str,
    seed: int,
    trials: int | None,
    problem: Problem | None,
    progress: Progress | None,
    executor: Executor,
) -> tuple[list[Trial], bool]:
    """Every cell of the grid with its trials, then one law over all: that is one trial of the statement."""
    if statement.grid is None or statement.law is None:
        raise TypeError(f"{statement.key} has no grid and law")
    sizes = list(statement.grid(parameters))
    count = _trial_count(statement, size, trials, parameters)
    # Cells do not share their randomness: the law's interval takes them as independent.
    cells = [
        Cell(statement, cell, seed, t, _over(statement), problem, independent=(f"cell {i}",))
        for i, cell in enumerate(sizes)
        for t in range(count)
    ]
    found: list[Summary] = execute(cells, _reporting(summarize, len(cells), progress, executor), executor)
    trained = any(item.trained for item in found)
    values = [item.regime_value for item in found if item.regime_value is not None]
    hypotheses = tuple(item for summary in found for item in summary.hypotheses)
    refusals = [item.refusal for item in found if item.refusal]
    worst = worst_hypotheses([_bare_trial(hypotheses)])
    if refusals:
        return [_bare_trial(worst, refusals[0])], trained
    points = [
        Point(cell, tuple(item.content for item in found[i * count : (i + 1) * count]))
        for i, cell in enumerate(sizes)
    ]
    claims = tuple(statement.law(parameters, points))
    judgements = tuple(judge(claim) for claim in claims)
    trial = Trial(
        0, worst, claims, judgements, worst_outcome(judgements), max(values) if values else None, trained
    )
    return [trial], trained


def _bare_trial(hypotheses: tuple[Hypothesis, ...], refusal: str = "") -> Trial:
    return Trial(0, hypotheses, (), (), Outcome.TRIVIAL, None, False, refusal)


def _reporting(
    function: Callable[[Cell], Any], total: int, progress: Progress | None, executor: Executor
) -> Callable[[Cell], Any]:
    if progress is None or executor != "serial":
        return function
    done = 0

    def counted(cell: Cell) -> Any:
        nonlocal done
        value = function(cell)
        done += 1
        progress(done, total)
        return value

    return counted


def _result(
    statement: Statement,
    parameters: Any,
    size: str,
    seed: int,
    trials: Sequence[Trial],
    trained: bool,
    decision: Decision,
) -> Result:
    counted = [trials[i] for i in decision.inside] or [trial for trial in trials if not trial.refusal]
    regime, regime_value = regime_of([trial.regime_value for trial in trials], trained)
    claims = _summaries(counted)
    return Result(
        key=statement.key,
        kind=statement.kind,
        statement=statement,
        parameters=parameters,
        size=size,
        seed=seed,
        verdict=decision.verdict,
        evidence=_evidence(statement),
        outside=decision.outside,
        regime=regime,
        regime_value=regime_value if regime_value is not None and regime_value < float("inf") else None,
        tightness=next((item.tightness for item in claims if item.tightness is not None), None),
        trials=len(trials),
        inside=len(decision.inside),
        held=decision.held,
        failed=decision.failed,
        hypotheses=worst_hypotheses(counted or trials),
        evaluated=sum(item.evaluated for item in claims),
        claims=claims,
        outcomes=tuple(trial.outcome for trial in trials),
        reason=decision.reason,
        p_violation=decision.p_violation,
        notes=tuple(statement.notes),
    )


def _evidence(statement: Statement) -> Evidence:
    statistical = statement.probability is not None or statement.law is not None
    return min(statement.numeric, Evidence.STATISTICAL) if statistical else statement.numeric


_SEVERITY = (Outcome.FAILED, Outcome.WITHIN_ERROR, Outcome.TRIVIAL, Outcome.HELD)


def _summaries(trials: Sequence[Trial]) -> tuple[ClaimSummary, ...]:
    names = dict.fromkeys(claim.name for trial in trials for claim in trial.claims)
    return tuple(_summary(name, trials) for name in names)


def _summary(name: str, trials: Sequence[Trial]) -> ClaimSummary:
    """The claim at its worst outcome and, among those trials, where the bound is tightest."""
    found = [
        (trial.number, claim, judgement)
        for trial in trials
        for claim, judgement in zip(trial.claims, trial.judgements, strict=True)
        if claim.name == name
    ]

    def badness(item: tuple[int, Any, Any]) -> tuple[int, float]:
        detectable = item[2].detectable
        return _SEVERITY.index(item[2].outcome), float("inf") if detectable is None else detectable

    number, claim, judgement = min(found, key=badness)
    fields = {item.name: getattr(claim, item.name) for item in dataclasses.fields(claim)}
    detectable = judgement.detectable
    return ClaimSummary(
        **fields,
        outcome=judgement.outcome,
        tightness=judgement.tightness,
        evaluated=judgement.evaluated,
        least_slack=judgement.least_slack,
        detectable=detectable if detectable is not None and detectable < float("inf") else None,
        trial=number,
    )


def _refused(statement: Statement, parameters: Any, size: str, seed: int, why: str) -> Result:
    decision = Decision(
        Verdict.NOT_APPLICABLE, Verdict.NOT_APPLICABLE, f"it takes no data: {why}", False, (), 0, 0
    )
    result = _result(statement, parameters, size, seed, (), False, decision)
    return dataclasses.replace(result, regime=Regime.NO_RUN)


def _replay_text(
    statement: Statement,
    size: str,
    seed: int,
    chosen: Any,
    changes: Mapping[str, Any] | None,
    trials: int | None,
    problem: Problem | None,
    parameters: Any,
) -> str:
    arguments = [f'THEOREMS["{statement.key}"]', f'size="{size}"', f"seed={seed}"]
    if parameters is not None:
        arguments.append(f"parameters={parameters!r}")
    if changes:
        arguments.append(f"set={dict(changes)!r}")
    if trials is not None:
        arguments.append(f"trials={trials}")
    if problem is not None:
        arguments.append("problem=read_problem(FILE)")
    return (
        "from proofs_check import THEOREMS, check\n"
        f"result = check({', '.join(arguments)})\n"
        "print(result.verdict.name, result.reason)"
    )
