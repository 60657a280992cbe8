"""What the commands share: reading keys, data and ``--set``, and the frame of a JSON document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from proofs_check.check.parameters import suggest
from proofs_check.check.result import parameter_values
from proofs_check.statement import Statement
from proofs_check.theorems import THEOREMS
from shallow.setting.problem import Problem

__all__ = ["Assignments", "Rows", "changes_for", "framed", "read_data", "statement_of", "statements_of"]

Assignments = Annotated[list[str] | None, Parameter(name="--set", consume_multiple=True, negative=())]
Rows = Literal["raw", "unit"]


def statement_of(key: str) -> Statement:
    """The statement ``key``; a ValueError with the nearest key when there is none."""
    if key not in THEOREMS:
        raise ValueError(f"KEY {key!r}: no such statement{suggest(key, list(THEOREMS))}")
    return THEOREMS[key]


def statements_of(keys: Sequence[str]) -> list[Statement]:
    """The statements named, without repetition; a family's name means all of it, and no name means all."""
    chosen: dict[str, Statement] = {}
    for key in keys or list(THEOREMS):
        family = [name for name in THEOREMS if name.startswith(f"{key}/")]
        for name in family if key not in THEOREMS and family else [key]:
            chosen[name] = statement_of(name)
    return list(chosen.values())


def changes_for(
    statements: Sequence[Statement], changes: Mapping[str, Any], size: str
) -> dict[str, dict[str, Any]]:
    """Which of ``changes`` each statement has as a parameter, by key.

    Raises
    ------
    ValueError
        If a name is a parameter of none of them.
    """
    fields = {item.key: parameter_values(item.presets.get(size)) for item in statements}
    every = list(dict.fromkeys(name for names in fields.values() for name in names))
    for name in changes:
        if name not in every:
            whose = statements[0].key if len(statements) == 1 else "no statement chosen"
            verb = "has no" if len(statements) == 1 else "has a"
            raise ValueError(f"--set {name}: {whose} {verb} parameter {name!r}{suggest(name, every)}")
    return {
        key: {name: value for name, value in changes.items() if name in names}
        for key, names in fields.items()
    }


def read_data(path: Path | None, rows: Rows) -> Problem | None:
    """The user's own problem, with rows as they are or scaled to unit norm.

    Raises
    ------
    ValueError
        Naming the file, for anything that cannot be read as inputs and labels.
    """
    if path is None:
        if rows != "raw":
            raise ValueError(f"--rows {rows}: it says how to take your own rows; give them with --data FILE")
        return None
    from shallow.setting.data import read_problem, unit_rows

    if not path.is_file():
        raise ValueError(f"--data {path}: no such file")
    try:
        problem = read_problem(path)
        return unit_rows(problem) if rows == "unit" else problem
    except (ValueError, TypeError) as error:
        text = str(error) if str(path) in str(error) else f"{path}: {error}"
        raise ValueError(f"--data {text}") from error


def framed(kind: str, seed: int, **content: Any) -> dict[str, Any]:
    """A JSON document of one kind: schema, versions, seed, kind and the content."""
    from proofs_check.report.document import SCHEMA, versions

    return {"schema": SCHEMA, "kind": kind, "versions": versions(), "seed": seed, **content}
