"""``proofs-check compare``: what each statement asks for and promises, without training anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from proofs_check.check.compare import Row, compare, describe
from proofs_check.check.data import describe_duplicates
from proofs_check.check.parameters import parse_assignments
from proofs_check.cli.options import Assignments, Rows, changes_for, framed, read_data, statements_of
from proofs_check.report.terminal import plain_table
from shallow.cli.shell import document

__all__ = ["compare_command"]

_HEADER = ("statement", "required m", "you have", "allowed step", "promised decay", "failing hypothesis")


def compare_command(
    *keys: str,
    data: Path | None = None,
    rows: Rows = "raw",
    n: int | None = None,
    d: int | None = None,
    m: int | None = None,
    label_scale: Annotated[float | None, Parameter(name="--label-scale")] = None,
    set_: Assignments = None,
    size: Literal["quick", "full"] = "quick",
    seed: int = 0,
    json: bool = False,
) -> int:
    """Compare the statements on one instance; trains nothing.

    Parameters
    ----------
    keys
        Keys or families; all by default.
    data
        Your own X and y (NPZ or CSV); without it each statement draws its own law's.
    rows
        Take your rows raw, or scaled to unit norm.
    n, d, m, label_scale
        Samples, inputs, neurons and the labels' root mean square, where a statement has them.
    set_
        Further parameters, such as delta=0.1.
    size
        The preset to start from.
    seed
        Seed of what is drawn.
    json
        Print one JSON document on standard output.
    """
    statements = statements_of(keys)
    given = {"n": n, "d": d, "m": m, "label_scale": label_scale}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    changes |= parse_assignments(set_ or [])
    changes_for(statements, changes, size)
    problem = read_data(data, rows)
    found = compare(statements, problem=problem, set=changes, size=size, seed=seed)
    duplicates = () if problem is None else describe_duplicates(problem)
    if json:
        content = [row.to_json() for row in found]
        print(document(framed("compare", seed, duplicates=list(duplicates), rows=content)))
        return 0
    for line in duplicates:
        print(f"your data: {line}")
    print(plain_table(_HEADER, [_cells(row) for row in found]))
    return 0


def _cells(row: Row) -> tuple[str, ...]:
    requirement = row.requirement
    at = " (C = 1)" if requirement.width_up_to_constant else ""
    width = _number(requirement.width)
    have = row.have("m")
    failing = "none" if row.failing is None else describe(row.failing)
    return (
        row.key,
        width + at if width != "-" else width,
        "-" if have is None else f"m = {have:g}",
        _number(requirement.step),
        _number(requirement.decay),
        row.refusal or failing,
    )


def _number(value: float) -> str:
    return f"{value:.3g}" if value == value else "-"
