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
from shallow.compute.methods.loss_routines import coefficients, is_sound
from shallow.compute.methods.meeting_routines import aligned, at, meet, record
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
    then for a. ``pushes`` has room for a number of each of them, ``products`` for a register, ``spare`` for a
    row of W.
    """
    D, lanes = old_W.shape[1], lanes_of(rates[0])
    moves_W, moves_a = rates[0] != 0 or rates[1] != 1, rates[2] != 0 or rates[3] != 1
    for k in range(first, last):
        pushes[k - first] = rates[0] * old_a[k]
    move_rows(
        last - first, D // lanes, at(old_W, first * D), at(G, 0),
        at(new_W, first * D) if moves_W else at(spare, 0), D if moves_W else 0, rates[1],
        at(pushes, 0), at(products, 0), at(spare, D),
    )  # fmt: skip
    doubt = rates[0] * 0
    if moves_W:
        for l in range(lanes):  # noqa: E741
            doubt += spare[D + l]
    if moves_a:
        for k in range(first, last):
            change = doubt * 0
            for l in range(lanes):  # noqa: E741
                change += products[(k - first) * lanes + l]
            new_a[k] = rates[3] * old_a[k] - rates[2] * change
            doubt += new_a[k] * 0
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
        _finish(sums, scale, f[b])
        if not is_sound(f[b], y[label], limit[b], slope - slope):
            clock[b, 2] = clock[b, 1]


@routine
def _run(
    W: Any, a: Any, words: Any, X: Any, panels: Any, y: Any, f: Any, m: Any, loss: Any, scale: Any,
    slope: Any, rates: Any, limit: Any, parity: Any, steps: Any, sums: Any, doubts: Any, share: Any,
    shares: Any, gate: Any, meetings: Any,
) -> Any:  # fmt: skip
    """Up to ``steps`` steps of one network; W[0] and W[1] take turns, and ``parity`` names the present one.

    Share ``share`` of ``shares`` moves its own chunks; all meet once a step and then each sums all outputs in
    the same order, into sums[0] and sums[1] by turns, since the others may still be reading. Returns how many
    steps were sound, whether the next one diverged, and how many meetings there have been; f then belongs to
    the last sound weights.
    """
    n, zero = y.shape[0], slope - slope
    T, N, D, chunks = words.shape[0], X.shape[0], X.shape[1], sums.shape[1]
    low, high = share * chunks // shares, (share + 1) * chunks // shares
    together = max(1, _BLOCK * chunks // T)  # chunks in a block
    most = min(T, together * (T // chunks + 1)) * TILE
    c, before, now_f, seen = np.empty(n, W.dtype), np.empty(n, W.dtype), f.copy(), np.zeros(1, np.int64)
    factors, base, spare = aligned(N, W), aligned(D, W), aligned(D + lanes_of(zero), W)
    table, G = aligned(TABLE // W.itemsize, W), aligned(most * D, W)
    pushes, products = np.empty(most, W.dtype), aligned(most * lanes_of(zero), W)
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
        _finish(sums[turn], scale, now_f)
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
    meetings = 0
    for b in range(first, last):
        if clock[b, 2] >= 0:
            continue
        own = b if X.shape[0] > 1 else 0
        label = b if y.shape[0] > 1 else 0
        made, diverged, meetings = _run(
            W[b], a[b], words[b], X[own], panels[own], y[label], f[b], m, loss, scale, slope, rates[b],
            limit[b], clock[b, 0], steps, sums, doubts, share, shares, gate, meetings,
        )  # fmt: skip
        if share == 0:
            record(clock, time, last_factor, factor, b, made, diverged)
