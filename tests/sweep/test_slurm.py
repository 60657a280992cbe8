"""A real SLURM of one node: jobs are cancelled in the middle, and no run is lost."""

from __future__ import annotations

import gc
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed", reason="not run: needs distributed")

from shallow.sweep.clusters import SlurmJobs, slurm
from shallow.sweep.dask_executor import DaskExecutor

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.slow,
    pytest.mark.kill,
    pytest.mark.filterwarnings(
        "ignore::ResourceWarning",
        "ignore::DeprecationWarning",
        "ignore::FutureWarning",
        "ignore::pytest.PytestUnraisableExceptionWarning",
    ),
]

CONF = """
ClusterName=shallow
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/ctld.pid
SlurmdPidFile={folder}/d.pid
SlurmctldLogFile={folder}/ctld.log
SlurmdLogFile={folder}/d.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=8000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
"""

SWEEP = """
seeds = 3
[problem]
n = 20
d = 10
[network]
m = {linear = [20, 310, 30]}
[training]
steps = 1500
rate = {flow = 0.2}
"""


def _free_ports() -> list[int]:
    sockets = [socket.socket() for _ in range(2)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [int(s.getsockname()[1]) for s in sockets]
    for s in sockets:
        s.close()
    return ports


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """SLURM's controller and one node on this machine, in a folder of their own."""
    folder = Path(tempfile.mkdtemp(prefix="slurm"))
    for name in ("state", "spool"):
        (folder / name).mkdir()
    text = CONF.format(host=socket.gethostname(), ports=_free_ports(), folder=folder, cpus=os.cpu_count())
    (folder / "slurm.conf").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        patch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin:/sbin")
        daemons = [
            subprocess.Popen([name, "-D"], stderr=subprocess.DEVNULL) for name in ("slurmctld", "slurmd")
        ]
        try:
            deadline = time.monotonic() + 300
            while "idle" not in _said("sinfo", "-h", "-o", "%T"):
                assert time.monotonic() < deadline, (folder / "ctld.log").read_text()[-2000:]
                time.sleep(0.5)
            yield
        finally:
            _said("scancel", "--user=root")
            for daemon in daemons:
                daemon.terminate()
                daemon.wait(30)
            shutil.rmtree(folder, ignore_errors=True)


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout


def _jobs() -> list[str]:
    return _said("squeue", "-h", "-t", "R", "-o", "%A").split()


@pytest.mark.parametrize("tls", [False, True])
def test_a_cancelled_job_costs_no_run(desk: Any, cluster: None, tls: bool) -> None:
    file = desk.grid(SWEEP)
    desk.sweep("undisturbed", file=file)
    cancelled: list[str] = []

    class Cancelling(DaskExecutor):
        def _take(self, *arguments: Any) -> None:
            running = _jobs()
            if len(cancelled) < 2 and running:
                cancelled.append(running[-1])
                _said("scancel", "--signal=KILL", running[-1])
            super()._take(*arguments)

    wanted = SlurmJobs(2, walltime="00:10:00", memory="1GB", interface="lo")
    with slurm(wanted, desk.folder, tls=tls) as executor:
        summary = desk.sweep(file=file, executor=Cancelling(executor.client))
    assert (summary.made, summary.failed) == (90, 0)
    assert len(set(cancelled)) == 2
    assert desk.table() == desk.table("undisturbed")
    deadline = time.monotonic() + 300
    while _jobs() and time.monotonic() < deadline:
        time.sleep(0.5)
    assert _jobs() == [], "the jobs are cancelled in the end"
    del executor
    gc.collect()  # dask-jobqueue leaves its certificate's files to the collector; here that is forgiven
