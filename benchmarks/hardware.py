"""What the machine can do, measured: multiply-adds, lookups and common bits in the nearest cache; copies.

The loops are this package's own inner routines on operands that stay in the nearest cache. On the machines
where they were tried they reach the peak that the clock and the issue width allow, so they stand for it.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from shallow.compute.jit import routine
from shallow.compute.vector_ir import (
    COUNT_COLUMNS,
    COUNT_ROWS,
    TILE,
    count_common_bits,
    lanes_of,
    look_up_tile,
    multiply_tile,
    width_of,
)

__all__ = ["LOOKUP_GAIN", "Hardware", "measure_hardware"]

_DEPTH = 128  # of the products: with AVX-512 16 KiB (panel) and 14 KiB (rows), or 32 KiB of tables
LOOKUP_GAIN = 2.1
"""What a product by lookups, tables and all, was seen to replace, over the peak of multiply-adds."""

_SECONDS = 0.02  # of one trial
_TRIALS = 10


@dataclass(frozen=True)
class Hardware:
    """Rates of the machine with all the threads that a measurement uses.

    Parameters
    ----------
    float64, float32 : float
        Operations a second by fused multiply-adds, two for each.
    lookups64, lookups32 : float
        The same for a binary left factor by tables of sixteen sums, in operations that it replaces.
    bits : float
        Pairs of bits a second by AND and population count.
    copy : float
        Bytes a second, reading and writing both counted.
    threads : int
    """

    float64: float
    float32: float
    lookups64: float
    lookups32: float
    bits: float
    copy: float
    threads: int

    def multiply_adds(self, dtype: Any) -> float:
        """Operations a second in numbers of this type."""
        return self.float64 if np.dtype(dtype) == np.float64 else self.float32

    def lookups(self, dtype: Any) -> float:
        """Operations a second that a product by lookups replaces, the making of its tables included."""
        return LOOKUP_GAIN * self.multiply_adds(dtype)

    def asdict(self) -> dict[str, float]:
        """The numbers by name."""
        return asdict(self)


@routine
def _width(number: Any) -> Any:
    return width_of(number)


@routine
def _lanes(number: Any) -> Any:
    return lanes_of(number)


@routine
def _multiply(times: Any, A: Any, B: Any, C: Any, alpha: Any, keep: Any) -> None:
    for _ in range(times):
        multiply_tile(
            A.shape[0], A.ctypes.data, B.ctypes.data, B.shape[1], C.ctypes.data, C.ctypes.data,
            alpha.ctypes.data, keep,
        )  # fmt: skip


@routine
def _look_up(times: Any, words: Any, table: Any, out: Any, zero: Any) -> None:
    for _ in range(times):
        look_up_tile(
            words.shape[0], words.ctypes.data, table.ctypes.data, out.ctypes.data, out.shape[1],
            out.ctypes.data, out.shape[1], zero,
        )  # fmt: skip


@routine
def _count(times: Any, A: Any, B: Any, C: Any) -> None:
    for _ in range(times):
        count_common_bits(A.shape[0], A.ctypes.data, B.ctypes.data, B.shape[1], C.ctypes.data)


def _aligned(shape: tuple[int, ...], dtype: Any) -> Any:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    flat = np.zeros(size + 64, np.uint8)
    start = -flat.ctypes.data % 64
    return flat[start : start + size].view(dtype).reshape(shape)


def _rate(make: Callable[[], Callable[[int], object]], work: float, threads: int) -> float:
    """Work a second of ``threads`` threads at once, each with operands of its own; the best of a few trials.

    Each thread is timed by its own CPU time, so that a busy machine lends its peak all the same.
    """
    jobs = [make() for _ in range(threads)]
    times = 1
    while (spent := max(_seconds(jobs[:1], times))) < _SECONDS / 4:
        times = max(2 * times, int(times * _SECONDS / max(spent, 1e-6) / 4))
    times = max(1, int(times * _SECONDS / spent))
    return max(sum(work * times / spent for spent in _seconds(jobs, times)) for _ in range(_TRIALS))


def _seconds(jobs: list[Callable[[int], object]], times: int) -> list[float]:
    """CPU seconds of each job, all running at once."""

    def timed(job: Callable[[int], object]) -> float:
        job(1)
        began = time.thread_time()
        job(times)
        return time.thread_time() - began

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(timed, jobs))


def _multiply_job(dtype: Any) -> Callable[[], Callable[[int], object]]:
    width = int(_width(dtype(0)))

    def make() -> Callable[[int], object]:
        A, B = _aligned((_DEPTH, width), dtype), _aligned((_DEPTH, TILE), dtype)
        C, alpha = _aligned((TILE, width), dtype), _aligned((width,), dtype)
        return lambda times: _multiply(times, A, B, C, alpha, dtype(0))

    return make


def _lookup_job(dtype: Any) -> Callable[[], Callable[[int], object]]:
    lanes, width = int(_lanes(dtype(0))), int(_width(dtype(0)))

    def make() -> Callable[[int], object]:
        words = _aligned((_DEPTH // width, TILE, width // 8), np.uint8)
        words[:] = np.random.default_rng(0).integers(0, 256, words.shape)
        table, out = _aligned((_DEPTH // 4 * 16, lanes), dtype), _aligned((TILE, lanes), dtype)
        return lambda times: _look_up(times, words, table, out, dtype(0))

    return make


def _count_job() -> Callable[[int], object]:
    A, B = _aligned((_DEPTH, COUNT_ROWS), np.uint64), _aligned((_DEPTH, COUNT_COLUMNS), np.uint64)
    C = _aligned((COUNT_COLUMNS, COUNT_ROWS), np.int64)
    return lambda times: _count(times, A, B, C)


def _copy_job() -> Callable[[int], object]:
    source, target = np.ones(1 << 24), np.empty(1 << 24)  # 128 MiB each, beyond every cache

    def job(times: int) -> None:
        for _ in range(times):
            np.copyto(target, source)

    return job


@functools.cache
def measure_hardware(threads: int) -> Hardware:
    """The machine's rates with this many threads; about two seconds."""
    width = {dtype: int(_width(dtype(0))) for dtype in (np.float64, np.float32)}
    lanes = {dtype: int(_lanes(dtype(0))) for dtype in (np.float64, np.float32)}
    multiply = {t: _rate(_multiply_job(t), 2.0 * _DEPTH * width[t] * TILE, threads) for t in width}
    lookups = {t: _rate(_lookup_job(t), 2.0 * _DEPTH * lanes[t] * TILE, threads) for t in lanes}
    return Hardware(
        float64=multiply[np.float64],
        float32=multiply[np.float32],
        lookups64=lookups[np.float64],
        lookups32=lookups[np.float32],
        bits=_rate(_count_job, 64.0 * _DEPTH * COUNT_ROWS * COUNT_COLUMNS, threads),
        copy=_rate(_copy_job, 16.0 * (1 << 24), threads),
        threads=threads,
    )
