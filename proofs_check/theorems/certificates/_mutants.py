"""False relatives of the certificates, each with a witness."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from proofs_check.statement import Mutant, Statement
from proofs_check.theorems._mutation import tightened, without
from proofs_check.theorems.certificates._pieces import TwoLayers, draw_two_layers, dying_neuron
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = ["descent_mutants", "dying", "features_mutants", "lazy_mutants"]


def dying(statement: Statement, parameters: Any) -> Mutant:
    """Closeness dropped."""
    return Mutant(
        "without closeness",
        "a neuron with a > 0 that must lower its output dies first",
        dataclasses.replace(without(statement, "closeness"), instance=dying_neuron),
        parameters,
    )


def _mean_loss(statement: Statement, parameters: Any) -> Mutant:
    return Mutant(
        "mean loss",
        "the loss is the sum over samples; on their mean the same rates are n times slower, not faster",
        tightened(statement, lambda instance: float(instance.problem.n), name="mean-loss"),
        parameters,
    )


def descent_mutants(statement: Statement, speed: Callable[[TwoLayers], float]) -> list[Mutant]:
    """Of CERT-B-GD; ``speed`` is the lazy limit's exponent over the proved one."""
    quick = statement.presets["quick"]
    bottom = dataclasses.replace(quick, labels="bottom-eigenvector", label_scale=1e-4)
    return [
        Mutant(
            "tightened",
            "labels along the bottom eigenvector decay by (1 - h s_0^2) a step and no faster",
            tightened(statement, lambda instance: 1.25 * speed(instance)),
            bottom,
        ),
        dying(statement, dataclasses.replace(quick, rate_W=1.0)),
        Mutant(
            "large step",
            "four times the allowed step is beyond 2/lambda_max: the residual grows",
            without(statement, "step"),
            dataclasses.replace(quick, step=4.0),
        ),
        _mean_loss(statement, dataclasses.replace(bottom, n=20)),
    ]


def lazy_mutants(statement: Statement) -> list[Mutant]:
    """Of CERT-A and CERT-B."""
    quick = statement.presets["quick"]
    bottom = dataclasses.replace(quick, labels="bottom-eigenvector", label_scale=1e-5, m=300)
    return [
        Mutant(
            "tightened",
            "labels along the bottom eigenvector decay by exp(-s_0^2 t) and no faster",
            tightened(statement, 1.25 * 4.0),
            bottom,
        ),
        dying(statement, dataclasses.replace(quick, rate_W=1.0)),
        _mean_loss(statement, dataclasses.replace(bottom, n=10)),
    ]


def features_mutants(statement: Statement, factor: float) -> list[Mutant]:
    """Of CERT-F and CERT-F+; ``factor`` is the lazy limit's exponent over the proved one."""
    quick = statement.presets["quick"]
    frozen = dataclasses.replace(quick, rate_W=0.0, labels="bottom-eigenvector")
    return [
        Mutant(
            "tightened",
            "with W frozen, labels along the bottom eigenvector decay by exp(-eta_a phi_0^2 t) exactly",
            tightened(statement, 1.25 * factor),
            frozen,
        ),
        Mutant(
            "last singular value",
            "one neuron cannot fit two samples; phi_0 must be the n-th singular value, 0 when m < n",
            dataclasses.replace(
                statement, key=f"{statement.key}-last-singular-value", instance=_last_singular_value
            ),
            dataclasses.replace(frozen, n=2, d=2, m=1, labels="signs"),
            trials=8,
        ),
    ]


def _last_singular_value(parameters: Any, streams: Streams, problem: Problem | None) -> TwoLayers:
    instance = draw_two_layers(parameters, streams, problem)
    F = instance.network.scale * np.maximum(instance.problem.X @ instance.network.W.T, 0.0)
    return dataclasses.replace(instance, features=float(np.linalg.svd(F, compute_uv=False)[-1]))
