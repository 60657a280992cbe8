"""The phase plane's data can be made again, and its slopes have the derived signs and sizes."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest

from experiments import initialization_scale as plane

RUNS = plane.read()
SLOPES = {(cell.gamma, cell.gamma_prime): cell for cell in plane.slopes(RUNS)}


def test_every_cell_has_twenty_seeds_at_every_width() -> None:
    cells = Counter((run.gamma, run.gamma_prime, run.m) for run in RUNS)
    assert set(cells.values()) == {20}
    assert set(cells) == {(g, p, m) for g in plane.GAMMAS for p in plane.PRIMES for m in plane.WIDTHS}
    assert plane.DATA.stat().st_size < 250_000
    assert min(cell.runs for cell in SLOPES.values()) >= 15, "few runs ran out of budget"


def test_away_from_the_boundary_travel_falls_in_the_linear_phase_and_grows_in_the_condensed_one() -> None:
    linear = [c for c in SLOPES.values() if c.gamma < 1 or c.gamma_prime > c.gamma - 0.75]
    condensed = [c for c in SLOPES.values() if c.gamma > 1.25 and c.gamma_prime < c.gamma - 1.25]
    assert len(linear) > 10
    assert len(condensed) > 2
    assert all(cell.high < 0 for cell in linear)
    assert all(cell.low > 0 for cell in condensed)


def test_the_derived_exponents_are_stated_where_they_are_derived() -> None:
    assert plane.predicted(0.5, 0.0) == -0.5
    assert plane.predicted(0.5, 0.5) == -1.5
    assert plane.predicted(1.5, 1.0) == -1.0
    assert math.isnan(plane.predicted(1.0, 0.0))
    assert math.isnan(plane.predicted(1.5, 0.0))


def test_figure_and_numbers_are_written(tmp_path: Path) -> None:
    written = plane.draw(tmp_path / "deep")
    names = [path.name for path in written]
    assert names == ["initialization_scale.pdf", "initialization_scale.png", "initialization_scale.csv"]
    assert len(written[2].read_text().splitlines()) == 1 + len(SLOPES)


@pytest.mark.slow
def test_the_committed_data_are_recomputed() -> None:
    assert plane.check() == []
