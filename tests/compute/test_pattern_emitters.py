"""The instructions on patterns against their formulas and their twins, and not a byte beyond them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shallow.compute import vector_twins as twins
from shallow.compute.jit import routine
from shallow.compute.pattern_emitters import ACTIVE_VECTORS
from shallow.compute.registers import HERE
from shallow.compute.vector_ir import add_active, width_of

SENTINEL = 77.0


@routine
def _add_active(*arguments: Any) -> None:
    add_active(*arguments)


@routine
def _width(number: Any) -> Any:
    return width_of(number)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("word", [0, 1, 2, 0b1011, 1 << 63, 2**64 - 1, 0x5A5A_0000_FFFF_1234])
def test_the_neurons_of_a_word_are_summed(dtype: type, word: int) -> None:
    width, panels = int(_width(dtype(0))), ACTIVE_VECTORS // HERE.panel
    rng = np.random.default_rng(word % 1000)
    active = [k for k in range(64) if word >> k & 1]
    # what belongs to a neuron that is off is NaN, and so is a gap between the panels
    table = np.full((panels, 70, width), np.nan, dtype)
    factors = np.full((64, width), np.nan, dtype)
    table[:, active] = rng.standard_normal((panels, len(active), width))
    factors[active, 0] = rng.standard_normal(len(active))
    start = rng.standard_normal((panels, width)).astype(dtype)
    found = []
    for run in (_add_active, twins.add_active):
        flat = np.full(panels * width + 64, SENTINEL, dtype)
        out = flat[32:-32].reshape(panels, width)
        out[:] = start
        run(
            np.uint64(word), factors.ctypes.data, table.ctypes.data, table.strides[0], out.ctypes.data,
            dtype(0),
        )  # fmt: skip
        assert np.all(flat[:32] == SENTINEL)
        assert np.all(flat[-32:] == SENTINEL)
        found.append(out.astype(np.longdouble))
    terms = factors[active, 0].astype(np.longdouble)[None, :, None] * table[:, active]
    size = np.abs(start) + np.abs(terms).sum(axis=1)
    allowed = (len(active) + 1) * np.finfo(dtype).eps * size
    for out in found:
        assert np.all(np.abs(out - (start + terms.sum(axis=1))) <= allowed)
