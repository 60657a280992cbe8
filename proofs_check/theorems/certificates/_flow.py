"""The flow that the certificates speak of, and what each of them claims about it."""

from __future__ import annotations

from collections.abc import Sequence

from proofs_check.statement import Claim
from proofs_check.theorems._decay import at_most_along, decay_claim, evaluated, horizon, rounding_error
from proofs_check.theorems._flow import FlowEvidence, follow
from proofs_check.theorems.certificates._pieces import TwoLayers

__all__ = ["flow_claims", "follow_both"]


def follow_both(instance: TwoLayers, decay: float) -> FlowEvidence:
    """Both layers at their rates, until exp(-decay t) has fallen to 1/12."""
    return follow(
        instance.network,
        instance.problem,
        rate_W=instance.rate_W,
        rate_a=instance.rate_a,
        time=horizon(decay),
        record=("travel_W", "travel_a"),
        max_steps=instance.parameters.max_steps,
        beside=("flip_fraction",),
    )


def flow_claims(
    instance: TwoLayers, evidence: FlowEvidence, *, decay: float, reach_W: float, reach_a: float
) -> Sequence[Claim]:
    """||r(t)|| <= exp(-decay t) r_0, and how far each layer that is trained can go."""
    path = evidence.path
    residual = path.series["residual_norm"]
    rounding = rounding_error(instance.network, instance.problem, int(evidence.run.steps[-1]))
    keep = evaluated(residual)

    def within(name: str, series: str, bound: float) -> Claim:
        error = (2 * path.series_error[series] + rounding)[keep]
        return at_most_along(name, "time", path.time[keep], path.series[series][keep], bound, error)

    claims = [
        decay_claim(
            "residual norm",
            path.time,
            residual,
            -decay * path.time,
            error=2 * path.series_error["residual_norm"] + rounding,
            index_name="time",
        )
    ]
    if instance.rate_W > 0:
        claims.append(within("||W - W_0||", "travel_W", reach_W))
    if instance.rate_a > 0:
        claims.append(within("||a - a_0||", "travel_a", reach_a))
    return claims
