"""Worker processes: the same results, one thread each, loopback only, a bounded number of tasks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed", reason="not run: needs distributed")

from shallow.sweep import execute
from shallow.sweep.batches import Batch, Batches
from shallow.sweep.clusters import connected, local, pinned_threads
from shallow.sweep.dask_executor import DaskExecutor
from shallow.sweep.plan import Cell
from shallow.sweep.record import Record

# Dask's own event loops are closed by its own threads after the tests' end.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def pair() -> Iterator[DaskExecutor]:
    """Two workers for the tests that leave them as they are."""
    with local(2) as executor:
        yield executor


def test_workers_give_the_bytes_of_one_process(desk: Any, pair: DaskExecutor) -> None:
    desk.sweep("here")
    assert desk.sweep("there", executor=pair).made == 24
    assert desk.table("there") == desk.table("here")


def test_every_library_has_one_thread_in_a_worker(pair: DaskExecutor) -> None:
    def threads() -> list[int]:
        import numba
        import numpy  # noqa: F401
        from threadpoolctl import threadpool_info

        return [numba.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())]

    found = pair.client.run(threads)
    assert len(found) == 2
    assert {count for counts in found.values() for count in counts} == {1}
    environments = pair.client.run(lambda: dict(os.environ))
    assert all(pinned_threads().items() <= environment.items() for environment in environments.values())


def test_a_local_cluster_listens_on_the_loopback_device_only(pair: DaskExecutor) -> None:
    import psutil

    here = psutil.Process()
    listening = [
        connection.laddr.ip
        for process in (here, *here.children(recursive=True))
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 3, "a scheduler and two workers"
    assert set(listening) == {"127.0.0.1"}


def test_a_large_grid_never_has_many_tasks_in_flight(pair: DaskExecutor) -> None:
    def quick(batch: Batch) -> Sequence[Record]:
        return [Record(cell, seed, "CONVERGED", seconds=1e-5) for cell, _, seed in batch.runs]

    most = 0

    class Counting(DaskExecutor):
        def _send(self, batch: Batch, flying: dict[Any, Batch]) -> None:
            nonlocal most
            super()._send(batch, flying)
            most = max(most, len(flying))

    cells = [Cell(f"c{i}", "{}", "numpy", (i % 7,), 1e-3, 1e3) for i in range(5000)]
    batches = Batches([(cell, seed) for cell in cells for seed in range(20)], workers=2)
    seen: list[tuple[str, int]] = []
    Counting(pair.client, quick)(batches, lambda b, records: seen.extend((r.cell, r.seed) for r in records))
    assert len(seen) == len(set(seen)) == 100_000
    assert 2 <= most <= 4


def test_an_error_in_the_machinery_is_raised_and_not_swallowed(desk: Any, pair: DaskExecutor) -> None:
    def broken(batch: Batch) -> Sequence[Record]:
        raise RuntimeError("the machinery is broken")

    with pytest.raises(RuntimeError, match="the machinery is broken"):
        desk.sweep(executor=DaskExecutor(pair.client, broken))
    assert desk.sweep(executor=pair).before == 0


def test_execute_takes_the_workers_too(pair: DaskExecutor) -> None:
    assert execute([4.0, 9.0, 16.0], "math:sqrt", pair.map) == [2.0, 3.0, 4.0]
    assert execute(list(range(500)), "builtins:str", pair.map) == [str(i) for i in range(500)]


def test_no_scheduler_is_one_sentence() -> None:
    with (
        pytest.raises(OSError, match=r"no scheduler answers at tcp://127\.0\.0\.1:1"),
        connected("tcp://127.0.0.1:1"),
    ):
        pass

    with (
        pytest.raises(ValueError, match="TLS needs all of"),
        connected("tls://127.0.0.1:1", ca=Path("ca.pem")),
    ):
        pass


@pytest.mark.parametrize("allowed", [0, 3])
def test_a_scheduler_that_hides_deaths_is_refused(desk: Any, allowed: int) -> None:
    import dask
    import distributed

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": allowed}),
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, host="127.0.0.1", protocol="tcp://",
            dashboard_address=None, silence_logs=50,
        ) as cluster,
    ):  # fmt: skip
        if allowed:
            words = (
                r"gives a task to 4 workers .* start it with DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=0"
            )
            with pytest.raises(ValueError, match=words), connected(cluster.scheduler_address):
                pass
        else:
            with connected(cluster.scheduler_address) as executor:
                assert desk.sweep(executor=executor).made == 24


@pytest.mark.slow
def test_with_tls_a_client_without_the_certificate_is_refused(desk: Any) -> None:
    with local(1, tls=True) as executor:
        address = executor.client.scheduler.address
        assert address.startswith("tls://127.0.0.1:")
        assert desk.sweep(executor=executor).made == 24
        with pytest.raises(OSError, match="no scheduler answers"), connected(address.replace("tls", "tcp")):
            pass
