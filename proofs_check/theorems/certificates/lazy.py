"""CERT-A and CERT-B: the flow stays close to its tangent model for as long as its path is short.

Proof. While the smallest singular value of the rate-scaled Jacobian stays above s0/2, -d||r||/dt = ||J^T
r||^2/||r|| >= (s0/2) ||J^T r||, so the path is at most B = 2 r0/s0; on a path of that length the Jacobian
moves by at most sqrt(E_W^2 + E_a^2) <= s0/2, which keeps it so. CERT-A is CERT-B with eta_a = 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from proofs_check.statement import Claim, Constant, Grade, Hypothesis, Requirement, Statement
from proofs_check.theorems._flow import FlowEvidence
from proofs_check.theorems._inequalities import at_most
from proofs_check.theorems.certificates._flow import flow_claims, follow_both
from proofs_check.theorems.certificates._mutants import lazy_mutants
from proofs_check.theorems.certificates._pieces import (
    SYMBOLS,
    TwoLayers,
    closeness,
    draw_two_layers,
    source,
    start_hypothesis,
)

__all__ = ["BOTH_LAYERS", "FIRST_LAYER", "Parameters"]


@dataclass(frozen=True)
class Parameters:
    """Any initialisation and any labels; the flow has rates rate_W and rate_a."""

    n: int = 5
    d: int = 50
    m: int = 2000
    label_scale: float = 0.02
    rate_W: float = 0.01
    rate_a: float = 1.0
    initialization: str = "doubled-ntk"
    labels: str = "signs"
    inputs: str = "normalized-gaussian"
    max_steps: int = 2000


def _length(instance: TwoLayers) -> float:
    return 2 * instance.start / instance.smallest if instance.smallest > 0 else math.inf


def _hypotheses(instance: TwoLayers) -> list[Hypothesis]:
    text = "sqrt(E_W^2 + E_a^2) <= s_0/2 on a path of length 2 r_0/s_0"
    moved = closeness(instance, _length(instance))
    return [
        start_hypothesis(instance),
        at_most("closeness", text, "sqrt(E_W^2 + E_a^2)", moved, instance.smallest / 2),
    ]


def _first_hypotheses(instance: TwoLayers) -> list[Hypothesis]:
    frozen = Hypothesis.fact(
        "frozen", "eta_a = 0: the first layer alone is trained", instance.rate_a == 0, "eta_a"
    )
    return [frozen, *_hypotheses(instance)]


def _decay(instance: TwoLayers) -> float:
    return instance.smallest**2 / 4


def _evidence(instance: TwoLayers) -> FlowEvidence:
    return follow_both(instance, _decay(instance))


def _claims(instance: TwoLayers, evidence: FlowEvidence) -> Sequence[Claim]:
    reach = _length(instance)
    return flow_claims(
        instance,
        evidence,
        decay=_decay(instance),
        reach_W=math.sqrt(instance.rate_W) * reach,
        reach_a=math.sqrt(instance.rate_a) * reach,
    )


_SHIFT = (
    r"E_W = \sqrt{\eta_W} s \|X\| \left(\sqrt{\eta_a} B + \sqrt{A(\sqrt{\eta_W} B)}\right),"
    r"\quad E_a = \sqrt{\eta_W \eta_a} s \|X\| B,\quad \sqrt{E_W^2 + E_a^2} \le \frac{s_0}{2} \\"
)


def _statement(key: str, title: str, item: str, **parts: Any) -> Statement:
    return Statement(
        key=key,
        title=title,
        kind="certificate",
        family="certificates",
        source=source(item),
        grade=Grade.DERIVED,
        mathematics=(
            r"s_0^2 = \lambda_{\min}(\eta_W H_W(0) + \eta_a H_a(0)) > 0,\quad B = \frac{2 \|r_0\|}{s_0} \\"
            + _SHIFT
            + r"\|r(t)\| \le e^{-s_0^2 t/4} \|r_0\|,\quad"
            r" \|W - W_0\|_F \le \sqrt{\eta_W} B,\quad \|a - a_0\| \le \sqrt{\eta_a} B"
        ),
        symbols=SYMBOLS,
        instance=draw_two_layers,
        evidence=_evidence,
        claims=_claims,
        run=lambda instance, evidence: evidence.run,
        constants=(
            Constant("2", "path", 2.0),
            Constant("1/2", "closeness", 0.5),
            Constant("1/4", "decay", 0.25),
        ),
        requirement=lambda instance: Requirement(decay=_decay(instance), note="of ||r|| in unit time"),
        notes=(
            "this is Razborov's setting (arXiv:2212.02323), not his theorem, whose text has not been read",
        ),
        **parts,
    )


BOTH_LAYERS: Statement = _statement(
    "certificates/cert-b",
    "The flow on both layers at different rates converges (CERT-B)",
    "CERT-B",
    presets={
        "quick": Parameters(),
        "full": Parameters(n=20, d=200, m=20000),
        "beyond": Parameters(n=10, d=20, m=60, label_scale=3.0, rate_W=1.0),
    },
    hypotheses=_hypotheses,
    mutants=lambda: lazy_mutants(BOTH_LAYERS),
)

FIRST_LAYER: Statement = _statement(
    "certificates/cert-a",
    "The flow on the first layer converges (CERT-A)",
    "CERT-A",
    presets={
        "quick": Parameters(rate_W=1.0, rate_a=0.0, label_scale=0.0005, m=1000),
        "full": Parameters(rate_W=1.0, rate_a=0.0, label_scale=0.001, n=20, d=200, m=20000),
        "beyond": Parameters(rate_W=1.0, rate_a=0.0, label_scale=1.0, d=10, m=20),
    },
    hypotheses=_first_hypotheses,
    mutants=lambda: lazy_mutants(FIRST_LAYER),
)
