"""A sweep's results in one call: a pandas frame of scalars and an xarray Dataset with labelled axes."""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shallow.sweep.table import Table, read_series, read_table

__all__ = ["Sweep", "dataset_of", "frame_of", "load_sweep", "require"]


def require(package: str, purpose: str, *, extra: str = "sweep") -> Any:
    """The optional package, or one sentence that says how to get it.

    Raises
    ------
    ValueError
        If it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ValueError(
            f"{purpose} needs {package}, which is not installed: pip install 'shallow-relu[{extra}]'"
        ) from None


@dataclass(frozen=True, eq=False)
class Sweep:
    """The recorded runs of a directory. The frame and the dataset are made when first asked for.

    Parameters
    ----------
    folder : Path
    table : Table
        The columns as NumPy arrays.
    """

    folder: Path
    table: Table

    @functools.cached_property
    def frame(self) -> Any:
        """A pandas DataFrame, one row a run: axes, seed, outcome, scalars at the end, timings."""
        return frame_of(self.table)

    @functools.cached_property
    def dataset(self) -> Any:
        """An xarray Dataset over (axes, seed) and, for trajectories, ``point``; NaN where nothing is."""
        return dataset_of(self.table, self.folder)


def load_sweep(folder: str | Path) -> Sweep:
    """The results in the directory ``folder``, finished or not.

    Parameters
    ----------
    folder : path
        What ``shallow sweep --out`` wrote; shards are read together.

    Returns
    -------
    Sweep
        ``.frame`` (needs pandas), ``.dataset`` (needs xarray) and ``.table`` (NumPy alone).

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no ledger, or it is corrupt or another program's.

    Examples
    --------
    >>> sweep = load_sweep("results")  # doctest: +SKIP
    >>> sweep.frame.groupby(["m", "label_scale"])["relative_residual"].median()  # doctest: +SKIP
    >>> sweep.dataset["residual_norm"].sel(m=100).mean("seed")  # doctest: +SKIP
    """
    return Sweep(Path(folder), read_table(folder))


def frame_of(table: Table) -> Any:
    """The table as a pandas DataFrame."""
    pandas = require("pandas", "the frame of a sweep")
    return pandas.DataFrame(dict(table.columns))


def dataset_of(table: Table, folder: Path) -> Any:
    """Scalars over (axes, seed) and trajectories over (axes, seed, point)."""
    xarray = require("xarray", "the dataset of a sweep")
    note = table.note
    dims = (*note.names, "seed")
    coordinates = {name: _coordinate(labels) for name, labels in zip(note.names, note.labels)}
    coordinates["seed"] = np.array(note.seeds, dtype=np.int64)
    shape = tuple(len(coordinates[name]) for name in dims)
    seed_place = {seed: place for place, seed in enumerate(note.seeds)}
    seeds = np.array([seed_place[int(seed)] for seed in table.columns["seed"]], dtype=np.int64)
    where = (*table.places.T, seeds)
    variables: dict[str, Any] = {}
    for name, values in table.columns.items():
        if name not in dims:
            variables[name] = (dims, _spread(values, where, shape))
    trajectories = list(read_series(folder))
    for name, (array, extra) in _stacked(trajectories, seed_place, shape).items():
        variables[_series_name(name)] = ((*dims, "point", *extra), array)
    return xarray.Dataset(variables, coords=coordinates)


def _series_name(name: str) -> str:
    return {"steps": "trajectory_step", "time": "trajectory_time"}.get(name, f"trajectory_{name}")


def _coordinate(labels: tuple[Any, ...]) -> Any:
    if any(isinstance(v, bool | str) for v in labels):
        return np.array([str(v) for v in labels])
    return np.array(labels)


def _spread(values: Any, where: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    if values.dtype == object:
        full = np.full(shape, "", dtype=f"<U{max((len(v) for v in values), default=1) or 1}")
    else:
        full = np.full(shape, np.nan)
    full[where] = values
    return full


def _stacked(
    trajectories: list[tuple[tuple[int, ...], int, Any]],
    seed_place: dict[int, int],
    shape: tuple[int, ...],
) -> dict[str, tuple[Any, tuple[str, ...]]]:
    """Every series as one array, filled up with NaN where a run ended early."""
    sizes: dict[str, tuple[int, ...]] = {}
    for _, _, series in trajectories:
        for name, values in series.items():
            known = sizes.get(name, (0,) * values.ndim)
            sizes[name] = tuple(max(pair) for pair in zip(known, values.shape))
    stacks = {name: np.full((*shape, *size), np.nan) for name, size in sizes.items()}
    for where, seed, series in trajectories:
        for name, values in series.items():
            inside = tuple(slice(0, length) for length in values.shape)
            stacks[name][(*where, seed_place[seed])][inside] = values
    return {
        name: (stack, tuple(f"{name}_{i}" for i in range(len(sizes[name]) - 1)))
        for name, stack in stacks.items()
    }
