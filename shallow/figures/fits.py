"""Pictures of fitted power laws."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from shallow.figures.look import GREYS, new_figure, save_pdf, style
from shallow.figures.tables import write_csv

__all__ = ["draw_fit", "exponent_fit"]


def exponent_fit(
    sizes: Any,
    values: Any,
    path: str | Path,
    *,
    exponent: float,
    interval: tuple[float, float],
    predicted: float = math.nan,
    size_name: str = "n",
    value_name: str = "value",
) -> tuple[Path, Path]:
    """Write measured points with the fitted power law, its interval and the predicted slope, as PDF and CSV.

    Lines pass through the points' geometric mean, so that slopes alone are compared.

    Parameters
    ----------
    sizes, values : (points,) arrays
        Positive.
    exponent, interval : float, (float, float)
        The fitted exponent and its confidence interval.
    predicted : float
        The theory's exponent; NaN leaves its line out.

    Raises
    ------
    ValueError
        If a size or value is not positive and finite, or there are fewer than two sizes.
    """
    x, y = _positive(sizes, "sizes"), _positive(values, "values")
    if x.shape != y.shape:
        raise ValueError(f"there are {x.size} sizes and {y.size} values")
    if np.unique(x).size < 2:
        raise ValueError("one size alone has no slope; give at least two")
    pdf = Path(path).with_suffix(".pdf")
    with style():
        figure = new_figure()
        axes = figure.add_subplot()
        draw_fit(axes, x, y, exponent, interval, predicted)
        axes.set(xlabel=f"${size_name}$", ylabel=value_name)
        axes.legend(loc="best")
        save_pdf(figure, pdf)
    rows = [(size, value, exponent, *interval, predicted) for size, value in zip(x, y)]
    header = (size_name, value_name, "exponent", "exponent_lower", "exponent_upper", "predicted")
    return pdf, write_csv(pdf.with_suffix(".csv"), header, rows)


def draw_fit(
    axes: Any, x: Any, y: Any, exponent: float, interval: tuple[float, float], predicted: float = math.nan
) -> None:
    """Draw points, fitted line, the fan of slopes in ``interval`` and the predicted slope on log-log axes."""
    centre_x, centre_y = np.exp(np.mean(np.log(x))), np.exp(np.mean(np.log(y)))
    ends = np.geomspace(x.min(), x.max(), 64)

    def line(slope: float) -> Any:
        return centre_y * (ends / centre_x) ** slope

    axes.set(xscale="log", yscale="log")
    low, high = line(interval[0]), line(interval[1])
    axes.fill_between(ends, np.minimum(low, high), np.maximum(low, high), color="0.85", linewidth=0)
    label = f"fit {exponent:.2f} in [{interval[0]:.2f}, {interval[1]:.2f}]"
    axes.plot(ends, line(exponent), color=GREYS[0], label=label)
    if not math.isnan(predicted):
        axes.plot(
            ends, line(predicted), color=GREYS[2], linestyle=(0, (4, 2)), label=f"predicted {predicted:.2f}"
        )
    axes.plot(x, y, linestyle="none", marker="o", color=GREYS[1], markerfacecolor="white")


def _positive(values: Any, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.all(np.isfinite(array) & (array > 0)):
        raise ValueError(f"{name} must be a list of positive finite numbers, as a logarithm is taken")
    return array
