"""The compiled routines of the limit kernels: products, half-chords, curves and the write, tile by tile.

A *block* is (d, J), a few rows side by side; a *panel* is (d, R), as many rows as two vector registers hold.
With x of the block, z of the panel, ``c = x.z``, ``L = ||x|| ||z||`` and u the acute angle between their
lines, everything is a function of ``h = sin(u / 2)``, whose square is ``q = (1 - |c| / L) / 2``:
    u / (2 pi) = h A(q),    (sin u - u cos u) / (2 pi) = h q B(q),    0 <= q <= 1/2,
with polynomials A and B. Where q cancels, h comes from the rows themselves. Each entry is computed by the
same operations wherever it stands in a tile, so its bits depend on its own two rows only.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from shallow.compute.jit import compiler_is_off, intrinsic, routine
from shallow.compute.vector_ir import TILE, multiply_tile, width_of

__all__ = ["BLOCK", "FIELDS", "fill_cross", "fill_symmetric", "measure", "panel_width"]

BLOCK = TILE * max(1, 56 // TILE)  # J: a tile and its curves stay in the nearest cache
FIELDS = 5  # of a row: 1 / (2 ||x||), ||x||, ||x||^2, and two powers of two whose product undoes its scaling
_DEPTH = 128  # terms of a product in one chain, so that its error grows with the root of d / 128
_PARALLEL = 0.03  # q below which a cosine c > 0 has lost digits that the kernels see
_OPPOSED = 0.25  # the same for c < 0

# asin(sqrt q) / (pi sqrt q) and (sin u - u cos u) / (2 pi q sqrt q), u = 2 asin(sqrt q), interpolated at the
# Chebyshev points of [0, 1/2] in 60 digits: relative errors 2.0e-17 and 6.9e-18. Highest power first.
_A = np.array([
    0.2830699377106406, -1.0437168399261072, 1.8328094906687828, -1.9828477343426343,
    1.477616426395862, -0.7928719879632915, 0.32092055725346197, -0.09449682877560792,
    0.02505611715130381, -0.0008280952163950973, 0.0041988265272650755, 0.004393773292065488,
    0.005527222448544353, 0.007121096604856486, 0.00967087931086017, 0.01421026265502725,
    0.02387324146506332, 0.0530516476972931, 0.3183098861837907,
])  # fmt: skip
_B = np.array([
    0.018089761859256856, -0.061257494711443455, 0.09978982784741616, -0.0994064160671677,
    0.0682929842498141, -0.033095068162475004, 0.012477810365699164, -0.0028177961739383976,
    0.0012597601736624414, 0.00067262746036401, 0.0010572811700541385, 0.0014720317120508653,
    0.002191214329823703, 0.0035166792891146046, 0.0063156723876073755, 0.013641852264516096,
    0.0424413181578411, 0.42441318157838753,
])  # fmt: skip


def _fused(a: Any, b: Any, c: Any) -> Any:
    """``a b + c`` in exact arithmetic, rounded once: the instruction's twin, for runs without a compiler."""
    return np.float64(float(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))))


def _fused_typed(context: Any, a: Any, b: Any, c: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.fma(*values)

    return a(a, b, c), generate


fused = _fused if compiler_is_off() else intrinsic(_fused_typed)


@routine
def panel_width() -> Any:
    """R, the rows in a panel."""
    return width_of(1.0)


@routine
def _value_of_A(q: Any) -> Any:
    total = _A[0]
    for k in range(1, 19):
        total = fused(total, q, _A[k])
    return total


@routine
def _value_of_B(q: Any) -> Any:
    total = _B[0]
    for k in range(1, 18):
        total = fused(total, q, _B[k])
    return total


@routine
def measure(panels: Any, fields: Any) -> None:
    """The first three of FIELDS for the rows of all panels, each to its last digit.

    panels (P, d, R), fields (P, FIELDS, R). The errors of the squares and of their sums are added up beside
    them (Ogita, Rump and Oishi 2005), as if in twice the digits; a zero row gets 0 three times.
    """
    for p in range(panels.shape[0]):
        _measure_panel(panels[p], fields[p])


@routine
def _measure_panel(panel: Any, fields: Any) -> None:
    R = panel.shape[1]
    high, low = np.zeros(R), np.zeros(R)
    for k in range(panel.shape[0]):
        for i in range(R):
            x = panel[k, i]
            square = x * x
            total = high[i] + square
            back = total - high[i]
            low[i] += ((high[i] - (total - back)) + (square - back)) + fused(x, x, -square)
            high[i] = total
    for i in range(R):
        square = high[i] + low[i]
        rest = (high[i] - square) + low[i]
        if square > 0.0:
            root = math.sqrt(square)
            small = (fused(-root, root, square) + rest) / (2.0 * root)
            norm = root + small
            small = (root - norm) + small
            inverse = 1.0 / norm
            inverse += inverse * (fused(-norm, inverse, 1.0) - small * inverse)
            fields[0, i], fields[1, i], fields[2, i] = 0.5 * inverse, norm, square
        else:
            fields[0, i], fields[1, i], fields[2, i] = 0.0, 0.0, 0.0


@routine
def _products(panel: Any, block: Any, C: Any, ones: Any) -> None:
    """``C[j, i] = x_j . z_i`` for a block (d, J) and a panel (d, R)."""
    R, J, d = panel.shape[1], block.shape[1], block.shape[0]
    for start in range(0, d, _DEPTH):
        depth = min(_DEPTH, d - start)
        A = panel.ctypes.data + start * R * 8
        B = block.ctypes.data + start * J * 8
        keep = 0.0 if start == 0 else 1.0
        for j in range(0, J, TILE):
            place = C.ctypes.data + j * R * 8
            multiply_tile(depth, A, B + j * 8, J, place, place, ones.ctypes.data, keep)


@routine
def _half_chords(C: Any, x: Any, z: Any, Q: Any, H: Any) -> Any:
    """Q and H from the cosines; how many of them want to be refined."""
    count = 0
    for j in range(C.shape[0]):
        inverse = 2.0 * x[0, j]
        for i in range(C.shape[1]):
            c = C[j, i]
            q = max(fused(-(abs(c) * z[0, i]), inverse, 0.5), 0.0)
            Q[j, i] = q
            H[j, i] = math.sqrt(q)
            count += int(((c > 0.0) & (q < _PARALLEL)) | ((c < 0.0) & (q < _OPPOSED)))
    return count


@routine
def _refine(panel: Any, block: Any, x: Any, z: Any, first: Any, C: Any, Q: Any, H: Any, E: Any) -> None:
    """Replace C, Q and H where q has lost digits; ``first`` columns of row 0 count, one more in each next."""
    R = C.shape[1]
    S, top = np.empty(R), np.empty(R)
    for j in range(C.shape[0]):
        parallel, opposed = 0, 0
        for i in range(min(R, max(0, first + j))):
            parallel += int((C[j, i] > 0.0) & (Q[j, i] < _PARALLEL))
            opposed += int((C[j, i] < 0.0) & (Q[j, i] < _OPPOSED))
        if parallel > 0:
            _chords(panel, block, x, z, j, S)
            for i in range(R):
                if C[j, i] > 0.0 and Q[j, i] < _PARALLEL:
                    Q[j, i] = S[i]
                    H[j, i] = math.sqrt(S[i])
                    C[j, i] = math.sqrt(x[2, j] * z[2, i]) * (1.0 - 2.0 * S[i])
        if opposed > 0:
            _sines(panel, block, x, z, j, S, top, E)
            for i in range(R):
                if C[j, i] < 0.0 and Q[j, i] < _OPPOSED:
                    sine = min(S[i], 1.0)
                    cosine = math.sqrt((1.0 - sine) * (1.0 + sine))
                    H[j, i] = sine / math.sqrt(2.0 + 2.0 * cosine)
                    Q[j, i] = H[j, i] * H[j, i]
                    C[j, i] = -math.sqrt(x[2, j] * z[2, i]) * (1.0 - 2.0 * Q[j, i])


@routine
def _chords(panel: Any, block: Any, x: Any, z: Any, j: Any, S: Any) -> None:
    """``S[i] = ||x / ||x|| - z_i / ||z_i|| ||^2 / 4``, exactly 0 for equal rows.

    Its root errs by a few eps, absolutely; that is all the kernels see where x and z are nearly parallel.
    """
    S[:] = 0.0
    for k in range(block.shape[0]):
        mine = block[k, j] * x[0, j]
        for i in range(S.size):
            gap = panel[k, i] * z[0, i] - mine
            S[i] = fused(gap, gap, S[i])


@routine
def _sines(panel: Any, block: Any, x: Any, z: Any, j: Any, S: Any, top: Any, E: Any) -> None:
    """``S[i] = sin u`` for the acute angle u between the lines of x and z_i, to relative accuracy.

    With p the largest entry of x, ``e = x_p z - z_p x`` lies in their plane and its part across x has length
    ``|x_p| ||z|| sin u``. Each entry of e is a 2 x 2 determinant, right to two units in the last place
    (Jeannerod, Louvet and Muller 2013); ``e_p = 0``, so that the projection cancels little.
    """
    d, R = block.shape[0], S.size
    p = 0
    for k in range(d):
        p = k if abs(block[k, j]) > abs(block[p, j]) else p
    largest = block[p, j]
    top[:] = 0.0
    for k in range(d):
        mine = block[k, j]
        for i in range(R):
            product = panel[p, i] * mine
            lost = fused(-panel[p, i], mine, product)
            E[k, i] = fused(largest, panel[k, i], -product) + lost
            top[i] = max(top[i], abs(E[k, i]))
    for i in range(R):  # squares of the smallest entries would underflow
        top[i] = 2.0**900 if top[i] < 2.0**-450 else 1.0
    S[:] = 0.0
    for k in range(d):
        mine = block[k, j]
        for i in range(R):
            E[k, i] *= top[i]
            S[i] = fused(mine, E[k, i], S[i])
    share = S / x[2, j]
    S[:] = 0.0
    for k in range(d):
        mine = block[k, j]
        for i in range(R):
            across = fused(-share[i], mine, E[k, i])
            S[i] = fused(across, across, S[i])
    for i in range(R):
        S[i] = math.sqrt(S[i]) / (abs(largest) * z[1, i]) / top[i] if z[1, i] > 0.0 else 0.0


@routine
def _curves(Q: Any, H: Any, angles: Any, bends: Any) -> None:
    """``u / (2 pi)`` and ``(sin u - u cos u) / (2 pi)``; flat arrays."""
    for k in range(Q.size):
        q, h = Q[k], H[k]
        angles[k] = h * _value_of_A(q)
        bends[k] = (h * q) * _value_of_B(q)


@routine
def _combine(C: Any, angles: Any, bends: Any, x: Any, z: Any, weights: Any) -> None:
    """C becomes the kernel: ``rise c_+ - fall c_- + second L bends - first |c| angles``, scaled back."""
    rise, fall, first, second = weights
    for j in range(C.shape[0]):
        norm, low, high = x[1, j], x[3, j], x[4, j]
        for i in range(C.shape[1]):
            c = C[j, i]
            straight = rise * max(c, 0.0) - fall * max(-c, 0.0)
            bent = fused(second * (norm * z[1, i]), bends[j, i], -(first * abs(c) * angles[j, i]))
            # Each factor is the square root of the whole scale, up to 2: nothing overflows before the last.
            C[j, i] = (straight + bent) * (low * z[4, i]) * (high * z[3, i])


@routine
def _tile(panel: Any, block: Any, x: Any, z: Any, first: Any, weights: Any, room: Any, E: Any) -> None:
    """The kernel of a block (d, J) and a panel (d, R) in ``room[0]``, (5, J, R)."""
    C, Q, H, angles, bends = room[0], room[1], room[2], room[3], room[4]
    _products(panel, block, C, E[0])
    if _half_chords(C, x, z, Q, H) > 0:
        _refine(panel, block, x, z, first, C, Q, H, E[1:])
    _curves(Q.reshape(-1), H.reshape(-1), angles.reshape(-1), bends.reshape(-1))
    _combine(C, angles, bends, x, z, weights)


@routine
def fill_symmetric(panels: Any, block: Any, start: Any, z: Any, x: Any, weights: Any, K: Any) -> None:
    """Rows ``start`` to ``start + J`` of K left of the diagonal, and their mirror image.

    panels (P, d, R), block (d, J), z (P, FIELDS, R), x (FIELDS, J). The diagonal is left alone.
    """
    n, R, J = K.shape[0], panels.shape[2], block.shape[1]
    room, E = np.empty((5, J, R)), np.ones((block.shape[0] + 1, R))
    stop = min(n, start + J)
    for left in range(0, stop, R):
        _tile(panels[left // R], block, x, z[left // R], start - left, weights, room, E)
        C = room[0]
        for j in range(start, stop):
            for i in range(left, min(left + R, j)):
                K[j, i] = C[j - start, i - left]
        for i in range(left, min(left + R, n)):
            for j in range(max(start, i + 1), stop):
                K[i, j] = C[j - start, i - left]


@routine
def fill_cross(panels: Any, block: Any, start: Any, z: Any, x: Any, weights: Any, K: Any) -> None:
    """Rows ``start`` to ``start + J`` of K, all of their columns; see :func:`fill_symmetric`."""
    R, J = panels.shape[2], block.shape[1]
    room, E = np.empty((5, J, R)), np.ones((block.shape[0] + 1, R))
    for left in range(0, K.shape[1], R):
        _tile(panels[left // R], block, x, z[left // R], R, weights, room, E)
        for j in range(start, min(K.shape[0], start + J)):
            for i in range(left, min(left + R, K.shape[1])):
                K[j, i] = room[0, j - start, i - left]
