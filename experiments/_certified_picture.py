"""The certified phase diagram as a figure: shares of runs by kind, firing residuals, a table by regime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments._certified_problems import DIMENSION, SAMPLES
from experiments._certified_runs import KINDS, Cell, Run
from shallow.figures.look import new_figure, save_pdf, style
from shallow.figures.tables import write_csv

__all__ = ["REGIMES", "by_cell", "by_regime", "distinct", "draw_runs"]

REGIMES: Mapping[str, tuple[float, float]] = {
    "LAZY": (0.0, 0.1),
    "BETWEEN": (0.1, 0.5),
    "NOT_LAZY": (0.5, float("inf")),
}
_FILLS = {
    "closed": ("0.0", ""),
    "start": ("0.38", ""),
    "later": ("0.78", ""),
    "converged": ("white", ""),
    "stationary": ("white", "xxxxxx"),
    "undecided": ("white", "......"),
    "diverged": ("white", "||||||"),
}
_LATE = "#0072B2"
_FAINTEST = 1e-3
_NOTE = (
    "Start: doubled NTK law. Theorem F1 is VERIFIED (every rounding bounded), closed forms are NUMERIC.\n"
    "Proofs are looked for at residuals a factor of about 1.5 apart, and speak of the flow from there on."
)


def by_cell(runs: Sequence[Run]) -> dict[Cell, list[Run]]:
    """Runs by cell."""
    found: dict[Cell, list[Run]] = {}
    for run in runs:
        found.setdefault(run.cell, []).append(run)
    return found


def distinct(runs: Sequence[Run]) -> list[Run]:
    """The runs without those that two panels show (rates 1 : 1 at the width of the panel over rates)."""
    found: dict[tuple[Any, ...], Run] = {}
    for run in runs:
        cell = run.cell
        place = "sphere" if cell.panel in ("widths", "rates") else cell.panel
        found.setdefault((place, cell.m, cell.label_scale, cell.rate_W, cell.rate_a, run.seed), run)
    return list(found.values())


def by_regime(runs: Sequence[Run]) -> list[tuple[str, int, dict[str, int], float]]:
    """For each regime: its name, its runs, how many are of each kind, the median residual of F1's firing."""
    rows = []
    for name, (low, high) in REGIMES.items():
        inside = [run for run in runs if low <= run.distance < high]
        counts = {kind: sum(run.kind == kind for run in inside) for kind in KINDS}
        fired = [run.firing for run in inside if run.firing_step >= 0]
        rows.append((name, len(inside), counts, float(np.median(fired)) if fired else float("nan")))
    return rows


def draw_runs(runs: Sequence[Run], directory: Path) -> list[Path]:
    """Write PDF, PNG and the counts a cell as CSV."""
    directory.mkdir(parents=True, exist_ok=True)
    pdf = directory / "certified_phase_diagram.pdf"
    cells = by_cell(runs)
    panels = {name: {c: r for c, r in cells.items() if c.panel == name} for name in ("widths", "rates")}
    with style():
        figure = new_figure(6.9, 7.7)
        axes = figure.subplots(3, 2, gridspec_kw={"height_ratios": (3.2, 2.5, 2.5)})
        where = f"$n = {SAMPLES}$, $d = {DIMENSION}$"
        for row, (panel, title) in enumerate(
            (("widths", f"{where}, rates 1 : 1"), ("rates", f"{where}, $m = 32$"))
        ):
            _draw_grid(axes[row, 0], panels[panel], _draw_shares)
            _draw_grid(axes[row, 1], panels[panel], _draw_firing)
            axes[row, 0].set_title(f"share of {_seeds(cells)} runs, {title}")
            axes[row, 1].set_title("median $\\|r\\|/\\|r_0\\|$ where F1 first proves convergence")
        _draw_data(axes[2, 0], cells)
        _draw_table(axes[2, 1], by_regime(distinct(runs)))
        _legend(figure)
        save_pdf(figure, pdf)
        figure.savefig(pdf.with_suffix(".png"), dpi=160, metadata={"Software": None})
    return [pdf, pdf.with_suffix(".png"), _numbers(cells, pdf.with_suffix(".csv"))]


def _seeds(cells: Mapping[Cell, Sequence[Run]]) -> str:
    counts = {len(runs) for runs in cells.values()}
    return str(counts.pop()) if len(counts) == 1 else f"{min(counts)} to {max(counts)}"


def _column(cell: Cell) -> Any:
    return cell.m if cell.panel == "widths" else (cell.rate_W / cell.rate_a, cell.rate_W, cell.rate_a)


def _draw_grid(
    axes: Any, cells: Mapping[Cell, Sequence[Run]], inside: Callable[[Any, float, float, Sequence[Run]], None]
) -> None:
    """Unit squares in the order of the values, what is ``inside`` each, and the contours of the regime."""
    columns = sorted({_column(cell) for cell in cells})
    scales = sorted({cell.label_scale for cell in cells})
    distance = np.full((len(scales), len(columns)), np.nan)
    for cell, runs in cells.items():
        x, y = columns.index(_column(cell)), scales.index(cell.label_scale)
        inside(axes, x, y, runs)
        distance[y, x] = np.median([run.distance for run in runs])
    _draw_regime(axes, distance)
    first = next(iter(cells))
    names = [str(c) if first.panel == "widths" else f"{c[1]:g} : {c[2]:g}" for c in columns]
    axes.set_xticks(range(len(columns)), names)
    axes.set_yticks(range(len(scales)), [f"{tau:g}" for tau in scales])
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(-0.5, len(scales) - 0.5), ylabel=r"label scale $\tau$")
    axes.set_xlabel("$m$" if first.panel == "widths" else r"rates $\eta_W : \eta_a$")
    axes.tick_params(length=0)


def _draw_shares(axes: Any, x: float, y: float, runs: Sequence[Run]) -> None:
    """One square filled from the left, kind by kind."""
    from matplotlib.patches import Rectangle

    left, width, height = x - 0.45, 0.9, 0.84
    for kind, (face, hatch) in _FILLS.items():
        share = width * sum(run.kind == kind for run in runs) / len(runs)
        if share > 0:
            box = Rectangle((left, y - height / 2), share, height, facecolor=face, hatch=hatch)
            box.set(edgecolor="0.35", linewidth=0)
            axes.add_patch(box)
            left += share
    frame = Rectangle((x - 0.45, y - height / 2), width, height, fill=False, edgecolor="0.35", linewidth=0.4)
    axes.add_patch(frame)


def _draw_firing(axes: Any, x: float, y: float, runs: Sequence[Run]) -> None:
    """One square: lighter where F1 fires later; the median as a number; how many of the runs, if not all."""
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    fired = [run.firing for run in runs if run.firing_step >= 0]
    depth = np.log(np.median(fired)) / np.log(_FAINTEST) if fired else 1.0
    grey = 0.3 + 0.7 * min(max(float(depth), 0.0), 1.0)
    box = Rectangle((x - 0.45, y - 0.42), 0.9, 0.84, facecolor=str(grey), edgecolor="0.35", linewidth=0.4)
    axes.add_patch(box)
    # Above the contours, which are cut out around it.
    place = {
        "ha": "center",
        "va": "center",
        "color": "white" if grey < 0.55 else "black",
        "zorder": 5,
        "path_effects": [withStroke(linewidth=2.5, foreground=str(grey))],
    }
    if not fired:
        axes.text(x, y, "never", fontsize=6, **place)
        return
    whole = len(fired) == len(runs)
    axes.text(x, y + (0.0 if whole else 0.14), _short(float(np.median(fired))), fontsize=7, **place)
    if not whole:
        axes.text(x, y - 0.2, f"{len(fired)}/{len(runs)}", fontsize=5.5, **place)


def _short(value: float) -> str:
    """Two digits at most, without a leading zero: 1, .31, .045, .0012."""
    text = f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"
    return text.rstrip("0").rstrip(".").removeprefix("0") if "." in text and "e" not in text else text


def _draw_regime(axes: Any, distance: Any) -> None:
    """Contours of the median of E, between the middles of the cells."""
    from matplotlib.patheffects import withStroke

    rows, columns = distance.shape
    levels, halo = (0.1, 0.5), [withStroke(linewidth=3.0, foreground="white")]
    lines = axes.contour(
        np.arange(columns),
        np.arange(rows),
        np.log(distance),
        levels=np.log(levels),
        colors=[_LATE, _LATE],
        linestyles=["-", "--"],
        linewidths=1.4,
    )
    lines.set_path_effects(halo)


def _draw_data(axes: Any, cells: Mapping[Cell, Sequence[Run]]) -> None:
    """On real data: where F1 first fires, one point a seed."""
    styles = {"diabetes": ("o", "0.0", -0.14), "digits": ("^", "0.55", 0.14)}
    widths = sorted({cell.m for cell in cells if cell.panel in styles})
    for panel, (marker, color, shift) in styles.items():
        label = {"diabetes": "diabetes, 50 rows", "digits": "digit parity, 60 rows"}[panel]
        for cell, runs in ((c, r) for c, r in cells.items() if c.panel == panel):
            fired = sorted(run.firing for run in runs if run.firing_step >= 0)
            middle = widths.index(cell.m) + shift
            x = middle + 0.09 * np.linspace(-1, 1, len(fired))
            axes.plot(x, fired, marker, color=color, ms=2.6, mew=0, label=label)
            label = "_nolegend_"
            distance = float(np.median([run.distance for run in runs]))
            note = f"{len(fired)}/{len(runs)}\n$E$ {distance:.2g}"
            axes.annotate(
                note, (middle, max(fired)), (0, 4), textcoords="offset points", ha="center", fontsize=6.5
            )
    axes.set(yscale="log", xlabel="$m$", ylabel="first proved at $\\|r\\|/\\|r_0\\|$", ylim=(1e-4, 2e-2))
    axes.set_xticks(range(len(widths)), [str(m) for m in widths])
    axes.set_title("real data, label scale 1, rates 1 : 1")
    axes.legend(loc="lower right", fontsize=7)


def _draw_table(axes: Any, rows: Sequence[tuple[str, int, dict[str, int], float]]) -> None:
    axes.axis("off")
    axes.set_title(f"all {sum(total for _, total, _, _ in rows)} runs of this figure, by regime")
    heads = ["", *(f"{name}\n{sign}" for (name, *_), sign in zip(rows, ("$E<0.1$", "", "$E>0.5$")))]
    lines = [["runs", *(str(total) for _, total, _, _ in rows)]]
    lines += [[_brief(kind), *(str(counts[kind]) for _, _, counts, _ in rows)] for kind in KINDS]
    lines.append(["median firing", *(_short(median) for *_, median in rows)])
    table = axes.table([heads, *lines], loc="center", cellLoc="center", colWidths=(0.4, 0.2, 0.2, 0.22))
    table.auto_set_font_size(False)
    table.set_fontsize(7)
    for (row, column), cell in table.get_celld().items():
        cell.set(linewidth=0, height=0.17 if row == 0 else 0.09)
        if row in (0, 1, len(lines)):
            cell.visible_edges = "B" if row == 0 else ("T" if row == len(lines) else "open")
            cell.set(linewidth=0.6, edgecolor="0.3")
        if column == 0:
            cell.set_text_props(ha="left")


def _brief(kind: str) -> str:
    return {
        "closed": "closed form",
        "start": "F1, at the start",
        "later": "F1, later",
        "converged": "converged, no proof",
    }.get(kind, kind)


def _legend(figure: Any) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(facecolor=face, hatch=hatch, edgecolor="0.35", linewidth=0.4, label=KINDS[kind])
        for kind, (face, hatch) in _FILLS.items()
    ]
    handles += [
        Line2D([], [], color=_LATE, linestyle=line, label=f"regime: median $E = {level}$")
        for line, level in (("-", 0.1), ("--", 0.5))
    ]
    legend = figure.legend(
        handles=handles, loc="outside lower center", ncols=3, fontsize=7, handlelength=2.2, title=_NOTE
    )
    legend.get_title().set(fontsize=7, multialignment="center")


def _numbers(cells: Mapping[Cell, Sequence[Run]], path: Path) -> Path:
    header = ("panel", "m", "label_scale", "rate_W", "rate_a", "runs", *KINDS, "median_firing", "median_E")
    rows = []
    for cell, runs in cells.items():
        fired = [run.firing for run in runs if run.firing_step >= 0]
        counts = [sum(run.kind == kind for run in runs) for kind in KINDS]
        middle = float(np.median(fired)) if fired else ""
        distance = float(np.median([run.distance for run in runs]))
        place = (cell.panel, cell.m, cell.label_scale, cell.rate_W, cell.rate_a)
        rows.append((*place, len(runs), *counts, middle, distance))
    return write_csv(path, header, rows)
