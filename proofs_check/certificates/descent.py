"""certify_descent: does gradient descent with these steps converge to zero loss from these weights?"""

from __future__ import annotations

from proofs_check.certificates.certificate import Certificate
from proofs_check.certificates.flow import Rigour, certify
from proofs_check.certificates.instance import Instance
from proofs_check.certificates.search import Plan
from proofs_check.certificates.search_descent import search_descent
from shallow.setting.network import Network
from shallow.setting.problem import Problem

__all__ = ["certify_descent"]


def certify_descent(
    network: Network,
    problem: Problem,
    rates: tuple[float, float] = (1.0, 1.0),
    rigour: Rigour = "verified",
    *,
    plan: Plan | None = None,
) -> Certificate:
    """Try to prove that gradient descent on both layers reaches zero loss (Theorem D).

    One step is W - rate_W dL/dW, a - rate_a dL/da with L = 1/2 ||f - y||^2, in exact arithmetic and with any
    number between slope and 1 for phi'(0). When certified, ||r_{t+1}||^2 <= (1 - 2 decay) ||r_t||^2 for every
    t.

    Parameters, returns and refusals are those of :func:`certify_flow`; the rates are the step sizes. It fires
    later than the flow's: a step may jump across a kink and back, and that loss is real.
    """
    instance = Instance.of(network, problem, rates)
    return certify(
        instance, "descent", rigour, search_descent, plan or Plan.suited(instance.n, instance.d, instance.m)
    )
