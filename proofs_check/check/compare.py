"""What each statement asks for and promises on one instance, without training anything."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proofs_check.check import data as own_data
from proofs_check.check.draw import Cell
from proofs_check.check.parameters import choose, suggest
from proofs_check.check.result import jsonable, parameter_values
from proofs_check.statement import Hypothesis, Requirement, Statement
from proofs_check.verdict import HypothesisStatus
from shallow.setting.problem import Problem

__all__ = ["Row", "compare", "describe", "shortfall"]

_BARRED = (HypothesisStatus.FALSE, HypothesisStatus.NOT_CHECKABLE)
_GRAVEST_FIRST = (*_BARRED, HypothesisStatus.UP_TO_CONSTANT)


@dataclass(frozen=True, eq=False)
class Row:
    """One statement on one instance.

    ``requirement`` is what it asks for (width, step) and promises (decay); ``refusal`` says in one line why
    it does not speak of this instance at all, and is empty otherwise.
    """

    key: str
    title: str
    parameters: Any
    requirement: Requirement
    hypotheses: tuple[Hypothesis, ...]
    refusal: str = ""

    @property
    def failing(self) -> Hypothesis | None:
        """The hypothesis that keeps the statement away: a false one of smallest ratio, else one on a law.

        Where there is neither, the one known up to a constant that would fail at C = 1.
        """
        barred = [item for item in self.hypotheses if item.status in _BARRED or _fails_at_one(item)]
        return min(barred, key=_gravity) if barred else None

    def have(self, name: str) -> Any:
        """The value that the instance has of a parameter, or None."""
        return parameter_values(self.parameters).get(name)

    def to_json(self) -> dict[str, Any]:
        """Plain data; what is absent is null, with its reason under ``missing``."""
        requirement = self.requirement
        content: dict[str, Any] = {
            "key": self.key,
            "title": self.title,
            "required_m": jsonable(float(requirement.width)),
            "up_to_constant": requirement.width_up_to_constant,
            "have_m": jsonable(self.have("m")),
            "allowed_step": jsonable(float(requirement.step)),
            "promised_decay": jsonable(float(requirement.decay)),
            "note": requirement.note,
            "failing": None if self.failing is None else describe(self.failing),
            "refusal": self.refusal or None,
            "parameters": jsonable(parameter_values(self.parameters)),
        }
        reasons = {
            "required_m": self.refusal or "the statement names no finite width",
            "have_m": "the statement has no parameter m",
            "allowed_step": self.refusal or "the statement names no step",
            "promised_decay": self.refusal or "the statement promises no decay",
            "failing": self.refusal or "no hypothesis fails",
            "refusal": "the statement speaks of this instance",
        }
        content["missing"] = {name: why for name, why in reasons.items() if content[name] is None}
        return content


def _fails_at_one(item: Hypothesis) -> bool:
    return item.status is HypothesisStatus.UP_TO_CONSTANT and item.ratio < 1


def _gravity(item: Hypothesis) -> tuple[int, float]:
    return _GRAVEST_FIRST.index(item.status), item.ratio if not math.isnan(item.ratio) else 1.0


def compare(
    statements: Sequence[Statement],
    *,
    problem: Problem | None = None,
    set: Mapping[str, Any] | None = None,
    size: str = "quick",
    seed: int = 0,
) -> list[Row]:
    """One row a statement: the width it requires, the step it allows, the decay it promises, what fails.

    Parameters
    ----------
    statements : sequence of Statement
    problem : Problem, optional
        The user's own data; without it each statement draws its own at the parameters given.
    set : mapping, optional
        Parameters to change where a statement has them, such as ``{"n": 50, "m": 1000}``.
    size, seed
        The preset to start from, and the seed of what is drawn.

    Raises
    ------
    ValueError
        If a name in ``set`` is a parameter of none of the statements, or a value does not fit.
    """
    changes = dict(set or {})
    known = sorted({name for item in statements for name in parameter_values(item.presets[size])})
    for name in changes:
        if name not in known:
            raise ValueError(f"--set {name}: no statement has a parameter {name!r}{suggest(name, known)}")
    return [_row(item, problem, changes, size, seed) for item in statements]


def _row(
    statement: Statement, problem: Problem | None, changes: Mapping[str, Any], size: str, seed: int
) -> Row:
    mine = {
        name: value for name, value in changes.items() if name in parameter_values(statement.presets[size])
    }
    parameters = choose(statement, size, None, mine)
    blank = Row(statement.key, statement.title, parameters, Requirement(), ())
    if problem is not None:
        if own_data.refusal(statement):
            return dataclasses.replace(blank, refusal=f"it takes no data: {own_data.refusal(statement)}")
        problem, parameters = own_data.prepare(statement, problem, parameters, mine, seed)
    hypotheses: tuple[Hypothesis, ...] = ()
    try:
        instance = statement.instance(parameters, Cell(statement, parameters, seed, 0).streams, problem)
        hypotheses = tuple(statement.hypotheses(instance))
        requirement = Requirement() if statement.requirement is None else statement.requirement(instance)
    except ValueError as error:
        return dataclasses.replace(
            blank, parameters=parameters, hypotheses=hypotheses, refusal=str(error).partition("\n")[0]
        )
    return dataclasses.replace(blank, parameters=parameters, hypotheses=hypotheses, requirement=requirement)


def describe(item: Hypothesis) -> str:
    """A hypothesis in one line: what it requires, what there is, and the ratio of the two."""
    status = item.status.value
    text = f"{item.name}: {status}"
    if math.isnan(item.have) or math.isnan(item.need):
        return f"{text} ({item.text})"
    at = " at C = 1" if item.status is HypothesisStatus.UP_TO_CONSTANT else ""
    return f"{text}, {shortfall(item, at)}"


def shortfall(item: Hypothesis, at: str = "") -> str:
    """For example: m >= 3.1e+09 is required at C = 1, you have 1e+03 (ratio 3.2e-07)."""
    name = item.variable or item.name
    required = f"{name} {item.sense} {item.need:.3g} is required{at}"
    return f"{required}, you have {item.have:.3g} (ratio {item.ratio:.2g})"
