"""How far the first layer travels, over the plane (gamma, gamma') of Luo, Xu, Ma and Zhang (2007.07497).

scale = m^-p, sigma_W = 1, sigma_a = m^-r with r = gamma' and p = gamma - gamma', doubled so that f_0 = 0.
Every step is 0.2 / lambda_max of the kernel of that moment. In each cell the slope of log sup_t
||W_t - W_0||/||W_0|| against log m is compared with what a count of powers gives:
gamma - 1 - 2 max(gamma', 0) for gamma < 1, and 2 (gamma - gamma' - 1) for gamma > 1 and gamma' > gamma - 1;
in the condensed cells, gamma > 1 and gamma' < gamma - 1, only the sign is predicted.
"""

from __future__ import annotations

import io
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments._rows import read_rows
from shallow.figures.look import GREYS, new_figure, save_pdf, style
from shallow.figures.tables import write_csv
from shallow.sweep.drive import run_sweep
from shallow.sweep.grid import grid_from
from shallow.sweep.table import read_table

__all__ = ["DATA", "check", "draw", "make", "predicted", "read", "slopes"]

DATA = Path(__file__).parent / "data" / "initialization_scale.csv"
SEEDS = 20
WIDTHS = (128, 512, 2048)
GAMMAS = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
PRIMES = (-0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0)
UNTIL, STEPS = 1e-2, 20_000
_HEADER = ("gamma", "gamma_prime", "m", "seed", "outcome", "travel", "residual")
_CHECKED = ((0.5, 0.0), (1.5, 0.0))
# On another machine a run may stop one step earlier or later: 0.2 of its slowest mode's last hundredth.
_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Run:
    """One training: the largest relative travel of W, and the relative residual it stopped at."""

    gamma: float
    gamma_prime: float
    m: int
    seed: int
    outcome: str
    travel: float
    residual: float


@dataclass(frozen=True)
class Slope:
    """d log travel / d log m in a cell: mean over seeds with its 95 % interval, and over the last widths."""

    gamma: float
    gamma_prime: float
    slope: float
    low: float
    high: float
    last: float
    predicted: float
    runs: int


def predicted(gamma: float, gamma_prime: float) -> float:
    """The derived exponent; NaN on the boundary and in the condensed cells, where none is derived."""
    if gamma < 1:
        return gamma - 1 - 2 * max(gamma_prime, 0.0)
    if gamma > 1 and gamma_prime > gamma - 1:
        return 2 * (gamma - gamma_prime - 1)
    return math.nan


def _cell(gamma: float, gamma_prime: float) -> list[Run]:
    grid = grid_from(
        {
            "seeds": SEEDS,
            "problem": {"inputs": "sphere", "labels": "gaussian", "n": 5, "d": 3},
            "network": {
                "initialization": "power-law",
                "doubled": True,
                "m": list(WIDTHS),
                "p": gamma - gamma_prime,
                "q": 0.0,
                "r": gamma_prime,
            },
            "training": {
                "rate": {"flow": 0.2},
                "steps": STEPS,
                "until": UNTIL,
                "record": ["sup_relative_travel_W"],
                "at": [0],
            },
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        run_sweep(grid, folder, stream=io.StringIO())
        columns = read_table(folder).columns
    names = ("m", "seed", "outcome", "sup_relative_travel_W", "relative_residual")
    return [Run(gamma, gamma_prime, *row) for row in zip(*(columns[name].tolist() for name in names))]


def compute() -> list[Run]:
    """Train every run; minutes of one core."""
    return [run for gamma in GAMMAS for prime in PRIMES for run in _cell(gamma, prime)]


def make(path: Path = DATA) -> Path:
    """Recompute and write the data."""
    return write_csv(path, _HEADER, [tuple(getattr(run, name) for name in _HEADER) for run in compute()])


def read(path: Path = DATA) -> list[Run]:
    """The data as committed."""
    return read_rows(path, Run)


def check(path: Path = DATA) -> list[str]:
    """Recompute two cells, one on each side of gamma = 1, and compare every run."""
    stored = {(run.gamma, run.gamma_prime, run.m, run.seed): run for run in read(path)}
    lines = []
    for cell in _CHECKED:
        for run in _cell(*cell):
            known = stored.get((*cell, run.m, run.seed))
            where = f"gamma = {cell[0]:g}, gamma' = {cell[1]:g}, m = {run.m}, seed {run.seed}"
            if known is None:
                lines.append(f"{where}: not in {path.name}")
            elif known.outcome != run.outcome or abs(known.travel / run.travel - 1) > _TOLERANCE:
                lines.append(f"{where}: travel was {known.travel:.6g}, is {run.travel:.6g}")
    return lines


def slopes(runs: Sequence[Run]) -> list[Slope]:
    """The slope in every cell, from the seeds that converged or became stationary at every width."""
    from scipy.stats import t as student

    cells: dict[tuple[float, float], dict[int, dict[int, float]]] = {}
    for run in runs:
        if run.outcome in ("CONVERGED", "STATIONARY"):
            seeds = cells.setdefault((run.gamma, run.gamma_prime), {})
            seeds.setdefault(run.seed, {})[run.m] = math.log(run.travel)
    log_m = np.log(np.array(WIDTHS, dtype=float))
    found = []
    for (gamma, prime), seeds in sorted(cells.items()):
        whole = np.array([[by[m] for m in WIDTHS] for by in seeds.values() if len(by) == len(WIDTHS)])
        centred = log_m - log_m.mean()
        each = whole @ centred / float(centred @ centred)
        half = float(student.ppf(0.975, len(each) - 1) * each.std(ddof=1) / math.sqrt(len(each)))
        last = float(np.mean(whole[:, -1] - whole[:, -2]) / (log_m[-1] - log_m[-2]))
        mean = float(each.mean())
        found.append(
            Slope(gamma, prime, mean, mean - half, mean + half, last, predicted(gamma, prime), len(each))
        )
    return found


def draw(directory: Path, path: Path = DATA) -> list[Path]:
    """Write the figure as PDF and PNG, and the slopes as CSV, into ``directory``."""
    cells = slopes(read(path))
    directory.mkdir(parents=True, exist_ok=True)
    pdf = directory / "initialization_scale.pdf"
    with style():
        figure = new_figure(6.9, 3.3)
        left, right = figure.subplots(1, 2)
        image = _draw_plane(left, cells)
        figure.colorbar(image, ax=left, label=r"slope of log travel in $\log m$")
        _draw_comparison(right, cells)
        save_pdf(figure, pdf)
        figure.savefig(pdf.with_suffix(".png"), dpi=160, metadata={"Software": None})
    header = tuple(Slope.__dataclass_fields__)
    rows = [tuple(getattr(cell, name) for name in header) for cell in cells]
    return [pdf, pdf.with_suffix(".png"), write_csv(pdf.with_suffix(".csv"), header, rows)]


def _draw_plane(axes: Any, cells: Sequence[Slope]) -> Any:
    plane = np.full((len(PRIMES), len(GAMMAS)), np.nan)
    for cell in cells:
        plane[PRIMES.index(cell.gamma_prime), GAMMAS.index(cell.gamma)] = cell.slope
    reach = float(np.nanmax(np.abs(plane)))
    image = axes.pcolormesh(GAMMAS, PRIMES, plane, cmap="PuOr", vmin=-reach, vmax=reach, shading="nearest")
    for cell in cells:
        axes.text(cell.gamma, cell.gamma_prime, f"{cell.slope:.2f}", ha="center", va="center", fontsize=6)
    axes.plot([1, 1], [PRIMES[0] - 0.2, 0], color="black")
    axes.plot([1, GAMMAS[-1] + 0.2], [0, GAMMAS[-1] - 0.8], color="black")
    axes.set(
        xlabel=r"$\gamma$",
        ylabel=r"$\gamma'$",
        xlim=(GAMMAS[0] - 0.125, GAMMAS[-1] + 0.125),
        ylim=(PRIMES[0] - 0.125, PRIMES[-1] + 0.125),
        title="boundary of Luo et al. in black",
    )
    return image


def _draw_comparison(axes: Any, cells: Sequence[Slope]) -> None:
    known = [cell for cell in cells if not math.isnan(cell.predicted)]
    for label, marker, color, chosen in (
        (r"$\gamma < 1$", "o", GREYS[1], [c for c in known if c.gamma < 1]),
        (r"$\gamma > 1$, $\gamma' > \gamma - 1$", "s", GREYS[2], [c for c in known if c.gamma > 1]),
    ):
        x, y = [c.predicted for c in chosen], [c.slope for c in chosen]
        bars = [[c.slope - c.low for c in chosen], [c.high - c.slope for c in chosen]]
        axes.errorbar(x, y, yerr=bars, linestyle="none", marker=marker, color=color, label=label)
        axes.plot(x, [c.last for c in chosen], linestyle="none", marker="_", color=color)
    ends = [min(c.predicted for c in known) - 0.1, 0.1]
    axes.plot(ends, ends, color="0.6", linewidth=0.7)
    axes.set(xlabel="derived exponent", ylabel="measured slope", title=f"widths {WIDTHS[0]} to {WIDTHS[-1]}")
    axes.legend(title="bars: 95 %; dashes: two largest widths", fontsize=6, title_fontsize=6)
