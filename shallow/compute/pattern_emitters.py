"""Instructions that go over the neurons that are on, for any machine's registers.

Written with the vocabulary of :mod:`shallow.compute.vector_ir`, which compiles them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["ACTIVE_VECTORS", "pattern_emitters"]

ACTIVE_VECTORS = 8  # sums made together: enough to hide the latency of a multiply-add


def _add_active(code: Any, word: Any, factors: Any, table: Any, next_panel: Any, out: Any, kind: Any) -> None:
    """``out += factors[k, 0] table[:, k, :]`` over the bits k of a word, panels ``next_panel`` bytes apart.

    A row k of factors and of a panel of the table is a panel wide; out has ACTIVE_VECTORS vectors.
    """
    b, row = code.builder, code.panel * code.bytes
    panels = [b.add(table, code.scaled(next_panel, p)) for p in range(ACTIVE_VECTORS // code.panel)]
    defined_at_zero = type(word.type)(1)(0)

    def neuron(state: list[Any]) -> list[Any]:
        left, sums = state[0], iter(state[1:])
        at = code.scaled(b.cttz(left, defined_at_zero), row)
        factor = code.spread(code.load(b.add(factors, at), 0, code.number))
        rows = [b.add(panel, at) for panel in panels]
        parts = ((place, offset) for place in rows for offset in range(0, row, code.bytes))
        moved = [code.call("fma", factor, code.load(place, offset), next(sums)) for place, offset in parts]
        return [b.and_(left, b.sub(left, left.type(1))), *moved]

    before = [code.load(out, place * code.bytes) for place in range(ACTIVE_VECTORS)]
    after = code.repeat(b.ctpop(word), [word, *before], neuron)
    code.store_rows(after[1:], out)


def pattern_emitters() -> dict[str, Callable[..., None]]:
    """What writes the code of each routine on patterns."""
    return {"add_active": _add_active}
