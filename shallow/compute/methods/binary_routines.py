"""The compiled routines of the binary form: exact gates, one output, and pre-activations that are never kept.

The gates of a ReLU are bits, so the backward product is binary times dense: four samples have sixteen possible
partial sums of c_i x_i, and with these in a table one addition does the work of four multiply-adds
(Arlazarov, Dinic, Kronrod, Faradzev). A forward product leaves its registers as bits and as outputs only.

Neurons come in tiles, samples in panels of R; ``words`` holds the R bits of a neuron and a panel, the neurons
of a tile side by side: (tiles, panels, TILE, R / 8) bytes. Tiles are summed in chunks whose number depends on
the shape alone, so nothing depends on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shallow.compute.jit import routine
from shallow.compute.methods.loss_routines import coefficients, is_sound
from shallow.compute.vector_ir import (
    TILE,
    fill_tables,
    forward_tile,
    lanes_of,
    look_up_tile,
    move_row,
    width_of,
)

__all__ = ["chunks_of", "forward_member", "run_members", "sizes"]

_TABLE = 32768  # bytes of the tables in use at a time, which the nearest cache holds
_GROUP = 4  # tiles that go over a panel of samples together
_BLOCK = 32  # tiles whose gradients are made from one set of tables


@routine
def sizes(number: Any) -> Any:
    """Neurons in a tile, samples in a panel and numbers in a register, for numbers of this type."""
    return TILE, width_of(number), lanes_of(number)


def chunks_of(tiles: int) -> int:
    """Chunks of at most eight tiles, an even number of them so that two threads have equal shares."""
    return min(tiles, 2 * -(-tiles // 16))


@routine
def _aligned(size: Any, like: Any) -> Any:
    """Zeros whose first is at the start of a cache line: a vector that straddles two is slow to load."""
    flat = np.zeros(size + 64 // like.itemsize, like.dtype)
    skip = (-flat.ctypes.data % 64) // like.itemsize
    return flat[skip : skip + size]


@routine
def _forward(W: Any, a: Any, words: Any, panels: Any, slope: Any, first: Any, last: Any, sums: Any) -> None:
    """The words of the tiles from ``first`` to ``last``, and their outputs added to ``sums``."""
    size, (Q, d, R), D = W.itemsize, panels.shape, W.shape[1]
    bytes_of_word = words.shape[3]
    for group in range(first, last, _GROUP):
        for q in range(Q):
            for t in range(group, min(group + _GROUP, last)):
                forward_tile(
                    d, panels.ctypes.data + q * d * R * size, W.ctypes.data + t * TILE * D * size, D,
                    a.ctypes.data + t * TILE * size, slope, sums.ctypes.data + q * R * size,
                    words.ctypes.data + (t * Q + q) * TILE * bytes_of_word, bytes_of_word,
                )  # fmt: skip


@routine
def _gradients(
    words: Any, X: Any, factors: Any, base: Any, first: Any, last: Any, table: Any, G: Any, zero: Any
) -> None:
    """``G[k] = base + sum_i bit_ki factors_i X_i`` for the neurons of the tiles from ``first`` to ``last``."""
    size, lanes, R, D = X.itemsize, lanes_of(zero), width_of(zero), X.shape[1]
    Q, bytes_of_word = words.shape[1], words.shape[3]
    depth = _TABLE // (R * 4 * lanes * size)
    for column in range(0, D, lanes):
        source, stride = base.ctypes.data + column * size, 0
        for q in range(0, Q, depth):
            here = min(depth, Q - q)
            fill_tables(
                here * R // 4, X.ctypes.data + (q * R * D + column) * size, D,
                factors.ctypes.data + q * R * size, table.ctypes.data, zero,
            )  # fmt: skip
            for t in range(first, last):
                target = G.ctypes.data + ((t - first) * TILE * D + column) * size
                look_up_tile(
                    here, words.ctypes.data + (t * Q + q) * TILE * bytes_of_word, table.ctypes.data,
                    source if q == 0 else target, stride, target, D, zero,
                )  # fmt: skip
            stride = D


@routine
def _move(
    old_W: Any, new_W: Any, old_a: Any, new_a: Any, G: Any, rates: Any, first: Any, last: Any, lanes: Any
) -> Any:
    """The weights of the neurons from ``first`` to ``last``; 0, or NaN when one of them is not finite.

    ``rates`` holds scale times length times rate, and what is kept of the weights (1 minus decay), for W and
    then for a. ``lanes`` is room for two registers and a row.
    """
    size, D, width = old_W.itemsize, old_W.shape[1], lanes_of(rates[0])
    moves_W, moves_a = rates[0] != 0 or rates[1] != 1, rates[2] != 0 or rates[3] != 1
    doubt = rates[0] * 0
    for k in range(first, last):
        target = new_W.ctypes.data + k * D * size if moves_W else lanes.ctypes.data + 2 * width * size
        move_row(
            D // width, old_W.ctypes.data + k * D * size, G.ctypes.data + (k - first) * D * size, target,
            rates[1], rates[0] * old_a[k], lanes.ctypes.data,
        )  # fmt: skip
        change = lanes[0]
        lost = lanes[width]
        for l in range(1, width):  # noqa: E741
            change += lanes[l]
            lost += lanes[width + l]
        if moves_a:
            new_a[k] = rates[3] * old_a[k] - rates[2] * change
        doubt += new_a[k] * 0
        if moves_W:
            doubt += lost
    return doubt


@routine
def _finish(sums: Any, scale: Any, f: Any) -> None:
    """``f = scale * sum`` over the chunks, in their order."""
    n = f.shape[0]
    f[:] = sums[0, :n]
    for chunk in range(1, sums.shape[0]):
        for i in range(n):
            f[i] += sums[chunk, i]
    for i in range(n):
        f[i] *= scale


@routine
def _prepare(c: Any, X: Any, slope: Any, factors: Any, base: Any) -> None:
    """``factors = (1 - slope) c`` and ``base = slope sum_i c_i X_i``: the gate of bit b is slope + (1 - slope) b."""
    rest = 1 - slope
    for i in range(c.shape[0]):
        factors[i] = rest * c[i]
    if slope != 0:
        base[:] = 0
        for i in range(c.shape[0]):
            weight = slope * c[i]
            for j in range(base.shape[0]):
                base[j] += weight * X[i, j]


@routine
def forward_member(
    W: Any, a: Any, words: Any, panels: Any, scale: Any, slope: Any, chunks: Any, f: Any
) -> None:
    """Words and outputs of one network, summed as its steps sum them."""
    T = words.shape[0]
    sums = np.zeros((chunks, panels.shape[0] * panels.shape[2]), W.dtype)
    for chunk in range(chunks):
        _forward(
            W, a, words, panels, slope, chunk * T // chunks, (chunk + 1) * T // chunks, sums[chunk]
        )
    _finish(sums, scale, f)


@routine
def _run(
    W: Any, a: Any, words: Any, X: Any, panels: Any, y: Any, f: Any, m: Any, loss: Any, scale: Any, slope: Any,
    rates: Any, limit: Any, parity: Any, steps: Any, chunks: Any,
) -> Any:  # fmt: skip
    """Up to ``steps`` steps of one network; W[0] and W[1] take turns, and ``parity`` names the present one.

    Returns how many steps were sound, and whether the next one diverged; f then belongs to the last sound
    weights.
    """
    n, zero = y.shape[0], slope - slope
    T, N, D = words.shape[0], X.shape[0], X.shape[1]
    together = max(1, _BLOCK * chunks // T)  # chunks in a block
    c, before, sums = np.empty(n, W.dtype), np.empty(n, W.dtype), _aligned(chunks * N, W).reshape(chunks, N)
    factors, base, lanes = _aligned(N, W), _aligned(D, W), _aligned(2 * lanes_of(zero) + D, W)
    table = _aligned(_TABLE // W.itemsize, W)
    most = 0
    for chunk in range(0, chunks, together):
        end = min(chunks, chunk + together)
        most = max(most, end * T // chunks - chunk * T // chunks)
    G = _aligned(most * TILE * D, W)
    for step in range(steps):
        now, then = (parity + step) % 2, (parity + step + 1) % 2
        coefficients(loss, f, y, c)
        before[:] = f
        _prepare(c, X, slope, factors, base)
        doubt = zero
        for chunk in range(0, chunks, together):
            end = min(chunks, chunk + together)
            first, last = chunk * T // chunks, end * T // chunks
            _gradients(words, X, factors, base, first, last, table, G, zero)
            doubt += _move(
                W[now], W[then], a[now], a[then], G, rates, first * TILE, min(m, last * TILE), lanes
            )
            for inner in range(chunk, end):
                sums[inner] = zero
                _forward(
                    W[then], a[then], words, panels, slope, inner * T // chunks, (inner + 1) * T // chunks,
                    sums[inner],
                )  # fmt: skip
        _finish(sums, scale, f)
        if not is_sound(f, y, limit, doubt):
            f[:] = before
            return step, True
    return steps, False


@routine
def run_members(
    first: Any, last: Any, W: Any, a: Any, words: Any, X: Any, panels: Any, y: Any, f: Any, m: Any, loss: Any,
    scale: Any, slope: Any, rates: Any, limit: Any, factor: Any, clock: Any, time: Any, last_factor: Any,
    steps: Any, chunks: Any,
) -> None:  # fmt: skip
    """Up to ``steps`` steps of the networks from ``first`` to ``last``; ``clock`` holds parity, step, diverged."""
    for b in range(first, last):
        if clock[b, 2] >= 0:
            continue
        own = b if X.shape[0] > 1 else 0
        label = b if y.shape[0] > 1 else 0
        made, diverged = _run(
            W[b], a[b], words[b], X[own], panels[own], y[label], f[b], m, loss, scale, slope, rates[b],
            limit[b], clock[b, 0], steps, chunks,
        )  # fmt: skip
        for _ in range(made):  # added one by one, as every method does
            time[b] += factor[b]
        clock[b, 0] = (clock[b, 0] + made) % 2
        clock[b, 1] += made
        if made > 0:
            last_factor[b] = factor[b]
        if diverged:
            clock[b, 2] = clock[b, 1] + 1
