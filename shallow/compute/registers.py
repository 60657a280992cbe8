"""The vector registers of the machines that the compiled routines know."""

from __future__ import annotations

from dataclasses import dataclass

from shallow.compute.jit import compiler_is_off, target

__all__ = ["HERE", "REGISTERS", "Registers", "registers_of", "unavailable"]


@dataclass(frozen=True)
class Registers:
    """Bits of a vector register, how many there are, and how many side by side make a panel."""

    bits: int
    count: int
    panel: int

    @property
    def tile(self) -> int:
        """Rows of a tile: its sums, one row of the panel and one number fill the registers."""
        return (self.count - self.panel - 1) // self.panel

    @property
    def count_columns(self) -> int:
        """Columns of counts that are made together: few enough for their sums to stay in registers."""
        return 8 if self.tile >= 8 else 4

    @property
    def words(self) -> int:
        """Words of 64 bits in a panel of bits."""
        return self.panel * self.bits // 64


_TABLE = (
    ("+avx512f", Registers(512, 32, 2)),
    ("+fma", Registers(256, 16, 2)),
    ("+neon", Registers(128, 32, 4)),
)


def registers_of(triple: str, features: str) -> Registers | None:
    """The registers of a machine in LLVM's words, or None for one that was never tried.

    ``features`` is the list that Numba keys its cache by, so that code compiled for other registers is never
    taken from the cache.
    """
    if "darwin" in triple or "macos" in triple:
        return None
    held = set(features.split(","))
    return next((registers for feature, registers in _TABLE if feature in held), None)


REGISTERS = registers_of(*target())
HERE = REGISTERS or Registers(128, 16, 4)  # so that sizes are defined where nothing of ours is compiled


def unavailable() -> str | None:
    """Why the routines of :mod:`shallow.compute.vector_ir` cannot be used here, or None."""
    if compiler_is_off():
        return "NUMBA_DISABLE_JIT switches the compiler off"
    if REGISTERS is None:
        return "the vector registers of this machine are not in the table of shallow/compute/registers.py"
    return None
