"""The numbers of CERT-B-GD: path, step and factor, as its proof in :mod:`.descent` derives them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from proofs_check.theorems._decay import log_factor
from proofs_check.theorems.certificates._pieces import TwoLayers

__all__ = ["Parameters", "largest_step", "lazy_speed", "log_factor_of_norm", "longest_path", "step_size"]


@dataclass(frozen=True)
class Parameters:
    """Rates are rate_W : rate_a, times ``step`` times the largest factor that the certificate allows."""

    n: int = 5
    d: int = 50
    m: int = 2000
    label_scale: float = 0.01
    rate_W: float = 0.01
    rate_a: float = 1.0
    step: float = 1.0
    initialization: str = "doubled-ntk"
    labels: str = "signs"
    inputs: str = "normalized-gaussian"
    max_steps: int = 20000


def longest_path(instance: TwoLayers) -> float:
    """B = (16/3) r_0/s_0, the longest rate-scaled path."""
    return 16 / 3 * instance.start / instance.smallest if instance.smallest > 0 else math.inf


def largest_step(instance: TwoLayers) -> float:
    """1/(||J_0|| + s_0/8)^2."""
    reach = instance.largest + instance.smallest / 8
    return 1 / reach**2 if reach > 0 else 1.0


def step_size(instance: TwoLayers) -> float:
    """h: what multiplies both rates."""
    return float(instance.parameters.step * largest_step(instance))


def log_factor_of_norm(instance: TwoLayers) -> float:
    """The logarithm of one step's proved factor on ||r||."""
    return 0.5 * log_factor(21 / 64 * step_size(instance) * instance.smallest**2)


def lazy_speed(instance: TwoLayers) -> float:
    """The exponent of the bottom eigenvector in the lazy limit, over the proved one."""
    return log_factor(step_size(instance) * instance.smallest**2) / log_factor_of_norm(instance)
