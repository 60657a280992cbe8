"""A violation or a refuted mutant as one NPZ file, and the way back."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from proofs_check.check.mutants import check_mutant, tightened
from proofs_check.check.parameters import with_changes
from proofs_check.check.result import MutantResult, Result, jsonable, parameter_values
from proofs_check.check.run import check, check_trial
from proofs_check.statement import Claim, Statement
from shallow.setting.archive import read_archive, write_archive
from shallow.setting.problem import Problem

__all__ = ["cases_of", "replay", "save_case", "save_cases"]

_REQUIRED = ("key", "mutant", "parameters", "seed", "trial", "assumed")
_ARRAYS = ("index", "observed", "lower", "upper", "trivial", "numerical_error")


def cases_of(result: Result) -> list[MutantResult | None]:
    """What of a result is worth keeping: its own violation (None) and every refuted mutant."""
    own: list[MutantResult | None] = [None] if result.verdict.name == "VIOLATED" else []
    return own + [item for item in result.mutants if item.refuted]


def save_cases(result: Result, directory: str | Path, problem: Problem | None = None) -> list[Path]:
    """Write every violation and refuted mutant of ``result`` to ``directory``; the files' paths."""
    return [save_case(result, directory, mutant=item, problem=problem) for item in cases_of(result)]


def save_case(
    result: Result,
    directory: str | Path,
    *,
    mutant: MutantResult | None = None,
    problem: Problem | None = None,
) -> Path:
    """Write one NPZ with the numbers that decided and what :func:`replay` needs; its path.

    The file holds the claims' arrays, the parameters as JSON, seed and trial, the user's X and y where
    there were any, and the three lines that replay it.
    """
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    label = result.key if mutant is None else f"{result.key}#{mutant.name}"
    path = folder / f"{re.sub(r'[^A-Za-z0-9.+-]+', '-', label)}.npz"
    claims: Sequence[Claim] = [item.claim for item in result.claims] if mutant is None else mutant.claims
    parameters = result.parameters if mutant is None else mutant.parameters
    trial = result.claims[0].trial if mutant is None and result.claims else 0
    own: dict[str, Any] = {} if problem is None or mutant is not None else {"X": problem.X, "y": problem.y}
    write_archive(
        path,
        kind="case",
        key=result.key,
        mutant="" if mutant is None else mutant.name,
        parameters=json.dumps(jsonable(parameter_values(parameters))),
        seed=result.seed if mutant is None else mutant.seed,
        trial=trial,
        assumed=json.dumps(list(result.assumed)),
        claims=json.dumps([claim.name for claim in claims]),
        replay=replay_lines(path.name, result.key),
        **own,
        **{f"claim{i}_{name}": getattr(claim, name) for i, claim in enumerate(claims) for name in _ARRAYS},
    )
    return path


def replay_lines(path: str, key: str) -> str:
    """The three lines that replay a saved case."""
    return (
        "from proofs_check import THEOREMS, replay\n"
        f'result = replay("{path}", THEOREMS["{key}"])\n'
        "print(result.verdict.name, result.reason)"
    )


def replay(path: str | Path, statement: Statement) -> Result:
    """Check a saved case again, from its parameters and seed; nothing of its arrays is reused.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is missing or no case, or is a case of another statement.
    """
    fields = read_archive(path, kind="case", required=_REQUIRED)
    key, name = str(fields["key"]), str(fields["mutant"])
    if key != statement.key:
        raise ValueError(f"{path} is a case of {key}, not of {statement.key}")
    seed, trial = int(fields["seed"]), int(fields["trial"])
    stored = json.loads(str(fields["parameters"]))
    values = {field: value for field, value in stored.items() if value is not None}
    problem = Problem(fields["X"], fields["y"]) if "X" in fields and "y" in fields else None
    if name:
        return _replay_mutant(statement, name, values, seed)
    parameters = with_changes(statement.presets["quick"], values, key)
    if statement.law is not None:
        return check(statement, parameters=parameters, seed=seed)
    assume = json.loads(str(fields["assumed"]))
    return check_trial(statement, parameters, seed=seed, trial=trial, problem=problem, assume=assume)


def _replay_mutant(statement: Statement, name: str, values: dict[str, Any], seed: int) -> Result:
    found = {item.name: item for item in statement.mutants()}
    if name in found:
        return check_mutant(found[name], seed=seed)
    if not name.startswith("tightened"):
        raise ValueError(f"{statement.key} has no mutant {name!r}; it has {', '.join(found) or 'none'}")
    parameters = with_changes(statement.presets["quick"], values, statement.key)
    return check(tightened(statement), parameters=parameters, seed=seed)
