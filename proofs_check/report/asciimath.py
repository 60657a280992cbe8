"""Plain-text mathematics, as in ``||w_r - w_r(0)|| <= 4 sqrt(n)``, set a little better for the page."""

from __future__ import annotations

import re
from html import escape, unescape

from proofs_check.report.symbols import FUNCTIONS, LETTERS, LIMIT_FUNCTIONS, OPERATORS

__all__ = ["typeset", "unicode"]

_COMMAND = re.compile(r"\\([A-Za-z]+)")
_COMMANDS = {**LETTERS, **OPERATORS, **LIMIT_FUNCTIONS, **{name: name for name in FUNCTIONS}, "|": "‖"}
_GREEK = re.compile(rf"(?<![\\A-Za-z])({'|'.join(sorted(LETTERS, key=len, reverse=True))})(?![A-Za-z])")
_SUBSCRIPT = re.compile(r"(?<![^\W\d_])([^\W\d_])_(\{[^{}]*\}|[^\W_]+)")
_NUMBERED = re.compile(r"([α-ωΑ-Ω])(\d+)")
_SUPERSCRIPT = re.compile(r"(?<=[\w)‖|\]}>])\^(\{[^{}]*\}|\([^()]*\)|[+−-]?\d+|[^\W\d_]+|∞)")
_INNER = re.compile(r"&lt;([\w, ]{1,16},[\w, ]{1,16})&gt;")
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
    html = _NUMBERED.sub(r"\1<sub>\2</sub>", _with_signs(escape(text)))
    html = _POWER_OF_TEN.sub(_power, html)
    html = _SUBSCRIPT.sub(lambda found: f"{found.group(1)}<sub>{_bare(found.group(2))}</sub>", html)
    return _SUPERSCRIPT.sub(lambda found: f"<sup>{_bare(found.group(1))}</sup>", html)


def unicode(text: str) -> str:
    """The same for plain text, such as a picture's axis: signs and Greek letters, scripts left as typed."""
    return unescape(_with_signs(escape(text)))


def _with_signs(html: str) -> str:
    html = _COMMAND.sub(lambda found: _COMMANDS.get(found.group(1), found.group()), html)
    html = _INNER.sub(r"⟨\1⟩", html)
    for plain, sign in _SIGNS:
        html = html.replace(plain, sign)
    return _GREEK.sub(lambda found: LETTERS[found.group(1)], html)


def _power(found: re.Match[str]) -> str:
    sign = "−" if found.group(1) == "-" else ""
    return f"&#8239;×&#8239;10<sup>{sign}{int(found.group(2))}</sup>"


def _bare(group: str) -> str:
    return group[1:-1].replace("-", "−") if group[0] in "{(" else group.replace("-", "−")
