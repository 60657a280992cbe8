"""The report's directory: both files appear together, or nothing changes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from proofs_check.check.result import Result
from proofs_check.report.document import document
from proofs_check.report.page import page

__all__ = ["CASES", "FILES", "write"]

FILES = ("index.html", "results.json")
CASES = "cases"
"""Where a command saves violations and refuted mutants beside the two files."""


def write(results: Sequence[Result], directory: str | Path, seed: int, beyond: Sequence[Result] = ()) -> Path:
    """Write ``index.html`` and ``results.json`` into ``directory``.

    Both are made in full before either takes its place, so a failure leaves an older report as it was.

    Parameters
    ----------
    results : sequence of Result
    directory : str or Path
        Made if it does not exist, with its parents.
    seed : int
    beyond : sequence of Result
        Checks past the hypotheses.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ValueError
        If there are no results.
    FileExistsError
        If the directory is a file, or holds anything that no report wrote: nothing is written then.
    """
    if not results:
        raise ValueError("there are no results to write; check at least one statement")
    target = Path(directory)
    _refuse_foreign(target)
    contents = {
        "index.html": page(results, seed, beyond),
        "results.json": json.dumps(
            document(results, seed, beyond), indent=1, ensure_ascii=False, allow_nan=False
        )
        + "\n",
    }
    target.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        for name, text in contents.items():
            (workshop / name).write_text(text, encoding="utf-8")
        for name in FILES:
            os.replace(workshop / name, target / name)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return target / "index.html"


def _refuse_foreign(target: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise FileExistsError(f"{target} is a file; name a directory for the report")
    ours = {*FILES, CASES}
    foreign = sorted(item.name for item in target.iterdir() if item.name not in ours)
    if foreign:
        shown = ", ".join(foreign[:3]) + (", ..." if len(foreign) > 3 else "")
        raise FileExistsError(
            f"{target} holds files that no report wrote ({shown}); name an empty or a new directory"
        )
