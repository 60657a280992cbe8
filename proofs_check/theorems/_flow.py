"""A gradient flow as evidence, with a descent run beside it for what the flow does not record."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from proofs_check.theorems._decay import affordable
from shallow.exact.ntk import empirical_ntk
from shallow.exact.spectrum import largest_eigenvalue
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.training import GradientDescent, Trajectory, train
from shallow.training.flow import FlowError, FlowTrajectory, flow

__all__ = ["FlowEvidence", "follow"]

_FRACTION = 0.1  # Euler steps in units of 1/lambda_max; the pair of runs measures what this costs
_POINTS = 40


@dataclass(frozen=True, eq=False)
class FlowEvidence:
    """``path`` is the flow at times > 0 and 0; ``run`` is its coarse Euler twin, at the same times.

    The twin is gradient descent with both rates times one small number. It tells the regime and the
    kernel's eigenvalues, which a flow does not record.
    """

    path: FlowTrajectory
    run: Trajectory
    step: float


def follow(
    network: Network,
    problem: Problem,
    *,
    rate_W: float,
    rate_a: float,
    time: float,
    record: tuple[str, ...],
    max_steps: int,
    beside: tuple[str, ...] = (),
) -> FlowEvidence:
    """Follow the flow for ``time``, or shortly where ``max_steps`` Euler steps do not reach it."""
    steepest = float(largest_eigenvalue(empirical_ntk(network, problem.X, rate_W, rate_a)))
    longest = _FRACTION / steepest if steepest > 0 else time
    steps = math.ceil(affordable(time / longest, max_steps) / _POINTS) * _POINTS
    step = min(longest, time / steps)
    try:
        path = flow(
            network,
            problem,
            rate_W=rate_W,
            rate_a=rate_a,
            time=steps * step,
            record=("residual_norm", *record),
            at=np.linspace(0.0, steps * step, _POINTS + 1).tolist(),
            step_fraction=_FRACTION,
        )
    except FlowError as error:
        raise ValueError(f"the flow could not be followed: {error}") from error
    run = train(
        network,
        problem,
        GradientDescent(rate_W=step * rate_W, rate_a=step * rate_a),
        steps=steps,
        record=("residual_norm", "tangent_distance", *beside),
        at=steps // _POINTS,
    )
    return FlowEvidence(path, run, step)
