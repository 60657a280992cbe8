"""A statement's parameters: presets, changes by name, and fields that a user's data settles."""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from proofs_check.statement import Statement
from shallow.setting.problem import Problem

__all__ = ["choose", "fit_to_data", "parse_assignments", "suggest", "with_changes"]

# A parameter of this name, where a statement has it, is a property of the data.
_FROM_DATA = ("n", "d", "label_scale")


def choose(statement: Statement, size: str, parameters: Any, changes: Mapping[str, Any] | None) -> Any:
    """The preset ``size`` (or ``parameters``), with ``changes`` by field name.

    Raises
    ------
    ValueError
        For an unknown preset, field or value; the message says which and what would do.
    """
    if parameters is None:
        if size not in statement.presets:
            raise ValueError(f"{statement.key} has no size {size!r}; it has {', '.join(statement.presets)}")
        parameters = statement.presets[size]
    return with_changes(parameters, changes or {}, statement.key)


def with_changes(parameters: Any, changes: Mapping[str, Any], key: str) -> Any:
    """``parameters`` with fields changed; text is read as the field's type."""
    if not changes:
        return parameters
    if not dataclasses.is_dataclass(parameters) or isinstance(parameters, type):
        raise ValueError(f"{key} has no parameters that could be set")
    hints = _hints(parameters)
    values = {}
    for name, value in changes.items():
        if name not in hints:
            raise ValueError(f"--set {name}: {key} has no parameter {name!r}{suggest(name, list(hints))}")
        values[name] = _read(value, hints[name], f"--set {name}={value}")
    return dataclasses.replace(parameters, **values)


def _hints(parameters: Any) -> dict[str, Any]:
    names = [item.name for item in dataclasses.fields(parameters) if item.init]
    try:
        hints = typing.get_type_hints(type(parameters))
    except NameError:
        # A class made inside a function keeps its annotations as text; the values tell the type.
        hints = {}
    return {name: hints.get(name, type(getattr(parameters, name))) for name in names}


def suggest(name: str, known: Sequence[str]) -> str:
    """The end of a message about an unknown name: the nearest one, and what there is."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    listed = f"there is {', '.join(known)}" if known else "there is none"
    return f"; did you mean {close[0]!r}? ({listed})" if close else f"; {listed}"


def _read(value: Any, hint: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _read_union(value, typing.get_args(hint), where)
    if origin is typing.Literal:
        return _one_of(value, typing.get_args(hint), where)
    if origin in (tuple, list):
        return _read_sequence(value, hint, where)
    if isinstance(hint, type) and issubclass(hint, Enum):
        names = [item.name for item in hint]
        return value if isinstance(value, hint) else hint[_one_of(value, names, where)]
    readers = {bool: _read_bool, int: _read_int, float: _read_float}
    if hint in readers:
        return readers[hint](value, where)
    return value


def _read_union(value: Any, hints: Sequence[Any], where: str) -> Any:
    if type(None) in hints and (value is None or value in ("none", "None")):
        return None
    problem: ValueError | None = None
    for hint in hints:
        if hint is type(None):
            continue
        try:
            return _read(value, hint, where)
        except ValueError as error:
            problem = error
    raise problem if problem is not None else ValueError(f"{where}: no such value")


def _one_of(value: Any, allowed: Sequence[Any], where: str) -> Any:
    for item in allowed:
        if value == item or str(value) == str(item):
            return item
    raise ValueError(f"{where}: it must be one of {', '.join(str(item) for item in allowed)}")


def _read_sequence(value: Any, hint: Any, where: str) -> Any:
    inner = next((item for item in typing.get_args(hint) if item is not Ellipsis), str)
    items = value.split(",") if isinstance(value, str) else list(value)
    made = [_read(item, inner, where) for item in items]
    return tuple(made) if typing.get_origin(hint) is tuple else made


def _read_bool(value: Any, where: str) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if str(value).lower() not in words:
        raise ValueError(f"{where}: it must be true or false")
    return words[str(value).lower()]


def _read_int(value: Any, where: str) -> int:
    number = _number(value, where)
    if isinstance(value, bool) or not number.is_integer():
        raise ValueError(f"{where}: it must be an integer")
    return int(value) if isinstance(value, int) else int(number)


def _read_float(value: Any, where: str) -> float:
    return _number(value, where)


def _number(value: Any, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{where}: it must be a number") from None
    if not math.isfinite(number):
        raise ValueError(f"{where}: it must be a finite number")
    return number


def parse_assignments(words: Sequence[str]) -> dict[str, str]:
    """``["n=50", "m=1000"]`` as a mapping from name to text.

    Raises
    ------
    ValueError
        For a word without ``=``, an empty name or value, or a name given twice.
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name or not value:
            raise ValueError(f"--set {word}: write name=value, such as --set n=50 m=1000")
        if name in found:
            raise ValueError(f"--set {name}: it is given twice")
        found[name] = value
    return found


def fit_to_data(
    statement: Statement, parameters: Any, problem: Problem, changes: Mapping[str, Any] | None = None
) -> Any:
    """``parameters`` with n, d and label_scale as the data has them.

    Raises
    ------
    ValueError
        When ``changes`` asks for another value than the data's.
    """
    if not dataclasses.is_dataclass(parameters) or isinstance(parameters, type):
        return parameters
    names = {item.name for item in dataclasses.fields(parameters)}
    settled = {name: getattr(problem, name) for name in _FROM_DATA if name in names}
    for name, value in settled.items():
        if name in (changes or {}) and getattr(parameters, name) != value:
            raise ValueError(
                f"--set {name}={getattr(parameters, name)}: {statement.key} takes {name} from your data, "
                f"where it is {value:g}; leave it out"
            )
    return dataclasses.replace(parameters, **settled)
