"""certify_flow: does gradient flow from these weights converge to zero loss?"""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np

from proofs_check.certificates.certificate import Certificate, Theorem
from proofs_check.certificates.geometry import Geometry, geometry_of
from proofs_check.certificates.instance import Instance
from proofs_check.certificates.proposal import Finding, Proposal
from proofs_check.certificates.refusals import refusal, singular
from proofs_check.certificates.search import Plan, Stuck, search_flow
from proofs_check.verdict import Evidence
from shallow.setting.network import Network
from shallow.setting.problem import Problem

__all__ = ["RIGOURS", "Rigour", "Search", "certify", "certify_flow", "prover"]

Rigour = Literal["enclosed", "verified", "numeric"]
Prover = Callable[[Instance, Proposal], Finding]
Search = Callable[[Geometry, Plan], Proposal | Stuck]

RIGOURS: Mapping[str, tuple[Evidence, str]] = MappingProxyType(
    {
        "enclosed": (Evidence.ENCLOSED, "proofs_check.certificates.enclosed"),
        "verified": (Evidence.VERIFIED, "proofs_check.certificates.verified"),
        "numeric": (Evidence.NUMERIC, "proofs_check.certificates.numeric"),
    }
)
"""Arithmetic and the module that offers prove_flow and prove_descent in it."""

SLACKS = (1e-6, 1e-3)
"""Relative room left for the rounding of a proof; more is tried when the first is not enough."""


def certify_flow(
    network: Network,
    problem: Problem,
    rates: tuple[float, float] = (1.0, 1.0),
    rigour: Rigour = "verified",
    *,
    plan: Plan | None = None,
) -> Certificate:
    """Try to prove that gradient flow from ``network`` reaches zero loss (Theorem F1), with a decay and
    radii.

    The flow is W' = -rate_W dL/dW, a' = -rate_a dL/da with L = 1/2 ||f - y||^2, in Clarke's sense and for
    every rule at the kink. Nothing is assumed of how the weights came about.

    Parameters
    ----------
    network : Network
        One output, ReLU or leaky, any scale. Its float numbers are exact.
    problem : Problem
    rates : (float, float)
        (rate_W, rate_a); 0 freezes a layer.
    rigour : "enclosed", "verified" or "numeric"
        Balls, float64 with every rounding bounded, or plain float64, which is no proof.
    plan : Plan, optional
        How hard to search; by default as the size allows.

    Returns
    -------
    Certificate
        ``certified`` or a ``reason``.

    Raises
    ------
    ValueError
        For several outputs, a smoothed kink, dimensions that do not fit, or rates that are no numbers >= 0.

    Notes
    -----
    Cost O(J (m n min(n, d) n + sum_k u_k^2 n)) a sweep, with u_k the uncertain samples of neuron k.
    """
    instance = Instance.of(network, problem, rates)
    return certify(
        instance, "flow", rigour, search_flow, plan or Plan.suited(instance.n, instance.d, instance.m)
    )


def certify(instance: Instance, theorem: Theorem, rigour: str, search: Search, plan: Plan) -> Certificate:
    """Refuse, search, prove: the same for both theorems."""
    if rigour not in RIGOURS:
        raise ValueError(f"rigour is {rigour!r}; use one of {', '.join(RIGOURS)}")
    evidence = RIGOURS[rigour][0]

    def refused(reason: str, proposal: Proposal | None = None, finding: Finding | None = None) -> Certificate:
        return Certificate(theorem, evidence, instance, proposal, finding, reason)

    reason = refusal(instance)
    if reason:
        return refused(reason)
    geometry = geometry_of(instance)
    reason = singular(geometry)
    if reason:
        return refused(reason)
    prove = prover(rigour, theorem)
    certificate = refused("no search was made")
    for slack in SLACKS:
        with np.errstate(all="ignore"):  # the search proves nothing, and what overflows in it is not used
            proposal = search(geometry, _with_slack(plan, slack))
        if isinstance(proposal, Stuck):
            return certificate if slack > SLACKS[0] else refused(_stuck(proposal, geometry, theorem))
        finding = prove(instance, proposal)
        if finding.proved:
            return refused("", proposal, finding)
        certificate = refused(_failed(finding, theorem), proposal, finding)
    return certificate


def _stuck(stuck: Stuck, geometry: Geometry, theorem: Theorem) -> str:
    smaller = "train further, use more neurons, or train the first layer more slowly"
    if theorem == "descent":
        smaller = "train further, use smaller steps, use more neurons, or ask for the flow"
    return stuck.advice(geometry.residual_norm, smaller)


def _with_slack(plan: Plan, slack: float) -> Plan:
    return dataclasses.replace(plan, slack=max(plan.slack, slack))


def prover(rigour: str, theorem: Theorem) -> Prover:
    """The function that checks a proposal for ``theorem`` in the arithmetic of ``rigour``."""
    module = importlib.import_module(RIGOURS[rigour][1])
    prove: Prover = getattr(module, f"prove_{theorem}")
    return prove


def _failed(finding: Finding, theorem: Theorem) -> str:
    how = "" if math.isinf(finding.factor) else f" by a factor {finding.factor:.6g}"
    return (
        f"the inequality {finding.inequality!r} of stage {finding.stage} could not be proved{how}: "
        "the numbers found are too near to rounding; train further, or use a network whose tangent "
        "kernel is better conditioned"
    )
