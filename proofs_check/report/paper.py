"""For the paper: a LaTeX table of verdicts with its bibliography, and a figure of one swept parameter."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from proofs_check.check.result import Result
from proofs_check.report.words import parts
from proofs_check.verdict import Regime, Verdict
from shallow.figures.look import new_figure, save_pdf, style
from shallow.figures.tables import latex_escape, latex_table, write_csv, write_text

__all__ = ["figure", "table"]

_COLUMNS = (
    "verdict",
    "outside",
    "regime",
    "regime_value",
    "tightness",
    "trials",
    "inside",
    "held",
    "least_ratio",
)
_MARKS: dict[Verdict, dict[str, Any]] = {
    Verdict.HOLDS: {"marker": "o", "markerfacecolor": "#000000"},
    Verdict.VIOLATED: {"marker": "X", "markerfacecolor": "#D55E00", "markersize": 6},
    Verdict.CONSISTENT: {"marker": "s", "markerfacecolor": "white"},
    Verdict.UNDECIDED: {"marker": "$?$", "markersize": 6},
    Verdict.NOT_APPLICABLE: {"marker": "o", "markerfacecolor": "white"},
    Verdict.VACUOUS: {"marker": "v", "markerfacecolor": "white"},
}


def table(results: Sequence[Result], path: str | Path, *, caption: str = "") -> tuple[Path, Path]:
    r"""Write a LaTeX table (booktabs), one row a result, and a BibTeX file with the sources it cites.

    Parameters
    ----------
    results : sequence of Result
    path : str or Path
        Where the table goes (``.tex``); the bibliography has the same name with the suffix ``.bib``.
    caption : str
        LaTeX; a plain one is written if it is empty.

    Returns
    -------
    (tex, bib) : paths

    Raises
    ------
    ValueError
        If there are no results.
    """
    if not results:
        raise ValueError("there are no results to put into a table")
    tex = Path(path).with_suffix(".tex")
    entries = {_cite_key(result): result.statement.source.bibtex.strip() for result in results}
    header = ("Statement", "Parameters", "Verdict", "Regime", "Tightness", "Held")
    written = latex_table(
        header,
        [_table_row(result) for result in results],
        tex,
        caption=caption or "What was found; verdicts and regimes as defined in the report.",
        label=f"tab:{tex.stem}",
        columns="lllllr",
    )
    bib = write_text(tex.with_suffix(".bib"), "\n\n".join(filter(None, entries.values())) + "\n")
    return written, bib


def figure(results: Sequence[Result], field: str, path: str | Path) -> tuple[Path, Path]:
    """Write what became of a statement as one parameter was swept: tightness above, E below, as PDF and CSV.

    Parameters
    ----------
    results : sequence of Result
        Of one statement, at different values of ``field``.
    field : str
        The swept parameter.
    path : str or Path
        Where the PDF goes; the CSV has the same name with the suffix ``.csv``.

    Returns
    -------
    (pdf, csv) : paths

    Raises
    ------
    ValueError
        If there are no results, they are of several statements, or ``field`` is none of their parameters or
        no number.
    """
    values = _swept(results, field)
    ordered = [result for _, result in sorted(zip(values, results), key=lambda pair: pair[0])]
    values = sorted(values)
    pdf = Path(path).with_suffix(".pdf")
    with style():
        drawn = new_figure(height=3.0)
        above, below = drawn.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": (3, 2)})
        _draw(above, values, ordered, [result.tightness for result in ordered], "tightness")
        _draw(below, values, ordered, [result.regime_value for result in ordered], "$E$")
        for threshold in (0.1, 0.5):
            below.axhline(threshold, color="0.6", linewidth=0.6, linestyle=(0, (1, 2)))
        if min(values) > 0 and max(values) / min(values) >= 10:
            below.set_xscale("log")
        below.set_xlabel(_axis_name(field))
        above.set_title(ordered[0].key)
        above.legend(*_legend(ordered), loc="best")
        save_pdf(drawn, pdf)
    rows = [_csv_row(value, result) for value, result in zip(values, ordered)]
    return pdf, write_csv(pdf.with_suffix(".csv"), (field, *_COLUMNS), rows)


def _swept(results: Sequence[Result], field: str) -> list[float]:
    if not results:
        raise ValueError("there are no results to draw")
    keys = sorted({result.key for result in results})
    if len(keys) > 1:
        raise ValueError(f"a figure shows one statement; these are of {', '.join(keys)}")
    values = []
    for result in results:
        value = getattr(result.parameters, field, None)
        if isinstance(value, bool) or not isinstance(value, int | float):
            known = (
                ", ".join(name for name in vars(result.parameters))
                if hasattr(result.parameters, "__dict__")
                else ""
            )
            raise ValueError(f"{field!r} is no number among the parameters of {result.key} ({known})")
        values.append(float(value))
    return values


def _draw(
    axes: Any, values: Sequence[float], results: Sequence[Result], heights: Sequence[float | None], name: str
) -> None:
    known = [(x, y) for x, y in zip(values, heights) if y is not None and math.isfinite(y)]
    axes.plot([x for x, _ in known], [y for _, y in known], color="0.5", linewidth=0.8)
    for x, y, result in zip(values, heights, results):
        if y is not None and math.isfinite(y):
            axes.plot([x], [y], linestyle="none", color="black", **_MARKS[result.verdict])
    if known and min(y for _, y in known) > 0 and max(y for _, y in known) >= 10 * min(y for _, y in known):
        axes.set_yscale("log")
    axes.set_ylabel(name)


def _legend(results: Sequence[Result]) -> tuple[list[Any], list[str]]:
    from matplotlib.lines import Line2D

    shown = [verdict for verdict in Verdict if any(result.verdict is verdict for result in results)]
    handles = [Line2D([], [], linestyle="none", color="black", **_MARKS[verdict]) for verdict in shown]
    return handles, [verdict.name.replace("_", " ").lower() for verdict in shown]


def _csv_row(value: float, result: Result) -> tuple[Any, ...]:
    ratios = [hypothesis.ratio for hypothesis in result.hypotheses if not math.isnan(hypothesis.ratio)]
    return (
        value,
        result.verdict.name,
        result.outside,
        result.regime.name if result.regime else "",
        result.regime_value if result.regime_value is not None else "",
        result.tightness if result.tightness is not None else "",
        result.trials,
        result.inside,
        result.held,
        min(ratios) if ratios else "",
    )


def _table_row(result: Result) -> tuple[str, ...]:
    cite = _cite_key(result)
    source = rf"{latex_escape(result.statement.source.item)}" + (rf"~\cite{{{cite}}}" if cite else "")
    regimes = {
        Regime.LAZY: "lazy",
        Regime.BETWEEN: "between",
        Regime.NOT_LAZY: "not lazy",
        Regime.NO_RUN: "--",
    }
    return (
        source,
        _parameters(result.parameters),
        result.verdict.name.replace("_", " ").lower() + (" (outside)" if result.outside else ""),
        regimes[result.regime] if result.regime else "not measured",
        _latex_number(result.tightness),
        f"{result.held}/{result.inside or result.trials}",
    )


def _parameters(parameters: Any) -> str:
    names = [name for name in ("n", "d", "m") if hasattr(parameters, name)]
    return (
        f"${', '.join(f'{name} = {_size(getattr(parameters, name))}' for name in names)}$" if names else "--"
    )


def _size(value: Any) -> str:
    return (
        rf"\{{{', '.join(str(item) for item in value)}\}}" if isinstance(value, tuple | list) else str(value)
    )


def _latex_number(value: float | None) -> str:
    mantissa, power = parts(value)
    if mantissa == "—":
        return "--"
    mantissa = mantissa.replace("−", "-").replace("∞", r"\infty")
    return f"${mantissa}$" if power is None else rf"${mantissa} \times 10^{{{power}}}$"


def _cite_key(result: Result) -> str:
    found = re.match(r"\s*@\w+\{\s*([^,\s]+)", result.statement.source.bibtex)
    return found.group(1) if found else ""


def _axis_name(field: str) -> str:
    return f"${field}$" if len(field) == 1 else field.replace("_", " ")
