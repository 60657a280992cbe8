"""Bounds on float64 arithmetic: what a computed number proves about the exact one.

Model. IEEE 754 binary64, rounding to nearest, gradual underflow. With u = 2^-53, every +, -, *, / and sqrt
returns
    fl(x op y) = (x op y)(1 + delta) + epsilon,   |delta| <= u,  |epsilon| <= 2^-1075,
with epsilon = 0 for +, - and sqrt (sums below the normal range are exact). A matrix product sums its p
products in any order, with or without fused multiply-add; a product then passes at most p roundings (its own
and p - 1 additions), so for p u < 1/2
    |fl(x.y) - x.y| <= gamma_p |x|.|y| + p 2^-1074,        gamma_p = p u/(1 - p u):            (P)
(1 + u)^p - 1 <= gamma_p and 1 - (1 - u)^p <= gamma_p, and the p underflows, each at most 2^-1075, grow by at
most (1 + u)^p <= 2. This excludes Strassen-like algorithms, reduced precision and flushed subnormals;
:func:`check_arithmetic` probes the last two.

Directed rounding. fl(x op y) is the float nearest to x op y, so the next float above it is an upper bound:
``up(x * y)`` >= xy whatever x and y are, subnormal results included. Infinity and NaN pass through, and every
comparison that accepts something is written so that NaN refuses.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = [
    "ETA",
    "UNIT",
    "check_arithmetic",
    "down",
    "gamma",
    "gram",
    "inflate",
    "norm_up",
    "product_up",
    "sum_up",
    "up",
]

Array = np.ndarray[Any, np.dtype[np.float64]]

UNIT = 2.0**-53
"""u: the largest relative rounding error of one operation."""

ETA = 2.0**-1074
"""The smallest positive float64."""

_BLOCK = 256


def up(x: Any) -> Any:
    """The next float above: at least the exact value of the one operation that gave ``x``."""
    return np.nextafter(x, np.inf)


def down(x: Any) -> Any:
    """The next float below: at most the exact value of the one operation that gave ``x``."""
    return np.nextafter(x, -np.inf)


def gamma(p: int) -> float:
    """An upper bound of gamma_p = p u/(1 - p u), infinite from p u = 1/2 on.

    p u is exact (p < 2^53 times a power of two); 1 - p u is rounded down and the quotient up.
    """
    part = p * UNIT
    return float(up(part / down(1 - part))) if part < 0.5 else float("inf")


def inflate(x: Any, depth: int) -> Any:
    """An upper bound of a sum of non-negative products, from its computed value ``x``.

    Each term met at most ``depth`` roundings, so x >= (1 - u)^depth times the exact value, and
    1/(1 - u)^depth <= 1 + gamma_depth. Underflow of products is not covered: add it.
    """
    return up(x * up(1 + gamma(depth)))


def sum_up(x: Array, axis: int | None = None) -> Any:
    """An upper bound of the sum of non-negative numbers. Additions do not underflow."""
    return inflate(np.sum(x, axis=axis), x.size if axis is None else x.shape[axis])


def product_up(A: Array, B: Array) -> Array:
    """Entrywise upper bound of A B for non-negative A (.., m, p) and B (.., p, n), or vectors."""
    p = A.shape[-1]
    return np.asarray(up(inflate(A @ B, p) + p * ETA))


def norm_up(x: Array, axis: int | None = None) -> Any:
    """An upper bound of the Euclidean (Frobenius) norm, of all entries or along ``axis``.

    Entries are first divided by a power of two near the largest, which is exact but for underflow; the next
    float above bounds the entry, again its square, and the root when it is multiplied back. Cost O(size).
    """
    size = np.abs(x)
    exponent = int(np.frexp(np.max(size, initial=0.0))[1])
    scaled = up(np.ldexp(size, -exponent))
    squares = sum_up(up(scaled * scaled), axis)
    return np.where(
        np.max(size, axis=axis, initial=0.0) == 0, 0.0, up(np.ldexp(up(np.sqrt(squares)), exponent))
    )


def gram(A: Array) -> tuple[Array, float]:
    """fl(A A^T), symmetric, and c such that |fl(A A^T) - A A^T|_ij <= c |A|_i.|A|_j + p 2^-1074.

    A is (n, p). The product is summed in blocks of columns, so a term meets at most 256 roundings in its
    block and one for each further block: c = gamma of their sum, far below gamma_p. Cost 2 n^2 p.
    """
    n, p = A.shape
    total = np.zeros((n, n))
    for begin in range(0, p, _BLOCK):
        block = A[:, begin : begin + _BLOCK]
        total += block @ block.T
    lower = np.tril(total)
    return lower + np.tril(total, -1).T, gamma(min(p, _BLOCK) + -(-p // _BLOCK))


def check_arithmetic() -> None:
    """Probe rounding to nearest, gradual underflow and full precision, here and in matrix products.

    Raises
    ------
    RuntimeError
        When a probe fails: no bound of this module would hold.
    """
    small, one = np.full((32, 32), 2.0**-600), np.ones(64)
    tiny = np.full(64, ETA)
    probes = (
        bool(np.all(one + UNIT == 1)) and bool(np.all(one + 3 * UNIT == 1 + 4 * UNIT)),
        bool(np.all((one - UNIT) - 1 == -UNIT)),
        bool(np.all(tiny * 1.0 == ETA)) and bool(np.all(tiny + tiny == 2 * ETA)),
        bool(np.all((one[:32] * 2.0**-537) @ (small * 2.0**63) == 32 * ETA)),
        bool(np.all(np.full((16, 16), 1 + 2.0**-30) @ np.eye(16) == 1 + 2.0**-30)),
        bool(np.all(np.sqrt(one * 2) == math.sqrt(2))),
    )
    if not all(probes):
        raise RuntimeError(
            "float64 arithmetic here does not round to nearest with gradual underflow "
            f"(probe {probes.index(False)} failed): no rounding bound holds; another BLAS or build is needed"
        )
