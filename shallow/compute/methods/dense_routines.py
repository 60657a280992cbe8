"""The compiled routines of the dense form: any slope and smoothing, any number of outputs.

Neurons are packed in panels as wide as two vector registers: W is (P, d, R), a is (P, k, R), the
pre-activations Z are (P, n, R). A step reads one panel of the old weights, writes the new ones beside them
and goes on to the new pre-activations while the panel is still in cache; of size (n, m) only Z is kept.
Panels are summed in chunks whose number depends on m alone, so nothing depends on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shallow.compute.jit import routine
from shallow.compute.methods.loss_routines import add_chunks, coefficients, is_sound
from shallow.compute.methods.meeting_routines import aligned, at, meet, record
from shallow.compute.vector_ir import TILE, multiply_1, multiply_4, multiply_tile, width_of

__all__ = ["chunks_of", "panel_width", "product", "run_members", "start_members"]

_DEPTH = 256  # of a product before its sums go back to memory: keeps the panel in the nearest cache


@routine
def panel_width(number: Any) -> Any:
    """R, the neurons in a panel, for numbers of this type."""
    return width_of(number)


def chunks_of(panels: int) -> int:
    """Chunks of at most eight panels, an even number of them so that two threads have equal shares."""
    return min(panels, 2 * -(-panels // 16))


@routine
def product(rows: Any, columns: Any, old: Any, new: Any, weights: Any, keep: Any, one: Any) -> None:
    """``new[j] = keep old[j] + weights * sum_k rows[k] columns[k, j]``, in tiles of rows j.

    rows (K, R), columns (K, J), old and new (J, R), weights (R,), all contiguous. Cost: 2 K J R.
    """
    R, J = width_of(keep), columns.shape[1]
    source, target, alpha, beta = at(old, 0), at(new, 0), at(weights, 0), keep
    step = R * rows.itemsize
    for start in range(0, rows.shape[0], _DEPTH):
        depth = min(_DEPTH, rows.shape[0] - start)
        A, B = at(rows, start * R), at(columns, start * J)
        j = 0
        while j + TILE <= J:
            place = j * rows.itemsize
            multiply_tile(depth, A, B + place, J, source + j * step, target + j * step, alpha, beta)
            j += TILE
        while j + 4 <= J:
            place = j * rows.itemsize
            multiply_4(depth, A, B + place, J, source + j * step, target + j * step, alpha, beta)
            j += 4
        while j < J:
            place = j * rows.itemsize
            multiply_1(depth, A, B + place, J, source + j * step, target + j * step, alpha, beta)
            j += 1
        source = target
        beta = one


@routine
def _gates(Z: Any, shape: Any, gate: Any, features: Any) -> None:
    """phi'(Z) and phi(Z) as :mod:`shallow.compute.gates` writes them, on flat arrays of one length.

    ``shape`` holds slope, smoothing h, (1 + slope) / 2, (1 - slope) / 2, (1 - slope) / 4, 0, 1.
    """
    slope, h, middle, rise, half_rise, zero, one = shape
    if h == zero:
        for i in range(Z.shape[0]):
            gate[i] = one if Z[i] > zero else slope
            features[i] = gate[i] * Z[i]
        return
    for i in range(Z.shape[0]):
        t = Z[i] / h
        right, left = t >= one, t <= -one
        t = one if right else (-one if left else t)
        inside = h * t
        gate[i] = one if right else (slope if left else middle + rise * t)
        features[i] = inside * (middle + half_rise * t) + gate[i] * (Z[i] - inside)


@routine
def _add_outputs(features: Any, a: Any, lanes: Any) -> None:
    """``lanes[i, o, l] += a[o, l] features[i, l]``."""
    R = width_of(a[0, 0])
    for i in range(features.shape[0]):
        for o in range(a.shape[0]):
            for l in range(R):  # noqa: E741
                lanes[i, o, l] += a[o, l] * features[i, l]


@routine
def _close_chunk(lanes: Any, outputs: Any) -> None:
    """The sums over the lanes, in their order; ``outputs`` is flat, and the lanes are cleared."""
    R = lanes.shape[2]
    flat = lanes.reshape(-1, R)
    for i in range(outputs.shape[0]):
        total = flat[i, 0]
        for l in range(1, R):  # noqa: E741
            total += flat[i, l]
        outputs[i] = total
        for l in range(R):  # noqa: E741
            flat[i, l] = 0


@routine
def _push_back(
    c: Any, across: Any, a: Any, gate: Any, features: Any, back: Any, change: Any, ones: Any, zero: Any
) -> None:
    """``back[i] = gate[i] sum_o c[i, o] a[o]`` and ``change[o] = sum_i c[i, o] features[i]``, by lanes.

    ``across`` is c transposed.
    """
    R = width_of(zero)
    if c.shape[1] > 1:
        product(a, across, back, back, ones, zero, ones[0])
        product(features, c, change, change, ones, zero, ones[0])
    else:
        change[:] = zero
        for i in range(c.shape[0]):
            for l in range(R):  # noqa: E741
                back[i, l] = c[i, 0] * a[0, l]
                change[0, l] += c[i, 0] * features[i, l]
    pushed, gates = back.reshape(-1), gate.reshape(-1)
    for i in range(pushed.shape[0]):
        pushed[i] *= gates[i]


@routine
def _doubt(flat: Any, zero: Any) -> Any:
    """0, or NaN when an entry is not finite; whole panels, flat."""
    R = width_of(zero)
    lanes = np.zeros(R, flat.dtype)
    for start in range(0, flat.shape[0], R):
        for l in range(R):  # noqa: E741
            lanes[l] += flat[start + l] * zero
    return lanes.sum()


@routine
def start_members(
    W: Any, a: Any, Z: Any, columns: Any, y: Any, f: Any, scale: Any, shape: Any, limit: Any, clock: Any,
    outputs: Any,
) -> None:  # fmt: skip
    """Z and outputs of every network at W[:, 0], summed as its steps sum them; ``clock`` as in ``record``."""
    _, P, n, R = Z.shape
    chunks, ones = outputs.shape[1], np.ones(R, W.dtype)
    gate, features = np.empty((n, R), W.dtype), np.empty((n, R), W.dtype)
    lanes = np.zeros((n, a.shape[3], R), W.dtype)
    for b in range(W.shape[0]):
        own = b if columns.shape[0] > 1 else 0
        label = b if y.shape[0] > 1 else 0
        for chunk in range(chunks):
            for p in range(chunk * P // chunks, (chunk + 1) * P // chunks):
                product(W[b, 0, p], columns[own], Z[b, p], Z[b, p], ones, shape[5], shape[6])
                _gates(Z[b, p].reshape(-1), shape, gate.reshape(-1), features.reshape(-1))
                _add_outputs(features, a[b, 0, p], lanes)
            _close_chunk(lanes, outputs[0, chunk])
        add_chunks(outputs[0], scale, f[b].reshape(-1))
        if not is_sound(f[b].reshape(-1), y[label].reshape(-1), limit[b], shape[5]):
            clock[b, 2] = clock[b, 1]


@routine
def _run(
    W: Any, a: Any, Z: Any, X: Any, columns: Any, y: Any, f: Any, loss: Any, scale: Any, shape: Any,
    rates: Any, limit: Any, parity: Any, steps: Any, outputs: Any, doubts: Any, share: Any, shares: Any,
    gate: Any, meetings: Any,
) -> Any:  # fmt: skip
    """Up to ``steps`` steps of one network; W[0] and W[1] take turns, and ``parity`` names the present one.

    Share ``share`` of ``shares`` moves its own chunks; all meet once a step and then each sums all outputs in
    the same order, into outputs[0] and outputs[1] by turns, since the others may still be reading. Returns
    how many steps were sound, whether the next one diverged, and how many meetings there have been; f then
    belongs to the last sound weights.
    """
    P, n, R = Z.shape
    zero, one, chunks, k = shape[5], shape[6], outputs.shape[1], a.shape[2]
    low, high = share * chunks // shares, (share + 1) * chunks // shares
    moves_W, moves_a = rates[0] != 0 or rates[1] != 1, rates[2] != 0 or rates[3] != 1
    labels, now_f, seen = y.reshape(-1), f.reshape(-1).copy(), np.zeros(1, np.int64)
    c, across, before = np.empty((n, k), W.dtype), np.empty((k, n), W.dtype), np.empty(n * k, W.dtype)
    gates, features, back = np.empty((n, R), W.dtype), np.empty((n, R), W.dtype), aligned(n * R, W)
    back = back.reshape(n, R)
    lanes, change = np.zeros((n, k, R), W.dtype), np.empty((k, R), W.dtype)
    weights, ones = np.full(R, -rates[0], W.dtype), np.ones(R, W.dtype)
    made, diverged = 0, False
    while made < steps and not diverged:
        now, then, turn = (parity + made) % 2, (parity + made + 1) % 2, meetings % 2
        coefficients(loss, now_f, labels, c.reshape(-1))
        before[:] = now_f
        for o in range(k):
            for i in range(n):
                across[o, i] = c[i, o]
        doubt = zero
        for chunk in range(low, high):
            for p in range(chunk * P // chunks, (chunk + 1) * P // chunks):
                _gates(Z[p].reshape(-1), shape, gates.reshape(-1), features.reshape(-1))
                _push_back(c, across, a[now, p], gates, features, back, change, ones, zero)
                if moves_a:
                    for o in range(k):
                        for l in range(R):  # noqa: E741
                            a[then, p, o, l] = rates[3] * a[now, p, o, l] - rates[2] * change[o, l]
                    doubt += _doubt(a[then, p].reshape(-1), zero)
                if moves_W:
                    product(back, X, W[now, p], W[then, p], weights, rates[1], one)
                    doubt += _doubt(W[then, p].reshape(-1), zero)
                    product(W[then, p], columns, Z[p], Z[p], ones, zero, one)
                    _gates(Z[p].reshape(-1), shape, gates.reshape(-1), features.reshape(-1))
                _add_outputs(features, a[then, p], lanes)
            _close_chunk(lanes, outputs[turn, chunk])
        meetings += 1
        if shares > 1:
            doubts[turn, share] = doubt
            if not meet(gate, meetings * shares, seen):
                break
            for other in range(shares):
                doubt += doubts[turn, other]
        add_chunks(outputs[turn], scale, now_f)
        diverged = not is_sound(now_f, labels, limit, doubt)
        made += 0 if diverged else 1
    if diverged:
        now_f[:] = before
    if share == 0:
        f.reshape(-1)[:] = now_f
    return made, diverged, meetings


@routine
def run_members(
    first: Any, last: Any, W: Any, a: Any, Z: Any, X: Any, columns: Any, y: Any, f: Any, loss: Any,
    scale: Any, shape: Any, rates: Any, limit: Any, factor: Any, clock: Any, time: Any, last_factor: Any,
    steps: Any, outputs: Any, doubts: Any, share: Any, shares: Any, gate: Any,
) -> None:  # fmt: skip
    """Up to ``steps`` steps of the networks from ``first`` to ``last``; ``clock`` is parity, step, diverged.

    With more than one share, every share calls this with the same networks, ``outputs`` (2, chunks, n k),
    ``doubts`` (2, shares) and gate, whose first number counts arrivals.
    """
    meetings = 0
    for b in range(first, last):
        if clock[b, 2] >= 0:
            continue
        own = b if X.shape[0] > 1 else 0
        label = b if y.shape[0] > 1 else 0
        made, diverged, meetings = _run(
            W[b], a[b], Z[b], X[own], columns[own], y[label], f[b], loss, scale, shape, rates[b], limit[b],
            clock[b, 0], steps, outputs, doubts, share, shares, gate, meetings,
        )  # fmt: skip
        if share == 0:
            record(clock, time, last_factor, factor, b, made, diverged)
