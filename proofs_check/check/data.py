"""A user's own data before a statement sees it: duplicates named, rows drawn where it needs fewer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from proofs_check.check.parameters import fit_to_data
from proofs_check.statement import Statement
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = ["Prepared", "describe_duplicates", "looks", "prepare", "refusal", "too_large"]

Prepared = tuple[Problem, Any]

_SHOWN = 8
_RUN_WORK = 10**10
"""Multiply-adds of one run on a user's data; a run that needs more is a short one."""
_STEP_WORK = 5 * 10**9
"""Multiply-adds of one step in every trial; data that needs more is refused with a word on what to change."""
_WEIGHTS = 5 * 10**6
"""Entries of W in a trained network; a flow keeps some 160 copies of them."""
_LOOK_WORK = 2 * 10**8
"""Multiply-adds of one step in the trials that only look past failed hypotheses."""


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
    return problem, _within_budget(fit_to_data(statement, parameters, problem, changes), problem, changes)


def _step_work(parameters: Any, problem: Problem) -> int:
    """Multiply-adds of one step: n d m for the network, and n^3/10 for the spectrum of a kernel."""
    n, d, m = problem.n, problem.d, getattr(parameters, "m", 1)
    return n * d * (m if isinstance(m, int) else 1) + n**3 // 10


def _within_budget(parameters: Any, problem: Problem, changes: Mapping[str, Any] | None) -> Any:
    """``parameters`` with at most as many steps as _RUN_WORK pays for, unless they were asked for."""
    most = getattr(parameters, "max_steps", None)
    if not isinstance(most, int) or "max_steps" in (changes or {}):
        return parameters
    return dataclasses.replace(
        parameters, max_steps=min(most, 1 + _RUN_WORK // _step_work(parameters, problem))
    )


def looks(parameters: Any, problem: Problem, most: int) -> int:
    """How many trials, of at most ``most``, may look at a conclusion whose hypotheses failed; at least 1."""
    return max(1, min(most, _LOOK_WORK // _step_work(parameters, problem)))


def too_large(parameters: Any, problem: Problem, trials: int, changes: Mapping[str, Any] | None) -> str:
    """Why a check on these data would take too long, in one line; empty when it would not.

    A width or a number of trials that was asked for is never refused.
    """
    work = trials * _step_work(parameters, problem)
    if "m" in (changes or {}):
        return ""
    if hasattr(parameters, "max_steps") and getattr(parameters, "m", 0) * problem.d > _WEIGHTS:
        return (
            f"its network has m d = {parameters.m} x {problem.d} weights on these data, over {_WEIGHTS:.0e}; "
            "take fewer columns, or ask for it with --set m=..."
        )
    if work <= _STEP_WORK:
        return ""
    width = f", m = {parameters.m}" if hasattr(parameters, "m") else ""
    smaller = "take fewer rows, or ask for it with --set m=..." if width else "take fewer rows"
    return (
        f"one step at n = {problem.n}, d = {problem.d}{width} in {trials} trials takes {work:.1e} "
        f"multiply-adds, over {_STEP_WORK:.0e}; {smaller}"
    )


def describe_duplicates(problem: Problem) -> tuple[str, ...]:
    """Duplicate and proportional rows in words, the first few by name and the rest as a count."""
    from shallow.setting.data import find_duplicates

    found = find_duplicates(problem)
    lines = [str(item) for item in found[:_SHOWN]]
    if len(found) > _SHOWN:
        lines.append(f"and {len(found) - _SHOWN} more groups of duplicate rows")
    return tuple(lines)
