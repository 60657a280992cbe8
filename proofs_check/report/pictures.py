"""Pictures of claims as SVG to be put into the page: bounds beside what was observed, slack shaded.

Nothing is told by colour alone: the observed curve is solid with markers, bounds are dashed, the slack is a
light grey, indices at which the claim fails carry crosses.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from proofs_check.check.result import ClaimSummary
from proofs_check.report.axes import axis_name, plain_ticks
from proofs_check.report.svg import inline
from proofs_check.report.words import number
from proofs_check.statement import Comparison
from shallow.figures.look import new_figure, style

__all__ = ["caption", "picture"]

Series = np.ndarray[Any, np.dtype[np.float64]]

_INK, _BOUND, _SLACK, _CROSS = "#000000", "#0072B2", "#d9d9d9", "#B22222"
_MOST = 400
_SPREAD = 1e3
_LARGEST = 1e150


def picture(claim: ClaimSummary, name: str) -> str:
    """One claim as an ``<svg>`` element with a title for readers who do not see it.

    Parameters
    ----------
    claim : ClaimSummary
    name : str
        Unique on the page; it keeps the picture's ids apart from those of the others.
    """
    with style():
        few = claim.index.size <= 3
        figure = new_figure(3.7, 0.7 + 0.4 * max(claim.index.size, 2) if few else 2.45)
        axes = figure.add_subplot()
        if few:
            _draw_intervals(axes, claim)
        else:
            draw = _draw_difference if claim.comparison is Comparison.EQUAL else _draw_series
            draw(axes, claim)
            _finish(axes, claim)
        return inline(figure, name, caption(claim))


def caption(claim: ClaimSummary) -> str:
    """The picture in one sentence."""
    if claim.index.size == 0:
        return f"{claim.name}: nothing was evaluated."
    shown = claim.least_slack if claim.least_slack is not None else claim.index.size - 1
    value = number(float(claim.observed[shown]))
    lower, upper = float(claim.lower[shown]), float(claim.upper[shown])
    if claim.comparison is Comparison.EQUAL:
        beside = f"to be compared with {number(upper)}"
    else:
        sides = [f"at least {number(lower)}"] if np.isfinite(lower) else []
        sides += [f"at most {number(upper)}"] if np.isfinite(upper) else []
        beside = "claimed " + (" and ".join(sides) or "nothing")
    where = f" at {claim.index_name} {number(float(claim.index[shown]))}" if claim.index.size > 1 else ""
    closest = ", where it comes closest" if claim.least_slack is not None and claim.index.size > 1 else ""
    return f"{claim.name}: observed {value}, {beside}{where}{closest}."


def _draw_series(axes: Any, claim: ClaimSummary) -> None:
    keep = _thinned(claim)
    index, observed = claim.index[keep], claim.observed[keep]
    lower, upper = claim.lower[keep], claim.upper[keep]
    logarithmic = _is_logarithmic(claim)
    if logarithmic:
        axes.set_yscale("log")
    observed_shown, lower_shown, upper_shown = (
        _drawable(values, logarithmic) for values in (observed, lower, upper)
    )
    _shade(axes, index, observed_shown, lower_shown, upper_shown)
    for values, dashes, label in (
        (upper_shown, (0, (5, 1.5)), "upper bound"),
        (lower_shown, (0, (1, 1)), "lower bound"),
    ):
        if np.isfinite(values).any():
            axes.plot(index, values, color=_BOUND, linestyle=dashes, label=label)
    _draw_observed(axes, index, observed_shown)
    error = claim.numerical_error[keep]
    _draw_failing(axes, index, observed_shown, (observed > upper + error) | (observed < lower - error))
    axes.set_ylabel(_axis_name(claim))


def _draw_difference(axes: Any, claim: ClaimSummary) -> None:
    """An equality: how far the observed value is from the claimed one, beside what numerical error allows."""
    keep = _thinned(claim)
    index, error = claim.index[keep], claim.numerical_error[keep]
    difference = claim.observed[keep] - claim.upper[keep]
    axes.fill_between(index, -error, error, color=_SLACK, linewidth=0, label="numerical error")
    axes.axhline(0.0, color=_BOUND, linestyle=(0, (5, 1.5)), linewidth=0.9)
    shown = _drawable(difference, logarithmic=False)
    _draw_observed(axes, index, shown)
    _draw_failing(axes, index, shown, np.abs(difference) > error)
    if not (difference.any() or error.any()):
        axes.set_ylim(-1.0, 1.0)
    axes.set_ylabel("observed − claimed")


def _draw_observed(axes: Any, index: Series, values: Series) -> None:
    every = max(index.size // 12, 1)
    axes.plot(index, values, color=_INK, marker="o", markevery=every, label="observed")


def _draw_failing(axes: Any, index: Series, values: Series, failing: Any) -> None:
    if failing.any():
        marks = {"linestyle": "none", "marker": "x", "markersize": 7, "color": _CROSS}
        axes.plot(index[failing], values[failing], label="fails", **marks)


def _finish(axes: Any, claim: ClaimSummary) -> None:
    index = claim.index
    if index[0] > 0 and index[-1] / index[0] > _SPREAD:
        axes.set_xscale("log")
    plain_ticks(axes)
    axes.set_xlabel(axis_name(claim.index_name))
    axes.legend(loc="best", frameon=True, framealpha=0.85, edgecolor="none", borderpad=0.2)


def _axis_name(claim: ClaimSummary) -> str:
    return axis_name(claim.unit or (claim.name if len(claim.name) <= 36 else "value"))


def _draw_intervals(axes: Any, claim: ClaimSummary) -> None:
    """One row an index: the interval claimed as a bar, the observed value as a dot."""
    finite = np.concatenate([claim.observed, claim.lower, claim.upper])
    finite = finite[np.isfinite(finite)]
    if finite.size == 0:
        finite = np.zeros(1)
    if claim.log_scale and (finite > 0).all():
        axes.set_xscale("log")
        low, high = finite.min() / 2, finite.max() * 2
    else:
        margin = 0.15 * max(float(np.ptp(finite)), 1e-3 * max(float(np.abs(finite).max()), 1e-300))
        low, high = finite.min() - margin, finite.max() + margin
        # Few labels, and whole ones: an offset such as "+1" above the axis is easily overlooked.
        axes.locator_params(axis="x", nbins=4)
        axes.ticklabel_format(axis="x", useOffset=False)
    axes.set_xlim(low, high)
    for row in range(claim.index.size):
        _draw_interval(axes, claim, row, (low, high), named=row == 0)
    labels = (
        [f"{claim.index_name} {number(float(value))}" for value in claim.index]
        if claim.index.size > 1
        else [""]
    )
    axes.set_yticks(range(claim.index.size), labels)
    axes.set_ylim(-0.6, claim.index.size - 0.4)
    axes.set_xlabel(_axis_name(claim))
    axes.spines["left"].set_visible(False)
    axes.tick_params(left=False)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.2)


def _draw_interval(axes: Any, claim: ClaimSummary, row: int, ends: tuple[Any, Any], named: bool) -> None:
    lower, upper, band = claim.lower[row], claim.upper[row], [row - 0.3, row + 0.3]
    left, right = (side if np.isfinite(side) else end for side, end in zip((lower, upper), ends))
    words = ("claimed", "observed") if named else (None, None)
    axes.fill_betweenx(band, left, right, color=_SLACK, linewidth=0, label=words[0])
    for side in (lower, upper):
        if np.isfinite(side):
            axes.plot([side, side], band, color=_BOUND, linestyle=(0, (4, 1.5)))
    error = float(claim.numerical_error[row])
    bars = [error] if error > 0 else None
    observed = [claim.observed[row]]
    axes.errorbar(observed, [row], xerr=bars, fmt="o", color=_INK, markersize=6, capsize=4, label=words[1])


def _thinned(claim: ClaimSummary) -> Any:
    """At most a few hundred indices, the least slack and the ends among them."""
    size = claim.index.size
    if size <= _MOST:
        return np.arange(size)
    kept = np.unique(np.linspace(0, size - 1, _MOST).round().astype(int))
    return np.union1d(kept, [] if claim.least_slack is None else [claim.least_slack]).astype(int)


def _is_logarithmic(claim: ClaimSummary) -> bool:
    values = np.concatenate([claim.observed, claim.upper[np.isfinite(claim.upper)]])
    positive = values[np.isfinite(values) & (values > 0)]
    return claim.log_scale and positive.size > 0


def _drawable(values: Series, logarithmic: bool) -> Series:
    """Values as they can be drawn: no logarithm of zero, and none so large that axes overflow."""
    hidden = ~np.isfinite(values) | ((values <= 0) if logarithmic else False)
    clipped = (
        np.clip(values, 1.0 / _LARGEST, _LARGEST) if logarithmic else np.clip(values, -_LARGEST, _LARGEST)
    )
    return np.where(hidden, np.nan, clipped)


def _shade(axes: Any, index: Series, observed: Series, lower: Series, upper: Series) -> None:
    """The room left: between the observed curve and each bound that it keeps."""
    label: str | None = "slack"
    for bound, kept in ((upper, observed <= upper), (lower, observed >= lower)):
        where = kept & np.isfinite(bound) & np.isfinite(observed)
        if where.any() and not np.array_equal(lower, upper, equal_nan=True):
            axes.fill_between(index, observed, bound, where=where, color=_SLACK, linewidth=0, label=label)
            label = None
