"""CERT-F+: CERT-F with the short path integrated, which doubles the reach and quickens the decay.

Proof. As in CERT-F, -d||r||/dt >= sqrt(eta_a) (phi_0 - c l) dl/dt with c = s ||X|| sqrt(eta_W).
Integrate: phi_0 l - c l^2/2 <= r_0/sqrt(eta_a), so l stays below the smaller root l* = phi_0 (1 - sqrt(1
- q))/c, where phi = phi_0 - c l* = phi_0 sqrt(1 - q); and sqrt(eta_a) l* = 2 r_0/(phi_0 (1 + sqrt(1 -
q))).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from proofs_check.statement import Claim, Mutant, Requirement, Statement
from proofs_check.theorems._flow import FlowEvidence
from proofs_check.theorems.certificates._features import (
    Parameters,
    condition,
    features_hypotheses,
    features_statement,
    reaching,
)
from proofs_check.theorems.certificates._mutants import features_mutants
from proofs_check.theorems.certificates._pieces import TwoLayers, dying_neuron

__all__ = ["INTEGRATED"]

_BELOW_ONE = math.nextafter(1.0, 0.0)


def _decay(instance: TwoLayers, q: float) -> float:
    return instance.rate_a * instance.features**2 * (1 - min(q, 1.0))


def _claims_at(instance: TwoLayers, evidence: FlowEvidence, q: float) -> Sequence[Claim]:
    halves = 2 / (1 + math.sqrt(1 - min(q, 1.0)))
    return reaching(instance, evidence, decay=_decay(instance, q), halves=halves)


def _claims(instance: TwoLayers, evidence: FlowEvidence) -> Sequence[Claim]:
    return _claims_at(instance, evidence, condition(instance))


def _mutants() -> list[Mutant]:
    quarter = dataclasses.replace(
        INTEGRATED,
        key="certificates/cert-f-integrated-quarter",
        instance=dying_neuron,
        hypotheses=lambda instance: features_hypotheses(instance, condition(instance) / 4, _BELOW_ONE),
        claims=lambda instance, evidence: _claims_at(instance, evidence, condition(instance) / 4),
    )
    why = "at q = 3.4 a neuron with a > 0 that must lower its output dies first, so q < 4 is not enough"
    return [*features_mutants(INTEGRATED, 1.0), Mutant("q/4 in place of q", why, quarter, Parameters())]


INTEGRATED: Statement = features_statement(
    "certificates/cert-f-integrated",
    "CERT-F with the short path integrated: twice the reach, a faster decay (CERT-F+)",
    "CERT-F+",
    r"< 1 \\"
    r"\|r(t)\| \le e^{-\eta_a \phi_0^2 (1 - q) t} \|r_0\|,\quad"
    r" \|W - W_0\|_F \le \frac{\phi_0 (1 - \sqrt{1 - q})}{s \|X\|},"
    r"\quad \|a - a_0\| \le \frac{2 \|r_0\|}{\phi_0 (1 + \sqrt{1 - q})}",
    hypotheses=lambda instance: features_hypotheses(instance, condition(instance), _BELOW_ONE),
    claims=_claims,
    requirement=lambda instance: Requirement(
        decay=_decay(instance, condition(instance)), note="of ||r|| in unit time"
    ),
    mutants=_mutants,
)
