"""Small sweeps, and their tables, for the tests of sweeps."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shallow.sweep.drive import Summary, run_sweep
from shallow.sweep.export import csv_text
from shallow.sweep.table import read_table

SMALL = """
seeds = 3
[problem]
n = 4
d = [3, 5]
label_scale = [0.1, 1.0]
[network]
m = [6, 12]
[training]
steps = 30
at = 10
record = ["residual_norm", "sup_flip_fraction"]
"""


@dataclass(frozen=True)
class Desk:
    """A folder with a grid file of 24 runs, where sweeps can be made."""

    folder: Path

    def grid(self, text: str = SMALL, name: str = "grid.toml") -> Path:
        """A grid file."""
        file = self.folder / name
        file.write_text(text)
        return file

    def out(self, name: str = "out") -> Path:
        """A directory for results."""
        return self.folder / name

    def sweep(self, out: str = "out", file: Path | None = None, **options: Any) -> Summary:
        """Run a sweep, its progress thrown away."""
        return run_sweep(file or self.grid(), self.out(out), stream=io.StringIO(), **options)

    def table(self, out: str = "out") -> str:
        """The canonical table of a directory."""
        return csv_text(read_table(self.out(out)))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A fresh desk."""
    return Desk(tmp_path)
