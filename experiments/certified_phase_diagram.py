"""How far proof reaches beyond the NTK regime, over width, label scale, rate ratio, and on real data.

Networks start from the doubled NTK law, so f_0 = 0, and both layers are trained by small steps. Each run is
of the first of these kinds: proved at the start in closed form (CERT-A, B, AB+, F, F+, in float64); proved at
the start by Theorem F1; proved by Theorem F1 from a later step on; converged without proof; stationary;
undecided; diverged. Proofs speak of the flow from the weights of that step; F1's are VERIFIED. REGIME is
E = sup_t ||f_t - f_tangent,t||/||r_0|| of the same run.

Making the data takes ten minutes or so of one core; ``check`` recomputes every seventh cell for two seeds.
"""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

from experiments._certified_picture import draw_runs
from experiments._certified_runs import Cell, Run, rounding, run_cell
from shallow.figures.tables import write_csv
from shallow.sweep.execute import execute

__all__ = ["CELLS", "CHECKED", "DATA", "SEEDS", "check", "draw", "make", "read"]

DATA = Path(__file__).parent / "data" / "certified_phase_diagram.csv"
SEEDS = tuple(range(20))
WIDTHS = (4, 8, 16, 32, 64, 128, 256)
LABEL_SCALES = (0.01, 0.04, 0.16, 0.63, 2.5, 10.0)
RATES = ((0.01, 1.0), (0.1, 1.0), (1.0, 1.0), (1.0, 0.1), (1.0, 0.01))
CELLS = (
    *(Cell("widths", m, tau) for m in WIDTHS for tau in LABEL_SCALES),
    *(Cell("rates", 32, tau, *rates) for rates in RATES for tau in (0.01, 0.1, 1.0, 10.0)),
    *(Cell(panel, m, 1.0) for panel in ("diabetes", "digits") for m in (16, 32, 64)),
)
CHECKED = CELLS[3::7]
CHECKED_SEEDS = SEEDS[:2]
_CELL = tuple(field.name for field in dataclasses.fields(Cell))
_RUN = tuple(field.name for field in dataclasses.fields(Run))[1:]


def compute(cells: Sequence[Cell] = CELLS, seeds: Sequence[int] = SEEDS) -> list[Run]:
    """Train and certify every run of the cells."""
    return [run for runs in execute(cells, lambda cell: run_cell(cell, seeds)) for run in runs]


def make(path: Path = DATA) -> Path:
    """Recompute and write the data."""
    rows = [
        (*(getattr(run.cell, name) for name in _CELL), *(getattr(run, name) for name in _RUN))
        for run in compute()
    ]
    return write_csv(path, (*_CELL, *_RUN), rows)


def read(path: Path = DATA) -> list[Run]:
    """The data as committed."""
    with path.open(encoding="utf-8", newline="") as stream:
        return [
            Run(
                cell=Cell(
                    row["panel"],
                    int(row["m"]),
                    *(float(row[name]) for name in ("label_scale", "rate_W", "rate_a")),
                ),
                seed=int(row["seed"]),
                closed_forms=row["closed_forms"],
                firing=float(row["firing"]),
                firing_step=int(row["firing_step"]),
                outcome=row["outcome"],
                steps=int(row["steps"]),
                residual=float(row["residual"]),
                distance=float(row["distance"]),
            )
            for row in csv.DictReader(stream)
        ]


def check(path: Path = DATA) -> list[str]:
    """Recompute every seventh cell for two seeds and compare run by run: one sentence a difference.

    Residuals and distances agree relative to ||y||, within the bound of ``rounding``; what was proved, at
    which step, and how the run ended agree exactly.
    """
    stored = {(run.cell, run.seed): run for run in read(path)}
    wanted = [(cell, seed) for cell in CELLS for seed in SEEDS]
    lines = [f"{_say(*name)}: not in {path.name}" for name in wanted if name not in stored]
    lines += [f"{_say(*name)}: of no cell" for name in stored.keys() - set(wanted)]
    for run in compute(CHECKED, CHECKED_SEEDS):
        if (run.cell, run.seed) in stored:
            lines += _compare(stored[run.cell, run.seed], run)
    return sorted(lines)


def draw(directory: Path, path: Path = DATA) -> list[Path]:
    """Write the figure as PDF and PNG, and the counts behind it as CSV, into ``directory``."""
    return draw_runs(read(path), directory)


def _compare(stored: Run, found: Run) -> list[str]:
    lines = [
        f"{_say(found.cell, found.seed)}: {name} was {getattr(stored, name)}, is {getattr(found, name)}"
        for name in ("closed_forms", "firing_step", "outcome", "steps")
        if getattr(stored, name) != getattr(found, name)
    ]
    allowed = rounding(found)
    for name in ("firing", "residual", "distance"):
        old, new = getattr(stored, name), getattr(found, name)
        if not (abs(old - new) <= allowed or (math.isnan(old) and math.isnan(new))):
            lines.append(
                f"{_say(found.cell, found.seed)}: {name} was {old:.6g}, is {new:.6g}; "
                f"rounding explains {allowed:.1e}"
            )
    return lines


def _say(cell: Cell, seed: int) -> str:
    rates = f"rates {cell.rate_W:g}:{cell.rate_a:g}"
    return f"{cell.panel}, m = {cell.m}, tau = {cell.label_scale:g}, {rates}, seed {seed}"
