"""Time and peak memory against n, d, m, the batch and the threads, with the hardware's limit drawn in.

    python -m benchmarks.scaling [--draw] [--threads 2] [--out docs]

Measures and writes ``benchmarks/results/scaling.csv``, then draws ``scaling_steps.png`` and
``scaling_kernels.png``; ``--draw`` draws the saved numbers again. A few minutes. Each contender has a process
of its own for each number of threads, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import ctypes
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import environment

__all__ = ["KERNELS", "STEPS", "Point", "main", "measure_point", "points"]

RESULTS = Path(__file__).resolve().parent / "results" / "scaling.csv"
_TRIAL, _ROUNDS = 0.05, 3


@dataclass(frozen=True)
class Point:
    """One measurement: which work at which sizes, and what grows in its panel."""

    work: str  # "step", "empirical" or "limit"
    grows: str
    n: int
    d: int
    m: int
    batch: int
    threads: int
    contender: str = ""
    seconds: float = float("nan")
    bytes: float = float("nan")
    limit_seconds: float = float("nan")
    limit_bytes: float = float("nan")

    @property
    def size(self) -> int:
        """What grows."""
        return int(getattr(self, self.grows))


STEPS = {
    "n": (25, 50, 100, 200, 400, 800, 1600, 3200),
    "d": (10, 30, 100, 300, 1000, 3000, 10000),
    "m": (50, 150, 500, 1500, 5000, 15000, 50000),
    "batch": (1, 4, 16, 64, 256, 1024),
    "threads": (1, 2),  # as many as there are
}
KERNELS = {
    ("empirical", "n"): (100, 300, 1000, 3000),
    ("empirical", "m"): (300, 1000, 3000, 10000, 30000, 100000),
    ("limit", "n"): (100, 300, 1000, 3000, 8000),
    ("limit", "d"): (10, 100, 1000),
}
_STEP_BASE = Point("step", "n", n=200, d=100, m=1000, batch=1, threads=2)
_LARGE_BASE = replace(_STEP_BASE, n=500, m=4000)
_MANY_BASE = Point("step", "batch", n=50, d=20, m=100, batch=256, threads=2)
_KERNEL_BASE = {
    "empirical": Point("empirical", "n", n=500, d=50, m=5000, batch=1, threads=2),
    "limit": Point("limit", "n", n=2000, d=100, m=0, batch=1, threads=2),
}
CONTENDERS = {"step": ("shallow", "torch", "jax", "numpy"), "empirical": ("shallow", "numpy"),
              "limit": ("shallow", "numpy")}  # fmt: skip


def points(threads: int) -> Iterator[Point]:
    """Every point, without a contender."""
    for grows, sizes in STEPS.items():
        base = {"batch": _MANY_BASE, "threads": _LARGE_BASE}.get(grows, _STEP_BASE)
        for size in sizes if grows != "threads" else range(1, threads + 1):
            yield _grown(base, grows, size, threads)
    for (work, grows), sizes in KERNELS.items():
        for size in sizes:
            yield _grown(_KERNEL_BASE[work], grows, size, threads)


def _grown(base: Point, grows: str, size: int, threads: int) -> Point:
    sizes: dict[str, Any] = {"threads": threads, grows: size}
    return replace(base, grows=grows, **sizes)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and draw; 2 where there is nothing to draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--draw", action="store_true", help="draw the saved numbers, measure nothing")
    parser.add_argument("--threads", type=int, default=2, help="threads of every contender (2)")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="where the pictures go (docs)")
    parser.add_argument("--worker", nargs=2, metavar=("CONTENDER", "THREADS"), help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.worker:
        return _work(chosen.worker[0], int(chosen.worker[1]), chosen.threads)
    if not chosen.draw:
        _write(_measure(chosen.threads))
    if not RESULTS.exists():
        print("nothing has been measured yet: python -m benchmarks.scaling", file=sys.stderr)
        return 2
    from benchmarks import report
    from benchmarks.scaling_pictures import draw

    draw(_read(), STEPS, KERNELS, chosen.out)
    if records := report.saved():
        report.render(report.PAGE, records)
    return 0


def _measure(most: int) -> list[Point]:
    found = []
    names = dict.fromkeys(name for names in CONTENDERS.values() for name in names)
    for name in names:
        for threads in range(1, most + 1):
            print(f"{name}, {threads} of {most} threads ...", file=sys.stderr, flush=True)
            command = [sys.executable, "-m", "benchmarks.scaling", "--threads", str(most),
                       "--worker", name, str(threads)]  # fmt: skip
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
            for line in done.stdout.splitlines():
                found.append(Point(**json.loads(line)))
            if done.returncode:
                print(f"{name} ended early with status {done.returncode}", file=sys.stderr)
    return found


def _work(name: str, threads: int, most: int) -> int:
    """A process of one contender: a line of JSON for each of its points with this many threads."""
    environment.prepare(threads)
    from benchmarks.peers import Absent

    mine = [point for point in points(most) if point.threads == threads and name in CONTENDERS[point.work]]
    try:
        for work in dict.fromkeys(point.work for point in mine):  # libraries and compilers load here
            first = next(point for point in mine if point.work == work)
            measure_point(replace(first, contender=name, n=20, d=5, m=0 if work == "limit" else 30))
        for point in mine:
            print(json.dumps(asdict(measure_point(replace(point, contender=name)))), flush=True)
    except Absent as reason:
        print(f"{name}: {reason}", file=sys.stderr)
    return 0


def measure_point(point: Point) -> Point:
    """The point with its least seconds a step, its peak memory, and the limits."""
    from benchmarks.hardware import measure_hardware

    make = _maker(point)
    before = _resident(reset=True)
    started = make()
    contender, seconds = started, _once(started)
    peak = _resident(peak=True) - before
    count = max(1, int(_TRIAL / max(seconds, 1e-6) / max(1, contender.steps)))
    for _ in range(_ROUNDS):
        time.sleep(0.25)
        seconds = min(seconds, *(_once(contender) for _ in range(count if seconds * count < 1 else 1)))
    limit_seconds, limit_bytes = _limits(point, measure_hardware(point.threads))
    return replace(
        point,
        seconds=seconds / contender.steps,
        bytes=float(max(peak, 0)),
        limit_seconds=limit_seconds,
        limit_bytes=limit_bytes,
    )


def _once(contender: Any) -> float:
    state = contender.start()
    began = time.perf_counter()
    contender.run(state)
    return time.perf_counter() - began


def _maker(point: Point) -> Callable[[], Any]:
    """A function that makes the contender; the data are drawn now, so that they are not counted."""
    import numpy as np

    from benchmarks import descent, jax_peer, kernels, numpy_peer, torch_peer

    ours = point.contender == "shallow"
    if point.work == "limit":
        X = kernels.draw_inputs(point.n, point.d)
        return lambda: kernels.our_limit(X) if ours else numpy_peer.limit_kernel(X)
    if point.work == "empirical":
        network, inputs = kernels.draw_network(point.n, point.d, point.m, np.float64, equal=True)
        W, a = np.array(network.W), np.array(network.a)
        return lambda: (
            kernels.our_empirical(network, inputs, "first")
            if ours
            else numpy_peer.first_layer_kernel(W, a, inputs)
        )
    data, threads = descent.draw(point.n, point.d, point.m, np.float64, point.batch), point.threads
    work = 4.0 * point.n * point.d * point.m * point.batch
    steps = int(min(200, max(3, 2e9 / work)))
    many = point.grows == "batch"
    by_name: dict[str, Callable[[], Any]] = {
        "shallow": lambda: descent.ours(data, steps),
        "torch": lambda: (torch_peer.batched_descent if many else torch_peer.descent)(data, steps, threads),
        "jax": lambda: (jax_peer.batched_descent if many else jax_peer.descent)(data, steps),
        "numpy": lambda: numpy_peer.descent(data, steps),
    }
    return by_name[point.contender]


def _limits(point: Point, hardware: Any) -> tuple[float, float]:
    """Least seconds by the operations, and the bytes of weights and data, or of the result."""
    n, d, m, batch = float(point.n), point.d, point.m, point.batch
    if point.work == "limit":
        return n * n * d / hardware.float64 + 1.25e-9 * n * n / point.threads, 8.0 * n * n
    if point.work == "empirical":
        return 2.0 * n * d * m / hardware.float64 + 0.5 * n * n * m / hardware.bits, 8.0 * n * n
    return 4.0 * n * d * m * batch / hardware.float64, 8.0 * batch * (m * d + m) + 8.0 * n * d


def _resident(reset: bool = False, peak: bool = False) -> float:
    """Bytes resident now, or their peak since the last reset; NaN where the system does not say."""
    try:
        if reset:
            _give_freed_memory_back()
            Path("/proc/self/clear_refs").write_text("5")
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return float("nan")
    wanted = "VmHWM:" if peak else "VmRSS:"
    return next(1024.0 * float(line.split()[1]) for line in lines if line.startswith(wanted))


def _give_freed_memory_back() -> None:
    """What earlier points have freed is not counted for this one, where the C library can give it back."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _write(found: list[Point]) -> None:
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(Point.__dataclass_fields__), lineterminator="\n")
        writer.writeheader()
        for point in found:
            writer.writerow({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in asdict(point).items()})


def _read() -> list[Point]:
    with RESULTS.open(newline="") as stream:
        return [_point(row) for row in csv.DictReader(stream)]


def _point(row: dict[str, str]) -> Point:
    kinds = {name: field.type for name, field in Point.__dataclass_fields__.items()}
    read: dict[str, Any] = {"int": int, "float": float, "str": str}
    return Point(**{name: read[str(kinds[name])](value) for name, value in row.items()})


if __name__ == "__main__":
    sys.exit(main())
