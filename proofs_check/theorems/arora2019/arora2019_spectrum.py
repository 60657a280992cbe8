"""Arora, Du, Hu, Li and Wang (2019), Theorem 4.1: the residual follows the infinite-width kernel.

Their loss is ours, 1/2 sum_i r_i^2, so rates agree. The constants of kappa, m and eta are unspecified.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from proofs_check.statement import Claim, Comparison, Grade, Probability, Statement
from proofs_check.theorems._decay import rounding_error
from proofs_check.theorems._first_layer import FirstLayer
from proofs_check.theorems.arora2019._instance import (
    FULL,
    Evidence,
    Parameters,
    evidence,
    hypotheses,
    instance,
    predicted,
    requirement,
)
from proofs_check.theorems.arora2019._source import (
    CONSTANTS,
    MODES_TEX,
    NORM_TEX,
    SETTING_TEX,
    SYMBOLS,
    false_relatives,
    source,
)
from shallow.training import Trajectory

__all__ = ["MODES", "NORM"]

_DELTAS, _TRIALS = {"quick": 0.1, "full": 0.01}, {"quick": 30, "full": 299}


def _claim(
    name: str, instance: FirstLayer, run: Trajectory, observed: Any, centre: Any, trivial: float
) -> Claim:
    epsilon = instance.parameters.epsilon
    return Claim(
        name=name,
        index=run.steps,
        observed=observed,
        lower=centre - epsilon,
        upper=centre + epsilon,
        trivial=trivial,
        numerical_error=rounding_error(instance.network, instance.problem, int(run.steps[-1])),
        comparison=Comparison.TWO_SIDED,
        index_name="step",
        unit="output",
    )


def _norm_claims(instance: FirstLayer, evidence: Evidence) -> Sequence[Claim]:
    run = evidence.run
    centre = np.linalg.norm(predicted(instance, run), axis=1)
    size = float(np.linalg.norm(instance.problem.y))
    return [_claim("||y - u(k)||", instance, run, run.series["residual_norm"], centre, size)]


def _mode_claims(instance: FirstLayer, evidence: Evidence) -> Sequence[Claim]:
    """All modes at once, then each that carries enough of y to be told from epsilon."""
    if instance.lambda0 == 0:
        return []  # the step is 0: nothing moves and nothing is predicted
    run, epsilon = evidence.run, instance.parameters.epsilon
    expected = predicted(instance, run)
    labels = instance.eigenvectors.T @ np.asarray(instance.problem.y)
    gap = np.linalg.norm(evidence.modes - expected, axis=1)
    size = float(np.linalg.norm(labels))
    together = dataclasses.replace(
        _claim("all modes: distance from the prediction", instance, run, gap, 0.0 * gap, size),
        lower=-math.inf,
        comparison=Comparison.UPPER,
    )
    told = [i for i in range(instance.n) if abs(labels[i]) > 10 * epsilon]
    return [
        *(
            _claim(
                f"mode {i}: v_i . (y - u(k))",
                instance,
                run,
                np.sign(labels[i]) * evidence.modes[:, i],
                np.sign(labels[i]) * expected[:, i],
                abs(float(labels[i])),
            )
            for i in told
        ),
        together,
    ]


def _statement(key: str, title: str, item: str, grade: Grade, conclusion: str, **parts: Any) -> Statement:
    return Statement(
        key=key,
        title=title,
        kind="theorem",
        family="arora2019",
        source=source(item),
        grade=grade,
        mathematics=SETTING_TEX + conclusion,
        symbols=SYMBOLS,
        instance=instance,
        hypotheses=hypotheses,
        evidence=evidence,
        run=lambda start, found: found.run,
        constants=CONSTANTS,
        probability=Probability(_DELTAS, frozenset({"init"}), _TRIALS),
        requirement=requirement,
        witness="the constants of kappa, width and step are unspecified",
        **parts,
    )


NORM: Statement = _statement(
    "arora2019/theorem-4.1",
    "The residual norm is what the infinite-width kernel predicts",
    "Theorem 4.1",
    Grade.RECALL_HIGH,
    NORM_TEX,
    presets={"quick": Parameters(), "full": FULL, "beyond": Parameters(m=40)},
    claims=_norm_claims,
    mutants=lambda: false_relatives(NORM),
)

MODES: Statement = _statement(
    "arora2019/per-eigenvector",
    "Each mode of the residual decays at its own rate",
    "proof of Theorem 4.1",
    Grade.FROM_PROOF,
    MODES_TEX,
    presets={
        "quick": Parameters(labels="bottom-eigenvector"),
        "full": dataclasses.replace(FULL, labels="bottom-eigenvector"),
        "beyond": Parameters(labels="bottom-eigenvector", m=20),
    },
    claims=_mode_claims,
    mutants=lambda: false_relatives(MODES),
    notes=("the slowest labels are those along the bottom eigenvector, the quick setting's",),
)
