"""The routines of :mod:`shallow.compute.vector_ir` in plain Python, for runs with the compiler off.

They read and write the same addresses, so that whole methods can be followed line by line. A product here
rounds twice where the compiled one is fused.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from shallow.compute.pattern_emitters import ACTIVE_VECTORS
from shallow.compute.registers import HERE

__all__ = [
    "YIELD", "add_active", "arrive", "count_common_bits", "fill_tables", "forward", "lanes_of", "look_up",
    "move_rows", "multiply", "peek", "read_row", "width_of", "write_row", "yield_processor",
]  # fmt: skip

HostArray = np.ndarray[Any, Any]
YIELD = "SwitchToThread" if os.name == "nt" else "sched_yield"  # the system's own words for it


def lanes_of(number: Any) -> int:
    """Numbers of this type in a vector register."""
    return HERE.bits // 8 // int(np.dtype(type(number)).itemsize)


def width_of(number: Any) -> int:
    """Numbers of this type in a panel."""
    return HERE.panel * lanes_of(number)


_quietly = np.errstate(all="ignore")  # what is not finite goes through without a word, as in the routines


def _view(address: int, shape: tuple[int, ...], strides: tuple[int, ...], kind: Any) -> HostArray:
    """The numbers at an address; strides in bytes."""
    kind = np.dtype(kind)
    extent = sum((size - 1) * stride for size, stride in zip(shape, strides)) + kind.itemsize
    if min(shape) == 0:
        return np.empty(shape, kind)
    memory = (ctypes.c_char * extent).from_address(address)
    return np.ndarray(shape, kind, memory, strides=strides)


def _rows(address: int, shape: tuple[int, int], stride: int, kind: Any) -> HostArray:
    """A matrix whose rows are ``stride`` numbers apart."""
    size = np.dtype(kind).itemsize
    return _view(address, shape, (stride * size, size), kind)


def multiply(rows: int) -> Callable[..., None]:
    """The twin of a product of a panel with ``rows`` columns of B."""

    @_quietly
    def twin(count: int, A: int, B: int, stride_B: int, C_in: int, C_out: int, alpha: int, beta: Any) -> None:
        kind, width = type(beta), width_of(beta)
        total = np.zeros((rows, width), kind)
        left, right = _rows(A, (count, width), width, kind), _rows(B, (count, rows), stride_B, kind)
        for k in range(count):
            total += right[k][:, None] * left[k][None, :]
        total *= _rows(alpha, (1, width), width, kind)
        if beta != 0:
            total += beta * _rows(C_in, (rows, width), width, kind)
        _rows(C_out, (rows, width), width, kind)[:] = total

    return twin


def forward(rows: int) -> Callable[..., None]:
    """The twin of a forward tile of ``rows`` neurons."""

    @_quietly
    def twin(
        count: int, A: int, W: int, stride_W: int, a: int, slope: Any, f: int, bits: int, stride: int
    ) -> None:
        kind, width = type(slope), width_of(slope)
        z = np.zeros((rows, width), kind)
        left, weights = _rows(A, (count, width), width, kind), _rows(W, (rows, count), stride_W, kind)
        for k in range(count):
            z += weights[:, k, None] * left[k][None, :]
        packed = np.packbits(z > 0, axis=1, bitorder="little")
        _view(bits, packed.shape, (stride, 1), np.uint8)[:] = packed
        outer, outputs = _rows(a, (1, rows), rows, kind)[0], _rows(f, (1, width), width, kind)[0]
        for j in range(rows):
            outputs += outer[j] * np.where(z[j] > 0, z[j], slope * z[j])

    return twin


@_quietly
def add_active(word: int, factors: int, table: int, next_panel: int, out: int, kind: Any) -> None:
    """The twin of the sums over the neurons of a word that are on."""
    width, size = width_of(kind), type(kind)(0).itemsize
    panels, here = ACTIVE_VECTORS // HERE.panel, int(word) % 2**64
    total = _rows(out, (panels, width), width, type(kind))
    length = here.bit_length()
    rows = _view(table, (panels, length, width), (int(next_panel), width * size, size), type(kind))
    weights = _rows(factors, (length, 1), width, type(kind))
    for k in range(length):
        if here >> k & 1:
            total += weights[k, 0] * rows[:, k]


def count_common_bits(columns: int) -> Callable[..., None]:
    """The twin of the counting of common bits, for ``columns`` columns."""

    def twin(words: int, A: int, B: int, stride_B: int, C: int) -> None:
        rows = HERE.words
        left = _rows(A, (words, rows), rows, np.uint64)
        right = _rows(B, (words, columns), stride_B, np.uint64)
        counts = _rows(C, (columns, rows), rows, np.int64)
        for w in range(words):
            counts += np.bitwise_count(right[w][:, None] & left[w][None, :]).astype(np.int64)

    return twin


@_quietly
def fill_tables(nibbles: int, rows: int, stride: int, factors: int, table: int, kind: Any) -> None:
    """The twin of the tables of partial sums."""
    lanes = lanes_of(kind)
    entries = _rows(table, (16 * nibbles, lanes), lanes, type(kind)).reshape(nibbles, 16, lanes)
    weights = _rows(factors, (4 * nibbles, 1), 1, type(kind))
    terms = (weights * _rows(rows, (4 * nibbles, lanes), stride, type(kind))).reshape(nibbles, 4, lanes)
    entries[:, 0] = 0
    for bit in range(4):
        half = 1 << bit
        entries[:, half : 2 * half] = entries[:, :half] + terms[:, bit : bit + 1]


def look_up(rows: int) -> Callable[..., None]:
    """The twin of the lookups of a tile of ``rows`` neurons."""

    @_quietly
    def twin(
        panels: int, words: int, table: int, start: int, stride_start: int, out: int, stride: int, kind: Any
    ) -> None:
        lanes, width = lanes_of(kind), width_of(kind)
        size = width // 8
        packed = _view(words, (panels, rows, size), (rows * size, size, 1), np.uint8)
        entries = _rows(table, (panels * width * 4, lanes), lanes, type(kind))
        total = _rows(start, (rows, lanes), stride_start, type(kind)).copy()
        for panel in range(panels):
            for nibble in range(width // 4):
                index = (packed[panel, :, nibble // 2] >> (4 * (nibble % 2))) & 15
                total += entries[(panel * (width // 4) + nibble) * 16 + index.astype(np.intp)]
        _rows(out, (rows, lanes), stride, type(kind))[:] = total

    return twin


@_quietly
def move_rows(
    rows: int, vectors: int, old: int, G: int, new: int, next_new: int, keep: Any, pushes: int, products: int,
    doubt: int,
) -> None:  # fmt: skip
    """The twin of the move of neurons' weights."""
    kind, lanes = type(keep), lanes_of(keep)
    width = vectors * lanes
    before, gradient = _rows(old, (rows, width), width, kind), _rows(G, (rows, width), width, kind)
    folded = (before * gradient).reshape(rows, vectors, lanes).sum(axis=1)
    while folded.shape[1] > 1:
        half = folded.shape[1] // 2
        folded = folded[:, :half] + folded[:, half:]
    _rows(products, (rows, 1), 1, kind)[:] = folded
    moved = keep * before - _rows(pushes, (rows, 1), 1, kind) * gradient
    _rows(new, (rows, width), next_new, kind)[:] = moved
    _rows(doubt, (1, lanes), lanes, kind)[0] = (moved * 0).sum()


def arrive(counter: int) -> None:
    """The twin of an arrival; only ever used by one thread."""
    _view(counter, (1,), (8,), np.int64)[0] += 1


def peek(counter: int, out: int) -> None:
    """The twin of a look at how many have arrived."""
    _view(out, (1,), (8,), np.int64)[0] = _view(counter, (1,), (8,), np.int64)[0]


def yield_processor() -> int:
    """Let another thread run."""
    time.sleep(0)
    return 0


@_quietly
def read_row(
    panels: int, z: int, C: int, push_W: int, push_a: int, weight: Any, keep: Any, slope: Any, largest: Any,
    bits: int, stride: int, sums: int,
) -> None:  # fmt: skip
    """The twin of the reading of a row of pre-activations."""
    kind, width = type(slope), width_of(slope)
    values, moved, inner, outer = (_rows(at, (panels, width), width, kind) for at in (z, C, push_W, push_a))
    opened = values > 0
    packed = np.packbits(opened, axis=1, bitorder="little")
    _view(bits, packed.shape, (stride, 1), np.uint8)[:] = packed
    moved[:] = keep * moved + weight * np.where(opened, kind(1), slope) * inner
    lanes = lanes_of(slope)
    totals = _rows(sums, (2, lanes), lanes, kind)
    totals[0] = (outer * np.where(opened, values, slope * values)).reshape(-1, lanes).sum(axis=0)
    totals[1] = (largest * moved * 0).reshape(-1, lanes).sum(axis=0)


@_quietly
def write_row(
    vectors: int, z: int, G: int, push: Any, keep: Any, weight: Any, slope: Any, sums: int, doubts: int
) -> None:
    """The twin of the writing of a row of pre-activations."""
    kind, lanes = type(slope), lanes_of(slope)
    values, change, outputs = (_rows(at, (vectors, lanes), lanes, kind) for at in (z, G, sums))
    values[:] = keep * values + push * change
    outputs += weight * np.where(values > 0, values, slope * values)
    _rows(doubts, (1, lanes), lanes, kind)[:] += (values * 0).sum(axis=0)
