"""Is the plan right? Every method that does not refuse, measured over a grid of shapes, against its choice.

    python -m benchmarks.plan [--threads 2] [--only TEXT] [--json FILE]

For each case it prints the microseconds a step of each method, measured and predicted, which method the plan
takes for a long run, and how many times slower that one is than the best; at the end the worst case. A few
minutes. The predictions are the table in ``shallow/compute/capabilities.py``, which this calibrates.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import environment

if TYPE_CHECKING:
    from shallow.compute.case import Case, Method

__all__ = ["SHAPES", "Shape", "main", "measured_case"]

_TRIAL = 0.03  # seconds of one timed stretch
_ROUNDS = 3
_PAUSE = 0.1  # methods of ours leave no thread spinning; OpenBLAS may


@dataclass(frozen=True)
class Shape:
    """A case of the grid; ``change`` replaces fields of the case, such as a frozen layer's rate."""

    n: int
    d: int
    m: int
    dtype: str = "float64"
    batch: int = 1
    change: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        words = [f"{self.n}x{self.d}x{self.m}", self.dtype.replace("float", "f")]
        words += [f"batch {self.batch}"] if self.batch > 1 else []
        return " ".join([*words, *(f"{name}={value}" for name, value in self.change)])


_SINGLE = (
    (5, 3, 10), (20, 10, 50), (10, 200, 50), (50, 20, 200), (20, 2, 20000), (100, 50, 1000), (50, 2500, 500),
    (400, 100, 100), (300, 784, 300), (100, 1000, 1000), (100, 400, 2000), (1000, 10, 5000), (200, 5000, 500),
    (2000, 500, 100), (500, 100, 4000), (1000, 200, 2000), (100, 10000, 1000),
)  # fmt: skip
_FROZEN = (("rate_a", 0.0),)
_OUTER = (("rate_W", 0.0),)

SHAPES: tuple[Shape, ...] = (
    *(Shape(*sizes) for sizes in _SINGLE),
    *(Shape(*sizes, dtype="float32") for sizes in _SINGLE[1::3]),
    *(Shape(*sizes, change=_FROZEN) for sizes in ((50, 20, 200), (200, 5000, 500), (500, 100, 4000))),
    *(Shape(*sizes, change=_OUTER) for sizes in ((50, 20, 200), (500, 100, 4000))),
    *(Shape(*sizes, change=(("slope", 0.1),)) for sizes in ((50, 20, 200), (500, 100, 4000))),
    Shape(100, 50, 1000, change=(("loss", "logistic"),)),
    Shape(5, 3, 10, batch=1000),
    Shape(20, 10, 50, batch=32),
    Shape(50, 20, 100, batch=256),
    Shape(50, 20, 100, "float32", 256),
    Shape(30, 1000, 100, batch=16),
    Shape(100, 50, 1000, batch=4),
)
"""From tiny to large: samples, inputs, neurons, type, members."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the grid and print it; 1 if a choice is more than 1.3 times slower than the best."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plan", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--threads", type=int, default=2, help="threads and CPUs to plan for (2)")
    parser.add_argument("--only", default="", help="only cases whose name has this text")
    parser.add_argument("--json", type=Path, help="write what was measured to this file")
    chosen = parser.parse_args(arguments)
    environment.prepare(chosen.threads)
    found = []
    for shape in SHAPES:
        if chosen.only in str(shape):
            found.append(measured_case(shape, chosen.threads))
            print(_line(found[-1]), flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps({"cases": found}, indent=1) + "\n")
    if not found:
        print(f"no case has {chosen.only!r} in its name", file=sys.stderr)
        return 2
    worst = max(found, key=lambda case: float(case["ratio"]))
    print(f"\nworst: {worst['case']}, {worst['ratio']:.2f}x slower than {worst['best']}")
    return int(worst["ratio"] > 1.3)


def measured_case(shape: Shape, threads: int, trial: float = _TRIAL, rounds: int = _ROUNDS) -> dict[str, Any]:
    """Seconds a step of every method that runs the case, the plan's choice, and its ratio to the best."""
    import numpy as np

    from benchmarks.descent import LONG, case, draw
    from shallow.compute import capabilities, plan
    from shallow.compute.case import Machine
    from shallow.compute.methods import METHODS, load_method
    from shallow.compute.threads import one_blas_thread

    made = _changed(case(draw(shape.n, shape.d, shape.m, np.dtype(shape.dtype).type, shape.batch)), shape)
    machine = Machine(cores=threads)
    with np.errstate(all="ignore"), one_blas_thread():
        methods = {name: _running(name, load_method, made) for name in METHODS}
        running = {name: method for name, method in methods.items() if method is not None}
        seconds = _measure(running, made, trial, rounds)
    predicted = {
        name: (
            capabilities.cost(name, made, machine, 2 * LONG) - capabilities.cost(name, made, machine, LONG)
        )
        / LONG
        for name in running
    }
    choice = plan.choose(made, LONG, machine)
    best = min(seconds, key=lambda name: seconds[name])
    return {
        "case": str(shape),
        "seconds": seconds,
        "predicted": predicted,
        "choice": choice,
        "best": best,
        "ratio": seconds[choice] / seconds[best],
    }


def _running(name: str, load: Any, case: Case) -> Method | None:
    """The method, or None where it cannot be loaded here or refuses."""
    from shallow.compute import capabilities

    if capabilities.refuses(name, case):
        return None
    try:
        method: Method = load(name)
    except ImportError:
        return None
    return None if method.refuses(case) else method


def _changed(case: Case, shape: Shape) -> Case:
    changes = dict(shape.change)
    if changes.get("loss", "squared") != "squared":
        changes["y"] = case.y / abs(case.y)  # labels +-1 for classification
    return dataclasses.replace(case, **changes)


def _measure(methods: dict[str, Method], case: Case, trial: float, rounds: int) -> dict[str, float]:
    """Least seconds a step, the methods in turn; each stretch starts anew."""
    counts = {name: _count(method, case, trial) for name, method in methods.items()}
    least = dict.fromkeys(methods, float("inf"))
    for _ in range(rounds):
        for name, method in methods.items():
            least[name] = min(least[name], _stretch(method, case, counts[name]) / counts[name])
    return least


def _count(method: Method, case: Case, trial: float) -> int:
    _stretch(method, case, 1)  # compiles
    count = 1
    while (spent := _stretch(method, case, count, 0.0)) < trial / 2:
        count = max(2 * count, int(count * trial / max(spent, 1e-6) / 2))
    return max(1, int(count * trial / spent))


def _stretch(method: Method, case: Case, steps: int, pause: float = _PAUSE) -> float:
    state = method.start(case)
    time.sleep(pause)
    began = time.perf_counter()
    method.advance(state, steps)
    return time.perf_counter() - began


def _line(found: dict[str, Any]) -> str:
    cells = [
        f"{name} {1e6 * found['seconds'][name]:.4g} ({1e6 * found['predicted'][name]:.4g})"
        for name in sorted(found["seconds"], key=lambda name: found["seconds"][name])
    ]
    verdict = f"{found['choice']:>6s} {found['ratio']:5.2f}x"
    return f"{found['case']:36s} {verdict}   us a step (predicted): {', '.join(cells)}"


if __name__ == "__main__":
    sys.exit(main())
