"""Register-tiled product of panels, written as LLVM vector instructions.

A panel holds as many neurons as two vector registers have lanes. Compilers leave such a product at a third of
the machine's peak; spelled out, its accumulators stay in registers and every multiply-add is one fused
instruction. Each output is one chain of fused multiply-adds in the order of k, so its error is at most
``k eps sum |A| |B|`` and its bits do not depend on the tile it was computed in.
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba import types

from shallow.compute.jit import intrinsic

__all__ = ["multiply_1", "multiply_4", "multiply_8", "width_of"]

_I64 = ir.IntType(64)
_WIDE = bool(binding.get_host_cpu_features().get("avx512f", False))
_REGISTER_BYTES = 64 if _WIDE else 32
_VECTORS = 2  # registers a panel row fills


def _element(kind: Any) -> tuple[Any, int]:
    """The LLVM type and the bytes of float64 or float32."""
    return (ir.DoubleType(), 8) if kind == types.float64 else (ir.FloatType(), 4)


@intrinsic
def width_of(context: Any, number: Any) -> Any:
    """Neurons in a panel for this floating type, a constant to the compiler."""
    _, size = _element(number)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(_I64, _VECTORS * _REGISTER_BYTES // size)

    return types.intp(number), generate


def _product(columns: int) -> Any:
    """``C_out[j] = beta C_in[j] + alpha * sum_k A[k] B[k, j]`` for ``columns`` rows j of a panel.

    Arguments of the routine: ``(count, A, B, stride_B, C_in, C_out, alpha, beta)``. A, C and alpha are
    addresses of rows as wide as a panel, one after another; B that of numbers with ``stride_B`` numbers
    between two k. With ``beta = 0`` C_in is not read.
    """

    def typed(
        context: Any, count: Any, A: Any, B: Any, stride_B: Any, C_in: Any, C_out: Any, alpha: Any, beta: Any
    ) -> Any:
        element, size = _element(beta)
        lanes = _REGISTER_BYTES // size
        vector = ir.VectorType(element, lanes)
        row = _VECTORS * _REGISTER_BYTES

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            count, A, B, stride_B, C_in, C_out, alpha, beta = arguments
            name = f"llvm.fma.v{lanes}f{8 * size}"
            fma = builder.module.globals.get(name) or ir.Function(
                builder.module, ir.FunctionType(vector, [vector] * 3), name
            )
            pointer, single = vector.as_pointer(), element.as_pointer()

            def load(address: Any, offset: int) -> Any:
                value = builder.load(builder.inttoptr(builder.add(address, _I64(offset)), pointer))
                value.align = size
                return value

            def store(value: Any, address: Any, offset: int) -> None:
                at = builder.inttoptr(builder.add(address, _I64(offset)), pointer)
                builder.store(value, at).align = size

            def spread(value: Any) -> Any:
                first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
                mask = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
                return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), mask)

            def number(address: Any, offset: int) -> Any:
                value = builder.load(builder.inttoptr(builder.add(address, _I64(offset)), single))
                value.align = size
                return spread(value)

            def multiply_add(state: list[Any]) -> list[Any]:
                at_A, at_B, sums = state[0], state[1], list(state[2:])
                rows = [load(at_A, v * _REGISTER_BYTES) for v in range(_VECTORS)]
                for j in range(columns):
                    factor = number(at_B, j * size)
                    for v in range(_VECTORS):
                        place = j * _VECTORS + v
                        sums[place] = builder.call(fma, [rows[v], factor, sums[place]])
                return [builder.add(at_A, _I64(row)), builder.add(at_B, step_B), *sums]

            step_B = builder.mul(stride_B, _I64(size))
            zero = ir.Constant(vector, [0.0] * lanes)
            end = _repeat(builder, count, [A, B] + [zero] * (columns * _VECTORS), multiply_add)
            sums = end[2:]
            weights = [load(alpha, v * _REGISTER_BYTES) for v in range(_VECTORS)]
            reads = builder.fcmp_unordered("!=", beta, ir.Constant(element, 0.0))
            places = [(j, v) for j in range(columns) for v in range(_VECTORS)]
            with builder.if_else(reads) as (old, fresh):
                with old:
                    keep = spread(beta)
                    for (j, v), total in zip(places, sums):
                        before = builder.fmul(keep, load(C_in, j * row + v * _REGISTER_BYTES))
                        value = builder.call(fma, [weights[v], total, before])
                        store(value, C_out, j * row + v * _REGISTER_BYTES)
                with fresh:
                    for (j, v), total in zip(places, sums):
                        store(builder.fmul(weights[v], total), C_out, j * row + v * _REGISTER_BYTES)
            return context.get_dummy_value()

        return types.void(count, A, B, stride_B, C_in, C_out, alpha, beta), generate

    return intrinsic(typed)


def _repeat(builder: Any, count: Any, start: list[Any], body: Any) -> list[Any]:
    """``count`` times ``state = body(state)``; the final state."""
    before = builder.block
    function = builder.function
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
    following = body(state)
    index.add_incoming(builder.add(index, _I64(1)), builder.block)
    for variable, value in zip(state, following):
        variable.add_incoming(value, builder.block)
    builder.branch(head)
    builder.position_at_end(after)
    return state


multiply_8 = _product(8)
multiply_4 = _product(4)
multiply_1 = _product(1)
