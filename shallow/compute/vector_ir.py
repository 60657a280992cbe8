"""The inner routines as LLVM vector instructions: the only module that knows registers.

Compilers leave these products at a third of the machine's peak; spelled out, their accumulators stay in
registers. A *panel* is as many numbers as ``Registers.panel`` vector registers hold (16 of float64 with
AVX-512), a *tile* as many rows of panels as fit in the registers. Every output is one chain in the order of
its sum, so its error is at most ``length eps sum |terms|`` and its bits do not depend on the tile it was
computed in. Addresses are integers, strides count numbers, strides of bits count bytes; nothing is checked.
With the compiler off each routine is its twin of :mod:`shallow.compute.vector_twins`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types

from shallow.compute import vector_twins as twins
from shallow.compute.gram_emitters import gram_emitters
from shallow.compute.jit import compiler_is_off, intrinsic
from shallow.compute.pattern_emitters import pattern_emitters
from shallow.compute.registers import HERE, Registers
from shallow.compute.step_emitters import step_emitters

__all__ = [
    "COUNT_COLUMNS", "COUNT_ROWS", "EMITTERS", "TILE", "add_active", "arrive", "count_common_bits",
    "emitters_for", "fill_tables", "forward_tile", "lanes_of", "look_up_tile", "move_rows", "multiply_1",
    "multiply_4", "multiply_tile", "peek", "read_row", "width_of", "write_row", "yield_processor",
]  # fmt: skip

_I64, _I32 = ir.IntType(64), ir.IntType(32)
TILE = HERE.tile
COUNT_COLUMNS = HERE.count_columns  # columns of counts made together
COUNT_ROWS = HERE.words  # 64-bit words of a panel of bits


class _Code:
    """A builder of instructions on vectors of one floating type."""

    def __init__(self, builder: Any, registers: Registers, size: int) -> None:
        self.builder, self.panel, self.size = builder, registers.panel, size  # size: bytes of a number
        self.bytes = registers.bits // 8  # of a vector
        self.row, self.lanes = self.panel * self.bytes, self.bytes // size  # bytes of a panel
        self.number = ir.DoubleType() if size == 8 else ir.FloatType()
        self.vector = ir.VectorType(self.number, self.lanes)
        self.word = ir.IntType(self.panel * self.lanes)  # the signs of a panel
        self.zero = ir.Constant(self.vector, [0.0] * self.lanes)

    def at(self, address: Any, offset: int, kind: Any) -> Any:
        return self.builder.inttoptr(self.builder.add(address, _I64(offset)), kind.as_pointer())

    def load(self, address: Any, offset: int = 0, kind: Any = None) -> Any:
        value = self.builder.load(self.at(address, offset, kind or self.vector))
        value.align = 1
        return value

    def load_rows(self, address: Any, rows: int = 1, kind: Any = None) -> Iterator[Any]:
        """The vectors of panels in a row, each loaded when asked for: held together they would spill."""
        return (self.load(address, place, kind) for place in range(0, rows * self.row, self.bytes))

    def store(self, value: Any, address: Any, offset: int = 0) -> None:
        self.builder.store(value, self.at(address, offset, value.type)).align = 1

    def store_rows(self, values: Iterable[Any], address: Any) -> None:
        for place, value in enumerate(values):
            self.store(value, address, place * self.bytes)

    def spread(self, value: Any, lanes: int = 0) -> Any:
        lanes = lanes or self.lanes
        nothing = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
        first = self.builder.insert_element(nothing, value, _I32(0))
        order = ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes)
        return self.builder.shuffle_vector(first, nothing, order)

    def call(self, name: str, *arguments: Any) -> Any:
        """An LLVM intrinsic on vectors of one type."""
        kind = arguments[0].type
        full = f"llvm.{name}.v{kind.count}{'i64' if kind.element == _I64 else f'f{8 * self.size}'}"
        module = self.builder.module
        function = module.globals.get(full) or ir.Function(
            module, ir.FunctionType(kind, [kind] * len(arguments)), full
        )
        return self.builder.call(function, arguments)

    def signs(self, values: list[Any]) -> tuple[list[Any], Any]:
        """``values > 0``, vector by vector, and as one integer with a bit a number."""
        masks = [self.builder.fcmp_ordered(">", value, self.zero) for value in values]
        whole = ir.IntType(self.lanes * len(values))
        bits = ir.Constant(whole, 0)
        for place, mask in enumerate(masks):
            part = self.builder.bitcast(mask, ir.IntType(self.lanes))
            part = self.builder.zext(part, whole) if part.type != whole else part
            bits = self.builder.or_(bits, self.builder.shl(part, whole(place * self.lanes)))
        return masks, bits

    def scaled(self, count: Any, size: int) -> Any:
        return self.builder.mul(count, _I64(size))

    def repeat(self, count: Any, start: list[Any], body: Callable[[list[Any]], list[Any]]) -> list[Any]:
        """``count`` times ``state = body(state)``; the final state."""
        builder = self.builder
        before, function = builder.block, builder.function
        head, inside, after = (function.append_basic_block(name) for name in ("head", "inside", "after"))
        builder.branch(head)
        builder.position_at_end(head)
        index = builder.phi(_I64)
        index.add_incoming(_I64(0), before)
        state = [builder.phi(value.type) for value in start]
        for variable, value in zip(state, start):
            variable.add_incoming(value, before)
        builder.cbranch(builder.icmp_signed("<", index, count), inside, after)
        builder.position_at_end(inside)
        for variable, value in zip(state, body(state)):
            variable.add_incoming(value, builder.block)
        index.add_incoming(builder.add(index, _I64(1)), builder.block)
        builder.branch(head)
        builder.position_at_end(after)
        return state


def _sums(code: _Code, count: Any, A: Any, B: Any, next_B: Any, rows: list[Any]) -> list[Any]:
    """``sum_k A[k, :] B[k, j]`` for rows j at byte offsets ``rows`` from B: the vectors of their panels."""
    b = code.builder

    def term(state: list[Any]) -> list[Any]:
        at_A, at_B, sums = state[0], state[1], iter(state[2:])
        panel = list(code.load_rows(at_A))
        factors = (code.spread(code.load(b.add(at_B, offset), 0, code.number)) for offset in rows)
        moved = [code.call("fma", part, factor, next(sums)) for factor in factors for part in panel]
        return [b.add(at_A, _I64(code.row)), b.add(at_B, next_B), *moved]

    return code.repeat(count, [A, B, *[code.zero] * (len(rows) * code.panel)], term)[2:]


def _multiply(rows: int) -> Callable[..., None]:
    def emit(
        code: _Code, count: Any, A: Any, B: Any, stride_B: Any, C_in: Any, C_out: Any, alpha: Any, beta: Any
    ) -> None:
        """``C_out[j] = beta C_in[j] + alpha sum_k A[k] B[k, j]``; C_in is not read if beta = 0."""
        b, columns = code.builder, [_I64(j * code.size) for j in range(rows)]
        sums = _sums(code, count, A, B, code.scaled(stride_B, code.size), columns)
        terms = list(zip(list(code.load_rows(alpha)) * rows, sums))
        with b.if_else(b.fcmp_unordered("!=", beta, ir.Constant(code.number, 0.0))) as (old, fresh):
            with old:
                keep = code.spread(beta)
                kept = (b.fmul(keep, value) for value in code.load_rows(C_in, rows))
                code.store_rows((code.call("fma", *term, value) for term, value in zip(terms, kept)), C_out)
            with fresh:
                code.store_rows((b.fmul(*term) for term in terms), C_out)

    return emit


def _forward(rows: int) -> Callable[..., None]:
    def emit(
        code: _Code, count: Any, A: Any, W: Any, stride_W: Any,
        a: Any, slope: Any, f: Any, bits: Any, stride: Any,
    ) -> None:  # fmt: skip
        """``z = sum_k A[k, :] W[j, k]``; ``f += a[j] phi(z)``, and the signs of z into the bits of row j."""
        b, next_row = code.builder, code.scaled(stride_W, code.size)
        sums = _sums(code, count, A, W, _I64(code.size), [code.scaled(next_row, j) for j in range(rows)])
        leak, totals = code.spread(slope), list(code.load_rows(f))
        for j in range(rows):
            z = sums[j * code.panel : (j + 1) * code.panel]
            masks, signs = code.signs(z)
            code.store(signs, b.add(bits, code.scaled(stride, j)))
            weight = code.spread(code.load(a, j * code.size, code.number))
            phi = [b.select(mask, part, b.fmul(leak, part)) for mask, part in zip(masks, z)]
            totals = [code.call("fma", weight, part, total) for part, total in zip(phi, totals)]
        code.store_rows(totals, f)

    return emit


def _count(columns: int) -> Callable[..., None]:
    def emit(code: _Code, words: Any, A: Any, B: Any, stride_B: Any, C: Any) -> None:
        """``C[j, i] += popcount(A[w, i] and B[w, j])`` summed over w."""
        b, step_B, lanes = code.builder, code.scaled(stride_B, 8), code.bytes // 8
        vector = ir.VectorType(_I64, lanes)

        def word(state: list[Any]) -> list[Any]:
            at_A, at_B, sums = state[0], state[1], iter(state[2:])
            panel = list(code.load_rows(at_A, 1, vector))
            others = (code.spread(code.load(at_B, 8 * j, _I64), lanes) for j in range(columns))
            common = (code.call("ctpop", b.and_(part, other)) for other in others for part in panel)
            counts = [b.add(next(sums), more) for more in common]
            return [b.add(at_A, _I64(code.row)), b.add(at_B, step_B), *counts]

        code.store_rows(code.repeat(words, [A, B, *code.load_rows(C, columns, vector)], word)[2:], C)

    return emit


def emitters_for(registers: Registers) -> dict[str, Callable[..., None]]:
    """What writes the code of each routine for a machine with these registers."""
    return {
        "multiply_tile": _multiply(registers.tile), "multiply_4": _multiply(4), "multiply_1": _multiply(1),
        "forward_tile": _forward(registers.tile), "count_common_bits": _count(registers.count_columns),
        **step_emitters(registers), **gram_emitters(), **pattern_emitters(),
    }  # fmt: skip


EMITTERS = emitters_for(HERE)


def _routine(name: str, twin: Callable[..., None]) -> Any:
    """What compiled code can call by this name, or its twin where nothing is compiled."""
    if compiler_is_off():
        return twin
    emit = EMITTERS[name]

    def typed(context: Any, *arguments: Any) -> Any:
        size = 4 if types.float32 in arguments else 8
        kinds = [kind if isinstance(kind, types.Float) else types.intp for kind in arguments]

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            emit(_Code(builder, HERE, size), *values)
            return context.get_dummy_value()

        return types.void(*kinds), generate

    typed.__signature__ = inspect.signature(emit)  # type: ignore[attr-defined]
    return intrinsic(typed)


def _constant(numbers: Callable[[int], int], twin: Callable[[Any], int]) -> Any:
    """A number of the machine that depends on the bytes of a floating type, a constant to the compiler."""
    if compiler_is_off():
        return twin

    def typed(context: Any, number: Any) -> Any:
        size = 4 if number == types.float32 else 8

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return ir.Constant(_I64, numbers(size))

        return types.intp(number), generate

    return intrinsic(typed)


multiply_tile = _routine("multiply_tile", twins.multiply(TILE))
multiply_4, multiply_1 = _routine("multiply_4", twins.multiply(4)), _routine("multiply_1", twins.multiply(1))
forward_tile = _routine("forward_tile", twins.forward(TILE))
add_active = _routine("add_active", twins.add_active)
count_common_bits = _routine("count_common_bits", twins.count_common_bits(COUNT_COLUMNS))
fill_tables, move_rows = _routine("fill_tables", twins.fill_tables), _routine("move_rows", twins.move_rows)
look_up_tile = _routine("look_up_tile", twins.look_up(TILE))
read_row, write_row = _routine("read_row", twins.read_row), _routine("write_row", twins.write_row)
arrive, peek = _routine("arrive", twins.arrive), _routine("peek", twins.peek)
_yield = types.ExternalFunction(twins.YIELD, types.int32())  # its name alone is kept in the cache
yield_processor = twins.yield_processor if compiler_is_off() else _yield
lanes_of = _constant(lambda size: HERE.bits // 8 // size, twins.lanes_of)
width_of = _constant(lambda size: HERE.panel * HERE.bits // 8 // size, twins.width_of)
