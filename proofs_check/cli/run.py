"""``proofs-check run``: check statements, show what came out, and write the report."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from proofs_check.check.data import describe_duplicates
from proofs_check.check.mutants import check_mutants
from proofs_check.check.parameters import parse_assignments, suggest
from proofs_check.check.replay import save_cases
from proofs_check.check.result import Result
from proofs_check.check.run import adjust, check
from proofs_check.check.trials import BEYOND, Executor
from proofs_check.cli.options import Assignments, Rows, changes_for, read_data, statements_of
from proofs_check.cli.output import CASES, require_free, write_aside
from proofs_check.cli.progress import reporter
from proofs_check.statement import Hypothesis, Statement
from shallow.cli.shell import document as as_text
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = ["run_command"]


def run_command(
    *keys: str,
    size: Literal["quick", "full"] = "quick",
    set_: Assignments = None,
    trials: int | None = None,
    seed: int = 0,
    data: Path | None = None,
    rows: Rows = "raw",
    assume: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    out: Path | None = None,
    mutants: bool | None = None,
    workers: int | None = None,
    json: bool = False,
) -> int:
    """Check statements; exit with 1 if one is violated (an empirical finding aside).

    With no KEY and no setting of your own, each statement is also looked at past its hypotheses.

    Parameters
    ----------
    keys
        Keys or families; all by default.
    size
        The preset: quick is seconds a statement, full decides at smaller failure probabilities.
    set_
        Parameters, such as n=50 m=1000, for the statements that have them.
    trials
        Another number of trials; marks the result exploratory.
    seed
        Seed of all randomness.
    data
        Your own X and y (NPZ or CSV) in place of a law.
    rows
        Take your rows raw, or scaled to unit norm.
    assume
        A hypothesis on a law to take as true of your data; may be repeated.
    out
        A directory for the report: index.html, results.json and the replayable cases.
    mutants
        Check the false relatives too; by default when a report is written on the library's own settings.
    workers
        Worker processes that share out each statement's trials (needs the sweep extra); the results are the
        same. Without it the trials are run in this process.
    json
        Print one JSON document on standard output.
    """
    statements = statements_of(keys)
    _require_sane(trials, seed, workers)
    _require_known(assume, statements)
    changes = changes_for(statements, parse_assignments(set_ or []), size)
    if out is not None:
        require_free(out)
    problem = read_data(data, rows)
    options: dict[str, Any] = {
        "size": size, "seed": seed, "trials": trials, "problem": problem, "assume": assume,
    }  # fmt: skip
    with_mutants = (out is not None and problem is None) if mutants is None else mutants
    as_declared = not keys and not set_ and problem is None
    with_beyond = [item for item in statements if as_declared and BEYOND in item.presets]
    with _executor(workers) as executor:
        options["executor"] = executor
        results, beyond = _check_all(statements, changes, options, with_mutants, with_beyond)
    if out is not None:
        write_aside(out, lambda folder: _fill(folder, results, seed, problem, beyond))
    if json:
        from proofs_check.report.document import document

        print(as_text(document(results, seed, beyond)))
    else:
        _show(results, problem, out, beyond)
    return 1 if any(result.violates for result in results) else 0


def _require_sane(trials: int | None, seed: int, workers: int | None) -> None:
    if trials is not None and trials < 1:
        raise ValueError(f"--trials {trials}: at least one trial is needed")
    if seed < 0:
        raise ValueError(f"--seed {seed}: a seed is a non-negative integer")
    if workers is not None and workers < 1:
        raise ValueError(f"--workers {workers}: at least 1 is needed")


@contextmanager
def _executor(workers: int | None) -> Iterator[Executor]:
    """Where the trials run: one after the other here, or on worker processes."""
    if workers is None:
        yield "serial"
        return
    from shallow.sweep.clusters import local

    with local(workers) as executor:
        yield executor.map


def _check_all(
    statements: Sequence[Statement],
    changes: dict[str, dict[str, Any]],
    options: dict[str, Any],
    with_mutants: bool,
    with_beyond: Sequence[Statement],
) -> tuple[list[Result], list[Result]]:
    """The results, adjusted over all of them, and those past the hypotheses."""
    from proofs_check.report.conclusions import conclusion_words

    results, beyond = [], []
    with reporter(len(statements) + len(with_beyond)) as tell:
        for statement in statements:
            progress = tell.begin(statement.key)
            result = _check(statement, changes[statement.key], {**options, "progress": progress})
            if with_mutants:
                found = check_mutants(statement, seed=options["seed"], result=result)
                result = dataclasses.replace(result, mutants=found)
            results.append(result)
            tell.end(f"{result.key}: {result.verdict.name}{_mutants(result)} ({result.seconds:.1f} s)")
        for statement in with_beyond:
            progress = tell.begin(f"{statement.key} (beyond)")
            result = check(
                statement,
                size=BEYOND,
                seed=options["seed"],
                progress=progress,
                executor=options["executor"],
            )
            beyond.append(result)
            tell.end(
                f"{result.key}, past its hypotheses: {conclusion_words(result)} ({result.seconds:.1f} s)"
            )
    return adjust(results), beyond


def _mutants(result: Result) -> str:
    if not result.mutants:
        return ""
    refuted = sum(item.refuted for item in result.mutants)
    return f", {refuted} of {len(result.mutants)} mutants refuted"


def _check(statement: Statement, changes: dict[str, Any], options: dict[str, Any]) -> Result:
    try:
        return check(statement, set=changes, **options)
    except ValueError as error:
        text = str(error).partition("\n")[0]
        given = " ".join(f"{name}={value}" for name, value in changes.items())
        after = f" (with --set {given})" if given and "--set" not in text else ""
        raise ValueError(f"{statement.key}{after}: {text}") from error


def _require_known(assume: Sequence[str], statements: Sequence[Statement]) -> None:
    """Refuse a name before anything is run; what is only met along a run is no hypothesis on a law."""
    if not assume:
        return
    known = sorted({item.name for statement in statements for item in _hypotheses(statement)})
    for name in assume:
        if name not in known:
            raise ValueError(f"--assume {name}: no statement here has that hypothesis{suggest(name, known)}")


def _hypotheses(statement: Statement) -> Sequence[Hypothesis]:
    """Those on an instance, of the statement's own quick preset."""
    parameters = statement.presets["quick"]
    cell = parameters if statement.grid is None else next(iter(statement.grid(parameters)))
    return statement.hypotheses(statement.instance(cell, Streams(0), None))


def _fill(
    folder: Path, results: Sequence[Result], seed: int, problem: Problem | None, beyond: Sequence[Result]
) -> None:
    from proofs_check.report import write

    write(results, folder, seed, beyond)
    for result in results:
        save_cases(result, folder / CASES, problem)


def _show(
    results: Sequence[Result], problem: Problem | None, out: Path | None, beyond: Sequence[Result]
) -> None:
    from proofs_check.report import show

    for line in () if problem is None else describe_duplicates(problem):
        print(f"your data: {line}")
    show(results, beyond=beyond)
    if out is not None:
        print(f"report: {out / 'index.html'}")
