"""Pieces of HTML shared by the page's parts: escaping, numbers, badges, tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from proofs_check.report.asciimath import typeset
from proofs_check.report.mathml import TexError, mathml, prose
from proofs_check.report.symbols import LETTERS
from proofs_check.report.words import STATUS_SYMBOLS, VERDICT_SYMBOLS, parts, word
from proofs_check.verdict import HypothesisStatus, Verdict

__all__ = [
    "ABSENT",
    "anchor",
    "badge",
    "code",
    "facts",
    "formula",
    "quantity",
    "status_mark",
    "symbol",
    "table",
    "text",
]

_GREEK = re.compile(rf"(?<![\\A-Za-z])({'|'.join(sorted(LETTERS, key=len, reverse=True))})(?![A-Za-z])")


ABSENT = '<span class="none">—</span>'
"""Where there is nothing to show; a narrow screen leaves the line out."""


def anchor(key: str) -> str:
    """An id for a statement's key: ``du2019/theorem-4.1`` becomes ``du2019-theorem-4.1``."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", key)


def text(content: str) -> str:
    """Text with ``$...$`` formulas, one formula in TeX, or mathematics in plain characters, escaped."""
    if "$" in content:
        return _converted(content)
    if re.search(r"\\[A-Za-z|]", content):
        try:
            return mathml(content, "inline")
        except TexError:
            return typeset(content)
    return typeset(content)


def code(content: str) -> str:
    """Something to type or a name of the program."""
    return f"<code>{escape(content)}</code>"


def formula(tex: str, parameters: Iterable[str] = ()) -> str:
    r"""A statement's mathematics: prose with ``$...$`` in it, or displayed lines split by ``\\``.

    ``{name}`` stands for a parameter's value; it is shown as the name.
    """
    for name in parameters:
        if len(name) > 1:
            shown = name.replace("_", r"\_")
            tex = tex.replace(f"{{{name}}}", rf"{{\mathrm{{{shown}}}}}")
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", tex) if part.strip()]
    return "\n".join(f'<div class="formula">{_converted(part)}</div>' for part in paragraphs)


def _converted(tex: str) -> str:
    """The formula, or its source in full where it is outside the subset: never a part of it."""
    try:
        return prose(tex) if "$" in tex else mathml(tex)
    except TexError as error:
        return f"{code(tex)} <small>(as typed: {escape(str(error).split(' in the formula')[0])})</small>"


def symbol(name: str) -> str:
    """A symbol of a statement: ``lambda_0`` and TeX as mathematics, a name like ``step_constant`` as code."""
    tex = _GREEK.sub(r"\\\1", name)
    if re.fullmatch(r"[A-Za-z]\w{2,}", tex) and not re.match(r"[A-Za-z]_", tex):
        return code(name)
    has_words = re.search(r"(?<![\\A-Za-z])[A-Za-z]{3,}", tex) is not None
    if has_words and not re.search(r"[\\$]", name):
        return typeset(name)
    try:
        return prose(name) if "$" in name else mathml(tex, "inline")
    except TexError:
        return code(name)


def quantity(value: float | None) -> str:
    """A number with its power of ten raised, and a dash where there is none."""
    mantissa, power = parts(value)
    if power is None:
        return f'<span class="n">{mantissa}</span>' if mantissa != "—" else ABSENT
    sign = "−" if power < 0 else ""
    return f'<span class="n">{mantissa}&#8239;×&#8239;10<sup>{sign}{abs(power)}</sup></span>'


def badge(verdict: Verdict) -> str:
    """A verdict as word, symbol and pattern."""
    kind = verdict.name.lower().replace("_", "-")
    title = escape(verdict.value, quote=True)
    mark = f'<span aria-hidden="true">{VERDICT_SYMBOLS[verdict]}</span>'
    return f'<span class="badge {kind}" title="{title}">{mark} <b>{word(verdict)}</b></span>'


def status_mark(status: HypothesisStatus) -> str:
    """A hypothesis's status as symbol and word."""
    kind = status.name.lower().replace("_", "-")
    mark = f'<span aria-hidden="true">{STATUS_SYMBOLS[status]}</span>'
    return f'<span class="status {kind}">{mark} {escape(status.value)}</span>'


def facts(entries: Iterable[tuple[str, str]], kind: str = "facts") -> str:
    """A list of names with their values, both HTML."""
    body = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in entries)
    return f'<dl class="{kind}">{body}</dl>'


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str = "stack") -> str:
    """A table whose first column heads the rows; cells are HTML.

    ``kind`` is a class of the style sheet: ``"stack"`` folds each row into a card on a narrow screen,
    ``"scroll"`` keeps the grid and scrolls it. Roles are spelled out, since folding hides the table from
    assistive readers otherwise.
    """
    labels = [re.sub(r"<[^>]+>", "", name) for name in header]
    lines = [
        f'<div class="{kind}" role="region" tabindex="0" aria-label="{escape(caption, quote=True)}">',
        f'<table role="table"><caption>{escape(caption)}</caption>',
        '<thead role="rowgroup"><tr role="row">',
        *(f'<th scope="col" role="columnheader">{name}</th>' for name in header),
        '</tr></thead><tbody role="rowgroup">',
    ]
    for row in rows:
        head, *cells = row
        lines.append(f'<tr role="row"><th scope="row" role="rowheader">{head}</th>')
        lines += [
            f'<td role="cell" data-label="{escape(label, quote=True)}"><div>{cell}</div></td>'
            for label, cell in zip(labels[1:], cells, strict=True)
        ]
        lines.append("</tr>")
    return "\n".join([*lines, "</tbody></table></div>"])
