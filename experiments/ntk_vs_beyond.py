"""Where training converges over (m, tau), how far from its tangent model, and where a law says it must.

Both layers at three rate ratios, sign labels on the sphere, f_0 = 0, n and d fixed; steps of gradient
descent at 1 / lambda_max of the kernel of the moment. A run has converged at ||r|| <= 1e-3 ||r_0|| within its
flow time (:func:`flow_time`). E is the largest distance to the tangent model in lockstep, over ||r_0||;
contours stand where its median over seeds is 0.1 (lazy below) and 0.5 (not lazy above).

Grey cells, all at four and eight neurons, are a finding: with few neurons the kernel hardly has full rank,
and with small labels it hardly moves, so that many runs neither stand still nor arrive in ten thousand units.

Overlaid are laws whose dependence on the labels is explicit, with their own constants: the largest tau at
which every hypothesis is true, the median over three draws. CERT-A and Du et al. train the first layer alone,
so theirs speak of other runs than these and are dotted.
"""

from __future__ import annotations

import dataclasses
import io
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments._rows import read_rows
from proofs_check.statement import Statement
from proofs_check.theorems.certificates.descent import DESCENT
from proofs_check.theorems.certificates.features import FEATURES
from proofs_check.theorems.certificates.lazy import BOTH_LAYERS, FIRST_LAYER
from proofs_check.theorems.du2019.du2019_flow import FLOW
from proofs_check.verdict import HypothesisStatus
from shallow.figures.look import LINES, new_figure, save_pdf, style
from shallow.figures.phases import draw_phases, half_contour, phase_cells
from shallow.figures.tables import write_csv
from shallow.setting.streams import Streams
from shallow.sweep.drive import run_sweep
from shallow.sweep.grid import grid_from
from shallow.sweep.table import read_table

__all__ = ["DATA", "LAWS_DATA", "check", "draw", "make", "read", "read_laws"]

DATA = Path(__file__).parent / "data" / "ntk_vs_beyond.csv"
LAWS_DATA = DATA.with_name("ntk_vs_beyond_laws.csv")
SEEDS = 20
N, D = 8, 4
WIDTHS = (4, 8, 16, 32, 128, 512)
SCALES = (0.01, 0.1, 1.0, 10.0, 100.0)
RATIOS = (0.1, 1.0, 10.0)
TIME = 10_000.0
RATE, STEPS = 1.0, 40_000  # this cap ends one run in ten; 40 of these 183 are out of budget
_HEADER = ("rate_ratio", "m", "label_scale", "seed", "outcome", "relative_residual", "tangent_distance")
_LAWS_HEADER = ("law", "rate_ratio", "m", "largest_tau")

_LAW_WIDTHS = (8, 32, 128, 512, 2048, 8192)
_DRAWS = 3
_BOTH: Mapping[str, Statement] = {"CERT-B": BOTH_LAYERS, "CERT-B-GD": DESCENT, "CERT-F": FEATURES}
_FIRST: Mapping[str, Statement] = {"CERT-A, W alone": FIRST_LAYER, "Du et al., W alone": FLOW}
_REGIMES = (0.1, 0.5)
_CHECKED = ((1.0, 1.0), (10.0, 10.0))
_MOST_CHANGED = 0.1  # other machines sum in another order, and a run beside a basin's edge may end elsewhere


@dataclass(frozen=True)
class Reach:
    """The largest label scale at which all hypotheses of a law are true; 0 if there is none."""

    law: str
    rate_ratio: float
    m: int
    largest_tau: float


@dataclass(frozen=True)
class Run:
    """One training; names as in the sweep's table."""

    rate_ratio: float
    m: int
    label_scale: float
    seed: int
    outcome: str
    relative_residual: float
    tangent_distance: float


def flow_time(ratio: float, tau: float, m: int) -> float:
    """The budget: ``TIME`` in units of the faster rate, and of the kernel that fits labels of size tau.

    f = m^(-1/2) sum a phi reaches tau with ||theta||^2 = tau m^(1/2); the kernel is then tau / m^(1/2).
    """
    return TIME / (max(ratio, 1.0) * max(tau / math.sqrt(m), 1.0))


def _train(cells: Sequence[tuple[float, float]]) -> list[Run]:
    """The runs of every width and seed for each (rate ratio, tau)."""
    rows = [row for ratio, tau in cells for m in WIDTHS for row in _trained(ratio, tau, m)]
    return sorted(rows, key=lambda run: (run.rate_ratio, run.m, run.label_scale, run.seed))


def _trained(ratio: float, tau: float, m: int) -> list[Run]:
    training = {
        "rate": {"flow": RATE},
        "rate_ratio": [ratio],
        "steps": STEPS,
        "time": flow_time(ratio, tau, m),
        "until": 1e-3,
        "record": ["tangent_distance"],
        "at": [0],
    }
    problem = {"inputs": "sphere", "labels": "signs", "n": N, "d": D, "label_scale": [tau]}
    network = {"initialization": "ntk", "doubled": True, "m": [m]}
    grid = grid_from({"seeds": SEEDS, "problem": problem, "network": network, "training": training})
    with tempfile.TemporaryDirectory() as folder:
        run_sweep(grid, folder, stream=io.StringIO())
        columns = read_table(folder).columns
    return [Run(*row) for row in zip(*(columns[name].tolist() for name in _HEADER))]


def make(path: Path = DATA) -> Path:
    """Recompute and write the runs and, beside them, the laws."""
    runs = _train([(ratio, tau) for ratio in RATIOS for tau in SCALES])
    write_csv(path.with_name(LAWS_DATA.name), _LAWS_HEADER, laws())
    return write_csv(path, _HEADER, [dataclasses.astuple(run) for run in runs])


def laws() -> list[tuple[str, float, int, float]]:
    """For each law, ratio and width the largest tau at which all of its hypotheses are true; 0 if none."""
    found = []
    for ratio in RATIOS:
        for name, statement in {**_BOTH, **_FIRST}.items():
            if name in _FIRST and ratio != RATIOS[0]:
                continue  # without a second rate there is no ratio
            for m in _LAW_WIDTHS:
                taus = [_largest_tau(statement, name in _FIRST, ratio, m, seed) for seed in range(_DRAWS)]
                found.append((name, ratio, m, float(np.median(taus))))
    return found


def _largest_tau(statement: Statement, first: bool, ratio: float, m: int, seed: int) -> float:
    """Bisection in log tau: the hypotheses hold up to some label scale and not beyond it."""
    low, high = math.log(1e-9), math.log(1e4)
    if not _holds(statement, first, ratio, m, seed, math.exp(low)):
        return 0.0
    for _ in range(12):
        middle = 0.5 * (low + high)
        low, high = (
            (middle, high) if _holds(statement, first, ratio, m, seed, math.exp(middle)) else (low, middle)
        )
    return math.exp(low)


def _holds(statement: Statement, first: bool, ratio: float, m: int, seed: int, tau: float) -> bool:
    preset = statement.presets["quick"]
    wanted = {"n": N, "d": D, "m": m, "label_scale": tau, "inputs": "sphere", "labels": "signs", "delta": 0.5}
    wanted |= {"rate_W": 1.0 if first else ratio, "rate_a": 0.0 if first else 1.0}
    wanted |= {"initialization": "doubled-ntk"}
    names = {field.name for field in dataclasses.fields(preset)}
    parameters = dataclasses.replace(preset, **{k: v for k, v in wanted.items() if k in names})
    instance = statement.instance(parameters, Streams(seed), None)
    return all(h.status is HypothesisStatus.TRUE for h in statement.hypotheses(instance))


def read(path: Path = DATA) -> list[Run]:
    """The runs as committed."""
    return read_rows(path, Run)


def read_laws(path: Path = LAWS_DATA) -> list[tuple[str, float, int, float]]:
    """The laws as committed: name, rate ratio, m, largest tau."""
    return [dataclasses.astuple(row) for row in read_rows(path, Reach)]


def check(path: Path = DATA) -> list[str]:
    """Recompute two lines of cells and compare who converged and how lazily."""
    stored = {(r.rate_ratio, r.m, r.label_scale, r.seed): r for r in read(path)}
    lines = []
    for ratio, scale in _CHECKED:
        again = _train([(ratio, scale)])
        known = [stored.get((r.rate_ratio, r.m, r.label_scale, r.seed)) for r in again]
        changed = sum(old is None or old.outcome != new.outcome for old, new in zip(known, again))
        if changed > _MOST_CHANGED * len(again):
            lines.append(f"ratio {ratio:g}, tau {scale:g}: {changed} of {len(again)} runs ended otherwise")
    return lines


def draw(directory: Path, path: Path = DATA) -> list[Path]:
    """Write the figure as PDF and PNG, and the counts as CSV, into ``directory``."""
    runs, lines = read(path), read_laws(path.with_name(LAWS_DATA.name))
    directory.mkdir(parents=True, exist_ok=True)
    pdf = directory / "ntk_vs_beyond.pdf"
    rows: list[tuple[Any, ...]] = []
    with style():
        figure = new_figure(6.9, 3.4)
        panels = figure.subplots(1, len(RATIOS), sharey=True)
        for axes, ratio in zip(panels, RATIOS):
            mine = [run for run in runs if run.rate_ratio == ratio]
            image = _draw_panel(axes, mine)
            _draw_laws(axes, [line for line in lines if line[1] == ratio or line[0] in _FIRST])
            axes.set(title=rf"$\eta_W/\eta_a = {ratio:g}$", xlabel="$m$", xlim=(3, 4e4), ylim=(1e-6, 300))
            rows += [(ratio, *row) for row in _counts(mine)]
        panels[0].set_ylabel(r"$\tau$")
        figure.colorbar(image, ax=panels, label="convergence probability")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=6.5)
        figure.suptitle(_caption(runs), fontsize=7)
        save_pdf(figure, pdf)
        figure.savefig(pdf.with_suffix(".png"), dpi=160, metadata={"Software": None})
    header = ("rate_ratio", "m", "label_scale", "converged", "decided", "runs", "median_tangent_distance")
    return [pdf, pdf.with_suffix(".png"), write_csv(pdf.with_suffix(".csv"), header, rows)]


def _caption(runs: Sequence[Run]) -> str:
    grey = sum(
        int(phase_cells(_columns([run for run in runs if run.rate_ratio == ratio])).grey.sum())
        for ratio in RATIOS
    )
    return (
        f"$n = {N}, d = {D}$, {SEEDS} seeds; grey ({grey} cells): more than a tenth of the runs descend "
        rf"still at flow time {TIME:g} / ($\max(1, \eta_W/\eta_a) \max(1, \tau m^{{-1/2}})$)"
    )


def _columns(runs: Sequence[Run]) -> dict[str, Any]:
    return {name: np.array([getattr(run, name) for run in runs]) for name in _HEADER}


def _medians(runs: Sequence[Run]) -> Any:
    """The median of E in each cell, (tau, m)."""
    values = [
        [[r.tangent_distance for r in runs if r.m == m and r.label_scale == tau] for m in WIDTHS]
        for tau in SCALES
    ]
    return np.median(np.array(values), axis=2)


def _draw_panel(axes: Any, runs: Sequence[Run]) -> Any:
    cells = phase_cells(_columns(runs))
    image = draw_phases(axes, dataclasses.replace(cells, contour=half_contour(cells)))
    median = _medians(runs)
    for level, line in zip(_REGIMES, ("-", (0, (4, 2)))):
        axes.contour(
            WIDTHS, SCALES, np.log(median), levels=[math.log(level)], colors="#D55E00", linestyles=[line]
        )
        axes.plot([], [], color="#D55E00", linestyle=line, label=f"E = {level:g}")
    return image


def _draw_laws(axes: Any, lines: Sequence[tuple[str, float, int, float]]) -> None:
    for place, name in enumerate([*_BOTH, *_FIRST]):
        points = [(m, tau) for law, _, m, tau in lines if law == name and tau > 0]
        if points:
            m, tau = zip(*points)
            dotted = name in _FIRST
            axes.plot(
                m,
                tau,
                color="0.5" if dotted else "black",
                linestyle=(0, (1, 2)) if dotted else LINES[place],
                marker="^v"[place % 2] if dotted else "",
                markersize=2.5,
                linewidth=0.9,
                label=name,
            )
        else:
            axes.plot([], [], linestyle="none", label=f"{name}: nowhere here")


def _counts(runs: Sequence[Run]) -> list[tuple[Any, ...]]:
    cells, median = phase_cells(_columns(runs)), _medians(runs)
    return [
        (m, tau, int(cells.converged[i, j]), int(cells.decided[i, j]), int(cells.runs[i, j]), median[i, j])
        for i, tau in enumerate(SCALES)
        for j, m in enumerate(WIDTHS)
    ]
