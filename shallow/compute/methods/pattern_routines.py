"""Compiled sums over neurons for the tangent kernel of one network: patterns as bits, and pre-activations.

Samples lie side by side in panels. Pre-activations Z are (panels, neurons, R), R samples in two registers.
Patterns are (groups, words, COUNT_ROWS) of 64-bit words: bit t of word w belongs to neuron 64 w + t, so a
register holds one word of several samples. Each routine makes the sums of one block of rows or columns of the
kernel for some neurons, every sum in a fixed order, and no two calls write the same numbers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from shallow.compute.jit import routine
from shallow.compute.methods.meeting_routines import aligned
from shallow.compute.methods.table_routines import TABLE, table_product
from shallow.compute.pattern_emitters import ACTIVE_VECTORS
from shallow.compute.registers import HERE
from shallow.compute.vector_ir import (
    COUNT_COLUMNS,
    COUNT_ROWS,
    TILE,
    add_active,
    count_common_bits,
    multiply_tile,
    width_of,
)

__all__ = [
    "GROUP",
    "WORD",
    "count_rows",
    "finish_rows",
    "gram_rows",
    "lookup_rows",
    "pattern_words",
    "tile_words",
    "width",
]

WORD = 64  # neurons in a word of bits
GROUP = math.lcm(TILE, WORD)  # neurons whose pre-activations are made together: whole tiles, whole words
ACTIVE_PANELS = ACTIVE_VECTORS // HERE.panel  # panels whose sums over active neurons are made together
_DEPTH = 256  # neurons of a product before its sums go back to memory
_WORDS = 128  # words of a panel that stay in the nearest cache


@routine
def width(number: Any) -> Any:
    """R, the samples in a panel, for numbers of this type."""
    return width_of(number)


@routine
def _signs(Z: Any, bits: Any, word: Any, zero: Any) -> None:
    """``bits[:, word]`` from the pre-activations Z (WORD, groups, COUNT_ROWS) of 64 neurons."""
    one = np.uint64(1)
    none = np.uint64(0)
    for group in range(Z.shape[1]):
        for l in range(COUNT_ROWS):  # noqa: E741
            bits[group, word, l] = none
        for t in range(0, WORD, 4):  # four at a time: a word is read and written less often
            bit = one << np.uint64(t)
            for l in range(COUNT_ROWS):  # noqa: E741
                four = bit if Z[t, group, l] > zero else none
                four |= bit << one if Z[t + 1, group, l] > zero else none
                four |= bit << np.uint64(2) if Z[t + 2, group, l] > zero else none
                four |= bit << np.uint64(3) if Z[t + 3, group, l] > zero else none
                bits[group, word, l] |= four


@routine
def pattern_words(X: Any, W: Any, bits: Any, Z: Any, first: Any, slope: Any) -> None:
    """The patterns of a group of neurons on all samples, and phi of their pre-activations if Z has room.

    Parameters
    ----------
    X : (panels, d, R) array
        Samples, the last ones zero.
    W : (GROUP / TILE, d, TILE) array
    bits : (groups, words, COUNT_ROWS) uint64
        Written in the words of this group of neurons.
    Z : (panels, neurons, R) array, or (1, GROUP, R) for scratch
    first : int
        The first neuron of the group in bits and in Z.
    """
    R, size, d = width_of(slope), X.itemsize, X.shape[1]
    zero = slope - slope
    ones = np.ones(R, X.dtype)
    halves = R // COUNT_ROWS
    kept = Z.shape[0] >= X.shape[0] and Z.shape[1] >= first + GROUP
    for p in range(X.shape[0]):
        z = Z[p, first : first + GROUP] if kept else Z[0, :GROUP]
        target = z.ctypes.data
        for q in range(W.shape[0]):
            place = target + q * TILE * R * size
            multiply_tile(d, X[p].ctypes.data, W[q].ctypes.data, TILE, place, place, ones.ctypes.data, zero)
        for w in range(GROUP // WORD):
            part = z[w * WORD : (w + 1) * WORD].reshape(WORD, halves, COUNT_ROWS)
            _signs(part, bits[p * halves : (p + 1) * halves], first // WORD + w, zero)
        if kept:
            for k in range(GROUP):
                for l in range(R):  # noqa: E741
                    value = z[k, l]
                    z[k, l] = value if value > zero else slope * value


@routine
def count_rows(bits: Any, H: Any, panel: Any) -> None:
    """``H[j, i] += neurons on at both`` for the samples j of one panel of bits and i <= j."""
    n, words = H.shape[0], bits.shape[1]
    counts = np.empty((COUNT_ROWS, COUNT_ROWS), np.int64)
    right = bits[panel].ctypes.data
    for p in range(panel + 1):
        left = bits[p].ctypes.data
        counts[:] = 0
        for w in range(0, words, _WORDS):
            here = min(_WORDS, words - w)
            at = 8 * w * COUNT_ROWS
            for j in range(0, COUNT_ROWS, COUNT_COLUMNS):
                count_common_bits(
                    here, left + at, right + at + 8 * j, COUNT_ROWS, counts.ctypes.data + 8 * j * COUNT_ROWS
                )
        for j in range(min(COUNT_ROWS, n - panel * COUNT_ROWS)):
            row = panel * COUNT_ROWS + j
            for i in range(min(COUNT_ROWS, row + 1 - p * COUNT_ROWS)):
                H[row, p * COUNT_ROWS + i] += counts[j, i]


@routine
def tile_words(bits: Any, words: Any, tile: Any) -> None:
    """The bits of a tile of samples as :func:`lookup_rows` wants them, from ``bits``.

    ``words`` is (tiles, panels of neurons, TILE) of unsigned integers with a bit for each neuron of a panel.
    """
    per_word = words.shape[1] // bits.shape[1]
    length = np.uint64(WORD // per_word)
    mask = (np.uint64(1) << length) - np.uint64(1)
    for row in range(TILE):
        sample = tile * TILE + row
        if sample < bits.shape[0] * COUNT_ROWS:
            source = bits[sample // COUNT_ROWS]
            lane = sample % COUNT_ROWS
            for w in range(bits.shape[1]):
                word = source[w, lane]
                for part in range(per_word):
                    words[tile, w * per_word + part, row] = (word >> (np.uint64(part) * length)) & mask
        else:
            for q in range(words.shape[1]):
                words[tile, q, row] = 0


@routine
def _gates(bits: Any, start: Any, terms: Any, zero: Any) -> None:
    """Zeros and ones: ``terms[k, j]`` is the bit of neuron k at sample ``start + j``."""
    unit = zero + 1
    one, none = np.uint64(1), np.uint64(0)
    for group in range(terms.shape[1] // COUNT_ROWS):
        source = bits[start // COUNT_ROWS + group]
        column = group * COUNT_ROWS
        for w in range(source.shape[0]):
            for t in range(WORD):
                shift = np.uint64(t)
                target = terms[w * WORD + t, column : column + COUNT_ROWS]
                for l in range(COUNT_ROWS):  # noqa: E741
                    target[l] = unit if (source[w, l] >> shift) & one != none else zero


@routine
def _room(rows: Any, columns: Any, like: Any) -> Any:
    """As ``aligned``, without the zeros."""
    flat = np.empty(rows * columns + 64 // like.itemsize, like.dtype)
    skip = (-flat.ctypes.data % 64) // like.itemsize
    return flat[skip : skip + rows * columns].reshape(rows, columns)


@routine
def lookup_rows(bits: Any, words: Any, weights: Any, H: Any, start: Any, stop: Any, zero: Any) -> None:
    """``H[i, j] += sum_k weights[k] bit_ki bit_kj`` for start <= j < stop and j <= i, from tables.

    ``bits`` and ``words`` hold the same bits, the latter by tiles of samples (tiles, panels, TILE, R / 8);
    ``start`` is a multiple of COUNT_ROWS.
    """
    n, neurons = H.shape[0], weights.shape[0]
    columns = -(-(stop - start) // COUNT_ROWS) * COUNT_ROWS
    first, tiles = start // TILE, words.shape[0]
    terms = _room(neurons, columns, H)
    _gates(bits, start, terms, zero)
    sums = _room((tiles - first) * TILE, columns, H)
    base, table = aligned(columns, H), aligned(TABLE // H.itemsize, H)
    table_product(words, terms, weights, base, first, tiles, table, sums, zero)
    for i in range(start, n):
        for j in range(min(stop, i + 1) - start):
            H[i, start + j] += sums[i - first * TILE, j]


@routine
def _tiles(Z: Any, first: Any, last: Any, zero: Any) -> Any:
    """The samples of some panels as tiles (tiles, neurons, TILE), the last one filled up with zeros."""
    R = width_of(zero)
    samples = (last - first) * R
    tiles = np.empty((-(-samples // TILE), Z.shape[1], TILE), Z.dtype)
    tiles[-1] = zero
    for q in range(tiles.shape[0]):
        for j in range(min(TILE, samples - q * TILE)):
            panel, column = first + (q * TILE + j) // R, (q * TILE + j) % R
            for k in range(Z.shape[1]):
                tiles[q, k, j] = Z[panel, k, column]
    return tiles


@routine
def _gram(Z: Any, first: Any, last: Any, zero: Any) -> Any:
    """``sums[p - first, j, l] = sum_k Z_kj Z[p, k, l]`` for panels p >= first, where j counts samples from
    the first of panel ``first`` to the last of panel ``last - 1``; those with j past p's last are not made.
    """
    R, neurons = width_of(zero), Z.shape[1]
    tiles = _tiles(Z, first, last, zero)
    sums = np.empty((Z.shape[0] - first, tiles.shape[0] * TILE, R), Z.dtype)
    ones = np.ones(R, Z.dtype)
    one = ones[0]
    for start in range(0, neurons, _DEPTH):
        depth = min(_DEPTH, neurons - start)
        beta = zero if start == 0 else one
        for p in range(first, Z.shape[0]):
            A = Z[p, start:].ctypes.data
            for q in range(min(tiles.shape[0], -(-(p + 1 - first) * R // TILE))):
                B = tiles[q, start:].ctypes.data
                place = sums[p - first, q * TILE :].ctypes.data
                multiply_tile(depth, A, B, TILE, place, place, ones.ctypes.data, beta)
    return sums


@routine
def gram_rows(Z: Any, H: Any, diagonal: Any, first: Any, last: Any, zero: Any) -> None:
    """``H[j, i] += sum_k Z_kj Z_ki`` for j in the panels from ``first`` to ``last`` and i > j.

    The sums with i = j go to ``diagonal``: the lower triangle and the diagonal of H hold the patterns' sums.
    """
    n, R = H.shape[0], width_of(zero)
    sums = _gram(Z, first, last, zero)
    for p in range(first, Z.shape[0]):
        columns = min(R, n - p * R)
        for j in range(min((last - first) * R, n - first * R)):
            row = first * R + j
            for l in range(max(0, row + 1 - p * R), columns):  # noqa: E741
                H[row, p * R + l] += sums[p - first, j, l]
            if p == first + j // R:
                diagonal[row] += sums[p - first, j, j % R]


@routine
def active_columns(bits: Any, Z: Any, H: Any, diagonal: Any, first: Any, last: Any, zero: Any) -> None:
    """As :func:`gram_rows` for the columns i of ACTIVE_PANELS panels from ``first``, where phi is 0 or z.

    For a sample j only the neurons that are on at it are gone through: half of the terms, one multiply-add
    from memory each, which outruns a product in tiles. ``bits`` holds the signs of Z.
    """
    n, R, size = H.shape[0], width_of(zero), Z.itemsize
    rows = min(n, last * R)
    sums = aligned(rows * ACTIVE_PANELS * R, H).reshape(rows, ACTIVE_PANELS * R)
    next_panel = Z.shape[1] * R * size
    for w in range(bits.shape[1]):
        start = Z.ctypes.data + w * WORD * R * size
        for j in range(rows):
            factors = start + j // R * next_panel + j % R * size
            word = bits[j // COUNT_ROWS, w, j % COUNT_ROWS]
            place = sums.ctypes.data + j * ACTIVE_PANELS * R * size
            add_active(word, factors, start + first * next_panel, next_panel, place, zero)
    low, high = first * R, min(n, last * R)
    for j in range(rows):
        for i in range(max(low, j + 1), high):
            H[j, i] += sums[j, i - low]
        if j >= low:
            diagonal[j] += sums[j, j - low]


@routine
def finish_rows(
    X: Any, H: Any, own: Any, squares: Any, numbers: Any, first: Any, last: Any, zero: Any
) -> None:
    """The kernel from its sums, in place: entries ij and ji for j in some panels and i >= j.

    ``H_ij = first_layer K_ij (none + one (own_i + own_j) + both C_ij) + second_layer Q_ij`` with
    ``K = X X^T``, C the sums over common bits (lower triangle; ``own`` their diagonal) and Q the second
    layer's (upper triangle; ``squares`` its diagonal). ``numbers`` holds first_layer, second_layer, none,
    one, both in float64.
    """
    n, R = H.shape[0], width_of(zero)
    inner = _gram(X, first, last, zero)
    for p in range(first, X.shape[0]):
        for l in range(min(R, n - p * R)):  # noqa: E741
            i = p * R + l
            for j in range(min((last - first) * R, i + 1 - first * R)):
                row = first * R + j
                second = squares[i] if i == row else H[row, i]
                gates = numbers[2] + numbers[3] * (own[i] + own[row]) + numbers[4] * H[i, row]
                value = 0.0
                if numbers[0] != 0.0:
                    value += numbers[0] * inner[p - first, j, l] * gates
                if numbers[1] != 0.0:
                    value += numbers[1] * second
                H[i, row] = value
                H[row, i] = value
