r"""TeX mathematics to MathML, for a subset that is small on purpose.

The subset: letters, numbers, Greek, sub- and superscripts, ``\frac``, ``\sqrt``, sums and limits, norms and
brackets with ``\left``/``\right``, ``\mathrm``, ``\mathbb``, ``\mathcal``, ``\mathbf``, ``\text``, accents,
and the relations of :mod:`proofs_check.report.symbols`. ``\\`` starts a new line. Anything else is an error,
so that no statement is ever shown with a piece of its mathematics silently missing.
"""

from __future__ import annotations

import re
from html import escape
from typing import Literal

from proofs_check.report.tex import Reader, TexError, row

__all__ = ["TexError", "mathml", "prose"]

_MATHML = "http://www.w3.org/1998/Math/MathML"


def mathml(tex: str, display: Literal["block", "inline"] = "block") -> str:
    r"""MathML of a formula.

    Parameters
    ----------
    tex : str
        Without dollar signs. ``\\`` separates lines, each of which becomes a ``<math>`` of its own, so that
        a narrow screen can break between them.
    display : "block" or "inline"

    Raises
    ------
    TexError
        If a command is unknown or braces do not match.
    """
    lines = [line for line in _split_lines(tex) if line.strip()]
    if not lines:
        raise TexError("the formula is empty")
    return "\n".join(_one_formula(line, display) for line in lines)


def prose(text: str) -> str:
    """HTML of text with formulas between dollar signs: ``$...$`` inline, ``$$...$$`` on a line of its own.

    Raises
    ------
    TexError
        If a dollar sign has no partner or a formula is outside the subset.
    """
    parts = re.split(r"(\$\$?)", text)
    pieces: list[str] = []
    opened = ""
    for part in parts:
        if part.startswith("$"):
            if opened and part != opened:
                raise TexError(f"{opened} is closed by {part} in: {text}")
            opened = "" if opened else part
        elif opened:
            pieces.append(mathml(part, "block" if opened == "$$" else "inline"))
        else:
            pieces.append(escape(part))
    if opened:
        raise TexError(f"a {opened} is not closed in: {text}")
    return "".join(pieces)


def _split_lines(tex: str) -> list[str]:
    return re.split(r"\\\\", tex)


def _one_formula(tex: str, display: Literal["block", "inline"]) -> str:
    reader = Reader(tex, limits_under=display == "block")
    body = row(reader.atoms(stop=None))
    # The source stays with the formula, for copying and for readers that do not speak MathML.
    label = escape(tex.strip(), quote=True)
    opening = f'<math xmlns="{_MATHML}" display="{display}" alttext="{label}">'
    return f"{opening}{body}</math>"
