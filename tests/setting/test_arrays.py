"""Arrays at the boundary: copied, read-only, and every bad entry named."""

from __future__ import annotations

import math

import array_api_strict
import numpy as np
import pytest

from shallow.setting.arrays import host, namespace, read_array


def test_lists_integers_and_booleans_become_float64() -> None:
    for value in ([1, 2], np.array([1, 2], dtype=np.int8), np.array([True, True])):
        assert read_array(value, "a", (1,)).dtype == np.float64
    for dtype in (np.float32, np.float64):
        assert read_array(np.ones(2, dtype=dtype), "a", (1,)).dtype == dtype


def test_the_array_is_a_read_only_contiguous_copy_in_native_byte_order() -> None:
    source = np.asfortranarray(np.arange(6.0).reshape(2, 3)).astype(">f8")
    array = read_array(source, "X", (2,))
    source[0, 0] = 7.0
    assert array[0, 0] == 0.0
    assert array.flags.c_contiguous
    assert array.dtype == np.dtype(np.float64)
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 1.0


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        ([[1.0, 2.0], [3.0]], ValueError, "ragged"),
        ([["a"]], TypeError, "dtype"),
        ([[1j]], TypeError, "dtype"),
        (np.ones((1, 1), dtype=np.float16), TypeError, "dtype"),
        ([1.0], ValueError, "1 axes"),
        (np.ones((0, 2)), ValueError, "empty"),
        ([[1.0, math.nan]], ValueError, r"X\[0, 1\] is nan"),
        ([[1.0, math.inf], [math.nan, 0.0]], ValueError, r"X\[0, 1\] is inf \(2 such entries"),
    ],
)
def test_what_is_no_matrix_of_finite_numbers_is_refused(
    value: object, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        read_array(value, "X", (2,))


def test_other_namespaces_are_kept_and_never_mixed() -> None:
    xp = array_api_strict
    array = read_array(xp.asarray([1.0, 2.0]), "a", (1,))
    assert namespace(array) is not namespace(np.ones(1))
    assert host(array).tolist() == [1.0, 2.0]
    with pytest.raises(TypeError):
        namespace(array, np.ones(2))
    with pytest.raises(TypeError, match="use float32 or float64"):
        read_array(xp.asarray([1, 2]), "a", (1,))
    with pytest.raises(ValueError, match="nan"):
        read_array(xp.asarray([1.0, math.nan]), "a", (1,))
