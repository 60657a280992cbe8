"""Many runs: one function over a grid of configurations, and grids of trainings that survive anything."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from shallow.sweep.execute import execute

if TYPE_CHECKING:
    from shallow.sweep.clusters import SlurmJobs, connected, local, slurm
    from shallow.sweep.dask_executor import DaskExecutor
    from shallow.sweep.drive import Summary, outline, run_sweep
    from shallow.sweep.folder import Shard
    from shallow.sweep.grid import Grid, read_grid
    from shallow.sweep.load import Sweep, load_sweep

__all__ = [
    "DaskExecutor",
    "Grid",
    "Shard",
    "SlurmJobs",
    "Summary",
    "Sweep",
    "connected",
    "execute",
    "load_sweep",
    "local",
    "outline",
    "read_grid",
    "run_sweep",
    "slurm",
]

_HOMES = {
    "DaskExecutor": "dask_executor",
    "Grid": "grid",
    "Shard": "folder",
    "SlurmJobs": "clusters",
    "Summary": "drive",
    "Sweep": "load",
    "connected": "clusters",
    "load_sweep": "load",
    "local": "clusters",
    "outline": "drive",
    "read_grid": "grid",
    "run_sweep": "drive",
    "slurm": "clusters",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
