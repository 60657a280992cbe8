"""CERT-F: the flow on both layers converges when the hidden features are well conditioned, whatever the patterns do.

Proof. phi(t) = sigma_n(F(t)) >= phi_0 - s ||X|| ||W - W_0||_F since relu is 1-Lipschitz, and J J^T >= eta_a F F^T. With l
the rate-scaled path, ||W - W_0||_F <= sqrt(eta_W) l and -d||r||/dt = ||J^T r||^2/||r|| >= sqrt(eta_a) phi dl/dt. While
phi >= phi_0/2 this gives l <= 2 r_0/(sqrt(eta_a) phi_0), which keeps phi >= phi_0/2 if 4 s ||X|| sqrt(eta_W/eta_a) r_0 <= phi_0^2.
Integrating instead of halving: with q = 2 s ||X|| sqrt(eta_W/eta_a) r_0/phi_0^2 < 1 the path stops before the smaller
root l* of phi_0 l - s ||X|| sqrt(eta_W) l^2/2 = r_0/sqrt(eta_a), where phi = phi_0 sqrt(1 - q).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.statement import Claim, Constant, Grade, Hypothesis, Mutant, Requirement, Statement
from proofs_check.theorems._flow import FlowEvidence
from proofs_check.theorems._mutation import tightened, without
from proofs_check.theorems.certificates._flow import flow_claims, follow_both
from proofs_check.theorems.certificates._pieces import (
    SYMBOLS,
    TwoLayers,
    draw_two_layers,
    dying_neuron,
    source,
)
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = ["FEATURES", "INTEGRATED", "Parameters"]


_BELOW_ONE = math.nextafter(1.0, 0.0)


@dataclass(frozen=True)
class Parameters:
    """Any initialisation, any labels; the flow has rates rate_W and rate_a."""

    n: int = 5
    d: int = 20
    m: int = 800
    label_scale: float = 1.0
    rate_W: float = 1.0
    rate_a: float = 1.0
    initialization: str = "lecun"
    labels: str = "signs"
    inputs: str = "gaussian"
    max_steps: int = 4000


def _q(instance: TwoLayers) -> float:
    """2 s ||X|| sqrt(eta_W/eta_a) r_0/phi_0^2; infinite without features or without a second layer's rate."""
    if instance.features == 0 or instance.rate_a == 0:
        return math.inf
    ratio = math.sqrt(instance.rate_W / instance.rate_a)
    size = abs(instance.network.scale) * instance.spectral
    return 2 * size * ratio * instance.start / instance.features**2


def _hypotheses(instance: TwoLayers, largest: float, share: float = 1.0) -> list[Hypothesis]:
    text = f"phi_0 = {instance.features:.3g} > 0 and eta_a > 0: independent features, and a trained second layer"
    return [
        Hypothesis.fact("features", text, instance.features > 0 and instance.rate_a > 0, "phi_0"),
        Hypothesis.inequality(
            "closeness",
            f"q = 2 s ||X|| sqrt(eta_W/eta_a) r_0/phi_0^2 <= {largest:g}",
            variable="q",
            have=share * _q(instance),
            sense="<=",
            need=largest,
        ),
    ]


def _decay(instance: TwoLayers) -> float:
    return instance.rate_a * instance.features**2 / 4


def _evidence(instance: TwoLayers) -> FlowEvidence:
    return follow_both(instance, _decay(instance))


def _claims(instance: TwoLayers, evidence: FlowEvidence) -> Sequence[Claim]:
    reach = 2 * instance.start / instance.features if instance.features > 0 else math.inf
    ratio = math.sqrt(instance.rate_W / instance.rate_a) if instance.rate_a > 0 else math.inf
    return flow_claims(instance, evidence, decay=_decay(instance), reach_W=_times(ratio, reach), reach_a=reach)


def _times(factor: float, reach: float) -> float:
    return 0.0 if factor == 0 else factor * reach


def _integrated_claims(instance: TwoLayers, evidence: FlowEvidence, share: float = 1.0) -> Sequence[Claim]:
    q = min(share * _q(instance), 1.0)
    decay = 4 * _decay(instance) * (1 - q)
    # phi_0 (1 - sqrt(1 - q))/(s ||X||) over the square root of the rate: the smaller root l*, free of 0/0.
    reach = 2 * instance.start / (instance.features * (1 + math.sqrt(1 - q))) if instance.features > 0 else math.inf
    ratio = math.sqrt(instance.rate_W / instance.rate_a) if instance.rate_a > 0 else math.inf
    return flow_claims(instance, evidence, decay=decay, reach_W=_times(ratio, reach), reach_a=reach)


def _few_neurons(parameters: Any, streams: Streams, problem: Problem | None) -> TwoLayers:
    """The slip: the last of min(m, n) singular values in place of the n-th, which is 0 when m < n."""
    instance = draw_two_layers(parameters, streams, problem)
    F = instance.network.scale * np.maximum(instance.problem.X @ instance.network.W.T, 0.0)
    return dataclasses.replace(instance, features=float(np.linalg.svd(F, compute_uv=False)[-1]))


def _mutants(statement: Statement, factor: float) -> list[Mutant]:
    quick = statement.presets["quick"]
    frozen = dataclasses.replace(quick, rate_W=0.0, labels="bottom-eigenvector")
    slip = dataclasses.replace(statement, key=f"{statement.key}-last-singular-value", instance=_few_neurons)
    return [
        Mutant(
            "tightened",
            "with W frozen and labels along the bottom eigenvector the decay is exp(-eta_a phi_0^2 t) exactly",
            tightened(statement, 1.25 * factor),
            frozen,
        ),
        Mutant(
            "last singular value",
            "one neuron cannot fit two samples; phi_0 must be the n-th singular value, 0 when m < n",
            slip,
            dataclasses.replace(frozen, n=2, d=2, m=1, labels="signs"),
            trials=8,
        ),
    ]


def _without_closeness() -> Mutant:
    return Mutant(
        "without closeness",
        "a neuron with a > 0 that must lower its output dies first",
        dataclasses.replace(without(FEATURES, "closeness"), instance=dying_neuron),
        Parameters(),
    )


def _quarter_of_q() -> Mutant:
    changed = dataclasses.replace(
        INTEGRATED,
        key="certificates/cert-f-integrated-quarter",
        instance=dying_neuron,
        hypotheses=lambda instance: _hypotheses(instance, _BELOW_ONE, 0.25),
        claims=lambda instance, evidence: _integrated_claims(instance, evidence, 0.25),
    )
    why = "at q = 3.4 a neuron with a > 0 that must lower its output dies first, so q < 4 is not enough"
    return Mutant("q/4 in place of q", why, changed, Parameters())


def _statement(key: str, title: str, item: str, condition: str, conclusion: str, **parts: Any) -> Statement:
    return Statement(
        key=key,
        title=title,
        kind="certificate",
        family="certificates",
        source=source(item),
        grade=Grade.DERIVED,
        mathematics=(
            r"\phi_0 = \sigma_{n}(s\, \mathrm{relu}(X W_0^\top)) > 0,\quad"
            r" q = \frac{2 s \|X\| \|r_0\|}{\phi_0^2} \sqrt{\frac{\eta_W}{\eta_a}} " + condition + r" \\" + conclusion
        ),
        symbols=SYMBOLS | {"phi_0": "the n-th singular value of the hidden features at the start"},
        presets={"quick": Parameters(), "full": Parameters(n=40, d=80, m=8000)},
        instance=draw_two_layers,
        evidence=_evidence,
        run=lambda instance, evidence: evidence.run,
        notes=(
            "this is Razborov's setting (arXiv:2212.02323), not his theorem, whose text has not been read",
            "gradient flow, where the papers treat descent",
        ),
        **parts,
    )


FEATURES = _statement(
    "certificates/cert-f",
    "The flow on both layers converges from well-conditioned features (CERT-F)",
    "CERT-F",
    r"\le \frac{1}{2}",
    r"\|r(t)\| \le e^{-\eta_a \phi_0^2 t/4} \|r_0\|,\quad \|W - W_0\|_F \le 2 \sqrt{\frac{\eta_W}{\eta_a}}"
    r" \frac{\|r_0\|}{\phi_0},\quad \|a - a_0\| \le \frac{2 \|r_0\|}{\phi_0}",
    hypotheses=lambda instance: _hypotheses(instance, 0.5),
    claims=_claims,
    constants=(Constant("1/2", "largest q", 0.5), Constant("1/4", "decay", 0.25), Constant("2", "travel", 2.0)),
    requirement=lambda instance: Requirement(decay=_decay(instance), note="of ||r|| in unit time; needs q <= 1/2"),
    mutants=lambda: [*_mutants(FEATURES, 4.0), _without_closeness()],
)

INTEGRATED = _statement(
    "certificates/cert-f-integrated",
    "CERT-F with the short path integrated: twice the reach and a faster decay (CERT-F+)",
    "CERT-F+",
    "< 1",
    r"\|r(t)\| \le e^{-\eta_a \phi_0^2 (1 - q) t} \|r_0\|,\quad \|W - W_0\|_F \le \frac{\phi_0 (1 - \sqrt{1 - q})}{s \|X\|}"
    r",\quad \|a - a_0\| \le \sqrt{\frac{\eta_a}{\eta_W}} \frac{\phi_0 (1 - \sqrt{1 - q})}{s \|X\|}",
    hypotheses=lambda instance: _hypotheses(instance, _BELOW_ONE),
    claims=_integrated_claims,
    requirement=lambda instance: Requirement(
        decay=4 * _decay(instance) * (1 - min(_q(instance), 1.0)), note="of ||r|| in unit time; needs q < 1"
    ),
    mutants=lambda: [*_mutants(INTEGRATED, 1.0), _quarter_of_q()],
)
