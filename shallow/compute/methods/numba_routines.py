"""The compiled routines of the Numba method: one network, panel by panel.

Neurons are packed in panels as wide as two vector registers: W is (P, d, R), a is (P, R), the pre-activations
Z are (P, n, R). A step reads one panel of the old weights, writes the new ones beside them and goes on to the
new pre-activations while the panel is still in cache; of size (n, m) only Z is kept. Panels are summed in
chunks of a fixed length, so that nothing depends on the number of threads.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from shallow.compute.jit import routine
from shallow.compute.vector_ir import TILE, multiply_1, multiply_4, multiply_tile, width_of

__all__ = ["CHUNK", "LOSS_CODES", "coefficients", "finish", "forward_chunk", "move_chunk", "run_member"]

CHUNK = 16  # panels whose outputs are summed together
LOSS_CODES = {"squared": 0, "logistic": 1, "exponential": 2, "hinge": 3}
_DEPTH = 256  # of a product before its sums go back to memory: keeps the panel in the nearest cache


@routine
def panel_width(number: Any) -> Any:
    """R, the neurons in a panel, for numbers of this type."""
    return width_of(number)


@routine
def _product(rows: Any, columns: Any, old: Any, new: Any, weights: Any, keep: Any, one: Any) -> None:
    """``new[j] = keep old[j] + weights * sum_k rows[k] columns[k, j]``, in tiles of rows j.

    rows (K, R), columns (K, J), old and new (J, R), weights (R,), all contiguous. Cost: 2 K J R.
    """
    size = rows.itemsize
    R = width_of(keep)
    J = columns.shape[1]
    source, target = old.ctypes.data, new.ctypes.data
    alpha = weights.ctypes.data
    beta = keep
    for start in range(0, rows.shape[0], _DEPTH):
        depth = min(_DEPTH, rows.shape[0] - start)
        A = rows.ctypes.data + start * R * size
        B = columns.ctypes.data + start * J * size
        j = 0
        while j + TILE <= J:
            multiply_tile(
                depth, A, B + j * size, J, source + j * R * size, target + j * R * size, alpha, beta
            )
            j += TILE
        while j + 4 <= J:
            multiply_4(depth, A, B + j * size, J, source + j * R * size, target + j * R * size, alpha, beta)
            j += 4
        while j < J:
            multiply_1(depth, A, B + j * size, J, source + j * R * size, target + j * R * size, alpha, beta)
            j += 1
        source = target
        beta = one


@routine
def coefficients(loss: Any, f: Any, y: Any, c: Any) -> None:
    """``c = dL/df`` for the losses of LOSS_CODES, in the formulas of ``shallow.setting.losses``."""
    for i in range(f.shape[0]):
        q = y[i] * f[i]
        if loss == 0:
            c[i] = f[i] - y[i]
        elif loss == 1:
            t = math.exp(-abs(q))
            c[i] = -y[i] * (t if q > 0 else 1.0) / (1.0 + t)
        elif loss == 2:
            c[i] = 0.0 if y[i] == 0 else -math.copysign(1.0, y[i]) * math.exp(math.log(abs(y[i])) - q)
        else:
            c[i] = q if math.isnan(q) else (-y[i] if q < 1 else 0.0)


@routine
def forward_chunk(W: Any, a: Any, Z: Any, columns: Any, slope: Any, first: Any, last: Any, sums: Any) -> None:
    """Z at the weights of some panels, and ``sums[i, l]``, their outputs lane by lane."""
    zero = slope - slope
    ones = np.ones(Z.shape[2], Z.dtype)
    sums[:] = zero
    for p in range(first, last):
        _product(W[p], columns, Z[p], Z[p], ones, zero, ones[0])
        _add_outputs(Z[p], a[p], slope, sums)


@routine
def _add_outputs(Z: Any, a: Any, slope: Any, sums: Any) -> None:
    for i in range(Z.shape[0]):
        for l in range(width_of(slope)):  # noqa: E741
            z = Z[i, l]
            sums[i, l] += a[l] * (z if z > 0 else slope * z)


@routine
def move_chunk(
    old_W: Any,
    new_W: Any,
    old_a: Any,
    new_a: Any,
    Z: Any,
    X: Any,
    columns: Any,
    c: Any,
    slope: Any,
    rates: Any,
    first: Any,
    last: Any,
    back: Any,
    sums: Any,
) -> Any:
    """One step for the panels from ``first`` to ``last``, and a forward pass at their new weights.

    ``rates`` holds scale times length times rate, and what is kept of the weights (1 minus decay), for W
    and then for a. Returns 0, or NaN when a new weight is not finite.
    """
    n, R = Z.shape[1], width_of(slope)
    zero = slope - slope
    weights, change = np.empty(R, Z.dtype), np.empty(R, Z.dtype)
    ones = np.ones(R, Z.dtype)
    moves_W, moves_a = rates[0] != 0 or rates[1] != 1, rates[2] != 0 or rates[3] != 1
    doubt = zero
    sums[:] = zero
    for p in range(first, last):
        change[:] = zero
        for i in range(n):
            up, down = c[i], c[i] * slope
            for l in range(R):  # noqa: E741
                z = Z[p, i, l]
                g = up if z > 0 else down
                back[i, l] = g
                change[l] += g * z
        if moves_W:
            for l in range(R):  # noqa: E741
                weights[l] = -rates[0] * old_a[p, l]
            _product(back, X, old_W[p], new_W[p], weights, rates[1], ones[0])
        for l in range(R):  # noqa: E741
            if moves_a:
                new_a[p, l] = rates[3] * old_a[p, l] - rates[2] * change[l]
            doubt += new_a[p, l] * zero
        if moves_W:
            doubt += _doubt(new_W[p], zero)
            _product(new_W[p], columns, Z[p], Z[p], ones, zero, ones[0])
        _add_outputs(Z[p], new_a[p], slope, sums)
    return doubt


@routine
def _doubt(W: Any, zero: Any) -> Any:
    """0, or NaN when an entry is not finite."""
    lanes = np.zeros(W.shape[1], W.dtype)
    for j in range(W.shape[0]):
        for l in range(width_of(zero)):  # noqa: E741
            lanes[l] += W[j, l] * zero
    total = zero
    for l in range(width_of(zero)):  # noqa: E741
        total += lanes[l]
    return total


@routine
def finish(sums: Any, scale: Any, f: Any) -> None:
    """``f = scale * sum`` over chunks and lanes, in their order; sums is (chunks, n, R)."""
    for i in range(f.shape[0]):
        total = scale - scale
        for chunk in range(sums.shape[0]):
            for l in range(sums.shape[2]):  # noqa: E741
                total += sums[chunk, i, l]
        f[i] = scale * total


@routine
def is_sound(f: Any, y: Any, limit: Any, doubt: Any) -> Any:
    """Whether every residual is within the limit and no number is NaN or infinite."""
    sound = not math.isnan(doubt)
    for i in range(f.shape[0]):
        sound = sound and abs(f[i] - y[i]) <= limit and not math.isinf(f[i])
    return sound


@routine
def run_member(
    W: Any,
    a: Any,
    Z: Any,
    X: Any,
    columns: Any,
    y: Any,
    f: Any,
    loss: Any,
    scale: Any,
    slope: Any,
    rates: Any,
    limit: Any,
    parity: Any,
    steps: Any,
) -> Any:
    """Up to ``steps`` steps of one network; W[0] and W[1] take turns, and ``parity`` names the present one.

    Returns how many steps were sound and whether the next one diverged; Z and f then belong to the last
    sound weights.
    """
    P, n, R = Z.shape
    chunks = (P + CHUNK - 1) // CHUNK
    c, back, sums = np.empty(n, Z.dtype), np.empty((n, R), Z.dtype), np.empty((chunks, n, R), Z.dtype)
    before = np.empty(n, Z.dtype)
    for step in range(steps):
        now, then = (parity + step) % 2, (parity + step + 1) % 2
        coefficients(loss, f, y, c)
        before[:] = f
        doubt = scale - scale
        for q in range(chunks):
            last = min(P, (q + 1) * CHUNK)
            doubt += move_chunk(
                W[now],
                W[then],
                a[now],
                a[then],
                Z,
                X,
                columns,
                c,
                slope,
                rates,
                q * CHUNK,
                last,
                back,
                sums[q],
            )
        finish(sums, scale, f)
        if not is_sound(f, y, limit, doubt):
            for q in range(chunks):
                forward_chunk(W[now], a[now], Z, columns, slope, q * CHUNK, min(P, (q + 1) * CHUNK), sums[q])
            f[:] = before
            return step, True
    return steps, False
