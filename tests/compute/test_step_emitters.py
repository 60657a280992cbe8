"""The instructions of a binary step against their formulas and their twins, and not a byte beyond them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from shallow.compute import vector_twins as twins
from shallow.compute.jit import routine
from shallow.compute.vector_ir import (
    TILE,
    arrive,
    fill_tables,
    lanes_of,
    look_up_tile,
    move_rows,
    peek,
    width_of,
    yield_processor,
)

DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])
SENTINEL = 77.0


@routine
def _fill(*arguments: Any) -> None:
    fill_tables(*arguments)


@routine
def _look_up(*arguments: Any) -> None:
    look_up_tile(*arguments)


@routine
def _move(*arguments: Any) -> None:
    move_rows(*arguments)


@routine
def _meet(counter: Any, out: Any) -> None:
    arrive(counter)
    yield_processor()
    peek(counter, out)


@routine
def _sizes(number: Any) -> Any:
    return lanes_of(number), width_of(number)


def random(shape: tuple[int, ...], dtype: type, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def guarded(shape: tuple[int, ...], dtype: type) -> tuple[np.ndarray, Callable[[], bool]]:
    """Room between two sentinels, and whether these still stand."""
    size = int(np.prod(shape))
    flat = np.full(size + 64, SENTINEL, dtype)
    return flat[32 : size + 32].reshape(shape), lambda: bool(
        np.all(flat[:32] == SENTINEL) and np.all(flat[size + 32 :] == SENTINEL)
    )


@DTYPES
@pytest.mark.parametrize("nibbles", [1, 2, 9])
def test_a_table_holds_all_sums_of_four_terms(dtype: type, nibbles: int) -> None:
    lanes = _sizes(dtype(0))[0]
    stride = 2 * lanes + 3
    rows, factors = random((4 * nibbles, stride), dtype), random((4 * nibbles,), dtype, 1)
    found = []
    for run in (_fill, twins.fill_tables):
        table, untouched = guarded((nibbles, 16, lanes), dtype)
        run(nibbles, rows.ctypes.data, stride, factors.ctypes.data, table.ctypes.data, dtype(0))
        assert untouched()
        found.append(table.copy())
    assert np.array_equal(found[0], found[1])
    terms = (factors[:, None].astype(np.longdouble) * rows[:, :lanes]).reshape(nibbles, 4, lanes)
    chosen = (np.arange(16)[:, None] >> np.arange(4)) & 1
    size = np.einsum("eb,nbl->nel", chosen, np.abs(terms))
    assert np.all(
        np.abs(found[0] - np.einsum("eb,nbl->nel", chosen, terms)) <= 3 * np.finfo(dtype).eps * size
    )


@DTYPES
@pytest.mark.parametrize("panels", [0, 1, 3])
@pytest.mark.parametrize("from_a_row", [True, False])
def test_lookups_add_one_entry_a_nibble_in_their_order(dtype: type, panels: int, from_a_row: bool) -> None:
    lanes, width = _sizes(dtype(0))
    words = np.random.default_rng(1).integers(0, 256, (panels, TILE, width // 8)).astype(np.uint8)
    table = random((panels * width // 4, 16, lanes), dtype)
    stride = lanes + 5
    start = random((1 if from_a_row else TILE, stride), dtype, 2)
    nibbles = np.stack([words & 15, words >> 4], axis=3).transpose(1, 0, 2, 3).reshape(TILE, -1)
    expected = np.zeros((TILE, lanes), dtype) + start[:, :lanes]
    for place in range(panels * width // 4):
        expected += table[place, nibbles[:, place]]
    for run in (_look_up, twins.look_up(TILE)):
        out, untouched = guarded((TILE, stride), dtype)
        run(
            panels, words.ctypes.data, table.ctypes.data, start.ctypes.data, 0 if from_a_row else stride,
            out.ctypes.data, stride, dtype(0),
        )  # fmt: skip
        assert untouched()
        assert np.all(out[:, lanes:] == SENTINEL)
        assert np.array_equal(out[:, :lanes], expected)


@DTYPES
@pytest.mark.parametrize(("rows", "vectors"), [(0, 2), (1, 1), (5, 3)])
def test_moved_rows_their_products_and_their_doubt(dtype: type, rows: int, vectors: int) -> None:
    lanes = _sizes(dtype(0))[0]
    old, G = random((rows, vectors * lanes), dtype), random((rows, vectors * lanes), dtype, 1)
    pushes = random((rows,), dtype, 2)
    found = []
    for run in (_move, twins.move_rows):
        new, untouched = guarded((rows, vectors * lanes), dtype)
        products, untouched_too = guarded((rows,), dtype)
        doubt = np.full(lanes, SENTINEL, dtype)
        run(
            rows, vectors, old.ctypes.data, G.ctypes.data, new.ctypes.data, vectors * lanes, dtype(0.5),
            pushes.ctypes.data, products.ctypes.data, doubt.ctypes.data,
        )  # fmt: skip
        assert untouched()
        assert untouched_too()
        assert np.all(doubt == 0)
        found.append((new.copy(), products.copy()))
    eps = np.finfo(dtype).eps
    assert np.array_equal(found[0][0], found[1][0])
    size = np.abs(old * G).sum(axis=1)
    assert np.all(np.abs(found[0][1] - (old * G).sum(axis=1)) <= 2 * vectors * lanes * eps * size)
    wide = 0.5 * old.astype(np.longdouble) - pushes[:, None] * G.astype(np.longdouble)
    assert np.all(np.abs(found[0][0] - wide) <= 2 * eps * (np.abs(old) + np.abs(pushes[:, None] * G)))


@DTYPES
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_weight_that_is_not_finite_leaves_a_doubt(dtype: type, bad: float) -> None:
    lanes = _sizes(dtype(0))[0]
    old, G = np.zeros((3, lanes), dtype), np.zeros((3, lanes), dtype)
    old[1, lanes - 1] = bad
    pushes, spare = np.ones(3, dtype), np.zeros(lanes, dtype)
    for run in (_move, twins.move_rows):
        products, doubt = np.zeros(3, dtype), np.zeros(lanes, dtype)
        with np.errstate(invalid="ignore"):
            run(
                3, 1, old.ctypes.data, G.ctypes.data, spare.ctypes.data, 0, dtype(1), pushes.ctypes.data,
                products.ctypes.data, doubt.ctypes.data,
            )  # fmt: skip
        assert np.isnan(doubt.sum())


def test_arrivals_are_counted() -> None:
    counter, out = np.array([4]), np.zeros(1, np.int64)
    _meet(counter.ctypes.data, out.ctypes.data)
    assert counter.tolist() == [5]
    assert out.tolist() == [5]
    twins.arrive(counter.ctypes.data)
    twins.peek(counter.ctypes.data, out.ctypes.data)
    assert out.tolist() == [6]
    assert twins.yield_processor() == 0
