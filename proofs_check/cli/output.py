"""The report's directory: made aside in full, then put in place by renaming."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

__all__ = ["CASES", "require_free", "write_aside"]

CASES = "cases"
_OURS = {"index.html", "results.json", CASES}


def require_free(target: Path) -> None:
    """Refuse a target that is a file, has no parent folder, or holds anything that is no report.

    Raises
    ------
    ValueError
        Naming ``--out``, what is there and what to do.
    """
    if not target.absolute().parent.is_dir():
        raise ValueError(f"--out {target}: there is no folder {target.absolute().parent}; make it first")
    if not target.exists():
        return
    if not target.is_dir():
        raise ValueError(f"--out {target}: it is a file; name a directory")
    names = {item.name for item in target.iterdir()}
    if names and (not names <= _OURS or not _is_report(target)):
        strange = ", ".join(sorted(names - _OURS)[:3]) or "no results.json of ours"
        raise ValueError(
            f"--out {target}: it is no report of ours ({strange}); name a new or an empty directory"
        )


def _is_report(target: Path) -> bool:
    try:
        found = json.loads((target / "results.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and str(found.get("schema", "")).startswith("proofs-check/")


def write_aside(target: Path, fill: Callable[[Path], None]) -> None:
    """Let ``fill`` write into a new sibling of ``target``, then rename it into place.

    An exception leaves ``target`` as it was and removes what was begun.
    """
    require_free(target)
    whole = target.absolute()
    workshop = Path(tempfile.mkdtemp(prefix=f".{whole.name}.", dir=whole.parent))
    made, old = workshop / "new", workshop / "old"
    try:
        made.mkdir()
        fill(made)
        if whole.exists():
            whole.rename(old)
        try:
            made.rename(whole)
        except OSError:
            if old.exists():
                old.rename(whole)
            raise
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
