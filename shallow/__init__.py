"""Exact simulation of shallow (depth-2) ReLU networks.

``import shallow`` loads neither Numba nor SciPy: each public name is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# Public name -> the module it lives in. Type checkers and editors read the names from __init__.pyi.
_HOMES = {
    "Network": "shallow.setting.network",
    "Problem": "shallow.setting.problem",
    "Streams": "shallow.setting.streams",
    "Gradient": "shallow.exact.gradient",
    "predict": "shallow.exact.gradient",
    "loss": "shallow.exact.gradient",
    "residual": "shallow.exact.gradient",
    "gradient": "shallow.exact.gradient",
    "per_sample_gradient": "shallow.exact.gradient",
    "jacobian": "shallow.exact.gradient",
    "ntk_gram": "shallow.exact.ntk",
    "limit_kernel": "shallow.exact.ntk",
    "empirical_ntk": "shallow.exact.ntk",
    "smallest_eigenvalue": "shallow.exact.spectrum",
    "largest_eigenvalue": "shallow.exact.spectrum",
    "GradientDescent": "shallow.training",
    "Fixed": "shallow.training",
    "KernelScaled": "shallow.training",
    "FlowScaled": "shallow.training",
    "LossScaled": "shallow.training",
    "TangentModel": "shallow.training",
    "GatedModel": "shallow.training",
    "Trajectory": "shallow.training",
    "Outcome": "shallow.training",
    "train": "shallow.training",
    "train_many": "shallow.training",
    "load_sweep": "shallow.sweep.load",
    "flow": "shallow.training.flow",
    "FlowTrajectory": "shallow.training.flow",
}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    try:
        return importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
    raise AttributeError(f"module 'shallow' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
