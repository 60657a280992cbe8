"""The only door to Numba's compiler: what is compiled, with which arithmetic, and where it is cached.

Importing this module loads nothing; Numba is loaded by the first ``routine`` or ``intrinsic``, that is by the
first use of a method that has compiled routines. Signatures are lazy: a routine compiles at its first call.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

__all__ = ["cache_directory", "compiler_is_off", "intrinsic", "routine", "target", "threads"]

Function = TypeVar("Function", bound=Callable[..., Any])

_LOG = logging.getLogger(__name__)


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
def cache_directory() -> Path | None:
    """Where compiled code is kept: a folder named by the hash of the sources in ``shallow/compute``.

    Numba checks only the file of the routine itself, and would go on with the old code after a helper or
    a constant in another file has changed; a new hash is a new folder. Places tried: NUMBA_CACHE_DIR,
    XDG_CACHE_HOME, the user's ``.cache``. None, with one line in the log, when none can be written.
    """
    for place in _places():
        directory = place / "shallow-relu" / _hash_of_sources()
        if _is_writable(directory):
            return directory
    _LOG.warning("no place for compiled code can be written, so it is compiled anew; set NUMBA_CACHE_DIR")
    return None


def _places() -> list[Path]:
    named = [os.environ.get(name) for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")]
    places = [Path(place) for place in named if place]
    try:
        places.append(Path.home() / ".cache")
    except RuntimeError:  # no home at all
        _LOG.debug("this user has no home directory")
    return places


def _is_writable(directory: Path) -> bool:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return True
    except OSError:
        return False


def _hash_of_sources() -> str:
    digest = hashlib.blake2b(digest_size=8)
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
