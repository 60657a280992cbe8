"""Phase diagrams: where training converges, from a sweep's outcomes and their exact intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from shallow.figures.look import new_figure, save_pdf, style
from shallow.figures.tables import write_csv
from shallow.statistics.intervals import clopper_pearson
from shallow.statistics.likelihood import maximize, prior_stiffness

__all__ = ["CONVERGED", "PhaseDiagram", "draw_phases", "half_contour", "phase_cells", "phase_diagram"]

Matrix = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
CONVERGED = 1e-3
"""A run has converged at ||r|| <= this times ||r_0||."""
LEAST_SEEDS = 6
"""With fewer, the exact 95 % interval of 1/2 is crossed by every outcome, all of one kind included."""
MOST_UNDECIDED = 0.1
"""A cell of which a larger share ran out of budget says nothing of the probability."""

_HEADER = ("x", "y", "converged", "diverged", "stationary", "out_of_budget", "probability", "lower", "upper")


@dataclass(frozen=True, eq=False)
class PhaseDiagram:
    """Counts over a grid of cells, and what they say.

    Parameters
    ----------
    x, y : (X,), (Y,) arrays
        The values of the two axes, ascending.
    converged, diverged, stationary, undecided : (Y, X) arrays
        Runs by outcome; undecided ran out of budget, failed or killed their worker.
    contour : (C, 2) array
        The line of probability 1/2 by the logistic fit, as points (x, y); empty where there is none.
    notes : tuple of str
        What the picture had to leave out, and why.
    files : tuple of Path
        The PDF and the CSV, once written.
    """

    x: Matrix
    y: Matrix
    converged: Matrix
    diverged: Matrix
    stationary: Matrix
    undecided: Matrix
    contour: Matrix = field(default_factory=lambda: np.zeros((0, 2)))
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()

    @property
    def decided(self) -> Matrix:
        """Runs that converged, diverged or became stationary."""
        return self.converged + self.diverged + self.stationary

    @property
    def runs(self) -> Matrix:
        """All runs."""
        return self.decided + self.undecided

    @property
    def grey(self) -> Mask:
        """Cells of which more than a tenth ran out of budget, or that have no decided run."""
        return np.asarray((self.undecided > MOST_UNDECIDED * self.runs) | (self.decided == 0))

    @property
    def probability(self) -> Matrix:
        """converged / (converged + diverged + stationary); NaN in grey cells."""
        share = self.converged / np.maximum(self.decided, 1)
        return np.where(self.grey, np.nan, share)

    def interval(self, row: int, column: int) -> tuple[float, float]:
        """The exact 95 % interval of a cell's probability."""
        return clopper_pearson(int(self.converged[row, column]), int(self.decided[row, column]))

    @property
    def hatched(self) -> Mask:
        """Cells whose interval holds 1/2; none where a cell has fewer than six seeds."""
        crossed = np.zeros(self.runs.shape, dtype=bool)
        if self.enough:
            for row, column in zip(*np.nonzero(~self.grey)):
                low, high = self.interval(row, column)
                crossed[row, column] = low < 0.5 < high
        return crossed

    @property
    def enough(self) -> bool:
        """Whether every cell has seeds enough for its interval to leave 1/2 out."""
        return bool(self.runs[self.runs > 0].min(initial=np.inf) >= LEAST_SEEDS)


def phase_cells(
    columns: Mapping[str, Any], x: str = "m", y: str = "label_scale", *, converged: float = CONVERGED
) -> PhaseDiagram:
    """Count outcomes over two axes.

    Parameters
    ----------
    columns : mapping of name to column
        ``load_sweep(DIR).frame``, or its table's columns; rows of other axes and seeds are pooled.
    x, y : str
        Columns of positive numbers.
    converged : float
        A run has converged if ``relative_residual`` is at most this and it did not diverge.

    Raises
    ------
    ValueError
        If a column is missing, or an axis has a number that is not positive.
    """
    missing = [n for n in (x, y, "outcome", "relative_residual") if n not in columns]
    if missing:
        raise ValueError(f"the table has no column {', '.join(missing)}; it has {', '.join(columns)}")
    xs, column = np.unique(_positive(columns[x], x), return_inverse=True)
    ys, row = np.unique(_positive(columns[y], y), return_inverse=True)
    outcome = np.asarray(columns["outcome"], dtype=str)
    with np.errstate(invalid="ignore"):
        small = np.asarray(columns["relative_residual"], dtype=np.float64) <= converged
    diverged = outcome == "DIVERGED"
    done = small & ~diverged
    still = (outcome == "STATIONARY") & ~done
    kinds = {
        "converged": done,
        "diverged": diverged,
        "stationary": still,
        "undecided": ~(done | diverged | still),
    }
    counts: dict[str, Any] = {}
    for name, mask in kinds.items():
        counted = np.zeros((len(ys), len(xs)))
        np.add.at(counted, (row[mask], column[mask]), 1.0)
        counts[name] = counted
    return PhaseDiagram(xs, ys, **counts)


def half_contour(cells: PhaseDiagram, *, degree: int = 2, points: int = 200) -> Matrix:
    """The line where the fitted probability is 1/2, as points (x, y) in the cells that are not grey.

    logit p is a polynomial of degree 1 or 2 in log x and log y, fitted by maximum likelihood to the cells
    that are not grey, with a weak prior on its steepness so that cleanly separated cells have a maximum.

    Raises
    ------
    ValueError
        If the degree is neither 1 nor 2.
    """
    if degree not in (1, 2):
        raise ValueError(f"degree is {degree}; the logistic fit has degree 1 or 2")
    use = ~cells.grey
    successes, trials = cells.converged[use], cells.decided[use]
    if successes.sum() in (0.0, trials.sum()):
        return np.zeros((0, 2))
    u, v = np.meshgrid(_unit(cells.x), _unit(cells.y))
    design = _polynomial(u[use], v[use], degree)
    step = 1.0 / max(len(cells.x), len(cells.y), 2)
    penalty = np.full(design.shape[1], prior_stiffness(step))
    penalty[0] = 0.0
    beta, _ = maximize(design, successes, trials, penalty)
    fine = np.linspace(0.0, 1.0, points)
    lines = [_crossings(beta, degree, t, fine, along) for along in (0, 1) for t in fine]
    found = np.array([point for line in lines for point in line]).reshape(-1, 2)
    found = found[np.argsort(found[:, 0], kind="stable")]
    contour = np.column_stack([_back(cells.x, found[:, 0]), _back(cells.y, found[:, 1])])
    return np.asarray(
        contour[~cells.grey[_nearest(cells.y, contour[:, 1]), _nearest(cells.x, contour[:, 0])]]
    )


def phase_diagram(
    columns: Mapping[str, Any],
    path: str | Path,
    *,
    x: str = "m",
    y: str = "label_scale",
    converged: float = CONVERGED,
    degree: int = 2,
    labels: Sequence[str] | None = None,
    title: str = "",
) -> PhaseDiagram:
    """Write the convergence probability over two logarithmic axes as PDF, and its counts as CSV beside it.

    Dark is 0 and light is 1; the line is the 1/2 contour of a logistic fit; cells whose exact 95 % interval
    holds 1/2 are hatched; cells of which more than 10 % ran out of budget are grey. With fewer than six seeds
    in a cell nothing is hatched, and the picture and ``notes`` say so.

    Parameters
    ----------
    columns, x, y, converged : as in :func:`phase_cells`
    path : path
        Where the PDF goes.
    degree : 1 or 2
        Of the logistic fit.
    labels : (str, str), optional
        For the axes; the column names by default.
    title : str
    """
    import dataclasses

    cells = phase_cells(columns, x, y, converged=converged)
    contour = half_contour(cells, degree=degree)
    notes = []
    if not cells.enough:
        notes.append(
            f"fewer than {LEAST_SEEDS} seeds in a cell: no interval can leave 1/2 out, none is hatched"
        )
    if len(contour) == 0:
        notes.append("no 1/2 contour: the cells all went one way")
    if cells.grey.any():
        notes.append(f"grey: more than {MOST_UNDECIDED:.0%} out of budget ({int(cells.grey.sum())} cells)")
    pdf = Path(path).with_suffix(".pdf")
    drawn = dataclasses.replace(cells, contour=contour, notes=tuple(notes))
    with style():
        figure = new_figure(height=2.8)
        axes = figure.add_subplot()
        image = draw_phases(axes, drawn)
        axes.set(xlabel=(labels or (x, y))[0], ylabel=(labels or (x, y))[1], title=title)
        figure.colorbar(image, ax=axes, label="convergence probability")
        if notes:
            figure.supxlabel("\n".join(notes), fontsize=6.5)
        save_pdf(figure, pdf)
    return dataclasses.replace(drawn, files=(pdf, write_csv(pdf.with_suffix(".csv"), _HEADER, _rows(drawn))))


def draw_phases(axes: Any, cells: PhaseDiagram) -> Any:
    """Draw the cells, the hatching and the contour on ``axes``; the image, for a colour bar."""
    edges_x, edges_y = _edges(cells.x), _edges(cells.y)
    axes.set(xscale="log", yscale="log")
    blank = np.ma.masked_equal(np.where(cells.grey, 0.7, 0.0), 0.0)
    axes.pcolormesh(edges_x, edges_y, blank, cmap="gray", vmin=0.0, vmax=1.0)
    shown = np.ma.masked_invalid(cells.probability)
    image = axes.pcolormesh(edges_x, edges_y, shown, cmap="cividis", vmin=0.0, vmax=1.0, rasterized=False)
    for row, column in zip(*np.nonzero(cells.hatched)):
        axes.fill_between(
            edges_x[column : column + 2],
            edges_y[row],
            edges_y[row + 1],
            facecolor="none",
            edgecolor="white",
            hatch="////",
            linewidth=0.0,
        )
    for row, column in zip(*np.nonzero(cells.grey & (cells.runs > 0))):
        axes.plot(cells.x[column], cells.y[row], marker="x", color="0.35", markersize=3, linestyle="none")
    if len(cells.contour):
        axes.plot(
            cells.contour[:, 0], cells.contour[:, 1], linestyle="none", marker=".", ms=1.6, color="white"
        )
        axes.plot(
            cells.contour[:, 0], cells.contour[:, 1], linestyle="none", marker=".", ms=0.8, color="black"
        )
    axes.set(xlim=(edges_x[0], edges_x[-1]), ylim=(edges_y[0], edges_y[-1]))
    return image


def _rows(cells: PhaseDiagram) -> list[tuple[Any, ...]]:
    rows = []
    for i, y in enumerate(cells.y):
        for j, x in enumerate(cells.x):
            parts = (cells.converged, cells.diverged, cells.stationary, cells.undecided)
            counts = [int(part[i, j]) for part in parts]
            limits = cells.interval(i, j) if cells.decided[i, j] else (0.0, 1.0)
            rows.append((float(x), float(y), *counts, float(cells.probability[i, j]), *limits))
    return rows


def _positive(values: Any, name: str) -> Matrix:
    array = np.asarray(values, dtype=np.float64)
    if not bool(np.all(array > 0) and np.all(np.isfinite(array))):
        raise ValueError(
            f"the column {name!r} has a number that is not positive: a logarithmic axis needs that"
        )
    return array


def _edges(values: Matrix) -> Matrix:
    """Borders of cells on a logarithmic axis: geometric means, and the same step beyond the ends."""
    logs = np.log(values)
    if len(logs) == 1:
        return np.asarray(np.exp([logs[0] - 0.5, logs[0] + 0.5]))
    middles = 0.5 * (logs[1:] + logs[:-1])
    return np.asarray(np.exp([2 * logs[0] - middles[0], *middles, 2 * logs[-1] - middles[-1]]))


def _unit(values: Matrix) -> Matrix:
    """Logarithms moved onto [0, 1]."""
    logs = np.log(values)
    spread = logs[-1] - logs[0]
    return np.asarray((logs - logs[0]) / spread if spread > 0 else np.zeros_like(logs))


def _nearest(values: Matrix, points: Matrix) -> np.ndarray[Any, np.dtype[np.intp]]:
    """For each point the cell of a logarithmic axis that it lies in."""
    return np.asarray(np.searchsorted(_edges(values)[1:-1], points))


def _back(values: Matrix, unit: Matrix) -> Matrix:
    logs = np.log(values)
    return np.asarray(np.exp(logs[0] + unit * (logs[-1] - logs[0])))


def _polynomial(u: Matrix, v: Matrix, degree: int) -> Matrix:
    terms = [np.ones_like(u), u, v]
    if degree == 2:
        terms += [u * u, u * v, v * v]
    return np.stack(terms, axis=-1)


def _crossings(beta: Matrix, degree: int, t: float, fine: Matrix, along: int) -> list[tuple[float, float]]:
    """Where the fitted logit changes sign on the line u = t (or v = t), between neighbouring points."""
    fixed = np.full_like(fine, t)
    u, v = (fixed, fine) if along else (fine, fixed)
    z = _polynomial(u, v, degree) @ beta
    found = []
    for i in np.flatnonzero(np.sign(z[1:]) * np.sign(z[:-1]) < 0):
        w = float(fine[i] - z[i] * (fine[i + 1] - fine[i]) / (z[i + 1] - z[i]))
        found.append((t, w) if along else (w, t))
    return found
