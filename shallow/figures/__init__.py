"""Pictures from arrays: a paper's style, convergence plots, exponent fits. Needs Matplotlib, and no LaTeX."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shallow.figures.curves import Bound, Curve, convergence
    from shallow.figures.fits import exponent_fit
    from shallow.figures.look import style
    from shallow.figures.phases import PhaseDiagram, phase_diagram
    from shallow.figures.tables import latex_table, write_csv

__all__ = [
    "Bound",
    "Curve",
    "PhaseDiagram",
    "convergence",
    "exponent_fit",
    "latex_table",
    "phase_diagram",
    "style",
    "write_csv",
]

_HOMES = {
    "Bound": "curves",
    "Curve": "curves",
    "convergence": "curves",
    "exponent_fit": "fits",
    "PhaseDiagram": "phases",
    "latex_table": "tables",
    "phase_diagram": "phases",
    "style": "look",
    "write_csv": "tables",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
