"""The pictures of :mod:`benchmarks.scaling`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["draw"]

_AXIS = {"n": "samples n", "d": "inputs d", "m": "neurons m", "batch": "networks", "threads": "threads"}
_WORK = {"step": "a step", "empirical": "kernel of a network", "limit": "infinite-width kernel"}
_CONTENDERS = ("shallow", "torch", "jax", "numpy")


def draw(
    found: Sequence[Any], steps: Iterable[str], kernels: Iterable[tuple[str, str]], folder: Path
) -> None:
    """``scaling_steps.png`` and ``scaling_kernels.png``: time above, peak memory below, limits in grey."""
    _draw_one(found, [("step", grows) for grows in steps], folder / "scaling_steps.png")
    _draw_one(found, list(kernels), folder / "scaling_kernels.png")


def _draw_one(found: Sequence[Any], columns: list[tuple[str, str]], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from shallow.figures.look import style

    with style():
        figure = Figure(figsize=(2.1 * len(columns), 4.2))
        FigureCanvasAgg(figure)
        grid = figure.subplots(2, len(columns), squeeze=False, sharex="col")
        for column, (work, grows) in enumerate(columns):
            mine = [point for point in found if (point.work, point.grows) == (work, grows)]
            for axes, value in zip(grid[:, column], ("seconds", "bytes")):
                _panel(axes, mine, value)
            grid[0][column].set_title(_title(work, grows, mine))
            grid[1][column].set_xlabel(_AXIS[grows])
        grid[0][0].set_ylabel("seconds")
        grid[1][0].set_ylabel("peak bytes beyond the data")
        handles, labels = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150, metadata={"Software": None})


def _title(work: str, grows: str, mine: Sequence[Any]) -> str:
    """The work, and the sizes that stay."""
    names = [name for name in ("n", "d", "m") if mine and name != grows and getattr(mine[0], name) > 0]
    return f"{_WORK[work]}\n{', '.join(f'{name} = {getattr(mine[0], name)}' for name in names)}"


def _panel(axes: Any, mine: Sequence[Any], value: str) -> None:
    """One curve a contender, and the limit."""
    from shallow.figures.look import GREYS, LINES, MARKERS

    for k, name in enumerate(_CONTENDERS):
        curve = sorted((point for point in mine if point.contender == name), key=lambda point: point.size)
        if curve:
            sizes, values = [p.size for p in curve], [getattr(p, value) for p in curve]
            axes.plot(sizes, values, color=GREYS[k], linestyle=LINES[k], marker=MARKERS[k], label=name)
    bound = sorted({(p.size, getattr(p, f"limit_{value}")) for p in mine if p.contender == "shallow"})
    axes.plot(*zip(*bound), color="0.6", linewidth=3, zorder=0, label="limit")
    axes.set_yscale("log")
    if mine and mine[0].grows == "threads":
        axes.set_xticks(sorted({point.size for point in mine}))
    else:
        axes.set_xscale("log")
