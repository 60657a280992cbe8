"""Launching the CUDA sources through CuPy: compiled once a floating type and device, arguments typed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from shallow.compute.device import require_device, require_full_products
from shallow.compute.methods.cuda_sources import CudaSource, compile_options

__all__ = ["Launcher", "Library", "cupy_for", "launcher", "power_of_two"]

Library = Callable[[np.dtype[Any]], Any]
Grid = tuple[int, ...]


def cupy_for(dtype: np.dtype[Any]) -> Any:
    """The module `cupy`, when there is a device whose products are of this floating type.

    Raises
    ------
    RuntimeError
        Without a CUDA device, or when float32 products would be TF32 ones.
    """
    require_device()
    require_full_products(dtype)
    import cupy

    return cupy


@dataclass(frozen=True)
class Launcher:
    """The functions of one source for one floating type."""

    module: Any
    real: type

    def __call__(self, name: str, grid: Grid, block: Grid, *arguments: Any) -> None:
        """Launch ``name``; integers become C ints, floats C doubles, other scalars and arrays stay."""
        self.module.get_function(name)(grid, block, tuple(_argument(value) for value in arguments))


def _argument(value: Any) -> Any:
    if isinstance(value, bool | int):
        return np.int32(value)
    if value is None:
        return np.uint64(0)  # a null pointer
    return np.float64(value) if type(value) is float else value


@functools.lru_cache(maxsize=16)
def launcher(library: Any, source: CudaSource, dtype: str, device: int) -> Launcher:
    """The launcher of ``source`` on this library's device number ``device``."""
    code = library.RawModule(code=source.code, options=compile_options(dtype))
    return Launcher(code, np.dtype(dtype).type)


def power_of_two(number: int, least: int = 32, most: int = 256) -> int:
    """The smallest power of two that is at least ``number``, between ``least`` and ``most``."""
    return min(most, max(least, 1 << (number - 1).bit_length()))
