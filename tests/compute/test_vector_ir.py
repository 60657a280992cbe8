"""Each vector routine against its literal formula and its twin, and not a byte beyond its operands.

Operands have exactly the extent that the formula reads or writes. Gaps between rows hold NaN where they are
read past and are compared where they are written past. The same file runs with the compiler off: the routines
then are their twins.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shallow.compute import vector_ir, vector_twins
from shallow.compute.jit import routine
from shallow.compute.pattern_emitters import ACTIVE_VECTORS
from shallow.compute.registers import HERE
from shallow.compute.vector_ir import (
    COUNT_COLUMNS,
    COUNT_ROWS,
    TILE,
    add_active,
    count_common_bits,
    fill_tables,
    forward_tile,
    lanes_of,
    look_up_tile,
    move_rows,
    multiply_1,
    multiply_4,
    multiply_tile,
    read_row,
    width_of,
    write_row,
)

DTYPES = (np.float64, np.float32)
COUNTS = (0, 1, 2, 7, 64)
PAGE = mmap.PAGESIZE


def _compiled(inner: Any) -> Any:
    """A routine of its own around an instruction, which only compiled code can call."""

    @routine
    def call(*arguments: Any) -> None:
        inner(*arguments)

    return call


_multiply_tile, _multiply_4, _multiply_1 = map(_compiled, (multiply_tile, multiply_4, multiply_1))
_forward_tile, _count_common_bits, _fill_tables = map(
    _compiled, (forward_tile, count_common_bits, fill_tables)
)
_look_up_tile, _move_rows, _read_row = map(_compiled, (look_up_tile, move_rows, read_row))
_write_row, _add_active = map(_compiled, (write_row, add_active))


@routine
def _sizes(number: Any) -> Any:
    return lanes_of(number), width_of(number)


MULTIPLY = {TILE: _multiply_tile, 4: _multiply_4, 1: _multiply_1}


def width(dtype: type) -> int:
    return int(_sizes(dtype(0))[1])


@dataclass
class Call:
    """A routine, its twin, and arguments in order: arrays (handed over as addresses) and numbers."""

    name: str
    routine: Callable[..., None]
    twin: Callable[..., None]
    arguments: list[Any]
    written: tuple[int, ...]

    def with_arrays(self, place: Callable[[np.ndarray], np.ndarray]) -> Call:
        arguments = [place(x) if isinstance(x, np.ndarray) else x for x in self.arguments]
        return Call(self.name, self.routine, self.twin, arguments, self.written)

    def run(self, which: Callable[..., None] | None = None) -> list[np.ndarray]:
        """Results on fresh copies, inputs included, so that a written input shows."""
        copy = self.with_arrays(np.copy)
        copy.run_in_place(which)
        return [x for x in copy.arguments if isinstance(x, np.ndarray)]

    def run_in_place(self, which: Callable[..., None] | None = None) -> None:
        (which or self.routine)(*(x.ctypes.data if isinstance(x, np.ndarray) else x for x in self.arguments))

    def outputs(self, which: Callable[..., None] | None = None) -> list[np.ndarray]:
        copy = self.with_arrays(np.copy)
        copy.run_in_place(which)
        return [copy.arguments[i] for i in self.written]


def spaced(rows: np.ndarray, stride: int, filler: float | None = None) -> np.ndarray:
    """Rows ``stride`` apart in one flat array that ends with the last number of the last row."""
    count, length = rows.shape
    flat = np.full((count, stride), np.nan if filler is None else filler, rows.dtype)
    flat[:, :length] = rows
    return flat.reshape(-1)[: max(0, count * stride - (stride - length))].copy()


def multiply_call(
    rows: int, dtype: type, count: int, *, gap: int = 0, beta: float = 0.5, seed: int = 0, draw: Any = None
) -> Call:
    rng = np.random.default_rng(seed)
    normal = draw or rng.standard_normal
    R = width(dtype)
    A, B = normal((count, R)).astype(dtype), normal((count, rows)).astype(dtype)
    C, alpha = normal((rows, R)).astype(dtype), normal(R).astype(dtype)
    arguments = [count, A, spaced(B, rows + gap), rows + gap, C, np.zeros_like(C), alpha, dtype(beta)]
    return Call(f"multiply_{rows}", MULTIPLY[rows], vector_twins.multiply(rows), arguments, (5,))


def multiply_formula(call: Call) -> tuple[np.ndarray, np.ndarray]:
    """beta C + alpha A^T B in long double, and ``length eps sum |terms|``."""
    count, A, flat, stride, C, new, alpha, beta = call.arguments
    rows = new.shape[0]
    B = np.array([flat[k * stride : k * stride + rows] for k in range(count)]).reshape(count, rows)
    A, B, C, alpha = (x.astype(np.longdouble) for x in (A, B, C, alpha))
    kept = beta * C if beta != 0 else np.zeros_like(C)
    size = abs(alpha) * (abs(B).T @ abs(A)) + abs(kept)
    return alpha * (B.T @ A) + kept, (count + 2) * np.finfo(new.dtype).eps * size


def forward_call(
    dtype: type, count: int, *, gap: int = 0, slope: float = 0.25, seed: int = 0, draw: Any = None
) -> Call:
    rng = np.random.default_rng(seed)
    normal = draw or rng.standard_normal
    R = width(dtype)
    A, W = normal((count, R)).astype(dtype), normal((TILE, count)).astype(dtype)
    a, f = normal(TILE).astype(dtype), normal(R).astype(dtype)
    stride = R // 8 + gap
    bits = np.full((TILE - 1) * stride + R // 8, 0x5A, np.uint8)
    arguments = [count, A, spaced(W, count + gap), count + gap, a, dtype(slope), f, bits, stride]
    return Call("forward_tile", _forward_tile, vector_twins.forward(TILE), arguments, (6, 7))


def forward_formula(call: Call) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """z, its error, f, its error."""
    count, A, flat, stride, a, slope, f = call.arguments[:7]
    rows, R = len(a), len(f)
    eps = np.finfo(f.dtype).eps
    W = np.array([flat[j * stride : j * stride + count] for j in range(rows)]).reshape(rows, count)
    A, W, a, f = (x.astype(np.longdouble) for x in (A, W, a, f))
    z, z_size = W @ A, abs(W) @ abs(A)
    phi = np.where(z > 0, z, slope * z)
    gain = max(1.0, abs(float(slope)))
    f_error = (count + rows + 2) * eps * (abs(f) + gain * (abs(a) @ z_size))
    assert z.shape == (rows, R)
    return z, count * eps * z_size, f + a @ phi, f_error


def unpacked(bits: np.ndarray, rows: int, stride: int, R: int) -> np.ndarray:
    """The bits of each row as booleans, (rows, R); what lies between the rows must be as it was."""
    size = R // 8
    gaps = [bits[j * stride + size : (j + 1) * stride] for j in range(rows - 1)]
    assert all(np.all(gap == 0x5A) for gap in gaps)
    packed = np.array([bits[j * stride : j * stride + size] for j in range(rows)], np.uint8).reshape(
        rows, size
    )
    return np.unpackbits(packed, axis=1, bitorder="little").astype(bool)


def count_call(words: int, *, gap: int = 0, seed: int = 0) -> Call:
    rng = np.random.default_rng(seed)
    A = rng.integers(0, 2**64, (words, COUNT_ROWS), dtype=np.uint64)
    B = rng.integers(0, 2**64, (words, COUNT_COLUMNS), dtype=np.uint64)
    C = rng.integers(0, 1000, (COUNT_COLUMNS, COUNT_ROWS), dtype=np.int64)
    twin = vector_twins.count_common_bits(COUNT_COLUMNS)
    arguments = [words, A, spaced(B, COUNT_COLUMNS + gap, 0), COUNT_COLUMNS + gap, C]
    return Call("count_common_bits", _count_common_bits, twin, arguments, (4,))


def step_calls(dtype: type, count: int, gap: int) -> list[Call]:
    """The routines whose formulas are held in ``test_step_emitters``."""
    rng = np.random.default_rng(count)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(dtype)

    lanes, R = (int(size) for size in _sizes(dtype(0)))
    stride, zero = lanes + gap, dtype(0)
    table = np.zeros((count * 16, lanes), dtype)
    fill = [count, spaced(normal(4 * count, lanes), stride), stride, normal(4 * count), table, zero]
    words = rng.integers(0, 256, (count, TILE, R // 8)).astype(np.uint8)
    start, out = (spaced(normal(TILE, lanes), stride, 7.0) for _ in range(2))
    look = [count, words, normal(count * R * 4, lanes), start, stride, out, stride, zero]
    width = 2 * lanes
    rows = [normal(count, width), normal(count, width)]
    new, apart = spaced(normal(count, width), width + gap, 7.0), width + gap
    products, doubt = np.zeros(count, dtype), np.zeros(lanes, dtype)
    move = [count, 2, *rows, new, apart, dtype(0.5), normal(count), products, doubt]
    return [
        Call("fill_tables", _fill_tables, vector_twins.fill_tables, fill, (4,)),
        Call("look_up_tile", _look_up_tile, vector_twins.look_up(TILE), look, (5,)),
        Call("move_rows", _move_rows, vector_twins.move_rows, move, (4, 8, 9)),
    ]


def read_call(dtype: type, panels: int, *, gap: int = 0, slope: float = 0.25, seed: int = 0) -> Call:
    rng = np.random.default_rng(seed)
    R, lanes = width(dtype), int(_sizes(dtype(0))[0])
    rows = [rng.standard_normal((panels, R)).astype(dtype) for _ in range(4)]
    stride = R // 8 + gap
    bits = np.full(max(0, (panels - 1) * stride + R // 8) if panels else 0, 0x5A, np.uint8)
    numbers = [dtype(0.75), dtype(0.5), dtype(slope), dtype(2.0)]  # weight, keep, slope, largest
    arguments = [panels, *rows, *numbers, bits, stride, np.full((2, lanes), 9, dtype)]
    return Call("read_row", _read_row, vector_twins.read_row, arguments, (2, 9, 11))


def write_call(dtype: type, vectors: int, *, slope: float = 0.25, seed: int = 0) -> Call:
    rng = np.random.default_rng(seed)
    lanes = int(_sizes(dtype(0))[0])
    z, G, sums = (rng.standard_normal((vectors, lanes)).astype(dtype) for _ in range(3))
    numbers = [dtype(-0.75), dtype(0.5), dtype(1.25), dtype(slope)]  # push, keep, weight, slope
    arguments = [vectors, z, G, *numbers, sums, np.zeros(lanes, dtype)]
    return Call("write_row", _write_row, vector_twins.write_row, arguments, (1, 7, 8))


def active_call(dtype: type, count: int, gap: int) -> Call:
    """The routine of ``test_pattern_emitters``, with the first ``count`` neurons of a word on."""
    rng = np.random.default_rng(count)
    R = width(dtype)
    factors = spaced(rng.standard_normal((count, 1)).astype(dtype), R)
    panels = rng.standard_normal((ACTIVE_VECTORS // HERE.panel, count * R)).astype(dtype)
    table, stride = spaced(panels, count * R + gap), (count * R + gap) * factors.itemsize
    out = rng.standard_normal(len(panels) * R).astype(dtype)
    arguments = [np.uint64(2**count - 1), factors, table, stride, out, dtype(0)]
    return Call("add_active", _add_active, vector_twins.add_active, arguments, (4,))


def calls(count: int, gap: int) -> list[Call]:
    """Every routine at both precisions."""
    found = []
    for dtype in DTYPES:
        found += [multiply_call(rows, dtype, count, gap=gap, seed=count) for rows in MULTIPLY]
        found += [forward_call(dtype, count, gap=gap, seed=count), *step_calls(dtype, count, gap)]
        found += [read_call(dtype, count, gap=gap), write_call(dtype, count)]
        found.append(active_call(dtype, count, gap))
    return [*found, count_call(count, gap=gap)]


def assert_same_bits(left: list[np.ndarray], right: list[np.ndarray]) -> None:
    assert [x.tobytes() for x in left] == [x.tobytes() for x in right]


# The formulas.


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", MULTIPLY)
@pytest.mark.parametrize("beta", [0.0, -0.0, 1.0, -0.7])
def test_a_product_errs_by_its_length_times_eps(dtype: type, rows: int, beta: float) -> None:
    for count in COUNTS:
        for gap in (0, 1, 5):
            call = multiply_call(rows, dtype, count, gap=gap, beta=beta, seed=count + gap)
            expected, bound = multiply_formula(call)
            for which in (call.routine, call.twin):
                assert np.all(np.abs(call.outputs(which)[0] - expected) <= bound), (call.name, count, gap)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("slope", [0.0, 0.25, 1.0, -1.5])
def test_a_forward_tile_errs_by_its_length_times_eps(dtype: type, slope: float) -> None:
    R = width(dtype)
    for count in COUNTS:
        for gap in (0, 1, 5):
            call = forward_call(dtype, count, gap=gap, slope=slope, seed=count + gap)
            z, z_error, expected, bound = forward_formula(call)
            clear = np.abs(z) > z_error
            for which in (call.routine, call.twin):
                f, bits = call.outputs(which)
                assert np.all(np.abs(f - expected) <= bound), (call.name, count, gap)
                seen = unpacked(bits, TILE, R // 8 + gap, R)
                assert np.array_equal(seen[clear], (z > 0)[clear])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("slope", [0.0, 0.5, -2.0])
def test_at_whole_numbers_nothing_rounds_and_a_kink_has_bit_zero(dtype: type, slope: float) -> None:
    rng = np.random.default_rng(1)
    R = width(dtype)
    kinks = 0
    for count in COUNTS:
        call = forward_call(
            dtype, count, slope=slope, draw=lambda shape: rng.integers(-2, 3, shape).astype(float)
        )
        z, _, expected, _ = forward_formula(call)
        kinks += int(np.sum(z == 0))
        for which in (call.routine, call.twin):
            f, bits = call.outputs(which)
            assert np.array_equal(f, expected)
            assert np.array_equal(unpacked(bits, TILE, R // 8, R), z > 0)
    assert kinks > 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_only_numbers_above_zero_have_a_sign_bit(dtype: type) -> None:
    R, tiny = width(dtype), np.finfo(dtype).smallest_subnormal
    huge = np.finfo(dtype).max
    values = np.array([0.0, -0.0, tiny, -tiny, np.nan, -np.nan, np.inf, -np.inf, 1.0, -1.0, huge], dtype)
    for panels in COUNTS:
        call = read_call(dtype, panels)
        z = call.arguments[1] = np.resize(values, (panels, R))
        expected = np.packbits(z > 0, axis=1, bitorder="little").reshape(-1)
        for which in (call.routine, call.twin):
            assert np.array_equal(call.outputs(which)[1], expected)


def test_common_bits_are_counted_exactly() -> None:
    for words in (*COUNTS, 300):
        for gap in (0, 1, 5):
            call = count_call(words, gap=gap, seed=words)
            _, A, flat, stride, C = call.arguments
            expected = C.copy()
            for w in range(words):
                for j in range(COUNT_COLUMNS):
                    expected[j] += np.bitwise_count(A[w] & flat[w * stride + j]).astype(np.int64)
            assert_same_bits(call.outputs(), [expected])
            assert_same_bits(call.outputs(call.twin), [expected])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_panel_is_as_many_registers_as_the_table_says(dtype: type) -> None:
    lanes, R = _sizes(dtype(0))
    assert (lanes, R) == (vector_twins.lanes_of(dtype(0)), vector_twins.width_of(dtype(0)))
    assert lanes * vector_ir.HERE.panel == R
    assert lanes * np.dtype(dtype).itemsize * 8 == vector_ir.HERE.bits


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("slope", [0.0, 0.25, -1.5])
def test_a_row_that_is_read_gives_its_signs_its_coefficients_and_its_sum(dtype: type, slope: float) -> None:
    R, eps = width(dtype), np.finfo(dtype).eps
    for panels in COUNTS:
        for gap in (0, 3):
            call = read_call(dtype, panels, gap=gap, slope=slope, seed=panels)
            call.arguments[1].reshape(-1)[:3] = (0.0, -0.0, np.finfo(dtype).smallest_subnormal)[: 3 * panels]
            z, C, push_W, push_a = (x.astype(np.longdouble) for x in call.arguments[1:5])
            gate = np.where(z > 0, 1, slope)
            moved, moved_size = 0.5 * C + 0.75 * gate * push_W, abs(0.5 * C) + abs(0.75 * gate * push_W)
            for which in (call.routine, call.twin):
                new, bits, sums = call.outputs(which)
                assert np.all(np.abs(new - moved) <= 3 * eps * moved_size)
                assert np.array_equal(unpacked(bits, panels, R // 8 + gap, R), z > 0)
                total, size = np.sum(push_a * gate * z), np.sum(np.abs(push_a * gate * z))
                assert abs(sums[0].astype(np.longdouble).sum() - total) <= (panels * R + 3) * eps * size
                assert np.all(sums[1] == 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("slope", [0.0, 0.25, -1.5])
def test_a_row_that_is_written_is_moved_and_added_to_the_outputs(dtype: type, slope: float) -> None:
    eps = np.finfo(dtype).eps
    for vectors in COUNTS:
        call = write_call(dtype, vectors, slope=slope, seed=vectors)
        z, G, sums = (call.arguments[i].astype(np.longdouble) for i in (1, 2, 7))
        new, new_size = 0.5 * z - 0.75 * G, abs(0.5 * z) + abs(0.75 * G)
        gain = 1.25 * max(1.0, abs(slope))
        outputs = sums + 1.25 * np.where(new > 0, new, slope * new)
        for which in (call.routine, call.twin):
            moved, added, doubts = call.outputs(which)
            assert np.all(np.abs(moved - new) <= 2 * eps * new_size)
            assert np.all(np.abs(added - outputs) <= 5 * eps * (abs(sums) + gain * new_size))
            assert np.all(doubts == 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_leaves_a_doubt(dtype: type, bad: float) -> None:
    for call, entry, doubts in ((read_call(dtype, 3), 2, -1), (write_call(dtype, 3), 1, -1)):
        call.arguments[entry][1, 0] = bad
        for which in (call.routine, call.twin):
            assert np.isnan(call.outputs(which)[doubts].sum())


# The same bits whatever the tile.


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("beta", [0.0, 0.3])
def test_a_column_of_a_product_has_the_same_bits_in_any_tile(dtype: type, beta: float) -> None:
    for count in COUNTS:
        whole = multiply_call(TILE, dtype, count, gap=3, beta=beta, seed=5)
        expected = whole.outputs()[0]
        _, A, B, stride, C, new, alpha, _ = whole.arguments
        for rows in (4, 1):
            seen = np.zeros_like(new)
            for j in range(0, TILE - rows + 1, rows):
                columns = B[j:] if count else B
                part = [count, A, columns, stride, C[j : j + rows], seen[j : j + rows], alpha, dtype(beta)]
                Call("", MULTIPLY[rows], multiply_1, part, (5,)).run_in_place()
            done = TILE - TILE % rows
            assert_same_bits([seen[:done]], [expected[:done]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_neuron_of_a_forward_tile_has_the_bits_of_a_single_product(dtype: type) -> None:
    for count in COUNTS:
        tile = forward_call(dtype, count, gap=2, slope=1.0, seed=6)
        _, A, W, stride_W, a, _, f, _, stride = tile.arguments
        one, z = np.ones_like(f), np.zeros_like(f)
        for j in range(TILE):
            column = W[j * stride_W :] if count else W
            Call("", _multiply_1, multiply_1, [count, A, column, 1, z, z, one, dtype(0)], (5,)).run_in_place()
            a[:], f[:] = np.arange(TILE) == j, 0  # so that the output is z of this neuron
            output, bits = tile.outputs()
            assert_same_bits([output, unpacked(bits, TILE, stride, len(f))[j]], [z, z > 0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_outputs_of_a_forward_tile_are_one_chain_over_its_neurons(dtype: type) -> None:
    for count in COUNTS:
        whole = forward_call(dtype, count, gap=2, seed=6)
        chain = whole.with_arrays(np.copy)
        for j in range(TILE):
            chain.arguments[4][:] = np.where(np.arange(TILE) == j, whole.arguments[4], 0)
            chain.run_in_place()
        assert_same_bits([chain.arguments[i] for i in chain.written], whole.outputs())


# NaN and infinity.


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", MULTIPLY)
def test_what_is_not_finite_reaches_its_own_sums_and_no_others(dtype: type, rows: int) -> None:
    R = width(dtype)
    for beta in (0.0, 0.5):
        clean, hit = (multiply_call(rows, dtype, 7, beta=beta, seed=8) for _ in range(2))
        hit.arguments[1][3, 1] = np.inf
        hit.arguments[1][2, R - 1] = np.nan
        hit.arguments[2][4 * rows + rows - 1] = np.nan
        for which in (hit.routine, hit.twin):
            before, seen = clean.outputs(which)[0], hit.outputs(which)[0]
            assert np.all(np.isnan(seen[rows - 1]))
            assert np.all(np.isnan(seen[:, R - 1]))
            assert np.all(np.isinf(seen[: rows - 1, 1]))
            assert np.array_equal(seen[: rows - 1, 0], before[: rows - 1, 0])
            assert np.array_equal(seen[: rows - 1, 2 : R - 1], before[: rows - 1, 2 : R - 1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", MULTIPLY)
@pytest.mark.parametrize("beta", [0.0, -0.0])
def test_with_beta_zero_the_old_values_are_not_even_read(dtype: type, rows: int, beta: float) -> None:
    call = multiply_call(rows, dtype, 5, beta=beta)
    clean = call.outputs()
    call.arguments[4][:] = np.nan
    assert_same_bits(call.outputs(), clean)
    call.arguments[4] = 0  # no address at all
    assert_same_bits(call.outputs(), clean)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", MULTIPLY)
def test_a_beta_that_is_nan_is_not_taken_for_zero(dtype: type, rows: int) -> None:
    call = multiply_call(rows, dtype, 5, beta=float("nan"))
    for which in (call.routine, call.twin):
        assert np.all(np.isnan(call.outputs(which)[0]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_nan_weight_has_no_bit_and_an_output_of_nan(dtype: type) -> None:
    R = width(dtype)
    call = forward_call(dtype, 6, slope=0.0)
    call.arguments[2][(TILE - 1) * 6 + 2] = np.nan
    for which in (call.routine, call.twin):
        f, bits = call.outputs(which)
        assert np.all(np.isnan(f))
        assert not np.any(unpacked(bits, TILE, R // 8, R)[TILE - 1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_minus_infinity_at_slope_zero_is_nan_as_in_the_formula(dtype: type) -> None:
    call = forward_call(dtype, 1, slope=0.0)
    call.arguments[1][:] = 1.0
    for weight, lands in ((np.inf, np.inf), (-np.inf, np.nan)):
        call.arguments[2][:] = weight
        call.arguments[4][:] = 1.0
        for which in (call.routine, call.twin):
            assert np.array_equal(call.outputs(which)[0], np.full(width(dtype), lands), equal_nan=True)


# Not a byte beyond.


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("gap", [0, 1])
def test_nothing_around_an_operand_is_written(count: int, gap: int) -> None:
    for call in calls(count, gap):
        buffers: list[tuple[np.ndarray, np.ndarray]] = []

        def between_canaries(x: np.ndarray, buffers: list[Any] = buffers) -> np.ndarray:
            buffer = np.full(x.nbytes + 2 * 320 + x.itemsize, 0xC5, np.uint8)
            start = 320 + x.itemsize  # aligned for the number, not for the vector
            inner = buffer[start : start + x.nbytes].view(x.dtype).reshape(x.shape)
            inner[:] = x
            buffers.append((buffer, inner))
            return inner

        expected = call.run()
        placed = call.with_arrays(between_canaries)
        placed.run_in_place()
        assert_same_bits([inner for _, inner in buffers], expected)
        for buffer, inner in buffers:
            start = inner.ctypes.data - buffer.ctypes.data if inner.size else 320
            assert np.all(buffer[:start] == 0xC5), call.name
            assert np.all(buffer[start + inner.nbytes :] == 0xC5), call.name


@pytest.mark.parametrize("count", COUNTS)
def test_inputs_are_left_as_they_are(count: int) -> None:
    for call in calls(count, 1):
        copy = call.with_arrays(np.copy)
        copy.run_in_place()
        for place, (before, after) in enumerate(zip(call.arguments, copy.arguments)):
            if isinstance(before, np.ndarray) and place not in call.written:
                assert before.tobytes() == after.tobytes(), (call.name, place)


class Fenced:
    """Arrays that end, or begin, at a page that may not be touched."""

    def __init__(self, at_the_end: bool) -> None:
        self.at_the_end = at_the_end
        self.kept: list[mmap.mmap] = []
        self.libc = ctypes.CDLL(None, use_errno=True)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        inside = -(-max(1, x.nbytes) // PAGE) * PAGE
        memory = mmap.mmap(-1, inside + 2 * PAGE)
        self.kept.append(memory)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        for fence in (address, address + PAGE + inside):
            assert self.libc.mprotect(ctypes.c_void_p(fence), ctypes.c_size_t(PAGE), 0) == 0
        start = PAGE + (inside - x.nbytes if self.at_the_end else 0)
        placed: np.ndarray = np.frombuffer(memory, x.dtype, x.size, start).reshape(x.shape)
        placed[:] = x
        return placed


def run_between_fences() -> None:
    """Every routine with every operand between two forbidden pages; for a process of its own."""
    for count in COUNTS:
        for gap in (0, 1):
            for call in calls(count, gap):
                for at_the_end in (True, False):
                    print(call.name, count, gap, "end" if at_the_end else "start", flush=True)
                    placed = call.with_arrays(Fenced(at_the_end))
                    placed.run_in_place()
                    assert_same_bits([x for x in placed.arguments if isinstance(x, np.ndarray)], call.run())
    print("all within their pages", flush=True)


def step_over_the_fence() -> None:
    """One term more than there is: the fence must kill this process."""
    call = multiply_call(1, np.float64, 7).with_arrays(Fenced(at_the_end=True))
    call.arguments[0] += 1
    call.run_in_place()
    print("nobody noticed", flush=True)


def in_a_process(function: str, **environment: str) -> subprocess.CompletedProcess[str]:
    folder = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {folder!r}); import test_vector_ir as t; t.{function}()"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}
    )


@pytest.mark.mprotect
def test_no_routine_touches_a_byte_beyond_either_end_of_an_operand() -> None:
    done = in_a_process("run_between_fences")
    assert done.returncode == 0, done.stdout[-200:] + done.stderr
    assert done.stdout.endswith("all within their pages\n")


@pytest.mark.mprotect
def test_the_fence_kills_who_crosses_it() -> None:
    done = in_a_process("step_over_the_fence")
    assert done.returncode < 0, done.stdout + done.stderr
    assert "nobody noticed" not in done.stdout
