"""What CERT-F and its integrated form share: the condition number q of the hidden features, and the flow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from proofs_check.statement import Claim, Grade, Hypothesis, Statement
from proofs_check.theorems._flow import FlowEvidence
from proofs_check.theorems._inequalities import at_most
from proofs_check.theorems.certificates._flow import flow_claims, follow_both
from proofs_check.theorems.certificates._pieces import (
    NOT_RAZBOROV,
    SYMBOLS,
    TwoLayers,
    draw_two_layers,
    source,
)

__all__ = ["PRESETS", "Parameters", "condition", "features_hypotheses", "features_statement", "reaching"]


@dataclass(frozen=True)
class Parameters:
    """Any initialisation, any labels; the flow has rates rate_W and rate_a."""

    n: int = 5
    d: int = 20
    m: int = 1200
    label_scale: float = 1.0
    rate_W: float = 1.0
    rate_a: float = 1.0
    initialization: str = "lecun"
    labels: str = "signs"
    inputs: str = "gaussian"
    max_steps: int = 2000


PRESETS = MappingProxyType({"quick": Parameters(), "full": Parameters(n=40, d=80, m=8000)})


def condition(instance: TwoLayers) -> float:
    """q = 2 s ||X|| sqrt(eta_W/eta_a) r_0/phi_0^2; infinite without features or a second layer's rate."""
    if instance.features == 0 or instance.rate_a == 0:
        return math.inf
    ratio = math.sqrt(instance.rate_W / instance.rate_a)
    size = abs(instance.network.scale) * instance.spectral
    return 2 * size * ratio * instance.start / instance.features**2


def features_hypotheses(instance: TwoLayers, q: float, largest: float) -> list[Hypothesis]:
    """phi_0 > 0 with a trained second layer, and q at most ``largest``."""
    text = f"phi_0 > 0 and eta_a > 0; here they are {instance.features:.3g} and {instance.rate_a:.3g}"
    if instance.features == 0:
        text += "; the features are dependent: m < n, parallel rows, or too few active neurons"
    close = f"q = 2 s ||X|| sqrt(eta_W/eta_a) r_0/phi_0^2 <= {largest:g}"
    return [
        Hypothesis.fact("features", text, instance.features > 0 and instance.rate_a > 0, "phi_0"),
        at_most("closeness", close, "q", q, largest),
    ]


def reaching(instance: TwoLayers, evidence: FlowEvidence, *, decay: float, halves: float) -> Sequence[Claim]:
    """exp(-decay t), and ||a - a_0|| <= halves r_0/phi_0 with sqrt(eta_W/eta_a) times that for W."""
    reach = halves * instance.start / instance.features if instance.features > 0 else math.inf
    ratio = math.sqrt(instance.rate_W / instance.rate_a) if instance.rate_a > 0 else math.inf
    return flow_claims(instance, evidence, decay=decay, reach_W=ratio * reach, reach_a=reach)


def _follow(instance: TwoLayers) -> FlowEvidence:
    return follow_both(instance, instance.rate_a * instance.features**2 / 4)


def features_statement(key: str, title: str, item: str, tex: str, **parts: Any) -> Statement:
    """The statement with these hypotheses and conclusions."""
    return Statement(
        key=key,
        title=title,
        kind="certificate",
        family="certificates",
        source=source(item),
        grade=Grade.DERIVED,
        mathematics=(
            r"\phi_0 = \sigma_n(s\, \mathrm{relu}(X W_0^\top)) > 0,\quad"
            r" q = \frac{2 s \|X\| \|r_0\|}{\phi_0^2} \sqrt{\frac{\eta_W}{\eta_a}} " + tex
        ),
        symbols=SYMBOLS | {"phi_0": "the n-th singular value of the hidden features at the start"},
        instance=draw_two_layers,
        evidence=_follow,
        run=lambda instance, evidence: evidence.run,
        notes=(NOT_RAZBOROV, "gradient flow, where the papers treat descent"),
        **{"presets": PRESETS, **parts},
    )
