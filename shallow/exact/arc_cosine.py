"""The two arc-cosine kernels of the (leaky) ReLU, to the last digits at every angle and scale."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from shallow.setting.arrays import Array, host, namespace

__all__ = ["arc_cosine_kernel"]

_BLOCK = 1 << 17  # entries of one temporary: 1 MiB in float64, so that a block's temporaries stay in cache
_PARALLEL = 0.95  # cosines above it: the angle from the difference of the unit rows
_OPPOSED = -0.7  # cosines below it: the angle from 2 x 2 determinants of the rows themselves
_J_TERMS = tuple((-1) ** (k + 1) * 2 * k / math.factorial(2 * k + 1) for k in range(12, 0, -1))


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows brought to largest entry in [1, 2) by powers of two, which ``low * high`` takes back."""

    scaled: Array
    low: Array
    high: Array
    squares: Array
    norms: Array
    directions: Array

    def __getitem__(self, part: slice) -> _Rows:
        return _Rows(
            self.scaled[part, :],
            self.low[part],
            self.high[part],
            self.squares[part],
            self.norms[part],
            self.directions[part, :],
        )

    @property
    def n(self) -> int:
        return int(self.scaled.shape[0])

    @property
    def d(self) -> int:
        return int(self.scaled.shape[1])


def arc_cosine_kernel(X: Array, Z: Array | None, first: float, second: float, slope: float) -> Array:
    """``first * x.z E[phi'(w.x) phi'(w.z)] + second * E[phi(w.x) phi(w.z)]`` over ``w ~ N(0, I)``.

    The formulas are in :func:`shallow.exact.ntk.ntk_gram`. The angle t comes from the acute angle between
    the lines through x and z, so that t and ``pi - t`` are both known accurately; ``J(u)`` for acute u is a
    power series, since ``sin u - u cos u`` cancels.

    Parameters
    ----------
    X, Z : (n, d) and (n', d) arrays of one type
        Rows; without Z the kernel of X with itself, bitwise symmetric with an exact diagonal.
    first, second : float
        Weights of the two terms.
    slope : float
        phi' on the negative side.

    Raises
    ------
    ValueError
        If an entry of the kernel exceeds the floating range.
    """
    xp = namespace(X)
    rows = _read_rows(X)
    columns = rows if Z is None else _read_rows(Z)
    kernel = xp.empty((rows.n, columns.n), dtype=X.dtype, device=X.device)
    height = max(1, _BLOCK // columns.n)
    with np.errstate(over="ignore"):
        for start in range(0, rows.n, height):
            stop = min(start + height, rows.n)
            if Z is None:
                block = _block(rows[start:stop], rows[start:], first, second, slope, start_of_diagonal=True)
                kernel[start:stop, start:] = block
                kernel[stop:, start:stop] = xp.matrix_transpose(block[:, stop - start :])
            else:
                kernel[start:stop, :] = _block(rows[start:stop], columns, first, second, slope)
    if not bool(xp.all(xp.isfinite(kernel))):
        raise ValueError(f"the kernel overflows {X.dtype}; divide the inputs by their largest norm")
    return kernel


def _read_rows(X: Array) -> _Rows:
    xp = namespace(X)
    top = host(xp.max(xp.abs(X), axis=1))
    exponents = np.where(top > 0, np.frexp(top)[1] - 1, 0)
    halves = exponents // 2, exponents - exponents // 2
    # Two factors, because 2^1074 (a subnormal row's) is no floating number.
    low, high, down, up = (
        xp.asarray(np.ldexp(np.ones_like(top), k), device=X.device)
        for k in (halves[0], halves[1], -halves[0], -halves[1])
    )
    scaled = X * down[:, None] * up[:, None]
    squares = xp.sum(scaled * scaled, axis=1)
    norms = xp.sqrt(squares)
    divisors = xp.where(norms > 0, norms, xp.ones_like(norms))
    return _Rows(scaled, low, high, squares, norms, scaled / divisors[:, None])


def _block(
    rows: _Rows, columns: _Rows, first: float, second: float, slope: float, start_of_diagonal: bool = False
) -> Array:
    """A block of the kernel; its square part is made symmetric if it starts on the diagonal."""
    xp = namespace(rows.scaled)
    dots = rows.scaled @ xp.matrix_transpose(columns.scaled)
    lengths = rows.norms[:, None] * columns.norms[None, :]
    cosines = dots / xp.where(lengths > 0, lengths, xp.ones_like(lengths))
    acute = xp.acos(xp.minimum(xp.abs(cosines), xp.ones_like(cosines)))
    chosen = xp.ones_like(cosines, dtype=xp.bool)
    if start_of_diagonal:
        chosen = xp.triu(chosen, k=1)
    acute = _refined(acute, chosen & (cosines > _PARALLEL), rows, columns, _angle_of_parallel)
    acute = _refined(acute, chosen & (cosines < _OPPOSED), rows, columns, _angle_of_opposed)
    block = _kernel_of_angle(dots, lengths, acute, first, second, slope)
    if start_of_diagonal:
        diagonal = ((first + second) * (1.0 + slope * slope) / 2.0) * rows.squares
        block = _symmetric_start(block, diagonal)
    # Each factor is the square root of the whole scale, up to 2: no product leaves the range before the last.
    return block * (rows.low[:, None] * columns.high[None, :]) * (rows.high[:, None] * columns.low[None, :])


def _kernel_of_angle(
    dots: Array, lengths: Array, acute: Array, first: float, second: float, slope: float
) -> Array:
    xp = namespace(dots)
    obtuse = math.pi - acute
    forward = dots >= 0
    total = xp.zeros_like(dots)
    same, mixed = (1.0 + slope * slope) / (2.0 * math.pi), slope / math.pi
    if first != 0.0:
        gates = same * xp.where(forward, obtuse, acute)
        if slope != 0.0:
            gates = gates + mixed * xp.where(forward, acute, obtuse)
        total = total + first * (dots * gates)
    if second != 0.0:
        of_acute = _J_of_acute(acute)
        of_obtuse = xp.sin(acute) + obtuse * xp.cos(acute)
        features = same * xp.where(forward, of_obtuse, of_acute)
        if slope != 0.0:
            features = features - mixed * xp.where(forward, of_acute, of_obtuse)
        total = total + second * (lengths * features)
    return total


def _J_of_acute(u: Array) -> Array:
    """``sin u - u cos u`` for ``0 <= u <= pi/2``: twelve terms leave a remainder below 1e-19 of it."""
    square = u * u
    total = _J_TERMS[0] * square
    for coefficient in _J_TERMS[1:-1]:
        total = (total + coefficient) * square
    return (total + _J_TERMS[-1]) * square * u


def _symmetric_start(block: Array, diagonal: Array) -> Array:
    """``block`` with the upper triangle of its square start mirrored and the diagonal set."""
    xp = namespace(block)
    size = block.shape[0]
    upper = xp.triu(block[:, :size], k=1)
    own = xp.eye(size, dtype=block.dtype, device=block.device) > 0
    square = xp.where(own, diagonal[:, None], upper + xp.matrix_transpose(upper))
    return xp.concat([square, block[:, size:]], axis=1)


def _refined(
    acute: Array,
    chosen: Array,
    rows: _Rows,
    columns: _Rows,
    angle: Callable[[_Rows, _Rows, Array, Array], Array],
) -> Array:
    """``acute`` with the chosen entries recomputed from the rows themselves."""
    xp = namespace(acute)
    i, j = xp.nonzero(chosen)
    count = int(i.shape[0])
    if count == 0:
        return acute
    length = max(1, _BLOCK // rows.d)
    parts = [slice(k, min(k + length, count)) for k in range(0, count, length)]
    acute[chosen] = xp.concat([angle(rows, columns, i[part], j[part]) for part in parts])
    return acute


def _angle_of_parallel(rows: _Rows, columns: _Rows, i: Array, j: Array) -> Array:
    """The angle from the chord between unit rows: a few eps of absolute error, all the kernels see."""
    xp = namespace(i, rows.scaled)
    chord = xp.take(rows.directions, i, axis=0) - xp.take(columns.directions, j, axis=0)
    return 2.0 * xp.asin(xp.sqrt(xp.sum(chord * chord, axis=1)) / 2.0)


def _angle_of_opposed(rows: _Rows, columns: _Rows, i: Array, j: Array) -> Array:
    """The acute angle u between the lines of x and z to relative accuracy, however small.

    With p the largest entry of x, ``e = x_p z - z_p x`` lies in their plane and its part across x has
    length ``|x_p| ||z|| sin u``. Each entry of e is a 2 x 2 determinant, correct to two units in the last
    place; since ``e_p = 0``, that part is at least ``|x_p| / ||x||`` of e and the projection cancels little.
    """
    xp = namespace(i, rows.scaled)
    x, z = xp.take(rows.scaled, i, axis=0), xp.take(columns.scaled, j, axis=0)
    pivot = xp.argmax(xp.abs(x), axis=1)[:, None]
    x_p, z_p = xp.take_along_axis(x, pivot, axis=1), xp.take_along_axis(z, pivot, axis=1)
    e = _determinant(x_p, z, z_p, x)
    top = xp.max(xp.abs(e), axis=1, keepdims=True)
    e = e / xp.where(top > 0, top, xp.ones_like(top))  # its squares may underflow
    across = e - x * (xp.sum(x * e, axis=1, keepdims=True) / xp.sum(x * x, axis=1, keepdims=True))
    length = top[:, 0] * xp.sqrt(xp.sum(across * across, axis=1))
    sine = length / (xp.abs(x_p[:, 0]) * xp.take(columns.norms, j))
    return xp.asin(xp.minimum(sine, xp.ones_like(sine)))


def _determinant(a: Array, b: Array, c: Array, d: Array) -> Array:
    """``a b - c d`` from exact products (Dekker 1971), as in Jeannerod, Louvet and Muller (2013)."""
    ab, ab_error = _exact_product(a, b)
    cd, cd_error = _exact_product(c, d)
    return (ab - cd) + (ab_error - cd_error)


def _exact_product(a: Array, b: Array) -> tuple[Array, Array]:
    product = a * b
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(b)
    return product, a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)


def _halves(a: Array) -> tuple[Any, Any]:
    """Veltkamp's split of each entry into two that multiply exactly."""
    xp = namespace(a)
    shifted = (2.0**27 + 1.0 if a.dtype == xp.float64 else 2.0**12 + 1.0) * a
    high = shifted - (shifted - a)
    return high, a - high
