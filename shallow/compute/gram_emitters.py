"""Instructions for the rows of pre-activations of a step in Gram space, for any machine's registers.

Written with the vocabulary of :mod:`shallow.compute.vector_ir`, which compiles them. A row belongs to a
neuron, its entries to the samples, filled up with zeros to whole panels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["gram_emitters"]


def _read_row(
    code: Any, panels: Any, z: Any, C: Any, push_W: Any, push_a: Any, weight: Any, keep: Any, slope: Any,
    largest: Any, bits: Any, stride: Any, sums: Any,
) -> None:  # fmt: skip
    """``C = keep C + weight gate push_W``, and the signs of z into bits ``stride`` bytes apart.

    Lane by lane, ``sum push_a phi(z)`` goes into sums[0], and 0 into sums[1], or NaN where ``largest C`` is
    not finite.
    """
    b, kept, leak, most = code.builder, code.spread(keep), code.spread(slope), code.spread(largest)
    opened = code.spread(weight)
    closed = b.fmul(opened, leak)

    def panel(state: list[Any]) -> list[Any]:
        at_z, at_C, at_W, at_a, at_bits, change, doubt = state
        row = list(code.load_rows(at_z))
        masks, signs = code.signs(row)
        code.store(signs, at_bits)
        moved = []
        for mask, value, before, inner, outer in zip(
            masks, row, code.load_rows(at_C), code.load_rows(at_W), code.load_rows(at_a)
        ):
            moved.append(code.call("fma", inner, b.select(mask, opened, closed), b.fmul(kept, before)))
            change = code.call("fma", outer, b.select(mask, value, b.fmul(leak, value)), change)
            doubt = code.call("fma", b.fmul(moved[-1], most), code.zero, doubt)
        code.store_rows(moved, at_C)
        places = [b.add(at, at.type(code.row)) for at in (at_z, at_C, at_W, at_a)]
        return [*places, b.add(at_bits, stride), change, doubt]

    end = code.repeat(panels, [z, C, push_W, push_a, bits, code.zero, code.zero], panel)
    code.store_rows(end[5:], sums)


def _write_row(
    code: Any, vectors: Any, z: Any, G: Any, push: Any, keep: Any, weight: Any, slope: Any, sums: Any,
    doubts: Any,
) -> None:  # fmt: skip
    """``z = keep z + push G`` and ``sums += weight phi(z)``; what is not finite makes a NaN in ``doubts``."""
    b, kept, leak = code.builder, code.spread(keep), code.spread(slope)
    pushed, weighted = code.spread(push), code.spread(weight)

    def vector(state: list[Any]) -> list[Any]:
        at_z, at_G, at_sums, doubt = state
        new = code.call("fma", pushed, code.load(at_G), b.fmul(kept, code.load(at_z)))
        code.store(new, at_z)
        mask = b.fcmp_ordered(">", new, code.zero)
        phi = b.select(mask, new, b.fmul(leak, new))
        code.store(code.call("fma", weighted, phi, code.load(at_sums)), at_sums)
        places = [b.add(at, at.type(code.bytes)) for at in (at_z, at_G, at_sums)]
        return [*places, code.call("fma", new, code.zero, doubt)]

    end = code.repeat(vectors, [z, G, sums, code.load(doubts)], vector)
    code.store(end[3], doubts)


def gram_emitters() -> dict[str, Callable[..., None]]:
    """What writes the code of each routine of a step in Gram space."""
    return {"read_row": _read_row, "write_row": _write_row}
