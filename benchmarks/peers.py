"""Which peers are here; an absent one has a reason and no error."""

from __future__ import annotations

import functools
import importlib
import shutil
from typing import Any

__all__ = ["Absent", "compiler", "load"]


class Absent(Exception):
    """A peer that is not here; its text says why and what to do."""


@functools.cache
def load(name: str, threads: int = 0) -> Any:
    """The module called ``name``, with its threads set where it has a call for that.

    Raises
    ------
    Absent
        If it cannot be imported.
    """
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise Absent(f"not run: {name} cannot be imported ({error}); pip install '.[bench]'") from error
    if name == "torch":
        module.set_num_threads(threads)
    return module


def compiler() -> str:
    """The C++ compiler that ``torch.compile`` needs at run time.

    Raises
    ------
    Absent
        If there is none.
    """
    for command in ("g++", "clang++", "c++"):
        if shutil.which(command):
            return command
    raise Absent("not run: torch.compile needs a C++ compiler, and there is none")
