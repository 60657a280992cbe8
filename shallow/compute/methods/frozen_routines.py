"""The compiled routine of frozen stretches: residuals by the kernel, and the few entries that may flip."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from shallow.compute.jit import routine

__all__ = ["skip"]

_LANES = 8  # sums side by side, added in a fixed order
_U = 2.0**-53


@routine
def _moved(past: Any, since: Any, gate: Any, R: Any, K: Any, lanes: Any) -> Any:
    """``sum_j G_j K_j`` with ``G_j = past_j + gate_j (R_j - since_j)``."""
    n = R.shape[0]
    lanes[:] = 0.0
    whole = n - n % _LANES
    for start in range(0, whole, _LANES):
        for l in range(_LANES):  # noqa: E741
            j = start + l
            lanes[l] += (past[j] + gate[j] * (R[j] - since[j])) * K[j]
    total = 0.0
    for l in range(_LANES):  # noqa: E741
        total += lanes[l]
    for j in range(whole, n):
        total += (past[j] + gate[j] * (R[j] - since[j])) * K[j]
    return total


@routine
def _flip(gate: Any, past: Any, since: Any, R: Any, H: Any, K: Any, weight: Any, i: Any, new: Any) -> None:
    """The gate of one neuron at sample i becomes ``new``, from now on, and with it its part of H."""
    old = gate[i]
    past[i] += old * (R[i] - since[i])
    since[i] = R[i]
    for j in range(R.shape[0]):
        if j != i:
            change = weight * (new - old) * gate[j] * K[i, j]
            H[i, j] += change
            H[j, i] += change
    H[i, i] += weight * (new * new - old * old) * K[i, i]
    gate[i] = new


@routine
def skip(
    f: Any, y: Any, Z: Any, a: Any, K: Any, H: Any, gate: Any, past: Any, since: Any, R: Any, reach: Any,
    books: Any, rows: Any, columns: Any, due: Any, push: Any, scale: Any, slope: Any, limit: Any,
    longest: Any, steps: Any,
) -> Any:  # fmt: skip
    """Up to ``steps`` steps of a stretch; see :mod:`shallow.compute.methods.frozen_steps` for the proof.

    ``reach[i] = |push| g ||K_i||``, rounded up; ``books`` holds Q, its horizon, the steps of the stretch and
    how many entries ``rows, columns, due`` are watched. Returns the steps made, and 0, or 1 when the stretch
    is at its end, or 2 when the next step is not sound: then all arrays are in disorder.
    """
    n, horizon, watched = f.shape[0], books[1], int(books[3])
    r, new_f, lanes = np.empty(n), np.empty(n), np.empty(_LANES)
    for step in range(steps):
        total = 0.0
        for i in range(n):
            r[i] = f[i] - y[i]
            total += r[i] * r[i]
        # Rounded up; what underflows in a square is below 2^-511.
        length = (math.sqrt(total) + math.sqrt(1.0 * n) * 2.0**-510) * (1 + (n + 8) * 2 * _U)
        path = (books[0] + length) * (1 + 8 * _U)
        if path >= horizon or math.isnan(path) or books[2] >= longest:
            return step, 1
        books[0] = path
        books[2] += 1
        for i in range(n):
            R[i] += r[i]
            new_f[i] = f[i]
        for j in range(n):
            weight = push * r[j]
            for i in range(n):
                new_f[i] -= weight * H[j, i]
        for entry in range(watched):
            if due[entry] <= path:
                k, i = rows[entry], columns[entry]
                z = Z[k, i] - push * a[k] * _moved(past[k], since[k], gate[k], R, K[i], lanes)
                span = max(abs(a[k]) * reach[i], 2.0**-1000)
                error = 2 * _U * ((n + 2 * books[2] + 16) * span * path + 4 * abs(Z[k, i]))
                new = 1.0 if z > 0 else slope
                if new != gate[k, i]:
                    new_f[i] += scale * a[k] * (new - gate[k, i]) * z
                    _flip(gate[k], past[k], since[k], R, H, K, scale * a[k] * a[k], i, new)
                due[entry] = path + max(0.0, abs(z) - error) * (1 - 16 * _U) / span
        for i in range(n):
            if not abs(new_f[i] - y[i]) <= limit:
                return step, 2
        for i in range(n):
            f[i] = new_f[i]
    return steps, 0
