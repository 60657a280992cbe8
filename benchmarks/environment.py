"""What a measurement needs: equal threads for everybody, the BLAS as it is, and what machine it was.

The number of threads and the BLAS kernels are read when the libraries load, so a process whose environment
does not fit starts itself anew.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

__all__ = ["BUSY", "blas", "machine", "machine_name", "prepare", "versions", "wanted_environment"]

BUSY = 0.5
"""Load average above which two-thread wall clocks are not to be trusted."""

_PACKAGES = ("numpy", "scipy", "numba", "llvmlite", "torch", "jax", "jaxlib", "threadpoolctl", "mpmath")


def wanted_environment(threads: int, found: Mapping[str, str]) -> dict[str, str]:
    """``found`` with equal threads for all, and without what would slow OpenBLAS down.

    OPENBLAS_CORETYPE may name an older machine, which halves NumPy's products; a ratio against that is no
    result.
    """
    wanted = {name: value for name, value in found.items() if not name.startswith("OPENBLAS_")}
    for name in ("OPENBLAS", "OMP", "MKL", "NUMBA", "VECLIB"):
        wanted["VECLIB_MAXIMUM_THREADS" if name == "VECLIB" else f"{name}_NUM_THREADS"] = str(threads)
    wanted["JAX_PLATFORMS"] = "cpu"
    wanted["JAX_ENABLE_X64"] = "1"
    if threads == 1:
        wanted["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    else:
        wanted.pop("XLA_FLAGS", None)
    return wanted


def prepare(threads: int) -> None:
    """Start this process anew unless its environment fits, and keep it on ``threads`` CPUs.

    Call it before NumPy is loaded. XLA takes its threads from the CPUs it may run on.
    """
    environment: MutableMapping[str, str] = os.environ
    wanted = wanted_environment(threads, environment)
    if wanted != dict(environment):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], wanted)
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) < threads:
            raise SystemExit(f"{threads} threads were asked for and this machine lends {len(allowed)} CPUs")
        os.sched_setaffinity(0, allowed[:threads])


def machine(threads: int) -> dict[str, Any]:
    """What this machine is and how busy."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {
        "processor": _processor(),
        "cpus": os.cpu_count() or 1,
        "threads": threads,
        "system": f"{platform.system()} {platform.machine()}",
        "load_at_start": round(load, 2),
        "blas": blas(),
    }


def machine_name(described: Mapping[str, Any]) -> str:
    """A file's name for a machine: its processor and number of CPUs."""
    words = re.sub(r"[^a-z0-9]+", "-", str(described["processor"]).lower()).strip("-")
    return f"{words}-{described['cpus']}-cpus"


def blas() -> list[str]:
    """The BLAS libraries that are loaded, the architecture each chose, and its threads."""
    import numpy  # noqa: F401  # so that there is one
    from threadpoolctl import threadpool_info

    return sorted(
        f"{pool['internal_api']} {pool.get('version') or '?'} "
        f"{pool.get('architecture') or 'unnamed architecture'}, {pool['num_threads']} threads"
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    )


def versions() -> dict[str, str]:
    """Versions of this package, Python and the peers that are installed."""
    found = {"python": platform.python_version()}
    for package in ("shallow-relu", *_PACKAGES):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
