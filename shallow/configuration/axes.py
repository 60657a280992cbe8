"""The front end of a grid: which values of a tree of keys are axes, and which are fixed.

A list is an axis and a scalar is fixed; ``{geometric = [lo, hi, count]}`` and ``{linear = [lo, hi, count]}``
write an axis short. ``training.record`` and ``training.at`` are lists by nature and never axes.
"""

from __future__ import annotations

import difflib
import json
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, get_args

import numpy as np
from pydantic import BaseModel

from shallow.configuration.canonical import rounded
from shallow.configuration.model import RunModel

__all__ = ["Axis", "AxisTree", "Path", "field_model", "read_axes", "with_values"]

Path = tuple[str, ...]
_MOST_VALUES = 100_000
_LISTS = frozenset({("training", "record"), ("training", "at")})
_INTEGERS = frozenset({"n", "d", "m", "teacher_width", "steps", "at"})


def _geometric(lo: float, hi: float, count: int) -> list[float]:
    if not (lo > 0 and hi > 0):
        raise ValueError(f"geometric = [{lo:g}, {hi:g}, {count}]: both ends must be positive")
    return [float(v) for v in np.geomspace(lo, hi, count)]


def _linear(lo: float, hi: float, count: int) -> list[float]:
    return [float(v) for v in np.linspace(lo, hi, count)]


_SHORT: Mapping[str, Callable[[float, float, int], list[float]]] = MappingProxyType(
    {"geometric": _geometric, "linear": _linear}
)


@dataclass(frozen=True)
class Axis:
    """One axis of a grid.

    Parameters
    ----------
    path : tuple of str
        The key in the file, such as ``("problem", "d")``.
    values : tuple
        Its values in the file's order; floats have 12 significant digits.
    """

    path: Path
    values: tuple[Any, ...]

    @property
    def name(self) -> str:
        """What a column is called: the path without its table, ``d`` for ``problem.d``."""
        return ".".join(self.path[1:] or self.path)

    @property
    def labels(self) -> tuple[Any, ...]:
        """The values as they stand in a table: numbers, words, or JSON for a table of keys."""
        return tuple(json.dumps(v, sort_keys=True) if isinstance(v, dict) else v for v in self.values)


@dataclass
class AxisTree:
    """The fixed part of a file, its axes, and one line for each fault found."""

    fixed: dict[str, Any] = field(default_factory=dict)
    axes: list[Axis] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def read_axes(tree: Mapping[str, Any]) -> AxisTree:
    """Split a tree of tables into fixed values and axes; faults are collected, not raised."""
    found = AxisTree()
    _walk(tree, (), found)
    return found


def with_values(fixed: Mapping[str, Any], values: Mapping[Path, Any]) -> dict[str, Any]:
    """The tree ``fixed`` with a value at each path; ``fixed`` is not changed."""
    tree = _copied(fixed)
    for path, value in values.items():
        place = tree
        for part in path[:-1]:
            place = place.setdefault(part, {})
        place[path[-1]] = value
    return tree


def field_model(path: Path) -> type[BaseModel] | None:
    """The model whose fields stand in the table at ``path``; None if the path is no table."""
    model: type[BaseModel] = RunModel
    for part in path:
        known = model.model_fields.get(part)
        inner = None if known is None else _model_in(known.annotation)
        if inner is None:
            return None
        model = inner
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    options = get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    models = [o for o in options if isinstance(o, type) and issubclass(o, BaseModel)]
    return models[0] if models else None


def _walk(tree: Mapping[str, Any], path: Path, found: AxisTree) -> None:
    for key, value in tree.items():
        here = (*path, str(key))
        try:
            _place(value, here, found)
        except ValueError as error:
            found.faults.append(f"{'.'.join(here)}: {error}")


def _place(value: Any, here: Path, found: AxisTree) -> None:
    if isinstance(value, Mapping) and set(value) & set(_SHORT):
        spread = _spread(value, here)
        if here in _LISTS:
            _fix(found, here, spread)
        else:
            found.axes.append(Axis(here, tuple(spread)))
    elif isinstance(value, Mapping) and field_model(here) is not None:
        _walk(value, here, found)
    elif isinstance(value, Mapping):
        raise ValueError(_no_table(value))
    elif isinstance(value, list) and here not in _LISTS:
        found.axes.append(Axis(here, _listed(value)))
    else:
        _fix(found, here, _plain(value))


def _no_table(value: Mapping[str, Any]) -> str:
    near = [difflib.get_close_matches(str(key), _SHORT, n=1) for key in value]
    hints = [f"did you mean {names[0]!r}?" for names in near if names]
    return " ".join(["a table here is {geometric = [lo, hi, count]} or {linear = [lo, hi, count]};", *hints])


def _spread(value: Mapping[str, Any], here: Path) -> list[Any]:
    word = next(iter(value))
    numbers = value[word]
    if len(value) != 1 or not (isinstance(numbers, list) and len(numbers) == 3):
        raise ValueError(f"write {{{word} = [lo, hi, count]}} and nothing else")
    lo, hi, count = numbers
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in numbers):
        raise ValueError(f"{word} = {numbers}: the three entries are numbers")
    if not (np.isfinite(lo) and np.isfinite(hi)):
        raise ValueError(f"{word} = {numbers}: both ends must be finite")
    if not isinstance(count, int) or not 1 <= count <= _MOST_VALUES:
        raise ValueError(f"{word} = {numbers}: count is a whole number from 1 to {_MOST_VALUES}")
    values = [rounded(v) for v in _SHORT[word](float(lo), float(hi), count)]
    if here[-1] in _INTEGERS:  # widths between powers are rounded, and met once
        return list(dict.fromkeys(round(v) for v in values))
    return list(dict.fromkeys(values))


def _listed(values: list[Any]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("the list is empty: an axis has at least one value")
    if any(isinstance(v, list) for v in values):
        raise ValueError("an axis holds scalars or tables, not lists")
    plain = [_plain(v) for v in values]
    texts = [json.dumps(float(v) if _is_number(v) else v, sort_keys=True) for v in plain]
    repeated = [v for i, v in enumerate(plain) if texts[i] in texts[:i]]
    if repeated:
        raise ValueError(f"{repeated[0]!r} stands in the list more than once")
    return tuple(plain)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return rounded(value) if np.isfinite(value) else value
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(v) for key, v in value.items()}
    return value


def _fix(found: AxisTree, path: Path, value: Any) -> None:
    found.fixed = with_values(found.fixed, {path: value})


def _copied(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copied(value) if isinstance(value, Mapping) else value for key, value in tree.items()}
