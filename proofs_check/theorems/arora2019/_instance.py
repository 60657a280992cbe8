"""What Theorem 4.1 speaks of, in both its forms: the start, the run, and the kernel's prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.statement import Hypothesis, Requirement
from proofs_check.theorems._decay import affordable, horizon, log_factor
from proofs_check.theorems._first_layer import FirstLayer, draw_first_layer, sphere_hypotheses
from proofs_check.theorems._inequalities import order_at_least, order_at_most
from shallow.observe.snapshot import Snapshot
from shallow.setting.initialization import ntk_signs
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams
from shallow.training import GradientDescent, Trajectory, train

__all__ = ["FULL", "Evidence", "Parameters", "evidence", "hypotheses", "instance", "predicted", "requirement"]


@dataclass(frozen=True)
class Parameters:
    """``epsilon`` is in the unit of ||y - u||; the step is eta = step_constant lambda0/n^2."""

    n: int = 4
    d: int = 20
    m: int = 6000
    label_scale: float = 1.0
    epsilon: float = 0.18
    kappa: float = 0.04
    delta: float = 0.1
    step_constant: float = 4.0
    labels: str = "signs"
    inputs: str = "sphere"
    max_steps: int = 5000


FULL = Parameters(m=60000, delta=0.01, epsilon=0.1, kappa=0.02)


@dataclass(frozen=True, eq=False)
class Evidence:
    """The run, and y - u(k) at its recorded steps in the eigenvectors' coordinates, (records, n)."""

    run: Trajectory
    modes: Any


def instance(parameters: Parameters, streams: Streams, problem: Problem | None) -> FirstLayer:
    """W ~ N(0, kappa^2 I), a = +-1."""
    if not parameters.epsilon > 0:
        raise ValueError(f"epsilon is {parameters.epsilon}; it must be positive")
    return draw_first_layer(parameters, ntk_signs(parameters.kappa), streams, problem)


def _step(instance: FirstLayer) -> float:
    return float(instance.parameters.step_constant * instance.lambda0 / instance.n**2)


def _width(instance: FirstLayer) -> float:
    p = instance.parameters
    size = instance.lambda0**4 * p.kappa**2 * p.delta**4 * p.epsilon**2
    return float(instance.n**7 / size) if size > 0 else math.inf


def hypotheses(instance: FirstLayer) -> list[Hypothesis]:
    """All but the initialisation's law, which the instance draws itself."""
    p, n, m = instance.parameters, instance.n, instance.network.m
    width = "m = Omega(n^7/(lambda0^4 kappa^2 delta^4 epsilon^2))"
    small = p.epsilon * p.delta / math.sqrt(n)
    return [
        *sphere_hypotheses(instance),
        order_at_most("kappa", "kappa = O(epsilon delta/sqrt(n))", "kappa", p.kappa, small),
        order_at_least("width", width, "m", m, _width(instance)),
        order_at_most("step", "eta = O(lambda0/n^2)", "eta", _step(instance), instance.lambda0 / n**2),
    ]


def evidence(instance: FirstLayer) -> Evidence:
    """Descend until the slowest mode is predicted to have fallen to 1/1000."""
    eta = _step(instance)
    # The interval's upper end, epsilon above the prediction, must get ten times under ||y||.
    wanted = horizon(-log_factor(eta * instance.lambda0), fall=1000.0)
    steps = affordable(wanted, instance.parameters.max_steps)

    def mode_residual(now: Snapshot) -> Any:
        return instance.eigenvectors.T @ now.residual

    run = train(
        instance.network,
        instance.problem,
        GradientDescent(rate_W=eta, rate_a=0.0),
        steps=steps,
        record=("residual_norm", "tangent_distance", "flip_fraction", mode_residual),
        at=max(1, steps // 100),
    )
    return Evidence(run, -np.asarray(run.series["mode_residual"]))


def predicted(instance: FirstLayer, run: Trajectory) -> Any:
    """(1 - eta lambda_i)^k v_i.y at the recorded steps, (records, n)."""
    factors = 1.0 - _step(instance) * instance.eigenvalues
    labels = instance.eigenvectors.T @ np.asarray(instance.problem.y)
    return factors[None, :] ** np.asarray(run.steps)[:, None] * labels


def requirement(instance: FirstLayer) -> Requirement:
    """Width and step at C = 1."""
    eta = instance.lambda0 / instance.n**2
    note = "width and step at C = 1; the decay is that of the slowest mode a step"
    return Requirement(
        width=_width(instance),
        width_up_to_constant=True,
        step=eta,
        decay=eta * instance.lambda0,
        note=note,
    )
