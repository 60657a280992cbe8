"""Instructions of a step whose backward product is binary times dense, for any machine's registers.

Written with the vocabulary of :mod:`shallow.compute.vector_ir`, which compiles them. The signs of a panel of
samples are one *word* of a neuron; a tile keeps the words of its neurons side by side, panel after panel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shallow.compute.registers import Registers

__all__ = ["step_emitters"]


def _after(code: Any, address: Any, offset: int) -> Any:
    return code.builder.add(address, address.type(offset))


def _fill_tables(
    code: Any, nibbles: Any, rows: Any, stride: Any, factors: Any, table: Any, kind: Any
) -> None:
    """The sixteen sums of every four terms ``factors[i] rows[i, :lanes]``, in the order of their bits."""
    step = code.scaled(stride, code.size)

    def nibble(state: list[Any]) -> list[Any]:
        row, factor, entry = state
        sums = [code.zero]
        for bit in range(4):
            weight = code.spread(code.load(factor, bit * code.size, code.number))
            term = code.builder.fmul(weight, code.load(row))
            sums += [term if total is code.zero else code.builder.fadd(total, term) for total in sums]
            row = code.builder.add(row, step)
        for place, total in enumerate(sums):
            code.store(total, entry, place * code.bytes)
        return [row, _after(code, factor, 4 * code.size), _after(code, entry, 16 * code.bytes)]

    code.repeat(nibbles, [rows, factors, table], nibble)


def _look_up(rows: int) -> Callable[..., None]:
    def emit(
        code: Any, panels: Any, words: Any, table: Any, start: Any, stride_start: Any, out: Any, stride: Any,
        kind: Any,
    ) -> None:  # fmt: skip
        """``out[j, :lanes] = start[j, :lanes] + sum table[nibble of row j]`` over the words of a tile."""
        b, bits = code.builder, code.word.width
        starts = [b.add(start, code.scaled(stride_start, j * code.size)) for j in range(rows)]

        def panel(state: list[Any]) -> list[Any]:
            at, tables, sums = state[0], state[1], list(state[2:])
            for j in range(rows):
                word = b.zext(code.load(at, j * bits // 8, code.word), at.type)
                for nibble in range(bits // 4):
                    index = b.and_(b.lshr(word, at.type(4 * nibble)), at.type(15))
                    place = b.add(tables, code.scaled(index, code.bytes))
                    sums[j] = b.fadd(sums[j], code.load(place, nibble * 16 * code.bytes))
            return [_after(code, at, rows * bits // 8), _after(code, tables, bits * 4 * code.bytes), *sums]

        end = code.repeat(panels, [words, table, *(code.load(place) for place in starts)], panel)
        for j, total in enumerate(end[2:]):
            code.store(total, b.add(out, code.scaled(stride, j * code.size)))

    return emit


def _folded(code: Any, vector: Any) -> Any:
    """The sum of the lanes: the upper half is added to the lower until one is left."""
    place = code.word  # any integers will do
    lanes = [code.builder.extract_element(vector, place(lane)) for lane in range(code.lanes)]
    while len(lanes) > 1:
        half = len(lanes) // 2
        lanes = [code.builder.fadd(low, high) for low, high in zip(lanes[:half], lanes[half:])]
    return lanes[0]


def _move_rows(
    code: Any, rows: Any, vectors: Any, old: Any, G: Any, new: Any, next_new: Any, keep: Any, pushes: Any,
    products: Any, doubt: Any,
) -> None:  # fmt: skip
    """``new = keep old - push G`` and ``<old, G>`` row by row, and 0 or NaN for all rows together.

    ``next_new`` is how many numbers the rows of ``new`` are apart: 0 throws them away. A product is summed
    lane by lane, and then the lanes by halves.
    """
    b, kept = code.builder, code.spread(keep)
    stride, next_row = code.scaled(vectors, code.bytes), code.scaled(next_new, code.size)

    def row(state: list[Any]) -> list[Any]:
        at_old, at_G, at_new, push, product, doubts = state
        pushed = code.spread(code.load(push, 0, code.number))

        def vector(inner: list[Any]) -> list[Any]:
            weight, gradient = code.load(b.add(at_old, inner[0])), code.load(b.add(at_G, inner[0]))
            moved = b.fsub(b.fmul(kept, weight), b.fmul(pushed, gradient))
            code.store(moved, b.add(at_new, inner[0]))
            total = code.call("fma", weight, gradient, inner[1])
            return [_after(code, inner[0], code.bytes), total, code.call("fma", moved, code.zero, inner[2])]

        _, total, doubts = code.repeat(vectors, [at_old.type(0), code.zero, doubts], vector)
        code.store(_folded(code, total), product)
        return [
            b.add(at_old, stride), b.add(at_G, stride), b.add(at_new, next_row),
            _after(code, push, code.size), _after(code, product, code.size), doubts,
        ]  # fmt: skip

    code.store(code.repeat(rows, [old, G, new, pushes, products, code.zero], row)[-1], doubt)


def _arrive(code: Any, counter: Any) -> None:
    """One more has arrived, and what it wrote before can be read by whoever sees that."""
    code.builder.atomic_rmw("add", code.at(counter, 0, counter.type), counter.type(1), "seq_cst")


def _peek(code: Any, counter: Any, out: Any) -> None:
    """How many have arrived, at this moment, into ``out``."""
    count = code.builder.load_atomic(code.at(counter, 0, counter.type), "acquire", 8)
    code.store(count, out)


def step_emitters(registers: Registers) -> dict[str, Callable[..., None]]:
    """What writes the code of each routine of a binary step."""
    return {
        "fill_tables": _fill_tables, "look_up_tile": _look_up(registers.tile), "move_rows": _move_rows,
        "arrive": _arrive, "peek": _peek,
    }  # fmt: skip
