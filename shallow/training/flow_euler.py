"""Gradient flow by pairs of explicit Euler runs: any size, any loss, kinks and sliding included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shallow.training.flow_kinks import FlowError
from shallow.training.flow_velocity import FlowCase, Velocity, stiffness, velocity

__all__ = ["EulerPair", "euler_pair"]

Array = np.ndarray[Any, Any]

_REFRESH = 8  # coarse steps between two evaluations of lambda_max(H_t)
_MOST_STEPS = 5_000_000


@dataclass(frozen=True, eq=False)
class EulerPair:
    """Weights of both runs at the times asked for; ``flips`` counts gate changes of the finer run.

    ``sliding_pairs`` is the largest number of pairs (k, i) whose gate changed in two successive half
    steps: that chatter is how Euler steps slide along a kink.
    """

    W: Array
    a: Array
    coarse_W: Array
    coarse_a: Array
    flips: int
    sliding_pairs: int


@dataclass(eq=False)
class _Chatter:
    gates: Array
    changed: Array
    flips: int = 0
    most: int = 0

    def see(self, gates: Array) -> None:
        changed = gates != self.gates
        count = int(np.count_nonzero(changed))
        if count:
            self.flips += count
            self.most = max(self.most, int(np.count_nonzero(changed & self.changed)))
        self.gates, self.changed = gates, changed


def euler_pair(
    W: Array, a: Array, case: FlowCase, times: Sequence[float], *, step_fraction: float
) -> EulerPair:
    """Explicit Euler with steps h and h/2 side by side, ``h = step_fraction / lambda_max(H_t)``.

    H_t is the tangent kernel of the coarse run with both rates, times the largest second derivative of
    the loss, and is refreshed every 8 steps. Steps end exactly at the times asked for.

    Raises
    ------
    FlowError
        When a number overflows or more than 5,000,000 steps would be needed.
    """
    K = case.X @ case.X.T
    coarse, fine = (np.array(W), np.array(a)), (np.array(W), np.array(a))
    at_fine = velocity(case, *fine)
    chatter = _Chatter(at_fine.gates, np.zeros(at_fine.gates.shape, dtype=bool))
    kept = [np.empty((len(times), *np.shape(v))) for v in (W, a, W, a)]
    now, steps, longest = 0.0, 0, np.inf
    for j, target in enumerate(times):
        while now < target:
            at_coarse = velocity(case, *coarse)
            if steps % _REFRESH == 0:
                longest = _longest(case, K, at_coarse, coarse[1], step_fraction, now)
            left = target - now
            count = max(1.0, np.ceil(left / longest))
            if steps + count > _MOST_STEPS:
                raise FlowError(
                    f"Euler pairs need more than {_MOST_STEPS} steps to pass time {now:.6g} "
                    f"(h = {longest:.3g}); ask for a shorter time or a larger step_fraction"
                )
            h = left / count
            now = target if count == 1 else now + h
            coarse = _step(coarse, at_coarse, h)
            fine = _step(fine, at_fine, h / 2)
            at_fine = velocity(case, *fine)
            chatter.see(at_fine.gates)
            fine = _step(fine, at_fine, h / 2)
            at_fine = velocity(case, *fine)
            chatter.see(at_fine.gates)
            steps += 1
        for store, value in zip(kept, (*fine, *coarse)):
            store[j] = value
    if not all(np.all(np.isfinite(store)) for store in kept):
        raise FlowError(f"the Euler pair overflows by time {now:.6g}; lower step_fraction")
    sliding = chatter.most if case.smoothing == 0 else 0
    return EulerPair(kept[0], kept[1], kept[2], kept[3], flips=chatter.flips, sliding_pairs=sliding)


def _step(point: tuple[Array, Array], at: Velocity, h: float) -> tuple[Array, Array]:
    return point[0] + h * at.W, point[1] + h * at.a


def _longest(case: FlowCase, K: Array, at: Velocity, a: Array, step_fraction: float, now: float) -> float:
    if not (np.all(np.isfinite(at.W)) and np.all(np.isfinite(at.a))):
        raise FlowError(f"the Euler pair overflows at time {now:.6g}; lower step_fraction")
    steep = stiffness(case, K, at, a)
    return step_fraction / steep if steep > 0 else np.inf
