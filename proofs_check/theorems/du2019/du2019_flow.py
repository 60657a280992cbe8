"""Du, Zhai, Poczos and Singh (2019), Theorem 3.2 with constants: the flow on a wide first layer.

Derived here, because the source leaves every constant open. Lemma 3.3's travel stays below Lemma 3.2's
radius, 2 sqrt(n) ||y - u(0)||/(sqrt(m) lambda0) < sqrt(2 pi) delta_2 lambda0/(16 n^2), once m > (512/pi)
n^5 ||y - u(0)||^2/(delta_2^2 lambda0^4); Lemma 3.1 takes the rest, delta_1, of delta: halves here.
Antisymmetric doubling makes u(0) = 0; m/2 neurons are then independent, and Lemma 3.1 is given those
(Lemma 3.2 rests on Markov's inequality and needs no independence).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from proofs_check.statement import Constant, Grade, Hypothesis, Probability, Requirement, Statement
from proofs_check.theorems._first_layer import FirstLayer, draw_first_layer, sphere_hypotheses
from proofs_check.theorems._inequalities import at_least
from proofs_check.theorems.du2019._follow import decay_and_travel, follow_first_layer
from proofs_check.theorems.du2019._mutants import flow_mutants
from proofs_check.theorems.du2019._source import SYMBOLS, gram_width, source
from shallow.setting.initialization import doubled, ntk_signs
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = ["FLOW", "Parameters"]


@dataclass(frozen=True)
class Parameters:
    """At n = 2 orthonormal rows, tau = 0.1 and delta = 0.5 the width must exceed 26,701."""

    n: int = 2
    d: int = 2
    m: int = 26704
    label_scale: float = 0.1
    delta: float = 0.5
    labels: str = "signs"
    inputs: str = "orthonormal"
    max_steps: int = 400


def _instance(parameters: Parameters, streams: Streams, problem: Problem | None) -> FirstLayer:
    return draw_first_layer(parameters, doubled(ntk_signs()), streams, problem)


def _width(instance: FirstLayer) -> float:
    """2 sqrt(n) ||r_0||/(sqrt(m) lambda0) < sqrt(2 pi) delta_2 lambda0/(16 n^2), solved for m."""
    if instance.lambda0 == 0:
        return math.inf
    half = instance.parameters.delta / 2
    return float(512 / math.pi * instance.n**5 * instance.start**2 / (half**2 * instance.lambda0**4))


def _hypotheses(instance: FirstLayer) -> list[Hypothesis]:
    m, delta = instance.network.m, instance.parameters.delta
    width = "m > (512/pi) n^5 ||y - u(0)||^2/((delta/2)^2 lambda0^4)"
    gram = "m/2 >= 8 n^2 ln(2 n^2/(delta/2))/lambda0^2"
    return [
        *sphere_hypotheses(instance),
        at_least("width", width, "m", m, float(np.nextafter(_width(instance), math.inf))),
        at_least("gram", gram, "m/2", m / 2, gram_width(instance, delta / 2)),
    ]


FLOW: Statement = Statement(
    key="du2019/flow-explicit",
    title="The flow on a wide first layer converges linearly, with every constant",
    kind="theorem",
    family="du2019",
    source=source("Theorem 3.2, with constants"),
    grade=Grade.DERIVED,
    mathematics=(
        r"\|x_i\| = 1,\quad \lambda_0 > 0,\quad \dot W = -\nabla_W L \\"
        r"{m} > \frac{512}{\pi} \frac{{n}^5 \|y - u(0)\|^2}{(\delta/2)^2 \lambda_0^4},"
        r"\quad \frac{{m}}{2} \ge \frac{8 {n}^2 \ln(4 {n}^2/\delta)}{\lambda_0^2} \\"
        r"\mathbb{P}\left[\, \|u(t) - y\|^2 \le e^{-\lambda_0 t} \|u(0) - y\|^2,\ "
        r"\|w_r(t) - w_r(0)\| \le \frac{2 \sqrt{{n}} \|y - u(0)\|}{\sqrt{{m}} \lambda_0}"
        r"\ \text{for all}\ t, r \,\right] \ge 1 - \delta"
    ),
    symbols=SYMBOLS,
    presets={
        "quick": Parameters(),
        "full": Parameters(label_scale=0.002, delta=0.01),
        "beyond": Parameters(m=100),
    },
    instance=_instance,
    hypotheses=_hypotheses,
    evidence=follow_first_layer,
    claims=decay_and_travel,
    run=lambda instance, evidence: evidence.run,
    constants=(
        Constant("512/pi", "in front of the width", 512 / math.pi),
        Constant("8", "of Lemma 3.1", 8.0),
    ),
    probability=Probability({"quick": 0.5, "full": 0.01}, frozenset({"init"}), {"quick": 5, "full": 299}),
    requirement=lambda instance: Requirement(width=_width(instance), decay=instance.lambda0),
    mutants=lambda: flow_mutants(FLOW),
    notes=("neurons are drawn as (w, a), (w, -a), so that u(0) = 0",),
)
