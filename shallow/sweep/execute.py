"""Run one function over many configurations; the results come back in the order of the grid."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

__all__ = ["execute", "resolve"]

C = TypeVar("C")


def resolve(function: Callable[[Any], Any] | str) -> Callable[[Any], Any]:
    """The function itself, or the one that ``"package.module:name"`` names.

    Raises
    ------
    ValueError
        If the text is not of that form, or the module lacks the name.
    """
    if not isinstance(function, str):
        return function
    module, colon, name = function.partition(":")
    if not colon or not module or not name:
        raise ValueError(f"{function!r} names no function; write 'package.module:name'")
    try:
        found: Callable[[Any], Any] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{function!r} cannot be imported: {error}") from error
    return found


def execute(
    grid: Sequence[C],
    function: Callable[[C], Any] | str,
    executor: str | Callable[[Callable[[C], Any], Iterable[C]], Iterable[Any]] = "serial",
) -> list[Any]:
    """``[function(c) for c in grid]``, by an executor.

    Parameters
    ----------
    grid : sequence
        The configurations.
    function : callable or "package.module:name"
        Takes one configuration. A name can be sent to another process, where a closure cannot.
    executor : "serial" or callable
        ``"serial"`` runs in this process, one after the other. Anything with the signature of
        :func:`map`, such as ``ProcessPoolExecutor().map``, or ``executor.map`` of
        :func:`shallow.sweep.local`, runs elsewhere.

    Returns
    -------
    list
        One result a configuration, in the grid's order whatever order they finished in.

    Raises
    ------
    ValueError
        For an unknown executor or a function that cannot be imported.
    """
    chosen = resolve(function)
    if callable(executor):
        return list(executor(chosen, grid))
    if executor != "serial":
        raise ValueError(f"executor {executor!r} is unknown; use 'serial' or a callable with map's signature")
    return [chosen(configuration) for configuration in grid]
