"""``shallow doctor``: what is installed here, what works, and a self-check of the arithmetic."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
from dataclasses import dataclass
from typing import Any

import numpy as np

import shallow.exact.gradient as exact
from shallow.cli.shell import document
from shallow.compute.device import device_state
from shallow.setting.network import Network
from shallow.setting.problem import Problem

__all__ = ["doctor"]

CORE = (
    "numpy",
    "scipy",
    "numba",
    "matplotlib",
    "threadpoolctl",
    "array-api-compat",
    "array-api-extra",
    "pydantic",
)
OPTIONAL = {
    "cupy": "gpu12 or gpu13: training on a CUDA device",
    "flint": "rigour: proofs in ball arithmetic",
    "sympy": "identities: symbolic derivations",
    "hypothesis": "test: proofs_check.strategies for property tests",
    "distributed": "sweep: many runs at once",
}


@dataclass(frozen=True)
class Check:
    """One line of the self-check."""

    name: str
    passed: bool
    detail: str


def doctor(*, json: bool = False) -> int:
    """Say what is installed, what is missing and what that costs, and check the arithmetic.

    Parameters
    ----------
    json
        Print one JSON document on standard output.

    Returns
    -------
    int
        0 when every check passed, 1 otherwise.
    """
    checks = [_gradient_check(), _training_check(), _numba_check()]
    report = {
        "schema": "shallow-doctor/1",
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "versions": {name: _version(name) for name in ("shallow-relu", *CORE)},
        "blas": _blas(),
        "device": _device(),
        "optional": {name: importlib.util.find_spec(name) is not None for name in OPTIONAL},
        "checks": [{"name": c.name, "passed": c.passed, "detail": c.detail} for c in checks],
    }
    print(document(report) if json else _text(report))
    return 0 if all(check.passed for check in checks) else 1


def _text(report: dict[str, Any]) -> str:
    lines = [f"Python {report['python']} on {report['platform']}, {report['cores']} cores"]
    lines += [f"  {name:18} {version}" for name, version in report["versions"].items()]
    lines += [f"BLAS     {line}" for line in report["blas"] or ["none seen"]]
    lines.append(f"device   {report['device']}")
    for name, present in report["optional"].items():
        lines.append(f"{'present' if present else 'absent ':8} {name} ({OPTIONAL[name]})")
    for check in report["checks"]:
        lines.append(f"{'ok' if check['passed'] else 'FAILED':8} {check['name']}: {check['detail']}")
    return "\n".join(lines)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _blas() -> list[str]:
    import scipy.linalg  # noqa: F401  (SciPy brings its own BLAS, which shows only once loaded)
    from threadpoolctl import threadpool_info

    return [
        f"{pool['internal_api']} {pool.get('version') or ''} {pool.get('architecture') or ''}, "
        f"{pool['num_threads']} threads"
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    ]


def _device() -> str:
    usable, state = device_state()
    return f"CUDA device {state}" if usable else f"CPU only ({state})"


def _gradient_check() -> Check:
    rng = np.random.default_rng(0)
    network = Network(rng.standard_normal((7, 3)), rng.standard_normal(7), scale=7**-0.5)
    problem = Problem(rng.standard_normal((5, 3)), rng.standard_normal(5))
    direction = rng.standard_normal((7, 3))
    slope = float(np.sum(exact.gradient(network, problem).W * direction))
    h = 1e-6
    ahead, behind = (network.replace(W=network.W + sign * h * direction) for sign in (1, -1))
    difference = (float(exact.loss(ahead, problem)) - float(exact.loss(behind, problem))) / (2 * h)
    error = abs(difference - slope) / abs(slope)
    return Check("gradient against differences", error < 1e-6, f"relative difference {error:.1e}")


def _training_check() -> Check:
    from shallow.training import GradientDescent, train

    rng = np.random.default_rng(1)
    network = Network(rng.standard_normal((50, 4)), rng.choice([-1.0, 1.0], 50), scale=50**-0.5)
    problem = Problem(np.eye(4), np.array([1.0, -1.0, 1.0, -1.0]))
    run = train(network, problem, GradientDescent(0.5, 0.5), steps=100, record=["residual_norm"])
    first, last = run.series["residual_norm"][[0, -1]]
    return Check(
        "training",
        bool(last < 1e-3 * first),
        f"residual {first:.2e} -> {last:.2e} in 100 steps ({run.method})",
    )


def _numba_check() -> Check:
    try:
        import numba
    except Exception as error:  # an import can fail in many ways, and doctor is there to say which
        return Check("numba", False, f"{type(error).__name__}: {error}")
    return Check("numba", True, f"{numba.__version__}, {numba.config.NUMBA_NUM_THREADS} threads")
