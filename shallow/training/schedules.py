"""How long each step is: the factor in front of both rates."""

from __future__ import annotations

import math
from dataclasses import dataclass

from shallow.compute.pacing import positive_ratio, time_step
from shallow.exact.gradient import predict
from shallow.exact.ntk import empirical_ntk
from shallow.setting.arrays import host
from shallow.setting.losses import LOSSES
from shallow.setting.network import Network
from shallow.setting.problem import Problem

__all__ = ["SCHEDULES", "Fixed", "FlowScaled", "KernelScaled", "LossScaled", "Schedule", "schedule_factor"]


@dataclass(frozen=True)
class Fixed:
    """The rates as they stand: the factor is 1 and ``run.time`` is the step number."""


@dataclass(frozen=True)
class KernelScaled:
    """The factor ``c / lambda_max(rate_W H_W + rate_a H_a)`` of the initial network, for ever."""

    c: float

    def __post_init__(self) -> None:
        _require_positive(self.c, "KernelScaled")


@dataclass(frozen=True)
class FlowScaled:
    """The factor ``c / lambda_max(rate_W H_W + rate_a H_a)`` of the current network, at every step."""

    c: float

    def __post_init__(self) -> None:
        _require_positive(self.c, "FlowScaled")


@dataclass(frozen=True)
class LossScaled:
    """The factor ``c / L`` of the current loss, at every step; for losses with exponential tails.

    Methods form ``(dL/df) / L`` from logarithms, so the loss may fall to 1e-300 and far below. ``run.time``,
    the sum of the factors, becomes inf once it exceeds the largest float.
    """

    c: float

    def __post_init__(self) -> None:
        _require_positive(self.c, "LossScaled")


Schedule = Fixed | KernelScaled | FlowScaled | LossScaled

SCHEDULES: dict[str, type[Fixed] | type[KernelScaled] | type[FlowScaled] | type[LossScaled]] = {
    "fixed": Fixed,
    "kernel": KernelScaled,
    "flow": FlowScaled,
    "loss": LossScaled,
}


def _require_positive(c: float, name: str) -> None:
    if isinstance(c, bool) or not isinstance(c, int | float) or not math.isfinite(c) or c <= 0:
        raise ValueError(f"{name}({c!r}): the constant must be a positive finite number")


def _largest_rate_kernel(network: Network, problem: Problem, rate_W: float, rate_a: float) -> float:
    """lambda_max of ``rate_W H_W + rate_a H_a``; O(n^2 k^2 m + (n k)^3)."""
    import numpy as np

    kernel = host(empirical_ntk(network, problem.X, rate_W, rate_a))
    rows = math.isqrt(kernel.size)
    return float(np.linalg.eigvalsh(kernel.reshape(rows, rows))[-1])


def schedule_factor(
    schedule: Schedule,
    network: Network,
    problem: Problem,
    initial: Network,
    *,
    rates: tuple[float, float],
    loss: str,
) -> float:
    """The factor of the step that leaves ``network``, in literal formulas."""
    if isinstance(schedule, KernelScaled):
        return positive_ratio(schedule.c, _largest_rate_kernel(initial, problem, *rates))
    if isinstance(schedule, FlowScaled):
        return positive_ratio(schedule.c, _largest_rate_kernel(network, problem, *rates))
    if isinstance(schedule, LossScaled):
        return time_step(schedule.c, float(LOSSES[loss].log_value(predict(network, problem.X), problem.y)))
    return 1.0
