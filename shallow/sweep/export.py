"""Tables for other programs: canonical CSV from the core, Parquet and netCDF with the ``sweep`` extra."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from shallow.setting.archive import write_whole
from shallow.sweep.table import TIMINGS, Table, read_table

__all__ = ["csv_text", "write_csv", "write_netcdf", "write_parquet"]


def csv_text(table: Table, *, timings: bool = False) -> str:
    """One row a run, sorted by the axes and the seed, 17 significant digits.

    The same runs give the same bytes, on whatever day, host, shard or number of workers they were made;
    ``timings`` adds the columns that do not: seconds and host.
    """
    names = [name for name in table.columns if timings or name not in TIMINGS]
    columns = [[_cell(value) for value in table.columns[name].tolist()] for name in names]
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(zip(*columns))
    return stream.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.17g}" if isinstance(value, float) else str(value)


def write_csv(out: Path, file: Path, *, timings: bool = False) -> int:
    """Write the table of the directory ``out`` to ``file``; how many runs it has."""
    table = read_table(out)
    write_whole(file, csv_text(table, timings=timings).encode())
    return len(table.columns["seed"])


def write_parquet(out: Path, file: Path, *, timings: bool = False) -> int:
    """The same table as Parquet."""
    from shallow.sweep.load import frame_of, require

    require("pyarrow", "--parquet")
    table = read_table(out)
    frame = frame_of(table)
    if not timings:
        frame = frame.drop(columns=list(TIMINGS))
    stream = io.BytesIO()
    frame.to_parquet(stream, index=False)
    write_whole(file, stream.getvalue())
    return len(frame)


def write_netcdf(out: Path, file: Path, *, timings: bool = False) -> int:
    """Scalars and trajectories on labelled axes as netCDF (HDF5)."""
    from shallow.sweep.load import dataset_of, require

    require("h5netcdf", "--netcdf")
    table = read_table(out)
    dataset = dataset_of(table, out)
    if not timings:
        dataset = dataset.drop_vars(TIMINGS)
    stream = io.BytesIO()
    dataset.to_netcdf(stream, engine="h5netcdf")
    write_whole(file, stream.getvalue())
    return len(table.columns["seed"])
