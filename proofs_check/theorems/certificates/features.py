"""CERT-F: the flow on both layers converges from well-conditioned features, whatever the patterns do.

Proof. phi(t) = sigma_n(F(t)) >= phi_0 - s ||X|| ||W - W_0||_F since relu is 1-Lipschitz, and J J^T >=
eta_a F F^T. With l the rate-scaled path, ||W - W_0||_F <= sqrt(eta_W) l and -d||r||/dt = ||J^T
r||^2/||r|| >= sqrt(eta_a) phi dl/dt. While phi >= phi_0/2 this gives l <= 2 r_0/(sqrt(eta_a) phi_0), and
that keeps phi >= phi_0/2 if 4 s ||X|| sqrt(eta_W/eta_a) r_0 <= phi_0^2, which is q <= 1/2.
"""

from __future__ import annotations

from collections.abc import Sequence

from proofs_check.statement import Claim, Constant, Requirement, Statement
from proofs_check.theorems._flow import FlowEvidence
from proofs_check.theorems.certificates._features import (
    PRESETS,
    Parameters,
    condition,
    features_hypotheses,
    features_statement,
    reaching,
)
from proofs_check.theorems.certificates._mutants import dying, features_mutants
from proofs_check.theorems.certificates._pieces import TwoLayers

__all__ = ["FEATURES"]


def _decay(instance: TwoLayers) -> float:
    return instance.rate_a * instance.features**2 / 4


def _claims(instance: TwoLayers, evidence: FlowEvidence) -> Sequence[Claim]:
    return reaching(instance, evidence, decay=_decay(instance), halves=2.0)


FEATURES: Statement = features_statement(
    "certificates/cert-f",
    "The flow on both layers converges from well-conditioned features (CERT-F)",
    "CERT-F",
    r"\le \frac{1}{2} \\"
    r"\|r(t)\| \le e^{-\eta_a \phi_0^2 t/4} \|r_0\|,\quad"
    r" \|W - W_0\|_F \le 2 \sqrt{\frac{\eta_W}{\eta_a}} \frac{\|r_0\|}{\phi_0},"
    r"\quad \|a - a_0\| \le \frac{2 \|r_0\|}{\phi_0}",
    hypotheses=lambda instance: features_hypotheses(instance, condition(instance), 0.5),
    claims=_claims,
    presets={**PRESETS, "beyond": Parameters(m=80, label_scale=3.0)},
    constants=(
        Constant("1/2", "largest q", 0.5),
        Constant("1/4", "decay", 0.25),
        Constant("2", "travel", 2.0),
    ),
    requirement=lambda instance: Requirement(decay=_decay(instance), note="of ||r|| in unit time"),
    mutants=lambda: [*features_mutants(FEATURES, 4.0), dying(FEATURES, Parameters())],
)
