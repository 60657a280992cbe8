"""The compiled routines of the binary form: exact gates, one output, no pre-activations kept.

The gates of a ReLU are bits, so the backward product is binary times dense: four samples have sixteen
possible partial sums of c_i x_i, and with these in a table one addition does the work of four multiply-adds
(Arlazarov, Dinic, Kronrod, Faradzev). A forward product leaves its registers as bits and as outputs only.

Neurons come in tiles, samples in panels of R; ``words`` holds the R bits of a neuron and a panel, the neurons
of a tile side by side: (tiles, panels, TILE, R / 8) bytes. Tiles are summed in chunks whose number depends on
the shape alone, so nothing depends on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shallow.compute.jit import routine
from shallow.compute.methods.loss_routines import add_chunks, coefficients, is_sound
from shallow.compute.methods.meeting_routines import aligned, aligned_room, at, meet, record
from shallow.compute.methods.table_routines import TABLE, split_factors, table_product
from shallow.compute.vector_ir import TILE, forward_tile, lanes_of, move_rows, width_of

__all__ = ["chunks_of", "run_members", "sizes", "start_members"]

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
def _forward(W: Any, a: Any, words: Any, panels: Any, slope: Any, first: Any, last: Any, sums: Any) -> None:
    """The words of the tiles from ``first`` to ``last``, and their outputs added to ``sums``."""
    (Q, d, R), D, bytes_of_word = panels.shape, W.shape[1], words.shape[3]
    for group in range(first, last, _GROUP):
        for q in range(Q):
            for t in range(group, min(group + _GROUP, last)):
                forward_tile(
                    d, at(panels, q * d * R), at(W, t * TILE * D), D, at(a, t * TILE), slope,
                    at(sums, q * R), at(words, (t * Q + q) * TILE * bytes_of_word), bytes_of_word,
                )  # fmt: skip


@routine
def _move(
    old_W: Any, new_W: Any, old_a: Any, new_a: Any, G: Any, rates: Any, first: Any, last: Any, pushes: Any,
    products: Any, spare: Any,
) -> Any:  # fmt: skip
    """The weights of the neurons from ``first`` to ``last``; 0, or NaN when one of them is not finite.

    ``rates`` holds scale times length times rate, and what is kept of the weights (1 minus decay), for W and
    then for a. ``pushes`` and ``products`` have room for a number of each of them, ``spare`` for a row of W
    and a register.
    """
    D, lanes, count = old_W.shape[1], lanes_of(rates[0]), last - first
    before, after = old_a[first:last], new_a[first:last]
    rate_W, keep_W, rate_a, keep_a = rates[0], rates[1], rates[2], rates[3]
    moves_W, moves_a = rate_W != 0 or keep_W != 1, rate_a != 0 or keep_a != 1
    for k in range(count):
        pushes[k] = rate_W * before[k]
    move_rows(
        count, D // lanes, at(old_W, first * D), at(G, 0),
        at(new_W, first * D) if moves_W else at(spare, 0), D if moves_W else 0, keep_W,
        at(pushes, 0), at(products, 0), at(spare, D),
    )  # fmt: skip
    doubt = rate_W - rate_W
    if moves_W:
        for l in range(lanes):  # noqa: E741
            doubt += spare[D + l]
    if moves_a:
        for k in range(count):
            after[k] = keep_a * before[k] - rate_a * products[k]
        infinite = 0
        for k in range(count):
            infinite += 0 if abs(after[k]) < np.inf else 1
        doubt += np.nan if infinite > 0 else 0
    return doubt


@routine
def start_members(
    W: Any, a: Any, words: Any, panels: Any, y: Any, f: Any, scale: Any, slope: Any, limit: Any, clock: Any,
    chunks: Any,
) -> None:  # fmt: skip
    """Words and outputs of every network at W[:, 0], summed as its steps sum them; ``clock`` as below."""
    T = words.shape[1]
    sums = aligned(chunks * panels.shape[1] * panels.shape[3], W).reshape(chunks, -1)
    for b in range(W.shape[0]):
        own = b if panels.shape[0] > 1 else 0
        label = b if y.shape[0] > 1 else 0
        for chunk in range(chunks):
            sums[chunk] = slope - slope
            first, last = chunk * T // chunks, (chunk + 1) * T // chunks
            _forward(W[b, 0], a[b, 0], words[b], panels[own], slope, first, last, sums[chunk])
        add_chunks(sums, scale, f[b])
        if not is_sound(f[b], y[label], limit[b], slope - slope):
            clock[b, 2] = clock[b, 1]


@routine
def _room(W: Any, X: Any, n: Any, chunks: Any) -> Any:
    """What the steps of one network of a batch after another need to work in."""
    T, N, D = W.shape[2] // TILE, X.shape[1], X.shape[2]
    together = max(1, _BLOCK * chunks // T)  # chunks in a block
    most = min(T, together * (T // chunks + 1)) * TILE
    zero = W[0, 0, 0, 0]
    return (
        np.empty(n, W.dtype), np.empty(n, W.dtype), np.empty(n, W.dtype), aligned(N, W), aligned(D, W),
        aligned_room(D + lanes_of(zero), W), aligned_room(TABLE // W.itemsize, W), aligned_room(most * D, W),
        np.empty(most, W.dtype), np.empty(most, W.dtype), np.empty(1, np.int64), together,
    )  # fmt: skip


@routine
def _run(
    W: Any, a: Any, words: Any, X: Any, panels: Any, y: Any, f: Any, m: Any, loss: Any, scale: Any,
    slope: Any, rates: Any, limit: Any, parity: Any, steps: Any, sums: Any, doubts: Any, share: Any,
    shares: Any, gate: Any, meetings: Any, room: Any,
) -> Any:  # fmt: skip
    """Up to ``steps`` steps of one network; W[0] and W[1] take turns, and ``parity`` names the present one.

    Share ``share`` of ``shares`` moves its own chunks; all meet once a step and then each sums all outputs in
    the same order, into sums[0] and sums[1] by turns, since the others may still be reading. Returns how many
    steps were sound, whether the next one diverged, and how many meetings there have been; f then belongs to
    the last sound weights.
    """
    zero, T, chunks = slope - slope, words.shape[0], sums.shape[1]
    low, high = share * chunks // shares, (share + 1) * chunks // shares
    c, before, now_f, factors, base, spare, table, G, pushes, products, seen, together = room
    now_f[:] = f
    made, diverged = 0, False
    while made < steps and not diverged:
        now, then, turn = (parity + made) % 2, (parity + made + 1) % 2, meetings % 2
        coefficients(loss, now_f, y, c)
        before[:] = now_f
        split_factors(c, X, slope, factors, base)
        doubt = zero
        for chunk in range(low, high, together):
            end = min(high, chunk + together)
            first, last = chunk * T // chunks, end * T // chunks
            table_product(words, X, factors, base, first, last, table, G, zero)
            doubt += _move(
                W[now], W[then], a[now], a[then], G, rates, first * TILE, min(m, last * TILE), pushes,
                products, spare,
            )  # fmt: skip
            for inner in range(chunk, end):
                sums[turn, inner] = zero
                _forward(
                    W[then], a[then], words, panels, slope, inner * T // chunks, (inner + 1) * T // chunks,
                    sums[turn, inner],
                )  # fmt: skip
        meetings += 1
        if shares > 1:
            doubts[turn, share] = doubt
            if not meet(gate, meetings * shares, seen):
                break
            for other in range(shares):
                doubt += doubts[turn, other]
        add_chunks(sums[turn], scale, now_f)
        diverged = not is_sound(now_f, y, limit, doubt)
        made += 0 if diverged else 1
    if diverged:
        now_f[:] = before
    if share == 0:
        f[:] = now_f
    return made, diverged, meetings


@routine
def run_members(
    first: Any, last: Any, W: Any, a: Any, words: Any, X: Any, panels: Any, y: Any, f: Any, m: Any, loss: Any,
    scale: Any, slope: Any, rates: Any, limit: Any, factor: Any, clock: Any, time: Any, last_factor: Any,
    steps: Any, sums: Any, doubts: Any, share: Any, shares: Any, gate: Any,
) -> None:  # fmt: skip
    """Up to ``steps`` steps of the networks from ``first`` to ``last``; ``clock`` is parity, step, diverged.

    With more than one share, every share calls this with the same networks, ``sums`` (2, chunks, N),
    ``doubts`` (2, shares) and gate, whose first number counts arrivals.
    """
    meetings, room = 0, _room(W, X, y.shape[1], sums.shape[1])
    for b in range(first, last):
        if clock[b, 2] >= 0:
            continue
        own = b if X.shape[0] > 1 else 0
        label = b if y.shape[0] > 1 else 0
        made, diverged, meetings = _run(
            W[b], a[b], words[b], X[own], panels[own], y[label], f[b], m, loss, scale, slope, rates[b],
            limit[b], clock[b, 0], steps, sums, doubts, share, shares, gate, meetings, room,
        )  # fmt: skip
        if share == 0:
            record(clock, time, last_factor, factor, b, made, diverged)
