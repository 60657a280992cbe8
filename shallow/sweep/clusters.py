"""Where workers come from: processes on this machine, a scheduler that runs already, or SLURM jobs.

Dask's messages are pickles, and without TLS whoever reaches the scheduler's port can run code as its user. So
a cluster on one machine listens on the loopback device alone; on a network that others share, use TLS.
"""

from __future__ import annotations

import math
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shallow.sweep.dask_executor import DaskExecutor
from shallow.sweep.load import require

__all__ = ["SlurmJobs", "connected", "local", "pinned_threads", "slurm"]

_ANSWER = 5.0  # seconds for a scheduler to answer

_SETTINGS = {
    # The first death of a worker comes back to us, and its batch is ours to halve.
    "distributed.scheduler.allowed-failures": 0,
    "distributed.worker.daemon": True,
}
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def pinned_threads() -> dict[str, str]:
    """Environment of a worker in which every library uses one thread; set before NumPy is imported."""
    return dict.fromkeys(_THREADS, "1")


def _distributed() -> Any:
    return require("distributed", "a sweep on several workers")


@contextmanager
def local(workers: int, *, tls: bool = False) -> Iterator[DaskExecutor]:
    """An executor on worker processes on this machine, which listen on the loopback device only.

    Parameters
    ----------
    workers : int
        Processes, of one thread each.
    tls : bool
        Encrypt and authenticate the connections with a certificate made for this cluster alone.
    """
    distributed = _distributed()
    import dask

    if workers < 1:
        raise ValueError(f"--workers {workers}: at least 1 is needed")
    _quiet()
    with dask.config.set(_SETTINGS | {"distributed.nanny.pre-spawn-environ": pinned_threads()}):
        security = distributed.Security.temporary() if tls else None
        with (
            distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                protocol="tls://" if tls else "tcp://",
                dashboard_address=None,
                scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
                security=security,
                silence_logs=50,
            ) as cluster,
            distributed.Client(cluster, security=security, set_as_default=False) as client,
        ):
            yield DaskExecutor(client)


@contextmanager
def connected(
    address: str, ca: Path | None = None, cert: Path | None = None, key: Path | None = None
) -> Iterator[DaskExecutor]:
    """An executor on a scheduler that runs already, over TLS when its PEM files are given.

    Raises
    ------
    ValueError
        If some but not all of the three files are given, or the scheduler hides the death of workers (its
        ``allowed-failures`` is not 0).
    OSError
        If the scheduler does not answer.
    """
    distributed = _distributed()
    files = (ca, cert, key)
    if any(file is not None for file in files) and None in files:
        raise ValueError("TLS needs all of --tls-ca, --tls-cert and --tls-key")
    security = None
    if ca is not None:
        security = distributed.Security(
            tls_ca_file=str(ca), tls_client_cert=str(cert), tls_client_key=str(key), require_encryption=True
        )
    try:
        client = distributed.Client(address, security=security, set_as_default=False, timeout=_ANSWER)
    except (OSError, TimeoutError, ValueError) as error:
        raise OSError(f"no scheduler answers at {address}: {error}") from None
    with client:
        _require_no_retries(client, address)
        yield DaskExecutor(client)


def _allowed_failures(dask_scheduler: Any) -> int:
    """Asked on the scheduler: on how many workers it lets a task die before it says so."""
    return int(dask_scheduler.allowed_failures)


def _require_no_retries(client: Any, address: str) -> None:
    """Refuse a scheduler that hands a batch from one dying worker to the next.

    A worker's death is to come back at once: only then is its batch halved, and a run that kills its workers
    found, before it has taken one worker after another with the whole batch.
    """
    try:
        allowed = client.run_on_scheduler(_allowed_failures)
    except Exception as error:
        raise OSError(f"the scheduler at {address} does not say how it counts failures: {error}") from None
    if allowed > 0:
        raise ValueError(
            f"the scheduler at {address} gives a task to {allowed + 1} workers before it reports that they "
            "died, and a run that kills its worker would kill them all: start it with "
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=0"
        )


@dataclass(frozen=True)
class SlurmJobs:
    """Jobs of one worker each.

    Parameters
    ----------
    jobs : int
        How many; one that ends or is cancelled is replaced.
    queue, walltime, memory : str
        As for ``sbatch``: the partition (the default one if empty), HH:MM:SS, and such as "2GB".
    interface : str
        The network device that scheduler and workers share, such as "ib0"; empty for the default.
    """

    jobs: int
    queue: str = ""
    walltime: str = "01:00:00"
    memory: str = "2GB"
    interface: str = ""


@contextmanager
def slurm(wanted: SlurmJobs, folder: Path, *, tls: bool = False) -> Iterator[DaskExecutor]:
    """An executor on SLURM jobs, which this process submits, replaces and in the end cancels.

    Parameters
    ----------
    wanted : SlurmJobs
    folder : Path
        On a disk that the nodes share: the jobs' logs go there and, with ``tls``, their certificate.
    tls : bool
        Encrypt and authenticate the connections.

    Raises
    ------
    ValueError
        If dask-jobqueue is not installed, or SLURM would not take such a job.
    """
    jobqueue = require("dask_jobqueue", "a sweep on SLURM", extra="slurm")
    distributed = _distributed()
    import dask

    logs = folder / "slurm-logs"
    logs.mkdir(parents=True, exist_ok=True)
    seconds = _seconds(wanted.walltime)
    # Workers leave before SLURM kills them, and not all at once.
    lifetime = ["--lifetime", f"{max(seconds - 120, seconds // 2)}s", "--lifetime-stagger", "60s"]
    _quiet()
    with (
        dask.config.set(_SETTINGS),
        jobqueue.SLURMCluster(
            queue=wanted.queue or None,
            cores=1,
            processes=1,
            memory=wanted.memory,
            walltime=wanted.walltime,
            interface=wanted.interface or None,
            worker_extra_args=lifetime,
            job_script_prologue=[f"export {name}={value}" for name, value in pinned_threads().items()],
            log_directory=str(logs),
            security=distributed.Security.temporary() if tls else None,
            shared_temp_directory=str(folder) if tls else None,
            scheduler_options={"dashboard": False, "dashboard_address": ":0"},
            silence_logs=50,
        ) as cluster,
    ):
        _require_acceptable(cluster.job_script())
        cluster.adapt(minimum=wanted.jobs, maximum=wanted.jobs)
        with distributed.Client(cluster, set_as_default=False) as client:
            # Jobs may wait in the queue for hours before there is a worker.
            yield DaskExecutor(client, patience=math.inf)


def _require_acceptable(script: str) -> None:
    """Ask SLURM whether it would take the job, which dask-jobqueue would only log."""
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(script)
        file.flush()
        try:
            asked = subprocess.run(["sbatch", "--test-only", file.name], capture_output=True, text=True)
        except FileNotFoundError:
            raise ValueError(
                "there is no sbatch on this machine: run this on a node that submits jobs"
            ) from None
    if asked.returncode != 0:
        raise ValueError(f"SLURM does not take the job: {' '.join(asked.stderr.split())}")


def _seconds(walltime: str) -> int:
    try:
        hours, minutes, seconds = (int(part) for part in walltime.split(":"))
    except ValueError:
        raise ValueError(f"walltime {walltime!r}: write HH:MM:SS, such as 01:00:00") from None
    return 3600 * hours + 60 * minutes + seconds


def _quiet() -> None:
    """A worker's death is ours to report, as a count; dask's log of it is not shown."""
    import logging

    for name in ("distributed", "distributed.nanny", "distributed.scheduler", "distributed.core"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
