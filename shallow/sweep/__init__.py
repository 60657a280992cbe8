"""Many runs: one function over a grid of configurations, and grids of trainings that survive anything."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from shallow.sweep.execute import execute

if TYPE_CHECKING:
    from shallow.sweep.dask_executor import DaskExecutor
    from shallow.sweep.drive import Summary, outline, run_sweep
    from shallow.sweep.folder import Shard
    from shallow.sweep.grid import Grid, read_grid
    from shallow.sweep.load import Sweep, load_sweep

__all__ = [
    "DaskExecutor",
    "Grid",
    "Shard",
    "Summary",
    "Sweep",
    "execute",
    "load_sweep",
    "outline",
    "read_grid",
    "run_sweep",
]

_HOMES = {
    "DaskExecutor": "dask_executor",
    "Grid": "grid",
    "Shard": "folder",
    "Summary": "drive",
    "Sweep": "load",
    "load_sweep": "load",
    "outline": "drive",
    "read_grid": "grid",
    "run_sweep": "drive",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
