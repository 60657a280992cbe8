"""What every picture's axes share: their names, and numbers written out where they span little."""

from __future__ import annotations

from typing import Any

from proofs_check.report.asciimath import unicode
from proofs_check.report.words import number

__all__ = ["axis_name", "plain_ticks"]


def axis_name(name: str) -> str:
    """``$...$`` as it is, plain-text mathematics with its signs."""
    return name if "$" in name else unicode(name)


def plain_ticks(axes: Any) -> None:
    """A logarithmic axis of less than two decades has its numbers written out, as in 2, 3, 5."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        if axis.get_scale() == "log" and high < 100.0 * low:
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0)))
            axis.set_major_formatter(FuncFormatter(lambda value, place: number(value)))
            axis.set_minor_formatter(NullFormatter())
