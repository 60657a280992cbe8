"""The picture of a fit: points with their intervals, the fitted line with its own, the law dashed beside it.

Nothing is told by colour alone: points are dots with bars, the fit is solid in a grey band, the law dashed.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from proofs_check.report.asciimath import unicode
from proofs_check.report.axes import axis_name, plain_ticks
from proofs_check.report.svg import inline
from proofs_check.statement import FitPoints
from shallow.figures.look import new_figure, style

__all__ = ["fit_picture"]

Series = np.ndarray[Any, np.dtype[np.float64]]

_INK, _LAW, _BAND = "#000000", "#0072B2", "#d9d9d9"


def fit_picture(fit: FitPoints, name: str) -> str:
    """One fit as an ``<svg>`` element; ``name`` is unique on the page."""
    with style():
        figure = new_figure(3.7, 2.45)
        axes = figure.add_subplot()
        if fit.log_x:
            axes.set_xscale("log")
        if fit.log_y:
            axes.set_yscale("log")
        _draw_line(axes, fit)
        _draw_points(axes, fit)
        axes.set_ylim(*_ends(fit))
        plain_ticks(axes)
        axes.set_xlabel(axis_name(fit.x_name))
        axes.set_ylabel(axis_name(fit.y_name))
        axes.legend(loc="best", frameon=True, framealpha=0.85, edgecolor="none", borderpad=0.2)
        return inline(figure, name, _spoken(fit.words))


def _spoken(words: str) -> str:
    """A sentence with formulas as plain text."""
    return unicode(re.sub(r"[${}]", "", words).replace(r"\times 10", "x 10"))


def _drawable(values: Series, logarithmic: bool) -> Series:
    return np.where(np.isfinite(values) & ((values > 0) | (not logarithmic)), values, np.nan)


def _ends(fit: FitPoints) -> tuple[float, float]:
    """The value axis: every point with its interval, the line and the law; a band may leave the picture."""
    parts = (fit.y, fit.y_low, fit.y_high, fit.line_y, fit.reference)
    shown = np.concatenate([_drawable(part, fit.log_y) for part in parts])
    shown = shown[np.isfinite(shown)]
    if shown.size == 0:
        return (0.1, 1.0) if fit.log_y else (0.0, 1.0)
    low, high = float(shown.min()), float(shown.max())
    if fit.log_y:
        factor = max((high / low) ** 0.08, 1.1)
        return low / factor, high * factor
    margin = 0.08 * max(high - low, 1e-12 * max(abs(high), abs(low)), 1e-300)
    return low - margin, high + margin


def _draw_line(axes: Any, fit: FitPoints) -> None:
    low, high = _drawable(fit.line_low, fit.log_y), _drawable(fit.line_high, fit.log_y)
    axes.plot(fit.line_x, _drawable(fit.line_y, fit.log_y), color=_INK, linewidth=1.3, label="fit")
    axes.fill_between(fit.line_x, low, high, color=_BAND, linewidth=0, label="its 95 % interval")
    law = _drawable(fit.reference, fit.log_y)
    if np.isfinite(law).any():
        axes.plot(fit.line_x, law, color=_LAW, linestyle=(0, (5, 1.5)), label=unicode(fit.reference_name))


def _draw_points(axes: Any, fit: FitPoints) -> None:
    """Dots with their intervals; where an end is open an arrow points to it."""
    y = _drawable(fit.y, fit.log_y)
    low, high = _drawable(fit.y_low, fit.log_y), _drawable(fit.y_high, fit.log_y)
    style: dict[str, Any] = {"color": _INK, "linestyle": "none"}
    seen = np.isfinite(y)
    below = np.where(np.isfinite(low), y - low, 0.0)[seen]
    above = np.where(np.isfinite(high), high - y, 0.0)[seen]
    bars = np.maximum([below, above], 0.0)
    axes.errorbar(
        fit.x[seen], y[seen], yerr=bars, fmt="o", color=_INK, markersize=4, capsize=2.5, label="seen"
    )
    at_most = ~np.isfinite(low) & np.isfinite(high)
    at_least = np.isfinite(low) & ~np.isfinite(high)
    for mark, where, place, words in (("v", at_most, high, "at most"), ("^", at_least, low, "at least")):
        if where.any():
            axes.plot(
                fit.x[where], place[where], marker=mark, markersize=6, fillstyle="none", label=words, **style
            )
