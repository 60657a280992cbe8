"""The compiled routines of the limit kernels: products, half-chords, curves and the write, tile by tile.

A *block* is (d, J), a few rows side by side; a *panel* is (d, R), as many rows as two vector registers hold.
With x of the block, z of the panel, ``c = x.z``, ``L = ||x|| ||z||`` and u the acute angle between their
lines, everything is a function of ``h = sin(u / 2)``, whose square is ``q = (1 - |c| / L) / 2``:
    u / (2 pi) = h A(q),    (sin u - u cos u) / (2 pi) = h q B(q),    0 <= q <= 1/2,
with polynomials A and B. Where q cancels, h comes from the rows themselves. Each entry is computed by the
same operations wherever it stands in a tile, so its bits depend on its own two rows only.

For weights f and g of the layers and a slope s the kernel is
    (f + g) ((1 + s^2) / 2 c_+ - s c_-) + (1 - s)^2 h (g L q B(q) - f |c| A(q)),
and one polynomial F serves. With the first layer alone the last term is ``|c| h F(q)``, whose factor |c|
keeps the kernel of orthogonal rows exactly 0; with the second ``L h q F(q)``; with both ``|c| = L (1 - 2 q)``
makes it ``L h (beta + (1 - 2 q) F(q))``, where beta = B(1/2) / 2 leaves little to F at orthogonal rows.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from shallow.compute.jit import compiler_is_off, intrinsic, routine
from shallow.compute.vector_ir import TILE, multiply_tile, width_of

__all__ = ["BLOCK", "FIELDS", "fill_cross", "fill_symmetric", "measure", "panel_width", "regroup", "shape"]

HostArray = np.ndarray[Any, Any]

BLOCK = TILE * max(1, 56 // TILE)  # J: a tile and what is computed beside it stay in the nearest cache
FIELDS = 5  # of a row: 1 / (2 ||x||), ||x||, ||x||^2, and two powers of two whose product undoes its scaling
_DEPTH = 128  # terms of a product in one chain, so that its error grows with the root of d / 128
_PARALLEL = 0.03  # q below which a cosine c > 0 has lost digits that the kernels see
_OPPOSED = 0.25  # the same for c < 0
_MIDDLE = 0.5 * (_PARALLEL - _OPPOSED)  # c / (2 L) is outside of [_OPPOSED - 1/2, 1/2 - _PARALLEL] where
_REACH = 0.5 - 0.5 * (_PARALLEL + _OPPOSED)  # |c / (2 L) + _MIDDLE| > _REACH

# asin(sqrt q) / (pi sqrt q) and (sin u - u cos u) / (2 pi q sqrt q), u = 2 asin(sqrt q), interpolated at the
# Chebyshev points of [0, 1/2] in 60 digits; relative errors 7e-17 and 8e-17. Highest power first.
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
_BETA = math.sqrt(2.0) / (2.0 * math.pi)


def _fused(a: Any, b: Any, c: Any) -> Any:
    """``a b + c`` in exact arithmetic, rounded once: the instruction's twin, for runs without a compiler."""
    return np.float64(float(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))))


def _fused_typed(context: Any, a: Any, b: Any, c: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.fma(*values)

    return a(a, b, c), generate


fused = _fused if compiler_is_off() else intrinsic(_fused_typed)


def shape(f: float, g: float, slope: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """F, highest power first, and the weights (rise, fall, first, second, a, b, beta) of :func:`_combine`."""
    first, second = np.array(_A), np.zeros_like(_A)
    second[1:] = _B
    bend = (1.0 - slope) ** 2
    if f == 0.0:
        curve, factors = bend * g * second, (0.0, 1.0, 0.0, 1.0, 0.0)
    elif g == 0.0:
        curve, factors = -bend * f * first, (1.0, 0.0, 1.0, 0.0, 0.0)
    else:
        # G with q B = beta + (1 - 2 q) G, by division from the highest power, which is stable.
        G = np.zeros_like(_A)
        for k in range(1, len(G)):
            G[k] = (G[k - 1] - second[k]) / 2.0
        curve, factors = bend * (g * G - f * first), (0.0, 1.0, 1.0, -2.0, bend * g * _BETA)
    return tuple(curve.tolist()), ((f + g) * (1.0 + slope * slope) / 2.0, (f + g) * slope, *factors)


@routine
def panel_width() -> Any:
    """R, the rows in a panel."""
    return width_of(1.0)


@routine
def regroup(X: Any, first: Any, second: Any, groups: Any) -> None:
    """Rows of X times their two factors, as groups (rows / width, d, width); zeros past the last row.

    X (n, d); first and second (rows,), powers of two: both products are exact or underflow as X does.
    """
    width = groups.shape[2]
    for g in range(groups.shape[0]):
        for i in range(width):
            row = g * width + i
            for k in range(groups.shape[1]):
                groups[g, k, i] = X[row, k] * first[row] * second[row] if row < X.shape[0] else 0.0


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
def _half_chords(C: Any, x: Any, z: Any, Q: Any) -> Any:
    """Q from the cosines; how many of them want to be refined."""
    count = 0
    for j in range(C.shape[0]):
        inverse = 2.0 * x[0, j]
        for i in range(C.shape[1]):
            part = C[j, i] * z[0, i]
            Q[j, i] = max(fused(-abs(part), inverse, 0.5), 0.0)
            count += int(abs(fused(part, inverse, _MIDDLE)) > _REACH)
    return count


@routine
def _refine(panel: Any, block: Any, x: Any, z: Any, first: Any, C: Any, Q: Any, E: Any) -> None:
    """Replace C and Q where q has lost digits; ``first`` columns of row 0 count, one more in each next."""
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
                    C[j, i] = math.sqrt(x[2, j] * z[2, i]) * (1.0 - 2.0 * S[i])
        if opposed > 0:
            _sines(panel, block, x, z, j, S, top, E)
            for i in range(R):
                if C[j, i] < 0.0 and Q[j, i] < _OPPOSED:
                    square = min(S[i], 1.0)
                    q = square / (2.0 + 2.0 * math.sqrt(1.0 - square)) if top[i] == 1.0 else 0.0
                    C[j, i] = -math.sqrt(x[2, j] * z[2, i]) * (1.0 - 2.0 * q)
                    Q[j, i] = q if top[i] == 1.0 else -0.5 * math.sqrt(S[i]) / top[i]


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
    """``S[i] = (top[i] sin u)^2`` for the acute angle u between the lines of x and z_i, to relative accuracy.

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
        S[i] = S[i] / (largest * largest * z[2, i]) if z[2, i] > 0.0 else 0.0


@routine
def _two(total: Any, q: Any, a: Any, b: Any) -> Any:
    return fused(fused(total, q, a), q, b)


@routine
def _four(total: Any, q: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    return _two(_two(total, q, a, b), q, c, d)


@routine
def _combine(C: Any, Q: Any, x: Any, z: Any, curve: Any, weights: Any) -> None:
    """C becomes the kernel: ``rise c_+ - fall c_- + h (beta + (a + b q) F(q)) (first |c| + second L)``."""
    rise, fall, first, second, a, b, beta = weights
    for j in range(C.shape[0]):
        norm, low, high = x[1, j], x[3, j], x[4, j]
        for i in range(C.shape[1]):
            q = max(Q[j, i], 0.0)
            h = math.sqrt(q)
            h = -Q[j, i] if Q[j, i] < 0.0 else h  # where its square is no number
            total = _two(curve[0], q, curve[1], curve[2])
            total = _four(total, q, curve[3], curve[4], curve[5], curve[6])
            total = _four(total, q, curve[7], curve[8], curve[9], curve[10])
            total = _four(total, q, curve[11], curve[12], curve[13], curve[14])
            total = _four(total, q, curve[15], curve[16], curve[17], curve[18])
            total = fused(fused(b, q, a), total, beta)
            c = C[j, i]
            straight = rise * max(c, 0.0) - fall * max(-c, 0.0)
            size = fused(second, norm * z[1, i], first * abs(c))
            # Each factor is the square root of the whole scale, up to 2: nothing overflows before the last.
            C[j, i] = fused(h * total, size, straight) * (low * z[4, i]) * (high * z[3, i])


@routine
def _tile(
    panel: Any, block: Any, x: Any, z: Any, first: Any, curve: Any, weights: Any, C: Any, Q: Any, E: Any
) -> None:
    """The kernel of a block (d, J) and a panel (d, R) in C, (J, R)."""
    _products(panel, block, C, E[0])
    if _half_chords(C, x, z, Q) > 0:
        _refine(panel, block, x, z, first, C, Q, E[1:])
    _combine(C, Q, x, z, curve, weights)


@routine
def _write(C: Any, rows: Any, columns: Any) -> None:
    """A tile into its place ``rows`` (j, i), and transposed into its mirror image ``columns`` (i, j)."""
    for j in range(rows.shape[0]):
        for i in range(rows.shape[1]):
            rows[j, i] = C[j, i]
    for i in range(columns.shape[0]):
        for j in range(columns.shape[1]):
            columns[i, j] = C[j, i]


@routine
def _write_diagonal(C: Any, start: Any, left: Any, K: Any) -> None:
    """The entries of a tile at (start, left) that lie below the diagonal, and their mirror image."""
    stop = min(K.shape[0], start + C.shape[0])
    for j in range(start, stop):
        for i in range(left, min(left + C.shape[1], j)):
            K[j, i] = C[j - start, i - left]
    for i in range(left, min(left + C.shape[1], stop)):
        for j in range(max(start, i + 1), stop):
            K[i, j] = C[j - start, i - left]


@routine
def fill_symmetric(
    panels: Any, block: Any, start: Any, z: Any, x: Any, curve: Any, weights: Any, K: Any
) -> None:
    """Rows ``start`` to ``start + J`` of K left of the diagonal, and their mirror image.

    panels (P, d, R), block (d, J), z (P, FIELDS, R), x (FIELDS, J), curve and weights from :func:`shape`.
    The diagonal is left alone.
    """
    R, J = panels.shape[2], block.shape[1]
    C, Q, E = np.empty((J, R)), np.empty((J, R)), np.ones((block.shape[0] + 1, R))
    stop = min(K.shape[0], start + J)
    for p in range((stop + R - 1) // R):
        left = p * R
        _tile(panels[p], block, x, z[p], start - left, curve, weights, C, Q, E)
        if left + R <= start:
            _write(C, K[start:stop, left : left + R], K[left : left + R, start:stop])
        else:
            _write_diagonal(C, start, left, K)


@routine
def fill_cross(panels: Any, block: Any, start: Any, z: Any, x: Any, curve: Any, weights: Any, K: Any) -> None:
    """Rows ``start`` to ``start + J`` of K, all of their columns; see :func:`fill_symmetric`."""
    R, J = panels.shape[2], block.shape[1]
    C, Q, E = np.empty((J, R)), np.empty((J, R)), np.ones((block.shape[0] + 1, R))
    for p in range(panels.shape[0]):
        _tile(panels[p], block, x, z[p], R, curve, weights, C, Q, E)
        _write(C, K[start : start + J, p * R : (p + 1) * R], C[:0])
