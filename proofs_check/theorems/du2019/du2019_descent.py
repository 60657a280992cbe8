"""Du, Zhai, Poczos and Singh (2019), Theorem 4.1: gradient descent on a wide first layer converges linearly.

Their loss is ours, 1/2 sum_i r_i^2, so rates and times agree. Both constants are unspecified in the source.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from proofs_check.statement import Claim, Constant, Grade, Hypothesis, Probability, Requirement, Statement
from proofs_check.theorems._decay import affordable, decay_claim, horizon, log_factor, rounding_error
from proofs_check.theorems._first_layer import FirstLayer, draw_first_layer, sphere_hypotheses
from proofs_check.theorems._inequalities import order_at_least, order_at_most
from proofs_check.theorems.du2019._mutants import descent_mutants
from proofs_check.theorems.du2019._source import SYMBOLS, source
from shallow.setting.initialization import ntk_signs
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams
from shallow.training import GradientDescent, Trajectory, train

__all__ = ["STATEMENT", "Parameters"]


@dataclass(frozen=True)
class Parameters:
    """The step is eta = step_constant lambda0/n^2; training lasts until the bound has fallen to 1/12."""

    n: int = 4
    d: int = 40
    m: int = 400
    label_scale: float = 1.0
    delta: float = 0.1
    step_constant: float = 2.0
    labels: str = "signs"
    inputs: str = "sphere"
    max_steps: int = 10000


def _instance(parameters: Parameters, streams: Streams, problem: Problem | None) -> FirstLayer:
    return draw_first_layer(parameters, ntk_signs(), streams, problem)


def _step(instance: FirstLayer) -> float:
    return float(instance.parameters.step_constant * instance.lambda0 / instance.n**2)


def _width(instance: FirstLayer) -> float:
    if instance.lambda0 == 0:
        return math.inf
    return float(instance.n**6 / (instance.lambda0**4 * instance.parameters.delta**3))


def _hypotheses(instance: FirstLayer) -> list[Hypothesis]:
    m, largest = instance.network.m, float(np.max(np.abs(instance.problem.y)))
    unit = instance.lambda0 / instance.n**2
    return [
        *sphere_hypotheses(instance),
        order_at_most("labels", "|y_i| <= C for a constant C", "max |y_i|", largest, 1.0),
        order_at_least("width", "m = Omega(n^6/(lambda0^4 delta^3))", "m", m, _width(instance)),
        order_at_most("step", "eta = O(lambda0/n^2)", "eta", _step(instance), unit),
    ]


def _evidence(instance: FirstLayer) -> Trajectory:
    eta = _step(instance)
    wanted = horizon(-0.5 * log_factor(eta * instance.lambda0 / 2))
    steps = affordable(wanted, instance.parameters.max_steps)
    return train(
        instance.network,
        instance.problem,
        GradientDescent(rate_W=eta, rate_a=0.0),
        steps=steps,
        record=("residual_norm", "tangent_distance", "flip_fraction", "travel_W_max"),
        at=max(1, steps // 100),
    )


def _claims(instance: FirstLayer, run: Trajectory) -> Sequence[Claim]:
    log_norm = 0.5 * log_factor(_step(instance) * instance.lambda0 / 2)
    return [
        decay_claim(
            "residual norm",
            run.steps,
            run.series["residual_norm"],
            log_norm * np.asarray(run.steps),
            error=rounding_error(instance.network, instance.problem, int(run.steps[-1])),
            index_name="step",
        )
    ]


def _requirement(instance: FirstLayer) -> Requirement:
    eta = instance.lambda0 / instance.n**2
    return Requirement(
        width=_width(instance),
        width_up_to_constant=True,
        step=eta,
        decay=eta * instance.lambda0 / 2,
        note="width and step at C = 1; the decay is that of ||r||^2 a step",
    )


STATEMENT: Statement = Statement(
    key="du2019/theorem-4.1",
    title="Gradient descent on a wide first layer converges linearly",
    kind="theorem",
    family="du2019",
    source=source("Theorem 4.1"),
    grade=Grade.RECALL_HIGH,
    mathematics=(
        r"\|x_i\| = 1,\quad \lambda_0 = \lambda_{\min}(H^\infty) > 0,\quad |y_i| \le C \\"
        r"w_r(0) \sim \mathcal{N}(0, I),\quad a_r \in \{-1, 1\}\ \text{uniform} \\"
        r"{m} = \Omega\left(\frac{{n}^6}{\lambda_0^4 \delta^3}\right),"
        r"\quad \eta = O\left(\frac{\lambda_0}{{n}^2}\right) \\"
        r"\mathbb{P}\left[\, \|u(k) - y\|^2 \le \left(1 - \frac{\eta \lambda_0}{2}\right)^k \|u(0) - y\|^2"
        r"\ \text{for all}\ k\, \right] \ge 1 - \delta"
    ),
    symbols=SYMBOLS,
    presets={
        "quick": Parameters(),
        "full": Parameters(n=10, m=2000, delta=0.01, step_constant=2.0),
        "beyond": Parameters(m=4),
    },
    instance=_instance,
    hypotheses=_hypotheses,
    evidence=_evidence,
    claims=_claims,
    run=lambda instance, run: run,
    constants=(
        Constant("C_m", "in front of the width"),
        Constant("C_eta", "in front of the step"),
        Constant("C", "bounds the labels"),
    ),
    probability=Probability({"quick": 0.1, "full": 0.01}, frozenset({"init"}), {"quick": 30, "full": 299}),
    requirement=_requirement,
    mutants=lambda: descent_mutants(STATEMENT),
    witness="the constants of width and step are unspecified, so no setting makes every hypothesis true",
    notes=(r"the loss is $\frac{1}{2} \sum_i r_i^2$, as in the source: rates and times agree with it",),
)
