"""The product of a binary and a dense matrix by tables of partial sums (Arlazarov, Dinic, Kronrod, Faradzev).

Four rows of the dense matrix have sixteen possible partial sums. With these in a table that stays in the
nearest cache, one addition does the work of four multiply-adds, so the product runs above the machine's peak
for multiply-adds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shallow.compute.jit import routine
from shallow.compute.vector_ir import LOOKUP_ROWS, add_lookups, add_lookups_1, lanes_of

__all__ = ["UNIT", "binary_product", "units_of"]

UNIT = 16  # rows of the dense matrix that are looked up together: bits of a word
_UNITS = 8  # whose tables are in cache at a time: 32 KiB with AVX-512


def units_of(n: int) -> int:
    """Units that hold n bits."""
    return -(-n // UNIT)


@routine
def _aligned(rows: Any, lanes: Any, like: Any) -> Any:
    """A table whose rows do not straddle cache lines: a load that does takes twice as long."""
    flat = np.empty(rows * lanes + 64 // like.itemsize, like.dtype)
    skip = (-flat.ctypes.data % 64) // like.itemsize
    return flat[skip : skip + rows * lanes].reshape(rows, lanes)


@routine
def _fill(terms: Any, row: Any, column: Any, table: Any) -> None:
    """The sixteen sums of four rows of ``terms``, in the order of their bits."""
    lanes = table.shape[1]
    for l in range(lanes):  # noqa: E741
        table[0, l] = 0
    for bit in range(4):
        half = 1 << bit
        for entry in range(half):
            for l in range(lanes):  # noqa: E741
                table[half + entry, l] = table[entry, l] + terms[row + bit, column + l]


@routine
def binary_product(bits: Any, terms: Any, out: Any, first: Any, last: Any, zero: Any) -> None:
    """``out[k] = sum of the rows i of terms whose bit i is set in bits[k]``, for rows k in first .. last - 1.

    A sum runs over units of sixteen rows in order, four nibbles in each; a nibble's own sum is made first.
    The error of an entry is at most ``(n / 4 + 3) eps sum |terms|``.

    Parameters
    ----------
    bits : (M, B) uint8, C-contiguous
        Bit i of a row in byte i // 8, the lowest first; 2 units bytes are read, and bits past n are zero.
    terms : (16 units, N) array
        N a multiple of the lanes of a register; its rows past n are not NaN.
    out : (M, N) array, C-contiguous
    zero : float
        A zero of the type of terms.
    """
    lanes = lanes_of(zero)
    size, bytes_of_row, N = terms.itemsize, bits.shape[1], terms.shape[1]
    table = _aligned(_UNITS * UNIT * 4, lanes, terms)
    units = terms.shape[0] // UNIT
    for k in range(first, last):
        for j in range(N):
            out[k, j] = zero
    for start in range(0, units, _UNITS):
        here = min(_UNITS, units - start)
        source = bits.ctypes.data + 2 * start
        for column in range(0, N, lanes):
            for nibble in range(4 * here):
                _fill(terms, start * UNIT + 4 * nibble, column, table[16 * nibble : 16 * nibble + 16])
            k = first
            while k + LOOKUP_ROWS <= last:
                target = out.ctypes.data + (k * N + column) * size
                add_lookups(here, source + k * bytes_of_row, bytes_of_row, table.ctypes.data, target, N, zero)
                k += LOOKUP_ROWS
            while k < last:
                target = out.ctypes.data + (k * N + column) * size
                add_lookups_1(
                    here, source + k * bytes_of_row, bytes_of_row, table.ctypes.data, target, N, zero
                )
                k += 1
