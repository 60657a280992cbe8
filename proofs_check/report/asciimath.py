"""Plain-text mathematics, as in ``||w_r - w_r(0)|| <= 4 sqrt(n)``, set a little better for the page."""

from __future__ import annotations

import re
from html import escape

from proofs_check.report.symbols import LETTERS

__all__ = ["typeset"]

_GREEK = re.compile(rf"(?<![\\A-Za-z])({'|'.join(sorted(LETTERS, key=len, reverse=True))})(?![A-Za-z])")
_SUBSCRIPT = re.compile(r"(?<![^\W\d_])([^\W\d_])_(\{[^{}]*\}|[^\W_]+)")
_SUPERSCRIPT = re.compile(r"(?<=[^\W_)‖\]}>])\^(\{[^{}]*\}|\([^()]*\)|[+−-]?\d+|[^\W\d_]+)")
_POWER_OF_TEN = re.compile(r"(?<=\d)e([+-]?)(\d+)\b")
_SIGNS = (
    ("&lt;=", "≤"),
    ("&gt;=", "≥"),
    ("!=", "≠"),
    ("+-", "±"),
    ("||", "‖"),
    (" - ", " − "),
    ("sqrt(", "√("),
    ("-&gt;", "→"),
)


def typeset(text: str) -> str:
    """Escaped HTML with relations, norms, Greek letters, sub- and superscripts and powers of ten set as such.

    A subscript belongs to a single letter, so names such as ``label_scale`` stay as they are.
    """
    html = escape(text)
    for plain, sign in _SIGNS:
        html = html.replace(plain, sign)
    html = _GREEK.sub(lambda found: LETTERS[found.group(1)], html)
    html = _POWER_OF_TEN.sub(_power, html)
    html = _SUBSCRIPT.sub(lambda found: f"{found.group(1)}<sub>{_bare(found.group(2))}</sub>", html)
    return _SUPERSCRIPT.sub(lambda found: f"<sup>{_bare(found.group(1))}</sup>", html)


def _power(found: re.Match[str]) -> str:
    sign = "−" if found.group(1) == "-" else ""
    return f"&#8239;×&#8239;10<sup>{sign}{int(found.group(2))}</sup>"


def _bare(group: str) -> str:
    return group[1:-1].replace("-", "−") if group[0] in "{(" else group.replace("-", "−")
