"""``proofs-check explain``: one statement with its numbers put in."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from proofs_check.check.explain import explain
from proofs_check.check.parameters import parse_assignments
from proofs_check.cli.options import Assignments, Rows, framed, read_data, statement_of
from shallow.cli.shell import document

__all__ = ["explain_command"]


def explain_command(
    key: str,
    *,
    set_: Assignments = None,
    size: Literal["quick", "full"] = "quick",
    seed: int = 0,
    data: Path | None = None,
    rows: Rows = "raw",
    json: bool = False,
) -> int:
    """Print a statement with these numbers put in: hypotheses with ratios, source, grade and BibTeX.

    Parameters
    ----------
    key
        The statement's key.
    set_
        Parameters, such as n=50 m=1000.
    size
        The preset to start from.
    seed
        Seed of the instance that is drawn; nothing is trained.
    data
        Your own X and y (NPZ or CSV).
    rows
        Take your rows raw, or scaled to unit norm.
    json
        Print one JSON document on standard output.
    """
    found = explain(
        statement_of(key),
        set=parse_assignments(set_ or []),
        size=size,
        seed=seed,
        problem=read_data(data, rows),
    )
    print(document(framed("explain", seed, statement=found.to_json())) if json else str(found))
    return 0
