"""Fields of frozen dataclasses that may be worked out when they are first read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

__all__ = ["Deferred"]

Value = TypeVar("Value")


class Deferred(Generic[Value]):
    """A dataclass field given as a value, or as a function without arguments that makes it.

    The function is called once, when the field is first read; so what nobody looks at costs nothing.
    ``Deferred(function)`` has a default, ``Deferred()`` has none.
    """

    def __init__(self, default: Callable[[], Value] | None = None) -> None:
        self._default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Any: ...

    @overload
    def __get__(self, instance: object, owner: type) -> Value: ...

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None and self._default is not None:
            return self._default
        if instance is None:
            raise AttributeError(f"{owner.__name__}.{self._name} has no default")
        value = vars(instance)[self._name]
        if callable(value):
            value = vars(instance)[self._name] = value()
        return value

    def __set__(self, instance: object, value: Value | Callable[[], Value]) -> None:
        vars(instance)[self._name] = value
