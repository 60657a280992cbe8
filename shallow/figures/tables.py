"""Tables for papers: CSV behind every figure, and LaTeX with booktabs rules."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["latex_escape", "latex_table", "write_csv", "write_text"]

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def write_csv(path: str | Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    """Write rows with a header; floats are written with all their digits and read back bit for bit.

    Raises
    ------
    ValueError
        If a row has not as many entries as the header.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for place, row in enumerate(rows):
        if len(row) != len(header):
            raise ValueError(f"row {place} has {len(row)} entries, the header {len(header)}")
        # repr of a Python float is the shortest text that reads back to the same bits.
        writer.writerow([repr(float(x)) if hasattr(x, "dtype") or isinstance(x, float) else x for x in row])
    return write_text(Path(path), text.getvalue())


def latex_table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    path: str | Path,
    *,
    caption: str = "",
    label: str = "",
    columns: str = "",
) -> Path:
    r"""Write a ``table`` environment with booktabs rules; cells are LaTeX already (see :func:`latex_escape`).

    Raises
    ------
    ValueError
        If a row has not as many entries as the header.
    """
    lines = [r"% needs \usepackage{booktabs}", r"\begin{table}", r"  \centering"]
    if caption:
        lines.append(rf"  \caption{{{caption}}}")
    if label:
        lines.append(rf"  \label{{{label}}}")
    lines += [rf"  \begin{{tabular}}{{{columns or 'l' * len(header)}}}", r"    \toprule"]
    lines += ["    " + " & ".join(header) + r" \\", r"    \midrule"]
    for place, row in enumerate(rows):
        if len(row) != len(header):
            raise ValueError(f"row {place} has {len(row)} entries, the header {len(header)}")
        lines.append("    " + " & ".join(row) + r" \\")
    lines += [r"    \bottomrule", r"  \end{tabular}", r"\end{table}", ""]
    return write_text(Path(path), "\n".join(lines))


def latex_escape(text: str) -> str:
    """The text with LaTeX's special characters made literal."""
    return "".join(_SPECIAL.get(letter, letter) for letter in text)


def write_text(path: Path, text: str) -> Path:
    """Write a file whole or not at all: into a sibling first, which then takes its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sibling = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        sibling.write_text(text, encoding="utf-8")
        os.replace(sibling, path)
    finally:
        sibling.unlink(missing_ok=True)
    return path
