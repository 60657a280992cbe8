"""The compiled routines of the Gram method: rows of pre-activations moved by lookups, block by block.

A row of Z and C belongs to a neuron, its entries to the samples, filled up with zeros to whole panels of R.
``words`` are the signs of tiles of neurons as :mod:`shallow.compute.methods.table_routines` wants them. Tiles
meet only in f, where the parts of chunks of tiles are added in order; the chunks depend on the shape alone,
so threads may share them out as they like.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shallow.compute.jit import routine
from shallow.compute.methods.loss_routines import add_chunks, coefficients, is_sound
from shallow.compute.methods.meeting_routines import aligned, at, meet
from shallow.compute.methods.table_routines import TABLE, split_factors, table_product
from shallow.compute.vector_ir import TILE, lanes_of, read_row, write_row

__all__ = ["run_member", "start_member"]

_BLOCK = 32  # tiles that are moved with one set of tables, which pay for themselves then


@routine
def _read(
    Z: Any, C: Any, a: Any, words: Any, pushes: Any, rates: Any, slope: Any, largest: Any, first: Any,
    last: Any, lanes: Any,
) -> Any:  # fmt: skip
    """Signs, coefficients and outer weights of the neurons from ``first`` to ``last``.

    ``rates`` holds scale times length times rate, and what is kept of the weights (1 minus decay), for W and
    then for a; ``lanes`` is room for two registers. Returns 0, or NaN when a number is not finite or
    ``largest`` times a coefficient is not.
    """
    N, width, Q, size = Z.shape[1], lanes_of(slope), words.shape[1], words.shape[3]
    doubt = slope - slope
    for k in range(first, last):
        word = ((k // TILE) * Q * TILE + k % TILE) * size
        read_row(
            Q, at(Z, k * N), at(C, k * N), at(pushes, 0), at(pushes, N), a[k], rates[1], slope, largest,
            at(words, word), TILE * size, at(lanes, 0),
        )  # fmt: skip
        change = slope - slope
        for l in range(width):  # noqa: E741
            change += lanes[l]
            doubt += lanes[width + l]
        a[k] = rates[3] * a[k] - change
        doubt += a[k] * 0
    return doubt


@routine
def _write(
    Z: Any, a: Any, G: Any, pushes: Any, keep: Any, slope: Any, first: Any, last: Any, sums: Any, lanes: Any
) -> None:
    """``z = keep z + push g`` for the neurons from ``first`` to ``last``, and their outputs added to sums.

    ``pushes`` and ``G`` begin with the first of them; what is not finite makes a NaN in ``lanes``.
    """
    N, D = Z.shape[1], G.shape[1]
    for k in range(first, last):
        write_row(
            D // lanes_of(slope), at(Z, k * N), at(G, (k - first) * D), pushes[k - first], keep, a[k], slope,
            at(sums, 0), at(lanes, 0),
        )  # fmt: skip


@routine
def start_member(Z: Any, a: Any, f: Any, scale: Any, slope: Any, sums: Any) -> None:
    """The outputs at Z and a, summed as the steps sum them."""
    m, chunks, width = a.shape[0], sums.shape[0], lanes_of(slope)
    T = (m + TILE - 1) // TILE
    D = (f.shape[0] + width - 1) // width * width
    lanes, pushes, G = np.zeros(2 * width, Z.dtype), np.zeros(m, Z.dtype), np.zeros((m, D), Z.dtype)
    one = np.ones(1, Z.dtype)[0]
    sums[:] = slope - slope
    for chunk in range(chunks):
        first, last = chunk * T // chunks * TILE, min(m, (chunk + 1) * T // chunks * TILE)
        _write(Z, a, G, pushes, one, slope, first, last, sums[chunk], lanes)
    add_chunks(sums, scale, f)


@routine
def run_member(
    Z: Any, C: Any, a: Any, K: Any, words: Any, y: Any, f: Any, loss: Any, scale: Any, slope: Any, rates: Any,
    limit: Any, largest: Any, steps: Any, sums: Any, doubts: Any, share: Any, shares: Any, gate: Any,
) -> Any:  # fmt: skip
    """Up to ``steps`` steps of one network; K is (panels R, D) with D whole registers.

    Share ``share`` of ``shares`` moves its own chunks; all meet once a step, and then each sums all outputs
    in the same order, from sums[0] and sums[1] by turns, since the others may still be reading. Returns how
    many steps were sound and whether the next one was not; after such a one Z, C, a and f are of no use.
    """
    n, m, zero = f.shape[0], a.shape[0], slope - slope
    T, N, D, chunks, width = words.shape[0], Z.shape[1], K.shape[1], sums.shape[1], lanes_of(slope)
    low, high = share * chunks // shares, (share + 1) * chunks // shares
    together = max(1, _BLOCK * chunks // T)  # chunks in a block
    most = min(T, together * (T // chunks + 1)) * TILE
    c, now_f, seen = np.empty(n, Z.dtype), f.copy(), np.zeros(1, np.int64)
    pushes, factors, base = aligned(2 * N, Z).reshape(2, N), aligned(N, Z), aligned(D, Z)
    table, G = aligned(TABLE // Z.itemsize, Z), aligned(most * D, Z).reshape(most, D)
    lanes, outer = np.zeros(2 * width, Z.dtype), np.empty(m, Z.dtype)
    made, diverged = 0, False
    while made < steps and not diverged:
        turn = made % 2
        coefficients(loss, now_f, y, c)
        for i in range(n):
            pushes[0, i], pushes[1, i] = rates[0] * c[i], rates[2] * c[i]
        split_factors(pushes[0, :n], K, slope, factors, base)
        doubt = zero
        for chunk in range(low, high, together):
            end = min(high, chunk + together)
            first, last = chunk * T // chunks, end * T // chunks
            for k in range(first * TILE, min(m, last * TILE)):
                outer[k] = -a[k]
            doubt += _read(
                Z, C, a, words, pushes, rates, slope, largest, first * TILE, min(m, last * TILE), lanes
            )
            if rates[0] != 0:  # otherwise G stays 0
                table_product(words, K, factors, base, first, last, table, G, zero)
            lanes[:] = zero
            for inner in range(chunk, end):
                start, stop = inner * T // chunks * TILE, min(m, (inner + 1) * T // chunks * TILE)
                sums[turn, inner] = zero
                _write(
                    Z, a, G[start - first * TILE :], outer[start:], rates[1], slope, start, stop,
                    sums[turn, inner], lanes,
                )  # fmt: skip
            for l in range(width):  # noqa: E741
                doubt += lanes[l]
        if shares > 1:
            doubts[turn, share] = doubt
            if not meet(gate, (made + 1) * shares, seen):
                break
            for other in range(shares):
                doubt += doubts[turn, other]
        add_chunks(sums[turn], scale, now_f)
        diverged = not is_sound(now_f, y, limit, doubt)
        made += 0 if diverged else 1
    if share == 0:
        f[:] = now_f
    return made, diverged
