"""A statement in words and numbers: parameters put in, and every hypothesis with its ratio."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proofs_check.check.compare import Row, compare, describe
from proofs_check.check.parameters import choose
from proofs_check.check.result import jsonable, parameter_values
from proofs_check.statement import Statement
from shallow.setting.problem import Problem

__all__ = ["Explanation", "explain", "substitute"]

# After these a brace holds letters of a word or a letter's font, not a variable.
_WORDS = r"(?<!\\mathrm)(?<!\\text)(?<!\\operatorname)(?<!\\mathbb)(?<!\\mathcal)(?<!\\mathbf)(?<!\\mathsf)"


@dataclass(frozen=True, eq=False)
class Explanation:
    """A statement on one instance, ready to print."""

    statement: Statement
    row: Row
    mathematics: str

    def __str__(self) -> str:
        statement, values = self.statement, parameter_values(self.row.parameters)
        lines = [
            f"{statement.key}: {statement.title}",
            f"source      {statement.source}",
            f"text        {statement.grade.value}",
            "",
            *(line.strip() for line in self.mathematics.split("\\\\")),
            "",
        ]
        lines += [f"  {symbol:12} {meaning}" for symbol, meaning in statement.symbols.items()]
        lines += [
            "",
            "with        " + ", ".join(f"{name} = {_short(value)}" for name, value in values.items()),
        ]
        for item in statement.constants:
            value = "unspecified in the source" if item.value is None else f"{item.value:.6g}"
            lines.append(f"constant    {item.symbol} = {value} ({item.meaning})")
        if statement.probability is not None:
            lines.append(
                f"probability over {', '.join(sorted(statement.probability.over))}: at least "
                + ", ".join(f"{1 - delta:g} ({size})" for size, delta in statement.probability.delta.items())
            )
        lines += [f"hypothesis  {describe(item)}" for item in self.row.hypotheses]
        lines += self._promises()
        lines += [f"note        {note}" for note in statement.notes]
        if statement.witness:
            lines.append(f"witness     {statement.witness}")
        if statement.source.bibtex:
            lines += ["", statement.source.bibtex.strip()]
        return "\n".join(lines)

    def _promises(self) -> list[str]:
        requirement, lines = self.row.requirement, []
        at = " at C = 1" if requirement.width_up_to_constant else ""
        for text, value in (
            (f"requires    m >= {{:.3g}}{at}", requirement.width),
            ("allows      a step of {:.3g}", requirement.step),
            ("promises    a decay of {:.3g}", requirement.decay),
        ):
            if value == value:
                lines.append(text.format(value))
        if requirement.note:
            lines.append(f"            {requirement.note}")
        if self.row.refusal:
            lines.append(f"refused     {self.row.refusal}")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Plain data for ``explain --json``."""
        statement = self.statement
        return {
            "key": statement.key,
            "title": statement.title,
            "kind": statement.kind,
            "source": str(statement.source),
            "bibtex": statement.source.bibtex,
            "grade": statement.grade.value,
            "mathematics": self.mathematics,
            "symbols": dict(statement.symbols),
            "constants": [
                {"symbol": item.symbol, "meaning": item.meaning, "value": jsonable(item.value)}
                for item in statement.constants
            ],
            "hypotheses": [describe(item) for item in self.row.hypotheses],
            "requirement": self.row.to_json(),
            "notes": list(statement.notes),
        }


def explain(
    statement: Statement,
    *,
    set: Mapping[str, Any] | None = None,
    size: str = "quick",
    seed: int = 0,
    problem: Problem | None = None,
) -> Explanation:
    """The statement with numbers put in; ``print`` it.

    Nothing is trained; the instance is drawn to see its hypotheses.

    Raises
    ------
    ValueError
        For a parameter the statement does not have or a value that does not fit.
    """
    choose(statement, size, None, set)
    row = compare([statement], problem=problem, set=set, size=size, seed=seed)[0]
    return Explanation(statement, row, substitute(statement.mathematics, parameter_values(row.parameters)))


def substitute(mathematics: str, values: Mapping[str, Any]) -> str:
    """TeX with every group ``{name}`` that names a parameter filled with its value, the braces kept.

    Braces that hold a word or a letter's font (after ``\\text``, ``\\mathbb`` and their like) are left alone.
    """
    for name, value in values.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            mathematics = re.sub(
                _WORDS + r"\{" + re.escape(name) + r"\}", f"{{{_short(value)}}}", mathematics
            )
    return mathematics


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
