"""False relatives of the statements of this paper, each with a witness."""

from __future__ import annotations

import dataclasses
from typing import Any

from proofs_check.statement import Claim, Mutant, Statement
from proofs_check.theorems._mutation import tightened, with_claims, without

__all__ = ["descent_mutants", "flip_mutants", "flow_mutants", "gram_mutants", "travel_mutants"]


def descent_mutants(statement: Statement) -> list[Mutant]:
    """Of Theorem 4.1."""
    quick = statement.presets["quick"]
    bottom = dataclasses.replace(quick, labels="bottom-eigenvector", label_scale=3.0, m=1000)
    return [
        Mutant(
            "tightened",
            "labels along the bottom eigenvector decay by (1 - eta lambda0)^2 a step, four times as fast",
            tightened(statement, 1.25 * 4.0),
            bottom,
            trials=5,
        ),
        Mutant(
            "narrow",
            "with one neuron some sample is inactive, and its residual never moves",
            without(statement, "width"),
            dataclasses.replace(quick, m=1),
            trials=5,
        ),
        Mutant(
            "large step",
            "eta near 4 is beyond 2/lambda_max, so the residual grows",
            without(statement, "step"),
            dataclasses.replace(quick, step_constant=150.0),
            trials=5,
        ),
        Mutant(
            "mean loss",
            "the loss is the sum over samples; the same eta on their mean is n times slower, not faster",
            tightened(statement, lambda instance: float(instance.n), name="mean-loss"),
            dataclasses.replace(bottom, n=10),
            trials=5,
        ),
    ]


def flow_mutants(statement: Statement) -> list[Mutant]:
    """Of the flow with explicit constants."""
    quick = dataclasses.replace(statement.presets["quick"], label_scale=0.05, m=6676)
    return [
        Mutant(
            "tightened",
            "on orthonormal rows ||r||^2 decays by exp(-2 lambda0 t), twice the exponent",
            tightened(statement, 1.25 * 2.0),
            quick,
        ),
        Mutant(
            "narrow",
            "with one direction of neurons some sample is often inactive, and its residual never moves",
            without(statement, "width", "gram"),
            dataclasses.replace(quick, m=2),
            trials=30,
        ),
        Mutant(
            "travel over m",
            "neurons travel like 1/sqrt(m), not 1/m",
            tightened(
                statement, lambda instance: float(instance.network.m**0.5), name="travel-over-m", place=1
            ),
            quick,
        ),
    ]


def travel_mutants(statement: Statement) -> list[Mutant]:
    """Of Lemma 3.3: above all the form without its factor 2."""
    quick = statement.presets["quick"]
    single = dataclasses.replace(quick, n=1, m=1000)
    return [
        Mutant(
            "without the factor 2",
            "exp(-lambda0 t/2) integrates to 2/lambda0; at n = 1 about half of the networks travel further",
            tightened(statement, 2.0, name="without-the-factor-2", place=1),
            single,
            trials=6,
        ),
        Mutant(
            "kernel not bounded below",
            "with one neuron some sample is inactive, and its residual never moves",
            without(statement, "kernel"),
            dataclasses.replace(quick, m=1),
            trials=10,
        ),
        Mutant(
            "norm for its square",
            "||r||, not ||r||^2, would have to decay by exp(-lambda0 t) and a quarter more",
            tightened(statement, 1.25 * 2.0),
            dataclasses.replace(quick, labels="bottom-eigenvector", label_scale=5.0),
        ),
    ]


def gram_mutants(statement: Statement) -> list[Mutant]:
    """Of Lemma 3.1."""
    quick = statement.presets["quick"]
    return [
        Mutant(
            "tightened",
            "the diagonal of H(0) is a mean of m fair coins, which is further than 0.1/sqrt(m) from 1/2",
            tightened(statement, _coin_factor, name="tightened"),
            quick,
        ),
        Mutant(
            "narrow",
            "with three neurons H(0) is nowhere near its mean",
            without(statement, "width"),
            dataclasses.replace(quick, m=3),
        ),
        Mutant(
            "Hoeffding in m, not sqrt(m)",
            "a mean of m coins is within 1/sqrt(m) of its expectation, not within 1/m",
            tightened(statement, lambda instance: float(instance.network.m), name="over-m"),
            quick,
        ),
    ]


def _coin_factor(instance: Any) -> float:
    return float(instance.lambda0 / 4 / (0.1 / instance.network.m**0.5))


def flip_mutants(statement: Statement) -> list[Mutant]:
    """Of Lemma 3.2."""
    quick = statement.presets["quick"]

    def one_sided(instance: Any, evidence: Any) -> list[Claim]:
        # Half the expected number, at delta = 1: what P(|g| < R) <= R/sqrt(2 pi) and no Markov would give.
        claim = statement.claims(instance, evidence)[1]  # type: ignore[misc]
        scale = instance.parameters.delta / 2
        return [dataclasses.replace(claim, upper=claim.upper * scale)]

    return [
        Mutant(
            "density on one side only",
            "|g| < R has probability near 2R/sqrt(2 pi), and the mean itself exceeds half of that",
            with_claims(statement, "one-sided", one_sided),
            quick,
        ),
        Mutant(
            "radius not small",
            "a ball of radius near 1 can flip about half of a sample's active patterns, and H_ii with them",
            without(statement, "radius"),
            dataclasses.replace(quick, radius_factor=4000.0),
        ),
    ]
