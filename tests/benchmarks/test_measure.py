"""The harness measures what it says."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.measure import PAUSE, Agreement, Contender, clock_for, compete, paired_ratio, ratio


class Laboratory:
    """A clock that only the contenders and the pauses move."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[str] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.log.append(f"pause {seconds}")

    def contender(self, name: str, turns: list[float], answer: float = 1.0, **more: Any) -> Contender:
        spent = iter(turns)

        def run(state: str) -> float:
            assert state == f"fresh {name}"
            self.now += next(spent)
            self.log.append(name)
            return answer

        return Contender(name, name, f"{name}()", start=lambda: f"fresh {name}", run=run, **more)


def near_one(found: float) -> Agreement:
    return Agreement(abs(found - 1.0), 1e-12)


def test_contenders_take_turns_with_a_pause_before_each_timed_region() -> None:
    lab = Laboratory()
    pair = [lab.contender("ours", [9, 1, 2, 3]), lab.contender("peer", [9, 4, 5, 6])]
    ours, peer = compete(pair, near_one, rounds=3, clock=lab.clock, sleep=lab.sleep)
    assert ours.seconds == pytest.approx([1, 2, 3], rel=1e-12)
    assert peer.seconds == pytest.approx([4, 5, 6], rel=1e-12)
    turns = ["pause 0.0", "ours", "pause 0.0", "peer"]
    turns += [f"pause {PAUSE}", "ours", f"pause {PAUSE}", "peer"] * 3
    assert lab.log == turns


def test_the_pause_outlasts_the_spinning_of_worker_threads() -> None:
    assert PAUSE >= 0.25


def test_ratios_are_of_medians_and_of_pairs() -> None:
    lab = Laboratory()
    pair = [lab.contender("ours", [9, 1, 2, 10]), lab.contender("peer", [9, 3, 8, 30])]
    ours, peer = compete(pair, near_one, rounds=3, clock=lab.clock, sleep=lab.sleep)
    assert ratio(peer, ours) == pytest.approx(8 / 2, rel=1e-12)
    assert paired_ratio(peer, ours) == pytest.approx(3.0, rel=1e-12)
    assert (ours.median, ours.minimum) == pytest.approx((2.0, 1.0), rel=1e-12)


def test_seconds_are_per_step() -> None:
    lab = Laboratory()
    (ours,) = compete(
        [lab.contender("ours", [9, 10], steps=20)], near_one, rounds=1, clock=lab.clock, sleep=lab.sleep
    )
    assert ours.seconds == pytest.approx([0.5], rel=1e-12)


def test_a_wrong_contender_is_reported_and_has_no_time() -> None:
    lab = Laboratory()
    pair = [lab.contender("ours", [1, 1]), lab.contender("peer", [1, 1], answer=1.1)]
    ours, peer = compete(pair, near_one, rounds=1, clock=lab.clock, sleep=lab.sleep)
    assert peer.trouble is not None
    assert peer.trouble.startswith("wrong: ")
    assert peer.seconds == []
    assert ratio(peer, ours) is None
    assert paired_ratio(peer, ours) is None
    assert ours.trouble is None


def test_a_result_that_is_wrong_only_once_is_found_in_the_timed_rounds() -> None:
    answers = iter([1.0, 1.0, 2.0, 1.0])
    late = Contender("late", "late", "late()", start=lambda: None, run=lambda _: next(answers))
    lab = Laboratory()
    (found,) = compete([late], near_one, rounds=3, clock=lab.clock, sleep=lab.sleep)
    assert found.trouble is not None
    assert found.trouble.startswith("wrong: ")
    assert found.seconds == []


def test_a_result_that_is_not_a_number_is_wrong() -> None:
    assert not Agreement(float("nan"), 1.0).holds
    lab = Laboratory()
    pair = [lab.contender("peer", [1, 1], answer=float("nan"))]
    (peer,) = compete(pair, near_one, rounds=1, clock=lab.clock, sleep=lab.sleep)
    assert peer.trouble is not None


def test_a_contender_that_raises_is_reported_and_the_others_go_on() -> None:
    def run(_: Any) -> Any:
        raise MemoryError("no room for the Jacobian")

    lab = Laboratory()
    broken = Contender("peer", "peer", "peer()", start=lambda: None, run=run)
    pair = [broken, lab.contender("ours", [9, 2])]
    peer, ours = compete(pair, near_one, rounds=1, clock=lab.clock, sleep=lab.sleep)
    assert peer.trouble == "failed: MemoryError: no room for the Jacobian"
    assert ours.seconds == pytest.approx([2.0], rel=1e-12)


def test_what_runs_only_once_is_not_warmed_up() -> None:
    lab = Laboratory()
    pair = [lab.contender("ours", [9, 1, 2]), lab.contender("peer", [30], rounds=1)]
    ours, peer = compete(pair, near_one, rounds=2, clock=lab.clock, sleep=lab.sleep)
    assert peer.seconds == pytest.approx([30.0], rel=1e-12)
    assert ours.seconds == pytest.approx([1.0, 2.0], rel=1e-12)


def test_a_contender_elsewhere_holds_its_own_clock() -> None:
    lab = Laboratory()
    elsewhere = lab.contender("peer", [9, 9], seconds=lambda done: 0.125 * done)
    (peer,) = compete([elsewhere], near_one, rounds=1, clock=lab.clock, sleep=lab.sleep)
    assert peer.seconds == [0.125]


def test_one_thread_is_measured_by_its_own_cpu_time() -> None:
    import time

    assert clock_for(1) is time.process_time
    assert clock_for(2) is time.perf_counter
