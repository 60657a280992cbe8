"""Neural-tangents as a contender: it takes its turns from a process with an environment of its own.

Version 0.6.5 imports only with JAX 0.4.30, which cannot live beside the JAX that is a peer here. The worker
holds the clock, so that no transfer is timed; what it made is read back for the check.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Contender
from benchmarks.peers import Absent

__all__ = ["ENVIRONMENT", "INTERPRETER", "Worker", "kernel", "limit_kernel", "worker"]

ENVIRONMENT = Path(".venv-nt")
"""Where ``make bench-nt`` puts it."""
INTERPRETER = "BENCHMARKS_NEURAL_TANGENTS"
"""Environment variable that names the Python of another place."""

Array = np.ndarray[Any, Any]


class Worker:
    """The process; one request and one answer at a time."""

    def __init__(self, python: Path) -> None:
        root = Path(__file__).resolve().parents[1]
        self._complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115  # an unread pipe would fill up
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self._process = subprocess.Popen(
            [str(python), "-P", "-W", "ignore", str(root / "benchmarks" / "neural_tangents_worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            env=variables,
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """The answer to a request.

        Raises
        ------
        Absent
            If the process has ended.
        """
        try:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._complaints.seek(0)
            lines = self._complaints.read().strip().splitlines()
            raise Absent(f"not run: the neural-tangents process ended ({lines[-1] if lines else 'silently'})")
        found: dict[str, Any] = json.loads(answer)
        return found


@functools.cache
def worker() -> Worker:
    """The one process of this run.

    Raises
    ------
    Absent
        If its environment is not there.
    """
    python = Path(os.environ.get(INTERPRETER, ENVIRONMENT / "bin" / "python"))
    if not python.exists():
        raise Absent("not run: neural-tangents has no environment here; make bench-nt")
    made = Worker(python)
    made.ask(versions=True)
    return made


def kernel(X: Array) -> Array:
    """Neural-tangents' infinite-width kernel of both layers, not timed."""
    here = worker()
    _load(here, X)
    return _fetch(here)


def limit_kernel(X: Array) -> Contender:
    """The infinite-width kernel, compiled by JAX 0.4.30 in float64."""
    here = worker()
    _load(here, X)
    return Contender(
        name="neural-tangents",
        peer="neural-tangents",
        call='jit(stax.serial(Dense(1), Relu(), Dense(1))[2])(X, None, "ntk")',
        start=lambda: None,
        run=lambda _: here.ask(run=True),
        result=lambda _: _fetch(here),
        seconds=lambda answer: float(answer["seconds"]),
    )


def _load(here: Worker, X: Array) -> None:
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/X.npy", X)
        here.ask(load=f"{folder}/X.npy")


def _fetch(here: Worker) -> Array:
    with tempfile.TemporaryDirectory() as folder:
        here.ask(save=f"{folder}/K.npy")
        fetched: Array = np.load(f"{folder}/K.npy", mmap_mode="r")
        return fetched
