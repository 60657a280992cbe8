"""``shallow sweep``: a grid of trainings from one file, and what became of it."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cyclopts

from shallow.cli.shell import document

if TYPE_CHECKING:
    from shallow.sweep.drive import Executor

__all__ = ["sweep_app"]

_SHOWN_ERRORS = 5


def sweep(
    file: Path,
    *,
    out: Path | None = None,
    dry_run: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    slurm_jobs: int | None = None,
    slurm_queue: str = "",
    slurm_walltime: str = "01:00:00",
    slurm_memory: str = "2GB",
    slurm_interface: str = "",
    shard: str | None = None,
    tls: bool = False,
    tls_ca: Path | None = None,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    retry: bool = False,
    any_numerics: bool = False,
) -> int:
    """Train every configuration of a TOML grid; started again, it does exactly what is missing.

    Parameters
    ----------
    file
        The grid. Lists are axes, scalars are fixed, seeds = 5 means the seeds 0 to 4.
    out
        The directory of the results.
    dry_run
        Check the file, say how many runs there are and about how long they take, and stop.
    workers
        Worker processes on this machine (needs the sweep extra); without it, runs are made in this process.
    scheduler
        The address of a running dask scheduler, in place of workers.
    slurm_jobs, slurm_queue, slurm_walltime, slurm_memory, slurm_interface
        Submit this many SLURM jobs of one worker each (needs the slurm extra); the directory must lie on a
        disk that the nodes share.
    shard
        i/N: make only every N-th run, from the i-th, into a ledger of its own (plain job arrays).
    tls
        Encrypt and authenticate all connections: for machines whose network you share.
    tls_ca, tls_cert, tls_key
        The PEM files for a scheduler that wants TLS.
    retry
        Make the runs again that failed.
    any_numerics
        Add to a ledger that other versions of the arithmetic have written.
    """
    from shallow.sweep.drive import outline, run_sweep
    from shallow.sweep.folder import Shard
    from shallow.sweep.progress import duration

    part = None if shard is None else Shard.read(shard)
    if out is None and not dry_run:
        raise ValueError("--out is missing: name the directory for the results, or pass --dry-run")
    if sum(option is not None for option in (workers, scheduler, slurm_jobs)) > 1:
        raise ValueError("--workers, --scheduler and --slurm-jobs exclude each other")
    plan = outline(file, out, shard=part)
    beside = max(workers or slurm_jobs or 1, 1)
    _say(
        f"{plan.cells} configurations, {plan.runs} runs, {plan.missing} to do: about "
        f"{duration(plan.seconds / beside)} on {beside} worker{'s' if beside > 1 else ''}"
    )
    if dry_run or out is None:
        for method, count in sorted(plan.methods.items()):
            _say(f"  method {method}: {count} configurations")
        return 0
    if plan.missing == 0 and not retry:
        _say(f"nothing is missing in {out}")
    if workers is not None:
        made = _local(workers, tls)
    elif slurm_jobs is not None:
        made = _slurm((slurm_jobs, slurm_queue, slurm_walltime, slurm_memory, slurm_interface), out, tls)
    else:
        made = _here_or_there(scheduler, tls_ca, tls_cert, tls_key)
    with made as executor:
        summary = run_sweep(file, out, executor=executor, shard=part, any_numerics=any_numerics, retry=retry)
    if summary.failed:
        _say(f"{summary.failed} runs failed; see: shallow sweep status {out}")
    return 1 if summary.failed else 0


def _local(workers: int, tls: bool) -> AbstractContextManager[Executor]:
    from shallow.sweep.clusters import local

    return local(workers, tls=tls)


def _slurm(wanted: tuple[Any, ...], out: Path, tls: bool) -> AbstractContextManager[Executor]:
    from shallow.sweep.clusters import SlurmJobs, slurm

    return slurm(SlurmJobs(*wanted), out.resolve(), tls=tls)


def _here_or_there(scheduler: str | None, *pem_files: Path | None) -> AbstractContextManager[Executor]:
    from shallow.sweep.drive import serial

    if scheduler is None:
        return nullcontext(serial)
    from shallow.sweep.clusters import connected

    return connected(scheduler, *pem_files)


def status(folder: Path, *, json: bool = False) -> int:
    """Say what a directory holds: runs by outcome, what is missing, errors.

    Parameters
    ----------
    folder
        What --out was.
    json
        Print one JSON document on standard output.
    """
    from shallow.sweep.progress import duration
    from shallow.sweep.table import read_table

    table = read_table(folder)
    outcomes = dict(sorted(Counter(table.columns["outcome"].tolist()).items()))
    seconds = float(table.columns["seconds"].sum())
    errors = Counter(error for error in table.columns["error"].tolist() if error)
    report: dict[str, Any] = {
        "schema": "shallow-sweep-status/1",
        "runs": table.note.runs,
        "recorded": len(table.columns["seed"]),
        "missing": table.missing,
        "outcomes": outcomes,
        "seconds": seconds,
        "errors": dict(errors.most_common()),
    }
    if json:
        print(document(report))
        return 0
    axes = [f"{name} ({len(labels)})" for name, labels in zip(table.note.names, table.note.labels)]
    print(f"axes      {', '.join(axes) or 'none'}; {len(table.note.seeds)} seeds")
    print(f"runs      {report['recorded']} of {report['runs']} recorded, {table.missing} missing")
    for outcome, count in outcomes.items():
        print(f"  {outcome:14} {count}")
    print(f"work      {duration(seconds)} of one worker")
    for error, count in errors.most_common(_SHOWN_ERRORS):
        print(f"  {count} x {error}")
    return 0


def export(
    folder: Path,
    *,
    csv: Path | None = None,
    parquet: Path | None = None,
    netcdf: Path | None = None,
    timings: bool = False,
) -> int:
    """Write the results as a table: canonical CSV, Parquet, or netCDF with the trajectories.

    Parameters
    ----------
    folder
        What --out was.
    csv, parquet, netcdf
        The files to write, one or several.
    timings
        Add what differs from day to day: seconds and host of each run.
    """
    from shallow.sweep import export as writers

    asked = [
        (file, write)
        for file, write in (
            (csv, writers.write_csv),
            (parquet, writers.write_parquet),
            (netcdf, writers.write_netcdf),
        )
        if file is not None
    ]
    if not asked:
        raise ValueError("nothing to write: give --csv FILE, --parquet FILE or --netcdf FILE")
    for file, _ in asked:
        if not file.parent.is_dir():
            raise ValueError(f"{file}: there is no folder {file.parent}")
    for file, write in asked:
        _say(f"{write(folder, file, timings=timings)} runs in {file}")
    return 0


def merge(folder: Path, *, any_numerics: bool = False) -> int:
    """Copy the runs of all shards of a directory into its one ledger.

    Parameters
    ----------
    folder
        What --out was.
    any_numerics
        Merge ledgers that other versions of the arithmetic have written.
    """
    from shallow.sweep.folder import merge as merge_shards
    from shallow.sweep.key import numerics_version

    _say(f"{merge_shards(folder, numerics_version(), any_numerics=any_numerics)} runs merged")
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def sweep_app() -> cyclopts.App:
    """The commands below ``shallow sweep``."""
    app = cyclopts.App(name="sweep", help="Many trainings from one file, never losing a finished one.")
    app.default(sweep)
    for command in (status, export, merge):
        app.command(command)
    return app
