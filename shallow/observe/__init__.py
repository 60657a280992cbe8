"""What a statement looks at along a run."""

from __future__ import annotations

from shallow.observe.fit import test_error
from shallow.observe.kernels import eigen_residual, kernel_gap
from shallow.observe.observable import Observable, infimum, supremum
from shallow.observe.snapshot import Snapshot, Terms
from shallow.observe.table import OBSERVABLES, observable

__all__ = [
    "OBSERVABLES",
    "Observable",
    "Snapshot",
    "Terms",
    "eigen_residual",
    "infimum",
    "kernel_gap",
    "observable",
    "supremum",
    "test_error",
]
