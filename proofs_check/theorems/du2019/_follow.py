"""The flow of the first layer, and what Theorem 3.2 and Lemma 3.3 both conclude about it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from proofs_check.statement import Claim
from proofs_check.theorems._decay import at_most_along, decay_claim, evaluated, horizon, rounding_error
from proofs_check.theorems._first_layer import FirstLayer
from proofs_check.theorems._flow import FlowEvidence, follow

__all__ = ["decay_and_travel", "follow_first_layer"]


def follow_first_layer(instance: FirstLayer) -> FlowEvidence:
    """Until exp(-lambda0 t/2) has fallen to 1/12."""
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


def decay_and_travel(instance: FirstLayer, evidence: FlowEvidence) -> Sequence[Claim]:
    """||r(t)|| <= exp(-lambda0 t/2) ||r_0|| and ||w_r - w_r(0)|| <= 2 sqrt(n) ||r_0||/(sqrt(m) lambda0).

    ||dw_r/dt|| <= sqrt(n) ||r||/sqrt(m), and exp(-lambda0 t/2) integrates to 2/lambda0.
    """
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
        at_most_along(
            "largest travel of a neuron",
            "time",
            path.time[keep],
            travel[keep],
            furthest,
            (2 * path.series_error["travel_W_max"] + rounding)[keep],
        ),
    ]
