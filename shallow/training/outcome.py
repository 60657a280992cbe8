"""How a run ended."""

from __future__ import annotations

import math
from enum import Enum

from shallow.observe.fit import norm
from shallow.setting.arrays import Array, namespace
from shallow.setting.losses import LOSSES
from shallow.setting.problem import Problem
from shallow.training.model import Model, planes, weights
from shallow.training.rules import GradientDescent

__all__ = [
    "CONVERGED_RESIDUAL",
    "DIVERGED_GROWTH",
    "STATIONARY_GRADIENT",
    "Outcome",
    "convergence_floor",
    "relative_gradient",
]

CONVERGED_RESIDUAL = 1e-12
"""Squared loss has converged at ||f - y|| <= this times max(||f_0 - y||, ||y||); 16 eps if that is more."""
STATIONARY_GRADIENT = 1e-9
"""A run is stationary when its gradient is below this, relative to the largest it could be there."""
DIVERGED_GROWTH = 1e12
"""For squared loss, a run has diverged when an entry of f - y exceeds this times those of f_0 - y and y."""


class Outcome(Enum):
    """How a run ended; ``outcome_step`` says when.

    CONVERGED: ``until`` was met; or, for squared loss, the residual is at the rounding floor; or, for
    hinge loss, the loss is 0. STATIONARY: no such thing, but the gradient is relatively zero.
    OUT_OF_BUDGET: the steps ended first. DIVERGED: a number was not finite or, for squared loss, the
    residual beyond 1e12 times its start; the run's network is the last finite one, of the step before
    ``outcome_step``.
    """

    CONVERGED = "converged"
    STATIONARY = "stationary"
    OUT_OF_BUDGET = "out of budget"
    DIVERGED = "diverged"


def convergence_floor(first: Array, y: Array) -> float:
    """The residual norm at which squared loss has converged; ``first`` is the residual at the start."""
    floor = max(CONVERGED_RESIDUAL, 16 * float(namespace(y).finfo(y.dtype).eps))
    return floor * max(norm(first), norm(y))


def relative_gradient(model: Model, problem: Problem, rule: GradientDescent, f: Array) -> float:
    """||gradient|| / (||J||_F ||dL/df|| + ||decay theta||) over the trained layers, between 0 and 1.

    0 when nothing can move: no trained layer, a dead network, or no derivative left. The derivative is
    divided by its largest entry first, so it means the same at a loss of 1e-100.
    """
    X, y = problem.X, problem.y
    xp, loss = namespace(f), LOSSES[rule.loss]
    logs = loss.log_abs_derivative(f, y)
    largest_log = float(xp.max(logs))
    if largest_log == -math.inf:
        return 1.0 if rule.rate_W * rule.decay_W + rule.rate_a * rule.decay_a > 0 else 0.0
    c = (xp.sign(-y) if loss.classification else xp.sign(f - y)) * xp.exp(logs - xp.max(logs))
    unit = math.exp(min(-largest_log, 700.0))
    gates, features, a = planes(model, X)
    W_now, a_now = weights(model)
    parts, sizes = [], []
    if rule.rate_W > 0:
        outer = a[:, None] * c if a.ndim == 1 else a @ c.T
        back = model.scale * (gates * outer) @ X
        sizes_of_a = xp.sqrt(xp.sum(xp.reshape(a**2, (a.shape[0], -1)), axis=1))
        sizes_of_x = xp.linalg.vector_norm(X, axis=1)
        reach = abs(model.scale) * norm(sizes_of_a[:, None] * gates * sizes_of_x)
        parts.append(norm(back + (rule.decay_W * unit) * W_now))
        sizes.append(reach * norm(c) + rule.decay_W * unit * norm(W_now))
    if rule.rate_a > 0:
        parts.append(norm(model.scale * (features @ c) + (rule.decay_a * unit) * a_now))
        sizes.append(abs(model.scale) * norm(features) * norm(c) + rule.decay_a * unit * norm(a_now))
    largest = math.hypot(*sizes)
    return math.hypot(*parts) / largest if largest > 0 else 0.0
