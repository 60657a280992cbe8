"""A crew of threads: every share comes or none, and nobody waits for one who failed."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from shallow.compute.methods.shares import Crew


def gather(crew: Crew, shares: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    crew.run(lambda share, of, gate: found.append((share, of)), shares)
    return sorted(found)


@pytest.mark.parametrize("shares", [1, 2, 3, 5])
def test_every_share_is_worked_on_once(shares: int) -> None:
    crew = Crew()
    for _ in range(3):
        assert gather(crew, shares) == [(share, shares) for share in range(shares)]
    assert gather(crew, 2) == [(0, 2), (1, 2)]


def test_shares_can_wait_for_each_other() -> None:
    barrier = threading.Barrier(3)
    Crew().run(lambda share, of, gate: barrier.wait(timeout=30) and None, 3)
    assert not barrier.broken


def test_when_a_thread_cannot_be_started_the_present_one_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    real, started = ThreadPoolExecutor.submit, []

    def submit(pool: ThreadPoolExecutor, *arguments: object) -> object:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(real(pool, *arguments))  # type: ignore[arg-type]
        return started[0]

    monkeypatch.setattr(ThreadPoolExecutor, "submit", submit)
    assert gather(Crew(), 3) == [(0, 1)]
    started[0].result(timeout=30)  # the one that had been started went home


@pytest.mark.parametrize("culprit", [0, 1])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_calls_the_meeting_off_and_is_raised(culprit: int, error: type[BaseException]) -> None:
    waited: list[int] = []
    waiting = threading.Event()

    def work(share: int, of: int, gate: np.ndarray) -> None:
        if share == culprit:
            assert waiting.wait(timeout=30)
            raise error("here")
        waiting.set()
        deadline = time.monotonic() + 30
        while gate[8] >= 0 and time.monotonic() < deadline:
            time.sleep(0.001)
        waited.append(int(gate[8]))

    with pytest.raises(error):
        Crew().run(work, 2)
    deadline = time.monotonic() + 30
    while not waited and time.monotonic() < deadline:
        time.sleep(0.001)
    assert waited == [-1]


def test_threads_go_with_their_crew() -> None:
    before = threading.active_count()
    crew = Crew()
    gather(crew, 3)
    del crew
    deadline = time.monotonic() + 30
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before
