"""Check a statement: run its trials, combine them, and write down everything the verdict rests on."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

from proofs_check.check import data as own_data
from proofs_check.check.combine import combine, holm_reasons
from proofs_check.check.compose import compose, refused
from proofs_check.check.draw import run_trial
from proofs_check.check.parameters import choose
from proofs_check.check.result import Result
from proofs_check.check.trials import Executor, Job, Progress, run_job
from proofs_check.statement import Grade, Statement
from proofs_check.verdict import Verdict
from shallow.setting.problem import Problem
from shallow.sweep.execute import execute

__all__ = ["adjust", "check", "check_sweep", "check_trial"]


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
    size : "quick", "full" or "beyond"
        The preset to start from; "beyond" lies past the hypotheses and trains a few trials only.
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
    if not isinstance(statement, Statement):
        raise TypeError(f"the statement is {statement!r}; give a Statement, such as THEOREMS[KEY]")
    if trials is not None and trials < 1:
        raise ValueError(f"trials is {trials}; at least one is needed")
    chosen = choose(statement, size, parameters, set)
    duplicates: tuple[str, ...] = ()
    job = Job(statement, chosen, size, seed, trials, None, tuple(assume), progress, executor)
    if problem is not None:
        duplicates = own_data.describe_duplicates(problem)
        if own_data.refusal(statement):
            return _refused(job, f"it takes no data: {own_data.refusal(statement)}", problem, duplicates)
        problem, chosen = own_data.prepare(statement, problem, chosen, set, seed)
        job = dataclasses.replace(job, problem=problem, parameters=chosen)
        if trials is None and (why := own_data.too_large(chosen, problem, job.count, set)):
            return _refused(job, why, problem, duplicates)
    found = run_job(job)
    scaling = statement.law is not None
    decision = combine(found, delta=_delta(statement, size), assume=assume, scaling=scaling)
    result = compose(job, found, decision)
    return dataclasses.replace(
        result,
        exploratory=trials is not None,
        assumed=tuple(name for name in assume if any(name == item.name for item in result.hypotheses)),
        data="" if problem is None else problem.name,
        duplicates=duplicates,
        replay=_replay_text(job, set, preset=parameters is None),
        seconds=time.perf_counter() - started,
    )


def _refused(job: Job, why: str, problem: Problem, duplicates: tuple[str, ...]) -> Result:
    return dataclasses.replace(refused(job, why), data=problem.name, duplicates=duplicates)


def check_trial(
    statement: Statement,
    parameters: Any,
    *,
    seed: int,
    trial: int,
    problem: Problem | None = None,
    assume: Sequence[str] = (),
) -> Result:
    """One numbered trial on its own, as :func:`check` drew it; a probability is left out.

    Raises
    ------
    ValueError
        For a statement about scaling, whose trials mean something only together.
    """
    if statement.law is not None:
        raise ValueError(f"{statement.key} fits a law over a grid; use check")
    job = Job(statement, parameters, "", seed, None, problem, tuple(assume))
    found = run_trial(job.cell(parameters, trial))
    return compose(job, [found], combine([found], assume=assume))


def check_sweep(
    statement: Statement, field: str, values: Sequence[Any], *, executor: Executor = "serial", **options: Any
) -> list[Result]:
    """Check the statement at each value of one of its parameters, through the sweep's executor.

    ``options`` go to :func:`check`; the results come in the order of ``values``.
    """
    if len(values) == 0:
        raise ValueError(f"no value of {field} to check at; give at least one")
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


def _replay_text(job: Job, changes: Mapping[str, Any] | None, preset: bool) -> str:
    """Three lines that repeat the check; what is the user's own must be at hand by name."""
    own = job.statement.grade is Grade.OWN
    statement = "statement" if own else f'THEOREMS["{job.statement.key}"]'
    arguments = [statement, f'size="{job.size}"', f"seed={job.seed}"]
    if not preset:
        arguments.append(f"parameters={job.parameters!r}")
    elif changes:
        arguments.append(f"set={dict(changes)!r}")
    if job.trials is not None:
        arguments.append(f"trials={job.trials}")
    if job.problem is not None:
        arguments.append("problem=problem")
    if job.assume:
        arguments.append(f"assume={list(job.assume)!r}")
    at_hand = [f"statement: your own {job.statement.key}"] if own else []
    if job.problem is not None:
        at_hand.append(f"problem: your own data {job.problem.name}")
    return (
        f"from proofs_check import {'check' if own else 'THEOREMS, check'}"
        f"{'  # ' + ', '.join(at_hand) if at_hand else ''}\n"
        f"result = check({', '.join(arguments)})\n"
        "print(result.verdict.name, result.reason)"
    )
