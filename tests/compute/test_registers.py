"""Which machines the vector routines know, and that what is held at once fits their registers."""

from __future__ import annotations

import pytest

from shallow.compute import registers
from shallow.compute.methods import numba_steps
from shallow.compute.registers import Registers, registers_of, unavailable

LINUX = "x86_64-unknown-linux-gnu"
ROWS = [
    (LINUX, "+avx2,+avx512f,+fma", Registers(512, 32, 2)),
    (LINUX, "+avx2,-avx512f,+fma", Registers(256, 16, 2)),
    ("x86_64-pc-windows-msvc", "+fma,+avx2", Registers(256, 16, 2)),
    ("aarch64-unknown-linux-gnu", "+fp-armv8,+neon", Registers(128, 32, 4)),
]


@pytest.mark.parametrize(("triple", "features", "expected"), ROWS)
def test_the_instruction_set_names_the_registers(triple: str, features: str, expected: Registers) -> None:
    assert registers_of(triple, features) == expected


@pytest.mark.parametrize(
    ("triple", "features"),
    [
        ("arm64-apple-darwin23.1.0", "+neon"),
        ("aarch64-apple-macosx14", "+neon"),
        (LINUX, "+sse2,+fma4,-fma,-avx512f,+avx512fp16"),  # names that merely contain another
        (LINUX, ""),
        ("riscv64-unknown-linux-gnu", "+v"),
    ],
)
def test_a_machine_that_was_never_tried_has_none(triple: str, features: str) -> None:
    assert registers_of(triple, features) is None


@pytest.mark.parametrize("held", [row for _, _, row in ROWS])
def test_a_tile_fits_the_registers(held: Registers) -> None:
    # its sums, one row of the panel, and the number that multiplies it
    assert held.tile >= 4
    assert held.tile * held.panel + held.panel + 1 <= held.count
    assert (held.tile + 1) * held.panel + held.panel + 1 > held.count
    assert held.words * 64 == held.panel * held.bits


def test_an_unknown_machine_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_DISABLE_JIT", raising=False)
    monkeypatch.setattr(registers, "REGISTERS", None)
    assert "registers" in str(unavailable())
    assert numba_steps.unavailable is unavailable
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert "NUMBA_DISABLE_JIT" in str(unavailable())
