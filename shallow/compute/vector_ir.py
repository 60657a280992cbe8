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
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types

from shallow.compute import vector_twins as twins
from shallow.compute.jit import compiler_is_off, intrinsic
from shallow.compute.registers import REGISTERS, Registers

__all__ = [
    "COUNT_COLUMNS", "COUNT_ROWS", "EMITTERS", "LOOKUP_ROWS", "TILE", "add_lookups", "add_lookups_1",
    "count_common_bits", "forward_1", "forward_tile", "lanes_of", "multiply_1", "multiply_4",
    "multiply_tile", "sign_bits", "width_of",
]  # fmt: skip

_I64, _I32, _I16 = ir.IntType(64), ir.IntType(32), ir.IntType(16)
LOOKUP_ROWS = 4  # neurons whose lookups are interleaved, to hide the latency of an addition
_NIBBLES = 4  # table lookups a unit of 16 bits


_HERE = REGISTERS or Registers(128, 16, 4)  # nothing compiled runs on a machine that is not in the table
TILE = _HERE.tile
COUNT_COLUMNS = 8 if _HERE.tile >= 8 else 4  # columns of counts made together
COUNT_ROWS = _HERE.panel * _HERE.bits // 64  # 64-bit words of a panel of bits


@dataclass(frozen=True)
class _Code:
    """A builder of instructions on vectors of one floating type."""

    builder: Any
    registers: Registers
    size: int  # bytes of a number

    @property
    def number(self) -> Any:
        return ir.DoubleType() if self.size == 8 else ir.FloatType()

    @property
    def bytes(self) -> int:
        return self.registers.bits // 8

    @property
    def lanes(self) -> int:
        return self.bytes // self.size

    @property
    def vector(self) -> Any:
        return ir.VectorType(self.number, self.lanes)

    @property
    def zero(self) -> Any:
        return ir.Constant(self.vector, [0.0] * self.lanes)

    @property
    def parts(self) -> range:
        """The vectors of a panel."""
        return range(self.registers.panel)

    def at(self, address: Any, offset: int, kind: Any) -> Any:
        return self.builder.inttoptr(self.builder.add(address, _I64(offset)), kind.as_pointer())

    def load(self, address: Any, offset: int = 0, kind: Any = None) -> Any:
        value = self.builder.load(self.at(address, offset, kind or self.vector))
        value.align = 1
        return value

    def store(self, value: Any, address: Any, offset: int = 0) -> None:
        self.builder.store(value, self.at(address, offset, value.type)).align = 1

    def spread(self, value: Any, lanes: int = 0) -> Any:
        lanes = lanes or self.lanes
        kind = ir.VectorType(value.type, lanes)
        first = self.builder.insert_element(ir.Constant(kind, ir.Undefined), value, _I32(0))
        order = ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes)
        return self.builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), order)

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


def _sums(code: _Code, count: Any, A: Any, B: Any, next_B: Any, rows: list[Any]) -> list[list[Any]]:
    """``sum_k A[k, :] B[k, j]`` for rows j at byte offsets ``rows`` from B, as vectors of a panel."""
    row = code.registers.panel * code.bytes

    def term(state: list[Any]) -> list[Any]:
        at_A, at_B, sums = state[0], state[1], list(state[2:])
        panel = [code.load(at_A, part * code.bytes) for part in code.parts]
        for j, offset in enumerate(rows):
            factor = code.spread(code.load(code.builder.add(at_B, offset), 0, code.number))
            for part in code.parts:
                place = j * len(panel) + part
                sums[place] = code.call("fma", panel[part], factor, sums[place])
        return [code.builder.add(at_A, _I64(row)), code.builder.add(at_B, next_B), *sums]

    flat = code.repeat(count, [A, B] + [code.zero] * (len(rows) * code.registers.panel), term)[2:]
    return [[flat[j * code.registers.panel + part] for part in code.parts] for j in range(len(rows))]


def _multiply(rows: int) -> Callable[..., None]:
    def emit(
        code: _Code, count: Any, A: Any, B: Any, stride_B: Any, C_in: Any, C_out: Any, alpha: Any, beta: Any
    ) -> None:
        """``C_out[j] = beta C_in[j] + alpha sum_k A[k] B[k, j]``; C_in is not read if beta = 0."""
        places = [_I64(j * code.size) for j in range(rows)]
        sums = _sums(code, count, A, B, code.scaled(stride_B, code.size), places)
        offsets = [
            (j, part, (j * code.registers.panel + part) * code.bytes)
            for j in range(rows)
            for part in code.parts
        ]
        weights = [code.load(alpha, part * code.bytes) for part in code.parts]
        reads = code.builder.fcmp_unordered("!=", beta, ir.Constant(code.number, 0.0))
        with code.builder.if_else(reads) as (old, fresh):
            with old:
                keep = code.spread(beta)
                for j, part, offset in offsets:
                    before = code.builder.fmul(keep, code.load(C_in, offset))
                    code.store(code.call("fma", weights[part], sums[j][part], before), C_out, offset)
            with fresh:
                for j, part, offset in offsets:
                    code.store(code.builder.fmul(weights[part], sums[j][part]), C_out, offset)

    return emit


def _forward(rows: int) -> Callable[..., None]:
    def emit(
        code: _Code,
        count: Any,
        A: Any,
        W: Any,
        stride_W: Any,
        a: Any,
        slope: Any,
        f: Any,
        bits: Any,
        stride: Any,
    ) -> None:
        """``z = sum_k A[k, :] W[j, k]``; ``f += a[j] phi(z)``, and the signs of z into the bits of row j."""
        next_row = code.scaled(stride_W, code.size)
        places = [code.scaled(next_row, j) for j in range(rows)]
        sums = _sums(code, count, A, W, _I64(code.size), places)
        leak = code.spread(slope)
        totals = [code.load(f, part * code.bytes) for part in code.parts]
        for j in range(rows):
            masks, signs = code.signs(sums[j])
            code.store(signs, code.builder.add(bits, code.scaled(stride, j)))
            weight = code.spread(code.load(a, j * code.size, code.number))
            for part in code.parts:
                z = sums[j][part]
                phi = code.builder.select(masks[part], z, code.builder.fmul(leak, z))
                totals[part] = code.call("fma", weight, phi, totals[part])
        for part in code.parts:
            code.store(totals[part], f, part * code.bytes)

    return emit


def _lookups(rows: int) -> Callable[..., None]:
    def emit(
        code: _Code, units: Any, bits: Any, stride_bits: Any, table: Any, out: Any, stride_out: Any, kind: Any
    ) -> None:
        """``out[j, :lanes] += sum_u table[u, nibble u of row j, :]`` for ``units`` of 16 bits."""
        b, entry = code.builder, code.bytes
        bases = [b.add(bits, code.scaled(stride_bits, j)) for j in range(rows)]
        outs = [b.add(out, code.scaled(stride_out, j * code.size)) for j in range(rows)]

        def unit(state: list[Any]) -> list[Any]:
            at, tables, sums = state[0], state[1], list(state[2:])
            for j in range(rows):
                word = b.zext(code.load(b.add(bases[j], at), 0, _I16), _I64)
                for nibble in range(_NIBBLES):
                    index = b.and_(b.lshr(word, _I64(4 * nibble)), _I64(15))
                    place = b.add(tables, b.mul(index, _I64(entry)))
                    sums[j] = b.fadd(sums[j], code.load(place, nibble * 16 * entry))
            return [b.add(at, _I64(2)), b.add(tables, _I64(_NIBBLES * 16 * entry)), *sums]

        end = code.repeat(units, [_I64(0), table, *(code.load(place) for place in outs)], unit)
        for place, total in zip(outs, end[2:]):
            code.store(total, place)

    return emit


def _sign_bits(code: _Code, panels: Any, Z: Any, bits: Any, kind: Any) -> None:
    """The signs of ``panels`` panels of Z, a bit a number, the first number in the lowest bit."""

    def panel(state: list[Any]) -> list[Any]:
        _, signs = code.signs([code.load(state[0], part * code.bytes) for part in code.parts])
        code.store(signs, state[1])
        step = code.registers.panel * code.bytes
        return [
            code.builder.add(state[0], _I64(step)),
            code.builder.add(state[1], _I64(signs.type.width // 8)),
        ]

    code.repeat(panels, [Z, bits], panel)


def _count(code: _Code, words: Any, A: Any, B: Any, stride_B: Any, C: Any) -> None:
    """``C[j, i] += popcount(A[w, i] and B[w, j])`` summed over w, for COUNT_COLUMNS columns j."""
    b = code.builder
    vector = ir.VectorType(_I64, code.bytes // 8)
    row, step_B = code.registers.panel * code.bytes, code.scaled(stride_B, 8)

    def word(state: list[Any]) -> list[Any]:
        at_A, at_B, sums = state[0], state[1], list(state[2:])
        panel = [code.load(at_A, part * code.bytes, vector) for part in code.parts]
        for j in range(COUNT_COLUMNS):
            other = code.spread(code.load(at_B, 8 * j, _I64), vector.count)
            for part in code.parts:
                place = j * len(panel) + part
                sums[place] = b.add(sums[place], code.call("ctpop", b.and_(panel[part], other)))
        return [b.add(at_A, _I64(row)), b.add(at_B, step_B), *sums]

    places = [j * row + part * code.bytes for j in range(COUNT_COLUMNS) for part in code.parts]
    end = code.repeat(words, [A, B, *(code.load(C, place, vector) for place in places)], word)
    for place, total in zip(places, end[2:]):
        code.store(total, C, place)


def _routine(emit: Callable[..., None], twin: Callable[..., None]) -> Any:
    """``emit`` as something compiled code can call, or its twin where nothing is compiled."""
    if compiler_is_off():
        return twin

    def typed(context: Any, *arguments: Any) -> Any:
        size = 4 if types.float32 in arguments else 8
        kinds = [kind if isinstance(kind, types.Float) else types.intp for kind in arguments]

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            emit(_Code(builder, _HERE, size), *values)
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


EMITTERS = {
    "multiply_tile": _multiply(TILE), "multiply_4": _multiply(4), "multiply_1": _multiply(1),
    "forward_tile": _forward(TILE), "forward_1": _forward(1),
    "add_lookups": _lookups(LOOKUP_ROWS), "add_lookups_1": _lookups(1),
    "sign_bits": _sign_bits, "count_common_bits": _count,
}  # fmt: skip
multiply_tile = _routine(EMITTERS["multiply_tile"], twins.multiply(TILE))
multiply_4 = _routine(EMITTERS["multiply_4"], twins.multiply(4))
multiply_1 = _routine(EMITTERS["multiply_1"], twins.multiply(1))
forward_tile = _routine(EMITTERS["forward_tile"], twins.forward(TILE))
forward_1 = _routine(EMITTERS["forward_1"], twins.forward(1))
add_lookups = _routine(EMITTERS["add_lookups"], twins.lookups(LOOKUP_ROWS))
add_lookups_1 = _routine(EMITTERS["add_lookups_1"], twins.lookups(1))
sign_bits = _routine(EMITTERS["sign_bits"], twins.sign_bits)
count_common_bits = _routine(EMITTERS["count_common_bits"], twins.count_common_bits(COUNT_COLUMNS))
lanes_of = _constant(lambda size: _HERE.bits // 8 // size, twins.lanes_of)
width_of = _constant(lambda size: _HERE.panel * _HERE.bits // 8 // size, twins.width_of)
