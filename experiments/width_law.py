"""The width at which half of the trainings converge, over n and d varied independently.

Random sign labels on the sphere, both layers trained at one rate, f_0 = 0. A training has converged when
||r|| <= 1e-3 ||r_0|| within the flow time ``TIME``; a run that has not is a failure, whether it stands still
or is only slow. How much this budget matters is in the data: each run has its residual at a quarter, a half
and all of the time.

Ten pairs (n, d) with thresholds between 5 and 17 leave wide intervals on the exponents: the picture says what
they exclude and what they do not.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments._rows import read_rows
from shallow.figures.look import GREYS, LINES, MARKERS, new_figure, save_pdf, style
from shallow.figures.tables import write_csv
from shallow.statistics import ThresholdFit, fit_threshold
from shallow.sweep.drive import run_sweep
from shallow.sweep.grid import grid_from
from shallow.sweep.table import read_series, read_table

__all__ = ["DATA", "check", "draw", "fits", "make", "read"]

DATA = Path(__file__).parent / "data" / "width_law.csv"
SEEDS = 20
RATE, STEPS = 0.05, 40_000
TIME = RATE * STEPS
CONVERGED = 1e-3
# d <= n <= d^2; the widths enclose the threshold of each pair.
PAIRS: Mapping[tuple[int, int], tuple[int, ...]] = {
    (8, 4): (2, 4, 6, 8, 10, 12, 16),
    (16, 4): (4, 6, 8, 10, 12, 16, 20, 28),
    (8, 8): (2, 4, 6, 8, 10, 12, 16),
    (16, 8): (2, 4, 6, 8, 10, 12, 16),
    (32, 8): (4, 6, 8, 10, 12, 16),
    (64, 8): (8, 10, 12, 14, 16, 18, 20, 24),
    (16, 16): (2, 4, 6, 8, 10, 12, 16),
    (32, 16): (2, 4, 6, 8, 10, 12, 16),
    (64, 16): (4, 6, 8, 10, 12, 16, 20),
    (128, 16): (8, 10, 12, 14, 16, 20, 24),
}
_HEADER = ("n", "d", "m", "seed", "outcome", "quarter", "half", "residual")
# Other machines sum in another order, and a run beside the edge of a basin may then end elsewhere.
_MOST_CHANGED = 0.1
_CHECKED = ((8, 4), (16, 16), (32, 8))
_CURVES = (("n^4/d^3", 4.0, -3.0), ("n^2", 2.0, 0.0), ("n/d", 1.0, -1.0))
_RAZBOROV = "Razborov (2212.02323): no line, as only its abstract could be read, which states no exponents"


@dataclass(frozen=True)
class Run:
    """One training: relative residuals at a quarter, a half and all of the flow time."""

    n: int
    d: int
    m: int
    seed: int
    outcome: str
    quarter: float
    half: float
    residual: float


def compute(pairs: Sequence[tuple[int, int]] = tuple(PAIRS)) -> list[Run]:
    """Train every run of the given pairs (n, d); minutes of one core for all of them."""
    return [run for n, d in pairs for run in _pair(n, d)]


def _pair(n: int, d: int) -> list[Run]:
    at = [0, STEPS // 4, STEPS // 2, STEPS]
    grid = grid_from(
        {
            "seeds": SEEDS,
            "problem": {"inputs": "sphere", "labels": "signs", "n": n, "d": d},
            "network": {"initialization": "ntk", "doubled": True, "m": list(PAIRS[n, d])},
            "training": {"rate_W": RATE, "rate_a": RATE, "steps": STEPS, "at": at},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        run_sweep(grid, folder, stream=io.StringIO())
        columns = read_table(folder).columns
        rows = zip(*(columns[name].tolist() for name in ("m", "seed", "outcome")))
        outcomes = {(m, seed): outcome for m, seed, outcome in rows}
        series = {(PAIRS[n, d][where[0]], seed): parts for where, seed, parts in read_series(folder)}
    found = []
    for m, seed in sorted(series):
        residuals = series[m, seed]["residual_norm"] / series[m, seed]["residual_norm"][0]
        # A run that has converged to rounding, or diverged, still has all its recorded steps or its last one.
        later = [float(residuals[min(place, len(residuals) - 1)]) for place in (1, 2, 3)]
        found.append(Run(n, d, m, seed, outcomes[m, seed], *later))
    return found


def make(path: Path = DATA) -> Path:
    """Recompute and write the data."""
    return write_csv(path, _HEADER, [tuple(getattr(run, name) for name in _HEADER) for run in compute()])


def read(path: Path = DATA) -> list[Run]:
    """The data as committed."""
    return read_rows(path, Run)


def check(path: Path = DATA) -> list[str]:
    """Recompute three pairs and compare who converged, run by run."""
    stored = {(run.n, run.d, run.m, run.seed): run for run in read(path)}
    lines = []
    for n, d in _CHECKED:
        again = _pair(n, d)
        lost = [run for run in again if (run.n, run.d, run.m, run.seed) not in stored]
        if lost:
            lines.append(f"n = {n}, d = {d}: {len(lost)} runs are not in {path.name}")
            continue
        changed = sum(
            (run.residual <= CONVERGED) != (stored[run.n, run.d, run.m, run.seed].residual <= CONVERGED)
            for run in again
        )
        if changed > _MOST_CHANGED * len(again):
            lines.append(f"n = {n}, d = {d}: {changed} of {len(again)} runs ended otherwise")
    return lines


def fits(runs: Sequence[Run]) -> dict[str, ThresholdFit]:
    """The threshold m* = C n^a d^b by flow time: a quarter, a half and all of it."""
    return {name: _fit(_counts(runs, name)) for name in ("quarter", "half", "residual")}


def _counts(runs: Sequence[Run], name: str) -> list[tuple[int, int, int, int, int]]:
    cells: dict[tuple[int, int, int], list[bool]] = {}
    for run in runs:
        cells.setdefault((run.n, run.d, run.m), []).append(getattr(run, name) <= CONVERGED)
    return [(*cell, sum(met), len(met)) for cell, met in sorted(cells.items())]


def _fit(counts: Sequence[tuple[int, int, int, int, int]]) -> ThresholdFit:
    n, d, m, successes, trials = zip(*counts)
    return fit_threshold({"n": n, "d": d}, m, successes, trials)


def draw(directory: Path, path: Path = DATA) -> list[Path]:
    """Write the figure as PDF and PNG, and the fits as CSV, into ``directory``."""
    runs = read(path)
    found = fits(runs)
    directory.mkdir(parents=True, exist_ok=True)
    pdf = directory / "width_law.pdf"
    with style():
        figure = new_figure(6.9, 3.4)
        left, right = figure.subplots(1, 2)
        _draw_probability(left, runs)
        _draw_law(right, runs, found["residual"])
        figure.supxlabel(
            f"{_intervals(found['residual'])}\n{_reach(found['residual'])}\n{_RAZBOROV}", fontsize=7
        )
        save_pdf(figure, pdf)
        figure.savefig(pdf.with_suffix(".png"), dpi=160, metadata={"Software": None})
    rows = [
        (time, name, fit.exponents[name], *fit.intervals[name], fit.systematic[name], fit.constant)
        for time, fit in found.items()
        for name in ("n", "d")
    ]
    header = ("budget", "variable", "exponent", "lower", "upper", "systematic", "constant")
    return [pdf, pdf.with_suffix(".png"), write_csv(pdf.with_suffix(".csv"), header, rows)]


def _intervals(fit: ThresholdFit) -> str:
    """The joint intervals in words: they hold what the exponents change from small sizes to large ones."""
    parts = [f"{v}: {fit.exponents[v]:.2f} in [{lo:.2f}, {hi:.2f}]" for v, (lo, hi) in fit.intervals.items()]
    return "exponents fitted jointly, with their change from smaller to larger sizes: " + ", ".join(parts)


def _reach(fit: ThresholdFit) -> str:
    """What the intervals decide, in words."""
    flat = [v for v, (low, high) in fit.intervals.items() if low <= 0 <= high]
    outside = [
        f"${name}$"
        for name, *exponents in _CURVES
        if any(not low <= e <= high for e, (low, high) in zip(exponents, fit.intervals.values()))
    ]
    held = f"they do not exclude that $m^*$ is the same for every {' or every '.join(flat)}" if flat else ""
    refuted = f"they exclude {', '.join(outside)}" if outside else "they exclude none of the lines"
    return "these intervals are wide: " + "; ".join(part for part in (held, refuted) if part)


def _by_pair(runs: Sequence[Run]) -> dict[tuple[int, int], tuple[Any, ...]]:
    """For each pair the widths and the share of runs that converged."""
    found: dict[tuple[int, int], list[tuple[int, float]]] = {}
    for n, d, m, successes, trials in _counts(runs, "residual"):
        found.setdefault((n, d), []).append((m, successes / trials))
    return {
        pair: (np.array([m for m, _ in rows]), np.array([p for _, p in rows])) for pair, rows in found.items()
    }


def _draw_probability(axes: Any, runs: Sequence[Run]) -> None:
    for place, ((n, d), (m, p)) in enumerate(_by_pair(runs).items()):
        axes.plot(
            m * d / n,
            p,
            color=GREYS[place % len(GREYS)],
            linestyle=LINES[place % len(LINES)],
            marker=MARKERS[place % len(MARKERS)],
            label=f"{n}, {d}",
        )
    axes.axhline(0.5, color="0.6", linewidth=0.6)
    axes.set(xscale="log", xlabel="$m d / n$", ylabel="converged", title=f"20 seeds, flow time {TIME:g}")
    axes.legend(title="$n, d$", fontsize=6, ncols=2)


def _draw_law(axes: Any, runs: Sequence[Run], fit: ThresholdFit) -> None:
    pairs = _by_pair(runs)
    star = {pair: _half_width(m, p) for pair, (m, p) in pairs.items()}
    for place, d in enumerate(sorted({d for _, d in star})):
        rows = sorted((n, width) for (n, dd), width in star.items() if dd == d)
        n, width = (np.array(column, dtype=float) for column in zip(*rows))
        axes.plot(n, width, marker=MARKERS[place], color=GREYS[place], linestyle="none", label=f"$d = {d}$")
        law = fit.constant * n ** fit.exponents["n"] * d ** fit.exponents["d"]
        axes.plot(n, law, color=GREYS[place], linewidth=0.8)
    logs = np.array([[np.log(n), np.log(d), np.log(width)] for (n, d), width in star.items()])
    ends = np.array([8.0, 128.0])
    for place, (name, a, b) in enumerate(_CURVES):
        constant = float(np.mean(logs[:, 2] - a * logs[:, 0] - b * logs[:, 1]))  # free: the best in mean log
        line = np.exp(constant) * ends**a * 8.0**b
        axes.plot(
            ends, line, color="0.5", linewidth=0.7, linestyle=LINES[place + 1], label=f"${name}$ at $d = 8$"
        )
    a, b = fit.exponents["n"], fit.exponents["d"]
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="$n$",
        ylabel="$m^*$",
        title=f"$m^* \\sim n^{{{a:.2f}}} d^{{{b:.2f}}}$",
    )
    axes.set_ylim(2, 200)
    axes.legend(fontsize=6)


def _half_width(m: Any, p: Any) -> float:
    """Where the share crosses 1/2, on a line between neighbouring widths in log m; the last such place."""
    below = np.flatnonzero(p < 0.5)
    if len(below) == 0:
        return float(m[0])
    i = int(below[-1])
    if i + 1 == len(m):
        return float("nan")
    w = (0.5 - p[i]) / (p[i + 1] - p[i])
    return float(np.exp(np.log(m[i]) + w * (np.log(m[i + 1]) - np.log(m[i]))))
