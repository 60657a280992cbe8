"""Results as a table in the terminal: Rich where it is installed, aligned plain text otherwise."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from proofs_check.check.result import Result
from proofs_check.report.conclusions import changed, conclusion_words
from proofs_check.report.words import REGIME_WORDS, VERDICT_SYMBOLS, number, word
from proofs_check.verdict import HypothesisStatus, Verdict

__all__ = ["plain_table", "show"]

_HEADER = ("statement", "verdict", "hypotheses", "regime", "tightness", "held", "evidence")
_FOR_WIDE = ("hypotheses", "evidence")
_WIDE = 110
"""Columns from which a terminal has room for the words above; the page and the document always show them."""
_STYLES = {
    "HOLDS": "bold green",
    "VIOLATED": "bold red",
    "CONSISTENT": "green",
    "UNDECIDED": "yellow",
    "NOT_APPLICABLE": "dim",
    "VACUOUS": "dim",
}


_BEYOND_HEADER = ("past its hypotheses", "changed", "regime", "conclusion")


def show(results: Sequence[Result], stream: TextIO | None = None, *, beyond: Sequence[Result] = ()) -> None:
    """Print one row a statement, then the reason for each verdict other than HOLDS.

    Parameters
    ----------
    results : sequence of Result
    beyond : sequence of Result
        Checks past the hypotheses, as a table of their own at the end.
    stream : text stream
        Standard output by default. A stream that is no terminal gets plain text without escape codes.
    """
    stream = sys.stdout if stream is None else stream
    rows = [_row(result) for result in results]
    styles = [_STYLES[result.verdict.name] for result in results]
    _print_table(_HEADER, rows, stream, styles)
    for result in results:
        if result.verdict is Verdict.HOLDS:
            continue
        print(f"\n{result.key}: {word(result.verdict)}. {_sentence(result.reason)}", file=stream)
        for line in _failing(result):
            print(f"    {line}", file=stream)
    if beyond:
        print(file=stream)
        _print_table(_BEYOND_HEADER, [_beyond_row(result) for result in beyond], stream)


def _print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], stream: TextIO, styles: Sequence[str] = ()
) -> None:
    if not (stream.isatty() and _print_rich(header, rows, stream, styles)):
        print(plain_table(header, rows), file=stream)


def plain_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows in aligned columns under a ruled header."""
    widths = [max(len(row[place]) for row in (header, *rows)) for place in range(len(header))]
    ruled = [header, ["-" * width for width in widths], *rows]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in ruled)
    return "\n".join(lines)


def _row(result: Result) -> tuple[str, ...]:
    verdict = f"{VERDICT_SYMBOLS[result.verdict]} {word(result.verdict)}"
    return (
        result.key,
        verdict + (" OUTSIDE" if result.outside else ""),
        _hypotheses(result),
        _regime(result),
        number(result.tightness),
        f"{result.held}/{result.inside or result.trials}",
        word(result.evidence),
    )


def _regime(result: Result) -> str:
    return "not measured" if result.regime is None else REGIME_WORDS[result.regime]


def _beyond_row(result: Result) -> tuple[str, ...]:
    measured = f" (E = {number(result.regime_value)})" if result.regime_value is not None else ""
    conclusion = conclusion_words(result) + (" OUTSIDE" if result.outside else "")
    return (result.key, changed(result), _regime(result) + measured, conclusion)


def _hypotheses(result: Result) -> str:
    counts = {status: sum(h.status is status for h in result.hypotheses) for status in HypothesisStatus}
    shown = [f"{count} {status.value}" for status, count in counts.items() if count]
    return ", ".join(shown) or "none"


def _failing(result: Result) -> list[str]:
    """The hypotheses that are not simply true, with what they would need."""
    lines = []
    for item in result.hypotheses:
        if item.status is HypothesisStatus.TRUE:
            continue
        sense = {">=": "≥", "<=": "≤"}[item.sense]
        at_one = " at C = 1" if item.status is HypothesisStatus.UP_TO_CONSTANT else ""
        sides = ""
        if not math.isnan(item.ratio):
            sides = f": {item.variable} {sense} {number(item.need)}{at_one}, you have {number(item.have)}"
        lines.append(f"{item.name} is {item.status.value}{sides}")
    return lines


def _sentence(reason: str) -> str:
    text = reason[:1].upper() + reason[1:]
    return text if text.endswith((".", "?", "!")) else text + "."


def _print_rich(
    header: Sequence[str], rows: Sequence[Sequence[str]], stream: TextIO, styles: Sequence[str]
) -> bool:
    """Print through Rich and say whether it could be found; cells fold where room is short, a key never."""
    try:
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        return False
    console = Console(file=stream)
    shown = [place for place, name in enumerate(header) if console.width >= _WIDE or name not in _FOR_WIDE]
    table: Any = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for place in shown:
        table.add_column(header[place], no_wrap=place == 0, overflow="fold")
    for number_of_row, row in enumerate(rows):
        cells = [Text(cell) for cell in row]
        if styles:
            cells[1].stylize(styles[number_of_row])
        table.add_row(*(cells[place] for place in shown))
    console.print(table)
    return True
