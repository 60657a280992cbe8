"""Launching the CUDA sources through CuPy: compiled once a floating type and device, arguments typed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
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

    functions: Mapping[str, Any]
    real: type

    def bind(self, name: str, grid: Grid, block: Grid, *arguments: Any) -> Callable[[], object]:
        """A launch of ``name`` that can be repeated.

        Integers become C ints, floats C doubles, None a null pointer; other scalars and arrays stay.
        """
        given = tuple(_argument(value) for value in arguments)
        return functools.partial(self.functions[name], grid, block, given)

    def __call__(self, name: str, grid: Grid, block: Grid, *arguments: Any) -> None:
        """Launch ``name`` once."""
        self.bind(name, grid, block, *arguments)()


def _argument(value: Any) -> Any:
    if isinstance(value, bool | int):
        return np.int32(value)
    if value is None:
        return np.uint64(0)
    return np.float64(value) if type(value) is float else value


@functools.lru_cache(maxsize=16)
def launcher(library: Any, source: CudaSource, dtype: str, device: int) -> Launcher:
    """The launcher of ``source`` on this library's device number ``device``."""
    module = library.RawModule(code=source.code, options=compile_options(dtype))
    functions = {name: module.get_function(name) for name in source.functions}
    return Launcher(functions, np.dtype(dtype).type)


def power_of_two(number: int, least: int = 32, most: int = 256) -> int:
    """The smallest power of two that is at least ``number``, between ``least`` and ``most``."""
    return min(most, max(least, 1 << (number - 1).bit_length()))
