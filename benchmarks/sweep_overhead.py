"""What the sweep engine costs beside the training itself: ``python benchmarks/sweep_overhead.py``.

The overhead is a slope: (seconds of 8,000 runs - seconds of 2,000 runs) of the engine over the same
difference of a bare loop that draws and trains the same runs in batches and writes nothing. The start-up,
which the slope leaves out, is printed apart, and so is the time to read the ledger. Wall clock and processor
time of this process and its workers are both printed: on a busy machine only the second can be compared.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
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


def bare(seeds: int, steps: int, batch: int = 256) -> None:
    """Draw and train the runs, and keep nothing."""
    from shallow.configuration.build import initialization_of, problem_of, rule_of, streams_of
    from shallow.sweep.grid import grid_from
    from shallow.training import train_many

    model = grid_from(
        {"problem": {"n": 50, "d": 20}, "network": {"m": 100}, "training": {"steps": steps}}
    ).cell(0)
    rule = rule_of(model.training)
    for start in range(0, seeds, batch):
        streams = [
            streams_of(model.model_copy(update={"seed": seed}))
            for seed in range(start, min(start + batch, seeds))
        ]
        problems = [problem_of(model.problem, stream) for stream in streams]
        law = initialization_of(model.network)
        networks = [law.draw(100, problem, stream) for problem, stream in zip(problems, streams)]
        train_many(networks, problems, rule, steps=steps, record=model.training.record, method="numba")


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


def slope(name: str, work: Callable[[int], Any], small: int, large: int) -> tuple[float, float]:
    """Milliseconds a run, wall and processor, between the two sizes."""
    work(64)
    first, second = timed(lambda: work(small)), timed(lambda: work(large))
    wall, busy = (1e3 * (b - a) / (large - small) for a, b in zip(first, second))
    print(f"{name:24} {wall:8.3f} ms a run (wall) {busy:8.3f} ms a run (processor)", flush=True)
    return wall, busy


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=2000)
    parser.add_argument("--large", type=int, default=8000)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    from shallow.sweep.drive import serial

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = {
            "bare loop": slope(
                "bare loop", lambda seeds: bare(seeds, arguments.steps), arguments.small, arguments.large
            )
        }
        (folder / "serial").mkdir()
        with nullcontext(serial) as executor:
            rows["engine, this process"] = slope(
                "engine, this process",
                lambda seeds: engine(folder / "serial", seeds, arguments.steps, executor),
                arguments.small,
                arguments.large,
            )
        from shallow.sweep.clusters import local

        (folder / "workers").mkdir()
        begun = time.perf_counter()
        with local(arguments.workers) as executor:
            print(f"{arguments.workers} worker(s) started in {time.perf_counter() - begun:.2f} s", flush=True)
            label = f"engine, {arguments.workers} worker(s)"
            rows[label] = slope(
                label,
                lambda seeds: engine(folder / "workers", seeds, arguments.steps, executor),
                arguments.small,
                arguments.large,
            )
        for label, values in rows.items():
            ratios = [value / base - 1 for value, base in zip(values, rows["bare loop"])]
            print(f"{label:24} overhead {ratios[0]:+.1%} (wall) {ratios[1]:+.1%} (processor)")
        _read(folder / "serial" / f"out-{arguments.large}")


def _read(out: Path) -> None:
    import pandas  # noqa: F401  (its own import, about a second, is not the reading)

    import shallow

    shallow.load_sweep(out)
    begun = time.perf_counter()
    frame = shallow.load_sweep(out).frame
    print(f"{len(frame)} runs read into a frame in {time.perf_counter() - begun:.2f} s")


if __name__ == "__main__":
    main()
