"""One look for every figure: serif, no LaTeX needed, legible in greyscale, the same bytes on every run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["COLUMN", "GREYS", "LINES", "MARKERS", "SETTINGS", "new_figure", "save_pdf", "style"]

COLUMN = 3.25
"""Width of a journal's column, in inches."""

# Okabe and Ito's colours in the order of their lightness, so that greyscale keeps them apart too.
GREYS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
LINES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1, 1)),
    (0, (5, 1.5, 1, 1.5)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (8, 3)),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

SETTINGS: dict[str, Any] = {
    "font.family": "serif",
    "font.serif": ["STIXGeneral", "STIX Two Text", "DejaVu Serif"],
    "mathtext.fontset": "stix",
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.4,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    # Type 42 keeps text as text; arXiv and journals refuse Type 3.
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "shallow",
    "path.simplify": True,
    "axes.formatter.use_mathtext": True,
    "text.usetex": False,
}


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's settings for the paper's figures, inside a ``with`` block only."""
    import matplotlib

    with matplotlib.rc_context(SETTINGS):
        yield


def new_figure(width: float = COLUMN, height: float = 2.4) -> Any:
    """A figure outside pyplot's global list: nothing to close, no display needed. Sizes in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def save_pdf(figure: Any, path: Path) -> None:
    """Write a PDF without a date, so that a second run gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
