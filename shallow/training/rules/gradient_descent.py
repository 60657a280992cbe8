"""Full-batch gradient descent on both layers."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, field

from shallow.exact.gradient import gradient
from shallow.setting.losses import LOSSES
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.training.schedules import (
    Fixed,
    FlowScaled,
    KernelScaled,
    LossScaled,
    Schedule,
    schedule_factor,
)

__all__ = ["GradientDescent"]


@dataclass(frozen=True)
class GradientDescent:
    """Gradient descent on the summed loss, each layer at its own rate.

    ``W <- W - h rate_W (dL/dW + decay_W W)`` and ``a <- a - h rate_a (dL/da + decay_a a)``, both gradients
    taken before either update, with the factor h of the schedule. One step is an Euler step of length h
    of the flow with those rates, and ``run.time`` is the sum of the factors.

    Parameters
    ----------
    rate_W, rate_a : float
        Step sizes, at least 0; 0 freezes a layer.
    decay_W, decay_a : float
        Weight decay: descent on ``L + decay_W ||W||^2 / 2 + decay_a ||a||^2 / 2``.
    loss : str
        A name in ``shallow.setting.losses.LOSSES``.
    schedule : Fixed, KernelScaled, FlowScaled or LossScaled

    Raises
    ------
    ValueError
        For a rate or decay that is negative or not finite, or an unknown loss.
    TypeError
        For a schedule of another type.
    """

    rate_W: float
    rate_a: float
    decay_W: float = field(default=0.0, kw_only=True)
    decay_a: float = field(default=0.0, kw_only=True)
    loss: str = field(default="squared", kw_only=True)
    schedule: Schedule = field(default_factory=Fixed, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("rate_W", "rate_a", "decay_W", "decay_a"):
            object.__setattr__(self, name, _read_rate(getattr(self, name), name))
        if self.loss not in LOSSES:
            close = difflib.get_close_matches(str(self.loss), LOSSES, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"loss {self.loss!r} is unknown, use one of {', '.join(LOSSES)}{hint}")
        if not isinstance(self.schedule, Fixed | KernelScaled | FlowScaled | LossScaled):
            raise TypeError(
                f"schedule is {self.schedule!r}; use Fixed(), KernelScaled(c), FlowScaled(c) or LossScaled(c)"
            )

    def factor(self, network: Network, problem: Problem, initial: Network) -> float:
        """The factor h of the step that leaves ``network``, in literal formulas."""
        return schedule_factor(
            self.schedule,
            network,
            problem,
            initial,
            rates=(self.rate_W, self.rate_a),
            loss=self.loss,
        )

    def step(self, network: Network, problem: Problem, factor: float = 1.0) -> Network:
        """The network one step later, in literal formulas: the oracle of every method."""
        g = gradient(network, problem, self.loss)
        return network.replace(
            W=network.W - factor * self.rate_W * (g.W + self.decay_W * network.W),
            a=network.a - factor * self.rate_a * (g.a + self.decay_a * network.a),
        )


def _read_rate(value: float, name: str) -> float:
    if isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}; give a number")
    try:
        rate = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} is {value!r}; give a number") from None
    if not math.isfinite(rate) or rate < 0:
        raise ValueError(f"{name} is {rate}; it must be a finite number, at least 0")
    return rate
