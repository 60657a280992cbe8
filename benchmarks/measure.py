"""How contenders are timed: in turn, rested, on fresh copies, and checked on the very arrays they made.

- Contenders take turns round by round in one process, so that a slow minute of the machine hits all of them.
- A pause precedes every timed region: the worker threads of OpenBLAS, OpenMP and XLA go on spinning for up to
  0.2 s after their turn and slow whoever comes next.
- The clock is the wall's for several threads, and the process's CPU time for one thread on one CPU.
- Every timed result is compared with the oracle. A contender that is wrong is reported as wrong; it gets no
  time.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["PAUSE", "Agreement", "Contender", "Timing", "clock_for", "compete", "paired_ratio", "ratio"]

PAUSE = 0.25
"""Seconds before every timed region."""

Clock = Callable[[], float]


@dataclass(frozen=True)
class Agreement:
    """How far a result is from the oracle, and how far rounding may take it."""

    error: float
    bound: float

    @property
    def holds(self) -> bool:
        """Whether the error is within the bound; NaN is not."""
        return self.error <= self.bound


@dataclass(frozen=True)
class Contender:
    """One way to do the work.

    Parameters
    ----------
    name : str
    peer : str
        Whose it is: "ours", "torch", "jax", "numpy", ...; an absent reason or a ratio is filed under it.
    call : str
        The work in one line of code, for the table.
    start : function
        Makes the state that ``run`` may use up; not timed.
    run : function of the state
        The work; timed.
    result : function of what run returned
        The arrays to check, in the oracle's layout; not timed.
    steps : int
        Seconds are reported per step.
    rounds : int, optional
        At most this many rounds, for contenders that take long.
    seconds : function of what run returned, optional
        For a contender in another process, which holds its own clock.
    """

    name: str
    peer: str
    call: str
    start: Callable[[], Any]
    run: Callable[[Any], Any]
    result: Callable[[Any], Any] = lambda done: done
    steps: int = 1
    rounds: int | None = None
    seconds: Callable[[Any], float] | None = None


@dataclass
class Timing:
    """What a contender did: seconds per step in each round, or why there are none."""

    contender: Contender
    seconds: list[float] = field(default_factory=list)
    agreement: Agreement | None = None
    trouble: str | None = None

    @property
    def median(self) -> float | None:
        """Median seconds per step, or None."""
        return statistics.median(self.seconds) if self.seconds else None

    @property
    def minimum(self) -> float | None:
        """Least seconds per step, or None."""
        return min(self.seconds, default=None)


def clock_for(threads: int) -> Clock:
    """The wall's clock, or the process's CPU time where there is one thread."""
    return time.process_time if threads == 1 else time.perf_counter


def compete(
    contenders: Sequence[Contender],
    check: Callable[[Any], Agreement],
    *,
    rounds: int,
    clock: Clock,
    pause: float = PAUSE,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Timing]:
    """Time the contenders in turn, one warm-up and then ``rounds`` rounds.

    Parameters
    ----------
    contenders : sequence
    check : function of a result
        Compares it with the oracle.
    rounds : int
    clock, pause, sleep
        See the module.

    Returns
    -------
    list of Timing, in the order of the contenders
        One that raised, or whose result was not within its bound, has ``trouble`` and no seconds.
    """
    timings = [Timing(contender) for contender in contenders]
    for timing in timings:
        if timing.contender.rounds != 1:  # what runs only once is too long to be warmed up
            _turn(timing, check, clock, 0.0, sleep)
            timing.seconds.clear()
    for round_ in range(rounds):
        for timing in timings:
            most = timing.contender.rounds
            if timing.trouble is None and (most is None or round_ < most):
                _turn(timing, check, clock, pause, sleep)
    return timings


def _turn(
    timing: Timing,
    check: Callable[[Any], Agreement],
    clock: Clock,
    pause: float,
    sleep: Callable[[float], None],
) -> None:
    contender = timing.contender
    try:
        state = contender.start()
        collects = gc.isenabled()
        gc.disable()
        try:
            sleep(pause)
            began = clock()
            done = contender.run(state)
            spent = clock() - began
        finally:
            if collects:
                gc.enable()
        if contender.seconds is not None:
            spent = contender.seconds(done)
        agreement = check(contender.result(done))
    except Exception as error:  # a peer's own; the table says what it was
        timing.trouble = f"failed: {type(error).__name__}: {' '.join(str(error).split())[:160]}"
        timing.seconds.clear()
        return
    if timing.agreement is None or not agreement.error <= timing.agreement.error:
        timing.agreement = agreement
    if not agreement.holds:
        timing.trouble = f"wrong: its error is {agreement.error:.2g}, rounding allows {agreement.bound:.2g}"
        timing.seconds.clear()
        return
    timing.seconds.append(spent / contender.steps)


def ratio(peer: Timing, ours: Timing) -> float | None:
    """The peer's median over ours; None when either has none."""
    return None if peer.median is None or not ours.median else peer.median / ours.median


def paired_ratio(peer: Timing, ours: Timing) -> float | None:
    """The median over rounds of the peer's time over ours in the same round."""
    pairs = [p / o for p, o in zip(peer.seconds, ours.seconds) if o > 0]
    return statistics.median(pairs) if pairs else None
