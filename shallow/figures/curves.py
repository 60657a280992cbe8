"""Convergence plots: trajectories over steps with the bounds that speak of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shallow.figures.look import GREYS, LINES, MARKERS, new_figure, save_pdf, style
from shallow.figures.tables import write_csv

__all__ = ["Bound", "Curve", "convergence", "draw_curves"]

_ROWS = ("kind", "label", "applies", "step", "value")


@dataclass(frozen=True, eq=False)
class Curve:
    """One trajectory: ``values`` (such as the loss) at ``steps``; two arrays of one length."""

    label: str
    steps: Any
    values: Any

    def __post_init__(self) -> None:
        _read_only(self)

    @staticmethod
    def of(label: str, trajectory: Any, series: str = "loss") -> Curve:
        """The named series of a trajectory.

        Raises
        ------
        ValueError
            If the trajectory did not record it.
        """
        if series not in trajectory.series:
            recorded = ", ".join(sorted(trajectory.series)) or "nothing"
            raise ValueError(f"{label}: the run did not record {series!r}; it recorded {recorded}")
        return Curve(label, trajectory.steps, trajectory.series[series])


@dataclass(frozen=True, eq=False)
class Bound:
    """One bound at ``steps``; drawn dashed and light where ``applies`` is False (a hypothesis fails)."""

    label: str
    steps: Any
    values: Any
    applies: bool = True

    def __post_init__(self) -> None:
        _read_only(self)


def _read_only(curve: Any) -> None:
    for name in ("steps", "values"):
        array = np.array(getattr(curve, name), dtype=np.float64, copy=True)
        array.setflags(write=False)
        object.__setattr__(curve, name, array)
    if curve.steps.ndim != 1 or curve.steps.shape != curve.values.shape:
        raise ValueError(
            f"{curve.label}: steps have shape {curve.steps.shape}, values {curve.values.shape}; "
            "give two arrays of one length"
        )
    if np.isnan(curve.values).any():
        first = int(np.flatnonzero(np.isnan(curve.values))[0])
        raise ValueError(f"{curve.label}: the value at position {first} is not a number")


def convergence(
    curves: Sequence[Curve],
    bounds: Sequence[Bound],
    path: str | Path,
    *,
    value_name: str = "loss",
    title: str = "",
) -> tuple[Path, Path]:
    """Write a convergence plot as PDF and the numbers behind it as CSV, side by side.

    Parameters
    ----------
    curves, bounds : sequences of Curve and Bound
    path : str or Path
        Where the PDF goes; the CSV has the same name with the suffix ``.csv``.
    value_name, title : str
        For the axis and above it.

    Returns
    -------
    (pdf, csv) : paths

    Raises
    ------
    ValueError
        If there is no curve, or a value is NaN.
    """
    if not curves:
        raise ValueError("there is no curve to draw")
    pdf = Path(path).with_suffix(".pdf")
    with style():
        figure = new_figure(height=2.6)
        axes = figure.add_subplot()
        draw_curves(axes, curves, bounds)
        axes.set(xlabel="steps", ylabel=value_name, title=title)
        axes.legend(loc="best")
        save_pdf(figure, pdf)
    rows: list[tuple[Any, ...]] = []
    rows += [("trajectory", c.label, "", s, v) for c in curves for s, v in zip(c.steps, c.values)]
    rows += [("bound", b.label, b.applies, s, v) for b in bounds for s, v in zip(b.steps, b.values)]
    return pdf, write_csv(pdf.with_suffix(".csv"), _ROWS, rows)


def draw_curves(axes: Any, curves: Sequence[Curve], bounds: Sequence[Bound] = ()) -> None:
    """Draw curves and bounds on logarithmic value axes; zeros are left out, as a logarithm has none.

    Curves differ by dash pattern and marker as well as by colour. Bounds are thin and grey: solid where
    their hypotheses hold, dotted where they do not, which the label says too.
    """
    axes.set_yscale("log")
    for place, curve in enumerate(curves):
        shown = curve.values > 0
        axes.plot(
            curve.steps[shown],
            curve.values[shown],
            color=GREYS[place % len(GREYS)],
            linestyle=LINES[place % len(LINES)],
            marker=MARKERS[place % len(MARKERS)],
            markevery=0.17,
            label=curve.label,
        )
    for place, bound in enumerate(bounds):
        shown = (bound.values > 0) & np.isfinite(bound.values)
        axes.plot(
            bound.steps[shown],
            bound.values[shown],
            color="0.25" if bound.applies else "0.6",
            linewidth=0.9,
            linestyle=LINES[place % len(LINES)] if bound.applies else (0, (1, 2)),
            label=bound.label if bound.applies else f"{bound.label} (outside)",
            zorder=1,
        )
