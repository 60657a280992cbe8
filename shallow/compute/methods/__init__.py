"""The methods by name. A method's module is loaded when the method is first used."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from shallow.compute.case import Method

__all__ = ["METHODS", "load_method"]

METHODS: Mapping[str, str] = MappingProxyType(
    {
        "numpy": "shallow.compute.methods.numpy_steps:METHOD",
        "numba": "shallow.compute.methods.numba_steps:METHOD",
        "gram": "shallow.compute.methods.gram_steps:METHOD",
        "frozen": "shallow.compute.methods.frozen_steps:METHOD",
        "portable": "shallow.compute.methods.portable_steps:METHOD",
        "cupy": "shallow.compute.methods.cupy_steps:METHOD",
    }
)


def load_method(name: str) -> Method:
    """The method called ``name``; its module is imported now.

    Raises
    ------
    KeyError
        If there is no such method.
    """
    module, attribute = METHODS[name].split(":")
    return cast(Method, getattr(importlib.import_module(module), attribute))
