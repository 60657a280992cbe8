"""Gradient flow by an adaptive Runge-Kutta solver: for smoothed networks, and while no pair slides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from shallow.training.flow_kinks import FlowError
from shallow.training.flow_velocity import FlowCase, velocity

__all__ = ["adaptive"]

Array = np.ndarray[Any, Any]

_MOST_STEPS = 200_000
_STALL = 1e-11  # a step below this share of the whole time means that a pair slides


def adaptive(
    W: Array, a: Array, case: FlowCase, times: Sequence[float], *, tolerance: float
) -> tuple[Array, Array]:
    """W and a at ``times`` by SciPy's DOP853 with relative tolerance ``tolerance`` per step.

    Raises
    ------
    FlowError
        When the solver stalls, which at a kink means sliding, or needs more than 200,000 steps.
    """
    from scipy.integrate import DOP853

    shape, count = W.shape, W.size

    def field(_: float, theta: Array) -> Array:
        v = velocity(case, theta[:count].reshape(shape), theta[count:].reshape(a.shape))
        return np.concatenate([v.W.ravel(), v.a.ravel()])

    start = np.concatenate([W.ravel(), a.ravel()])
    kept = np.empty((len(times), start.size))
    kept[:] = start
    size = float(np.max(np.abs(start))) or 1.0
    solver = DOP853(field, 0.0, start, times[-1], rtol=max(tolerance, 1e-13), atol=tolerance * size)
    done = sum(t <= 0 for t in times)
    for _ in range(_MOST_STEPS):
        if done == len(times):
            return kept[:, :count].reshape(-1, *shape), kept[:, count:].reshape(-1, *a.shape)
        before = solver.t
        message = solver.step()
        short = solver.t - before < _STALL * times[-1] and solver.t < times[-1]
        if solver.status == "failed" or short:
            raise _stalled(case, solver.t, message)
        dense = solver.dense_output()
        while done < len(times) and times[done] <= solver.t:
            kept[done] = dense(times[done])
            done += 1
    raise _stalled(case, solver.t, None)


def _stalled(case: FlowCase, time: float, message: str | None) -> FlowError:
    if case.smoothing == 0:
        return FlowError(
            f"the adaptive solver stalls at time {time:.6g}, where a pair slides on its kink; "
            "use method='exact' at small size or method='euler-pair'"
        )
    why = message or "too many steps"
    return FlowError(f"the adaptive solver stalls at time {time:.6g} ({why}); use method='euler-pair'")
