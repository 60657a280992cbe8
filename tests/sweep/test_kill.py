"""Processes are killed; no finished run is lost, none is made twice, and the table is the undisturbed one."""

from __future__ import annotations

import io
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed", reason="not run: needs distributed")

from shallow.cli import main
from shallow.sweep.batches import Batch
from shallow.sweep.clusters import local
from shallow.sweep.dask_executor import KILLS, DaskExecutor
from shallow.sweep.drive import run_sweep
from shallow.sweep.export import csv_text
from shallow.sweep.grid import read_grid
from shallow.sweep.key import cell_key
from shallow.sweep.ledger import read_ledger
from shallow.sweep.record import Record
from shallow.sweep.table import read_table
from shallow.sweep.task import run_batch

pytestmark = [
    pytest.mark.kill,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),
]

# Many widths make many batches, so that there is something to interrupt.
LONG = """
seeds = 3
[problem]
n = 20
d = 10
[network]
m = {linear = [20, 310, 30]}
[training]
steps = 200
rate = {flow = 0.2}
"""


def dying(folder: Path, times: int) -> Any:
    """A task that kills its own worker the first ``times`` times, wherever it runs."""
    marks = str(folder)

    def task(batch: Batch) -> Sequence[Record]:
        for number in range(times):
            try:
                os.close(os.open(f"{marks}/death-{number}", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            os.kill(os.getpid(), signal.SIGKILL)
        return run_batch(batch)

    return task


def plain(desk: Any) -> Path:
    """The desk's grid in NumPy, which a new worker need not compile."""
    file: Path = desk.grid()
    return desk.grid(file.read_text().replace("at = 10", 'at = 10\nmethod = "numpy"'), name="plain.toml")


def test_killed_workers_cost_no_run(desk: Any) -> None:
    file = plain(desk)
    desk.sweep("undisturbed", file=file)
    deaths: list[int] = []
    with local(2) as executor:
        fragile = DaskExecutor(executor.client, dying(desk.folder, 3), on_death=lambda: deaths.append(1))
        summary = desk.sweep(file=file, executor=fragile)
    assert (summary.made, summary.failed) == (24, 0)
    assert len(list(desk.folder.glob("death-*"))) == 3
    assert len(deaths) >= 3
    assert desk.table() == desk.table("undisturbed")


def test_a_worker_killed_from_outside_costs_no_run(desk: Any) -> None:
    file = desk.grid(LONG.replace("30]", "8]"))
    desk.sweep("undisturbed", file=file)
    with local(2) as executor:
        pids = list(executor.client.run(os.getpid).values())

        class Watched(DaskExecutor):
            def _take(self, *arguments: Any) -> None:
                if pids:
                    os.kill(pids.pop(), signal.SIGKILL)
                super()._take(*arguments)

        assert desk.sweep(file=file, executor=Watched(executor.client)).made == 24
    assert pids == []
    assert desk.table() == desk.table("undisturbed")


def test_a_poison_run_is_recorded_and_its_neighbours_are_made(desk: Any) -> None:
    file = plain(desk)
    desk.sweep("undisturbed", file=file)
    target = cell_key(read_grid(file).cell(3))

    def poisoned(batch: Batch) -> Sequence[Record]:
        if any(cell == target and seed == 1 for cell, _, seed in batch.runs):
            os.kill(os.getpid(), signal.SIGKILL)
        return run_batch(batch)

    with local(2) as executor:
        summary = desk.sweep(file=file, executor=DaskExecutor(executor.client, poisoned))
        assert (summary.made, summary.failed) == (24, 1)
        assert desk.sweep(file=file, executor=executor).made == 0, (
            "poison is skipped when the sweep is started again"
        )
        rows, sound = desk.table().splitlines(), desk.table("undisturbed").splitlines()
        changed = [row for row, other in zip(rows, sound, strict=True) if row != other]
        assert len(changed) == 1
        assert changed[0].endswith(f"killed its own worker {KILLS} times")
        assert desk.sweep(file=file, executor=executor, retry=True).made == 1
    assert desk.table() == desk.table("undisturbed")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The table of LONG when nothing happens."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "grid.toml").write_text(LONG)
    run_sweep(folder / "grid.toml", folder / "out", stream=io.StringIO())
    return csv_text(read_table(folder / "out"))


def driver(file: Path, out: Path, workers: int = 0) -> subprocess.Popen[bytes]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "shallow", "sweep", str(file), "--out", str(out)]
    if workers:
        command += ["--workers", str(workers)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def recorded(out: Path) -> int:
    """How many runs the ledger holds; 0 while there is none."""
    if not (out / "ledger.sqlite").exists():
        return 0
    ledger = read_ledger(out / "ledger.sqlite")
    count = int(ledger.connection.execute("SELECT count(*) FROM runs").fetchone()[0])
    ledger.close()
    return count


def wait_for(out: Path, count: int, process: subprocess.Popen[bytes]) -> int:
    """Wait until the ledger holds ``count`` runs or the driver has ended; how many it holds then."""
    deadline = time.monotonic() + 600
    while (found := recorded(out)) < count and process.poll() is None:
        assert time.monotonic() < deadline, f"{found} runs after ten minutes"
        time.sleep(0.01)
    return found


def kill_and_look(process: subprocess.Popen[bytes], out: Path, seen: int) -> int:
    """Kill the driver; the ledger is whole and holds all that was seen in it. How many runs that is."""
    process.kill()
    process.wait()
    if not (out / "ledger.sqlite").exists():
        assert seen == 0
        return 0
    with sqlite3.connect(out / "ledger.sqlite") as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        doubled = db.execute("SELECT count(*) FROM runs GROUP BY cell, seed HAVING count(*) > 1").fetchall()
    db.close()
    assert doubled == []
    after = recorded(out)
    assert after >= seen
    return after


# A driver that stands still in the middle of a batch once the ledger holds 20 runs, and says so.
STANDING = """
import io, sys, time
from shallow.sweep.drive import run_sweep
from shallow.sweep.task import run_batch

class Standing:
    workers = 1

    def __call__(self, batches, done):
        made = 0
        for batch in batches:
            records = run_batch(batch)
            if made >= 20:
                print("in the middle", flush=True)
                time.sleep(1e6)
            done(batch, records)
            made += len(records)

run_sweep(sys.argv[1], sys.argv[2], executor=Standing(), stream=io.StringIO())
"""


def test_a_killed_driver_loses_no_finished_run(desk: Any, undisturbed: str) -> None:
    file = desk.grid(LONG)
    command = [sys.executable, "-c", STANDING, str(file), str(desk.out())]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"in the middle\n"
        after = kill_and_look(process, desk.out(), 20)
    assert 20 <= after < 90
    summary = desk.sweep(file=file)
    assert (summary.before, summary.made) == (after, 90 - after)
    assert desk.table() == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("trial", range(20))
def test_a_driver_killed_at_a_random_time_loses_no_finished_run(
    desk: Any, undisturbed: str, trial: int
) -> None:
    file = desk.grid(LONG)
    rng = random.Random(trial)
    workers = 2 * (trial % 2)
    process = driver(file, desk.out(), workers)
    goal = rng.randrange(0, 80)
    seen = wait_for(desk.out(), goal, process)
    time.sleep(rng.random() * 0.05)
    seen = max(seen, recorded(desk.out()))
    after = kill_and_look(process, desk.out(), seen)
    summary = desk.sweep(file=file)
    assert (summary.before, summary.made) == (after, 90 - after)
    assert desk.table() == undisturbed


def test_a_second_driver_is_refused_until_the_first_is_dead(
    desk: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    # Minutes of work, so that the first driver is alive however slow the second one is.
    file = desk.grid(LONG.replace("steps = 200", "steps = 30000"))
    process = driver(file, desk.out(), workers=1)
    wait_for(desk.out(), 1, process)
    assert process.poll() is None
    assert main(["sweep", str(file), "--out", str(desk.out())]) == 2
    assert f"is being written by another sweep (process {process.pid} on" in capsys.readouterr().err
    kill_and_look(process, desk.out(), 1)
    # The first one's worker may still be at work: it does not hold the lock.
    short = desk.grid(LONG.replace("[20, 310, 30]", "[20, 30, 2]"), name="short.toml")
    assert main(["sweep", str(short), "--out", str(desk.out())]) == 0


@contextmanager
def tmpfs(folder: Path, size: str) -> Iterator[None]:
    """A small file system in memory at ``folder``."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.tmpfs
def test_a_full_disk_is_said_and_the_ledger_stays_whole(
    desk: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    text = LONG.replace("steps = 200", "steps = 200\nat = 1")
    file = desk.grid(text)
    desk.sweep("undisturbed", file=file)
    with tmpfs(desk.out(), "256k"):
        assert main(["sweep", str(file), "--out", str(desk.out())]) == 2
        said = capsys.readouterr().err
        assert "all earlier ones are safe: make room, and start again" in said
        held = recorded(desk.out())
        assert 0 < held < 90
        ledger = read_ledger(desk.out() / "ledger.sqlite")
        assert ledger.connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        ledger.close()
        assert main(["sweep", str(file), "--out", str(desk.out())]) == 2, "still full"
        assert recorded(desk.out()) == held
        subprocess.run(["mount", "-o", "remount,size=32m", str(desk.out())], check=True)
        summary = desk.sweep(file=file)
        assert (summary.before, summary.made) == (held, 90 - held)
        assert desk.table() == desk.table("undisturbed")


@pytest.mark.tmpfs
def test_a_disk_too_full_to_begin_leaves_no_half_ledger(
    desk: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with tmpfs(desk.out(), "16k"):
        assert main(["sweep", str(desk.grid()), "--out", str(desk.out())]) == 2
        assert "make room" in capsys.readouterr().err
        assert not (desk.out() / "ledger.sqlite").exists()
        subprocess.run(["mount", "-o", "remount,size=8m", str(desk.out())], check=True)
        assert main(["sweep", str(desk.grid()), "--out", str(desk.out())]) == 0
        assert len(read_table(desk.out()).columns["seed"]) == 24
