"""The only door to Numba's compiler: what is compiled, with which arithmetic, and where it is cached.

Importing this module loads nothing; Numba is loaded by the first ``routine`` or ``intrinsic``, that is by the
first use of a method that has compiled routines. Signatures are lazy: a routine compiles at its first call.
"""

from __future__ import annotations

import functools
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from shallow.compute.code_cache import cache_directory

__all__ = ["cache_directory", "compiler_is_off", "intrinsic", "routine", "target", "threads"]

Function = TypeVar("Function", bound=Callable[..., Any])

_LOG = logging.getLogger(__name__)
_PATIENCE = 1.0  # seconds of compiling after which the user is told


def compiler_is_off() -> bool:
    """Whether NUMBA_DISABLE_JIT switches the compiler off (our routines then cannot run)."""
    return os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")


def threads() -> int:
    """How many threads a method may use: NUMBA_NUM_THREADS, else OMP_NUM_THREADS, else the CPUs we have."""
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(name, "")
        if value.isdecimal() and int(value) > 0:
            return int(value)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def routine(function: Function) -> Function:
    """Compile ``function`` lazily, without the GIL, cached on disk where a place can be written.

    Arithmetic is IEEE in the order written: nothing is reassociated or fused behind our back, so that a
    routine gives the same bits wherever it is inlined. Divisions follow NumPy (no exception on zero).
    """
    import numba

    directory = cache_directory()
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    if directory is None:
        return cast(Function, numba.njit(**options)(function))
    _watch_the_compiler(directory)
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(directory)
    try:
        return cast(Function, numba.njit(cache=True, **options)(function))
    finally:
        numba.config.CACHE_DIR = before


def target() -> tuple[str, str]:
    """LLVM's triple and feature list of the machine, in the words that Numba keys its cache by."""
    from numba.core.registry import cpu_target

    triple, _, features = cpu_target.target_context.codegen().magic_tuple()
    return str(triple), str(features)


def intrinsic(function: Callable[..., Any]) -> Any:
    """Make ``function`` a code generator that routines can call; see :mod:`shallow.compute.vector_ir`."""
    from numba.extending import intrinsic as numba_intrinsic

    return numba_intrinsic(function)


@functools.cache
def _watch_the_compiler(directory: Path) -> None:
    """Log one line when compiling our routines has taken _PATIENCE seconds in all."""
    from numba.core import event

    class Watch(event.Listener):  # type: ignore[misc]
        def __init__(self) -> None:
            self.depth, self.spent, self.since, self.said = 0, 0.0, 0.0, False

        def on_start(self, compilation: Any) -> None:
            if not _is_ours(compilation):
                return
            self.since = self.since if self.depth else time.monotonic()
            self.depth += 1
            self._tell()

        def on_end(self, compilation: Any) -> None:
            if not _is_ours(compilation):
                return
            self._tell()
            self.depth -= 1
            if self.depth == 0:
                self.spent += time.monotonic() - self.since

        def _tell(self) -> None:
            if not self.said and self.spent + time.monotonic() - self.since >= _PATIENCE:
                self.said = True
                _LOG.warning("compiling the inner routines for this machine (once; kept in %s)", directory)

    event.register("numba:compile", Watch())


def _is_ours(compilation: Any) -> bool:
    return str(compilation.data["dispatcher"].py_func.__module__).startswith("shallow.")
