"""The product of bits and a dense matrix from tables of partial sums, for tiles of neurons.

Four rows of the dense matrix have sixteen possible partial sums. With these in a table that stays in the
nearest cache one addition does the work of four multiply-adds (Arlazarov, Dinic, Kronrod, Faradzev).
"""

from __future__ import annotations

from typing import Any

from shallow.compute.jit import routine
from shallow.compute.methods.meeting_routines import at
from shallow.compute.vector_ir import TILE, fill_tables, lanes_of, look_up_tile, width_of

__all__ = ["TABLE", "split_factors", "table_product"]

TABLE = 32768  # bytes of the tables in use at a time, which the nearest cache holds


@routine
def table_product(
    words: Any, X: Any, factors: Any, base: Any, first: Any, last: Any, table: Any, G: Any, zero: Any
) -> None:
    """``G[k] = base + sum_i bit_ki factors_i X_i`` for the tiles from ``first`` to ``last``.

    words (tiles, panels, TILE, R / 8), X (panels R, D) with D a multiple of the lanes of a register, factors
    (panels R,), base (D,), table TABLE bytes, G (tiles TILE, D), its first row that of the first tile. An
    entry errs by (n / 4 + 6) eps sum |terms| at most, base aside.
    """
    lanes, R, D = lanes_of(zero), width_of(zero), X.shape[1]
    Q, bytes_of_word = words.shape[1], words.shape[3]
    depth = TABLE // (R * 4 * lanes * X.itemsize)
    for column in range(0, D, lanes):
        source, stride = at(base, column), 0
        for q in range(0, Q, depth):
            here = min(depth, Q - q)
            fill_tables(
                here * R // 4, at(X, q * R * D + column), D, at(factors, q * R), at(table, 0), zero
            )  # fmt: skip
            for t in range(first, last):
                target = at(G, (t - first) * TILE * D + column)
                look_up_tile(
                    here, at(words, (t * Q + q) * TILE * bytes_of_word), at(table, 0),
                    source if q == 0 else target, stride, target, D, zero,
                )  # fmt: skip
            stride = D


@routine
def split_factors(c: Any, X: Any, slope: Any, factors: Any, base: Any) -> None:
    """``factors = (1 - slope) c``, ``base = slope sum_i c_i X_i``: a gate is slope + (1 - slope) bit."""
    rest = 1 - slope
    for i in range(c.shape[0]):
        factors[i] = rest * c[i]
    if slope != 0:
        base[:] = 0
        for i in range(c.shape[0]):
            weight = slope * c[i]
            for j in range(base.shape[0]):
                base[j] += weight * X[i, j]
