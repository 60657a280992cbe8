"""A user's own data before a statement sees it: duplicates named, rows drawn where it needs fewer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from proofs_check.check.parameters import fit_to_data
from proofs_check.statement import Statement
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = ["Prepared", "describe_duplicates", "prepare", "refusal"]

Prepared = tuple[Problem, Any]

_SHOWN = 8


def refusal(statement: Statement) -> str:
    """Why the statement takes no data, in one line; empty when it does."""
    return statement.accepts_data[3:].strip() if statement.accepts_data.startswith("no:") else ""


def prepare(
    statement: Statement, problem: Problem, parameters: Any, changes: Mapping[str, Any] | None, seed: int
) -> Prepared:
    """The data as the statement takes it, and the parameters that go with it.

    A statement that takes subsamples gets its parameter n of the rows, drawn without replacement from the
    stream "subsample" and kept in their order; all of them when there are fewer.
    """
    if statement.accepts_data == "subsampled":
        wanted = getattr(parameters, "n", None)
        if not isinstance(wanted, int):
            raise ValueError(f"{statement.key} takes subsampled data but has no integer parameter n")
        if wanted < problem.n:
            rows = np.sort(Streams(seed).generator("subsample").permutation(problem.n)[:wanted])
            problem = problem.replace(
                X=problem.X[rows],
                y=problem.y[rows],
                name=f"{wanted} of the {problem.n} rows of {problem.name}",
            )
        changes = {name: value for name, value in (changes or {}).items() if name != "n"}
    elif statement.accepts_data != "yes":
        raise ValueError(
            f"{statement.key}: accepts_data is {statement.accepts_data!r}; use yes, subsampled or no: why"
        )
    return problem, fit_to_data(statement, parameters, problem, changes)


def describe_duplicates(problem: Problem) -> tuple[str, ...]:
    """Duplicate and proportional rows in words, the first few by name and the rest as a count."""
    from shallow.setting.data import find_duplicates

    found = find_duplicates(problem)
    lines = [str(item) for item in found[:_SHOWN]]
    if len(found) > _SHOWN:
        lines.append(f"and {len(found) - _SHOWN} more groups of duplicate rows")
    return tuple(lines)
