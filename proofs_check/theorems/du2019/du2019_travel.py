"""Du, Zhai, Poczos and Singh (2019), Lemma 3.3 with its constant: decay and travel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from proofs_check.statement import Constant, Grade, Hypothesis, Requirement, Statement
from proofs_check.theorems._first_layer import FirstLayer, draw_first_layer, sphere_hypotheses
from proofs_check.theorems._flow import FlowEvidence
from proofs_check.theorems._inequalities import at_least
from proofs_check.theorems.du2019._follow import decay_and_travel, follow_first_layer
from proofs_check.theorems.du2019._mutants import travel_mutants
from proofs_check.theorems.du2019._source import SYMBOLS, source
from shallow.setting.initialization import ntk_signs
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = ["TRAVEL", "Parameters"]


@dataclass(frozen=True)
class Parameters:
    """Lemma 3.3 asks nothing of the width, only that the kernel stays bounded below along the flow."""

    n: int = 4
    d: int = 40
    m: int = 2000
    label_scale: float = 1.0
    labels: str = "signs"
    inputs: str = "sphere"
    max_steps: int = 2000


def _instance(parameters: Parameters, streams: Streams, problem: Problem | None) -> FirstLayer:
    return draw_first_layer(parameters, ntk_signs(), streams, problem)


def _kernel_along(instance: FirstLayer, evidence: FlowEvidence) -> list[Hypothesis]:
    smallest = float(np.min(evidence.run.series["lambda_min"])) / evidence.step
    text = "lambda_min(H(s)) >= lambda0/2 for all s"
    return [at_least("kernel", text, "lambda_min(H(s))", smallest, instance.lambda0 / 2)]


TRAVEL: Statement = Statement(
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
    presets={
        "quick": Parameters(),
        "full": Parameters(n=20, d=100, m=8000),
        "beyond": Parameters(n=5, d=5, m=15, label_scale=10.0),
    },
    instance=_instance,
    hypotheses=sphere_hypotheses,
    hypotheses_along=_kernel_along,
    evidence=follow_first_layer,
    claims=decay_and_travel,
    run=lambda instance, evidence: evidence.run,
    constants=(Constant("2", "in front of the travel", 2.0),),
    requirement=lambda instance: Requirement(decay=instance.lambda0, note="of ||r||^2 in unit time"),
    mutants=lambda: travel_mutants(TRAVEL),
    notes=("the form without the factor 2, as recalled from the source, is a mutant: false at n = 1",),
)
