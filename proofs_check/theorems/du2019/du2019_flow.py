"""Du, Zhai, Poczos and Singh (2019), Theorem 3.2 with constants: the flow on a wide first layer.

Derived here, because the source leaves every constant open: m > (512/pi) n^5 ||y - u(0)||^2/(delta_2^2 lambda0^4)
and Lemma 3.1's width, with delta = delta_1 + delta_2 split in halves. Antisymmetric doubling makes u(0) = 0;
m/2 neurons are then independent, which Lemma 3.1 has to be given (Lemma 3.2's Markov bound needs no independence).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from proofs_check.statement import Claim, Comparison, Constant, Grade, Hypothesis, Probability, Requirement, Statement
from proofs_check.theorems._decay import decay_claim, evaluated, horizon, rounding_error
from proofs_check.theorems._first_layer import FirstLayer, draw_first_layer, sphere_hypotheses
from proofs_check.theorems._flow import FlowEvidence, follow
from proofs_check.theorems.du2019._mutants import flow_mutants, travel_mutants
from proofs_check.theorems.du2019._source import SYMBOLS, gram_width, source
from shallow.setting.initialization import doubled, ntk_signs
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = ["FLOW", "TRAVEL", "FlowParameters", "TravelParameters"]


@dataclass(frozen=True)
class FlowParameters:
    """At n = 2 orthonormal rows, tau = 0.1 and delta = 0.5 the width must exceed 26,701."""

    n: int = 2
    d: int = 2
    m: int = 26704
    label_scale: float = 0.1
    delta: float = 0.5
    labels: str = "signs"
    inputs: str = "orthonormal"
    max_steps: int = 4000


@dataclass(frozen=True)
class TravelParameters:
    """Lemma 3.3 asks nothing of the width, only that the kernel stays bounded below along the flow."""

    n: int = 4
    d: int = 40
    m: int = 2000
    label_scale: float = 1.0
    labels: str = "signs"
    inputs: str = "sphere"
    max_steps: int = 4000


def _flow_instance(parameters: FlowParameters, streams: Streams, problem: Problem | None) -> FirstLayer:
    return draw_first_layer(parameters, doubled(ntk_signs()), streams, problem)


def _travel_instance(parameters: TravelParameters, streams: Streams, problem: Problem | None) -> FirstLayer:
    return draw_first_layer(parameters, ntk_signs(), streams, problem)


def _flow_width(instance: FirstLayer) -> float:
    """2 sqrt(n) ||r_0||/(sqrt(m) lambda0) < sqrt(2 pi) delta_2 lambda0/(16 n^2), solved for m."""
    if instance.lambda0 == 0:
        return math.inf
    half = instance.parameters.delta / 2
    return 512 / math.pi * instance.n**5 * instance.start**2 / (half**2 * instance.lambda0**4)


def _hypotheses(instance: FirstLayer) -> list[Hypothesis]:
    m = instance.network.m
    gram = gram_width(instance, instance.parameters.delta / 2)
    return [
        *sphere_hypotheses(instance),
        Hypothesis.inequality(
            "width", "m > (512/pi) n^5 ||y - u(0)||^2/((delta/2)^2 lambda0^4)", variable="m",
            have=m, sense=">=", need=float(np.nextafter(_flow_width(instance), math.inf)),
        ),
        Hypothesis.inequality(
            "gram", "m/2 >= 8 n^2 ln(2 n^2/(delta/2))/lambda0^2", variable="m/2", have=m / 2, sense=">=", need=gram
        ),
    ]


def _evidence(instance: FirstLayer) -> FlowEvidence:
    return follow(
        instance.network,
        instance.problem,
        rate_W=1.0,
        rate_a=0.0,
        time=horizon(instance.lambda0 / 2),
        record=("travel_W_max",),
        max_steps=instance.parameters.max_steps,
        beside=("lambda_min", "flip_fraction"),
    )


def _claims(instance: FirstLayer, evidence: FlowEvidence) -> Sequence[Claim]:
    path, lambda0 = evidence.path, instance.lambda0
    residual, travel = path.series["residual_norm"], path.series["travel_W_max"]
    rounding = rounding_error(instance.network, instance.problem, evidence.run.steps[-1])
    furthest = math.inf
    if lambda0 > 0:
        furthest = 2 * math.sqrt(instance.n) * residual[0] / (math.sqrt(instance.network.m) * lambda0)
    keep = evaluated(residual)
    return [
        decay_claim(
            "residual norm",
            path.time,
            residual,
            -lambda0 / 2 * path.time,
            error=2 * path.series_error["residual_norm"] + rounding,
            index_name="time",
        ),
        Claim(
            name="largest travel of a neuron",
            index=path.time[keep],
            observed=travel[keep],
            lower=-math.inf,
            upper=furthest,
            trivial=math.nan,
            numerical_error=(2 * path.series_error["travel_W_max"] + rounding)[keep],
            comparison=Comparison.UPPER,
            index_name="time",
            unit="weight",
        ),
    ]


def _kernel_along(instance: FirstLayer, evidence: FlowEvidence) -> list[Hypothesis]:
    smallest = float(np.min(evidence.run.series["lambda_min"])) / evidence.step
    return [
        Hypothesis.inequality(
            "kernel", "lambda_min(H(s)) >= lambda0/2 for all s", variable="lambda_min(H(s))",
            have=smallest, sense=">=", need=instance.lambda0 / 2,
        )
    ]


FLOW = Statement(
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
    presets={"quick": FlowParameters(), "full": FlowParameters(label_scale=0.002, delta=0.01)},
    instance=_flow_instance,
    hypotheses=_hypotheses,
    evidence=_evidence,
    claims=_claims,
    run=lambda instance, evidence: evidence.run,
    constants=(Constant("512/pi", "in front of the width", 512 / math.pi), Constant("8", "of Lemma 3.1", 8.0)),
    probability=Probability({"quick": 0.5, "full": 0.01}, frozenset({"init"}), {"quick": 5, "full": 299}),
    requirement=lambda instance: Requirement(width=_flow_width(instance), decay=instance.lambda0),
    mutants=lambda: flow_mutants(FLOW),
    notes=("neurons are drawn as (w, a), (w, -a), so that u(0) = 0",),
)

TRAVEL = Statement(
    key="du2019/lemma-3.3",
    title="While the kernel stays positive the residual decays and no neuron travels far",
    kind="lemma",
    family="du2019",
    source=source("Lemma 3.3, with its constant"),
    grade=Grade.DERIVED,
    mathematics=(
        r"\|x_i\| = 1,\quad \lambda_{\min}(H(s)) \ge \frac{\lambda_0}{2}\ \text{for}\ 0 \le s \le t \\"
        r"\|u(t) - y\|^2 \le e^{-\lambda_0 t} \|u(0) - y\|^2,\quad"
        r" \|w_r(t) - w_r(0)\| \le \frac{2 \sqrt{{n}} \|y - u(0)\|}{\sqrt{{m}} \lambda_0}"
    ),
    symbols=SYMBOLS,
    presets={"quick": TravelParameters(), "full": TravelParameters(n=20, d=100, m=8000)},
    instance=_travel_instance,
    hypotheses=sphere_hypotheses,
    hypotheses_along=_kernel_along,
    evidence=_evidence,
    claims=_claims,
    run=lambda instance, evidence: evidence.run,
    requirement=lambda instance: Requirement(decay=instance.lambda0, note="of ||r||^2 in unit time"),
    mutants=lambda: travel_mutants(TRAVEL),
    notes=("the form without the factor 2, as recalled from the source, is a mutant: false at n = 1",),
)
