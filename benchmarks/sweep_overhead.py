"""What the sweep engine costs beside the training itself: ``python benchmarks/sweep_overhead.py``.

The overhead is a slope: (seconds of 8,000 runs - seconds of 2,000 runs) of the engine over the same
difference of a bare loop that draws and trains the same runs and writes nothing. The bare loop is given the
best of a few batch sizes, the engine's own usual one among them. The contestants take turns, block by block,
so that a drift of the machine meets all of them. Start-up, which the slope leaves out, is printed apart, and
so is the time to read the ledger. Wall clock and processor time of this process and its workers are both
printed: on a busy machine only the second can be compared.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

FILE = """
seeds = {seeds}
[problem]
n = 50
d = 20
[network]
m = 100
[training]
steps = {steps}
"""


_BATCHES = (32, 128, 256)  # the engine's come to about 125 runs: two seconds


def bare(seeds: range, steps: int, batch: int) -> None:
    """Draw and train the runs, and keep nothing."""
    from shallow.configuration.build import start_of
    from shallow.sweep.grid import grid_from
    from shallow.training import train_many

    model = grid_from(
        {"problem": {"n": 50, "d": 20}, "network": {"m": 100}, "training": {"steps": steps}}
    ).cell(0)
    for first in range(seeds.start, seeds.stop, batch):
        chosen = range(first, min(first + batch, seeds.stop))
        starts = [start_of(model.model_copy(update={"seed": seed})) for seed in chosen]
        train_many(
            [start.network for start in starts],
            [start.problem for start in starts],
            starts[0].rule,
            steps=steps,
            record=list(starts[0].record),
            method="numba",
        )


def engine(folder: Path, seeds: int, steps: int, executor: Any) -> None:
    """The same runs as a sweep."""
    from shallow.sweep import run_sweep

    file = folder / f"grid-{seeds}.toml"
    file.write_text(FILE.format(seeds=seeds, steps=steps))
    run_sweep(file, folder / f"out-{seeds}", executor=executor, stream=io.StringIO())


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Wall clock and processor seconds, those of ended and running children included."""
    wall, busy = time.perf_counter(), _busy()
    work()
    return time.perf_counter() - wall, _busy() - busy


def _busy() -> float:
    import psutil

    here = psutil.Process()
    total = 0.0
    for process in (here, *here.children(recursive=True)):
        spent = process.cpu_times()
        total += spent.user + spent.system
    ended = here.cpu_times()
    return float(total + ended.children_user + ended.children_system)


@dataclass
class Tally:
    """Wall clock and processor seconds that a contestant has taken, by the number of runs."""

    seconds: dict[int, tuple[float, float]] = field(default_factory=dict)

    def add(self, runs: int, work: Callable[[], Any]) -> None:
        """Time some of the work for this many runs."""
        before = self.seconds.get(runs, (0.0, 0.0))
        wall, busy = timed(work)
        self.seconds[runs] = (before[0] + wall, before[1] + busy)

    def slope(self) -> tuple[float, float]:
        """Milliseconds a run, wall and processor, between the smallest and the largest size."""
        small, large = min(self.seconds), max(self.seconds)
        pairs = zip(self.seconds[small], self.seconds[large])
        wall, busy = (1e3 * (b - a) / (large - small) for a, b in pairs)
        return wall, busy

    def start(self) -> float:
        """Wall seconds that no run accounts for."""
        small = min(self.seconds)
        return self.seconds[small][0] - small * self.slope()[0] / 1e3


def best_batch(steps: int) -> int:
    """The batch size with which the bare loop is fastest, of the tried ones."""
    spent: dict[int, float] = {}
    for _ in range(2):
        for batch in _BATCHES:
            seconds = timed(partial(bare, range(256), steps, batch))[1]
            spent[batch] = min(spent.get(batch, seconds), seconds)
    for batch, seconds in spent.items():
        print(f"bare loop, batches of {batch:4} {1e3 * seconds / 256:8.3f} ms a run (processor)", flush=True)
    return min(spent, key=spent.__getitem__)


def take_turns(
    sizes: tuple[int, int], steps: int, engines: Mapping[str, Callable[[int], Any]]
) -> dict[str, Tally]:
    """Each size by every engine, and the bare loop in equal parts before, between and after them."""
    bare(range(64), steps, 64)
    batch = best_batch(steps)
    tallies = {name: Tally() for name in ("bare loop", *engines)}
    for runs in sizes:
        edges = [round(runs * part / (len(engines) + 1)) for part in range(len(engines) + 2)]
        for place, name in enumerate(("", *engines)):
            if name:
                tallies[name].add(runs, partial(engines[name], runs))
            seeds = range(edges[place], edges[place + 1])
            tallies["bare loop"].add(runs, partial(bare, seeds, steps, batch))
    return tallies


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=2000)
    parser.add_argument("--large", type=int, default=8000)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--here", action="store_true", help="also the engine in this process")
    arguments = parser.parse_args()
    from shallow.sweep.clusters import local
    from shallow.sweep.drive import serial

    steps, label = arguments.steps, f"engine, {arguments.workers} worker(s)"
    with tempfile.TemporaryDirectory() as name:
        folders = {word: Path(name) / word for word in ("here", "there")}
        for folder in folders.values():
            folder.mkdir()
        begun = time.perf_counter()
        with local(arguments.workers) as executor:
            print(f"{arguments.workers} worker(s) started in {time.perf_counter() - begun:.2f} s", flush=True)
            engine(folders["there"], 64, steps, executor)
            engines = {label: lambda runs: engine(folders["there"], runs, steps, executor)}
            if arguments.here:
                engines["engine, this process"] = lambda runs: engine(folders["here"], runs, steps, serial)
            tallies = take_turns((arguments.small, arguments.large), steps, engines)
        _print(tallies)
        _read(folders["there"] / f"out-{arguments.large}")


def _print(tallies: Mapping[str, Tally]) -> None:
    base = tallies["bare loop"].slope()
    for name, tally in tallies.items():
        wall, busy = tally.slope()
        print(
            f"{name:24} {wall:8.3f} ms a run (wall, {wall / base[0] - 1:+.1%}) {busy:8.3f} (processor, "
            f"{busy / base[1] - 1:+.1%}), start-up {tally.start():.2f} s",
            flush=True,
        )


def _read(out: Path) -> None:
    import pandas  # noqa: F401  (its own import, about a second, is not the reading)

    import shallow

    shallow.load_sweep(out)
    begun = time.perf_counter()
    frame = shallow.load_sweep(out).frame
    print(f"{len(frame)} runs read into a frame in {time.perf_counter() - begun:.2f} s")


if __name__ == "__main__":
    main()
