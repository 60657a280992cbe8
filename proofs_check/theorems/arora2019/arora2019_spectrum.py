"""Arora, Du, Hu, Li and Wang (2019), Theorem 4.1: the residual follows the infinite-width kernel, mode by mode.

Their loss is ours, 1/2 sum_i r_i^2, so rates agree. The constants of kappa, m and eta are unspecified.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.statement import Claim, Comparison, Grade, Hypothesis, Probability, Requirement, Statement
from proofs_check.theorems._decay import horizon, log_factor, rounding_error
from proofs_check.theorems._first_layer import FirstLayer, draw_first_layer, sphere_hypotheses
from proofs_check.theorems.arora2019._source import (
    CONSTANTS,
    MODES_TEX,
    NORM_TEX,
    SETTING_TEX,
    SYMBOLS,
    false_relatives,
    source,
)
from shallow.observe.snapshot import Snapshot
from shallow.setting.initialization import ntk_signs
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams
from shallow.training import GradientDescent, Trajectory, train

__all__ = ["MODES", "NORM", "Parameters"]


@dataclass(frozen=True)
class Parameters:
    """``epsilon`` is in the unit of ||y - u||; the step is eta = step_constant lambda0/n^2."""

    n: int = 5
    d: int = 30
    m: int = 8000
    label_scale: float = 1.0
    epsilon: float = 0.2
    kappa: float = 0.05
    delta: float = 0.1
    step_constant: float = 12.0
    labels: str = "signs"
    inputs: str = "sphere"
    max_steps: int = 5000


_FULL = Parameters(m=60000, delta=0.01, epsilon=0.1, kappa=0.02)


@dataclass(frozen=True, eq=False)
class Evidence:
    """The run, and y - u(k) at its recorded steps in the eigenvectors' coordinates, (records, n)."""

    run: Trajectory
    modes: Any


def _instance(parameters: Parameters, streams: Streams, problem: Problem | None) -> FirstLayer:
    if not parameters.epsilon > 0:
        raise ValueError(f"epsilon is {parameters.epsilon}; it must be positive")
    return draw_first_layer(parameters, ntk_signs(parameters.kappa), streams, problem)


def _step(instance: FirstLayer) -> float:
    return float(instance.parameters.step_constant * instance.lambda0 / instance.n**2)


def _width(instance: FirstLayer) -> float:
    p = instance.parameters
    size = instance.lambda0**4 * p.kappa**2 * p.delta**4 * p.epsilon**2
    return float(instance.n**7 / size) if size > 0 else math.inf


def _hypotheses(instance: FirstLayer) -> list[Hypothesis]:
    p, n = instance.parameters, instance.n
    rows = (
        ("kappa", "kappa = O(epsilon delta/sqrt(n))", "kappa", p.kappa, "<=", p.epsilon * p.delta / math.sqrt(n)),
        (
            "width",
            "m = Omega(n^7/(lambda0^4 kappa^2 delta^4 epsilon^2))",
            "m",
            instance.network.m,
            ">=",
            _width(instance),
        ),
        ("step", "eta = O(lambda0/n^2)", "eta", _step(instance), "<=", instance.lambda0 / n**2),
    )
    return [
        *sphere_hypotheses(instance),
        *(
            Hypothesis.inequality(
                name, text, variable=variable, have=have, sense=sense, need=need, up_to_constant=True
            )
            for name, text, variable, have, sense, need in rows
        ),
    ]


def _evidence(instance: FirstLayer) -> Evidence:
    eta = _step(instance)
    # The interval's upper end, epsilon above the prediction, must get ten times under ||y||.
    steps = math.ceil(horizon(-log_factor(eta * instance.lambda0), fall=1000.0))
    steps = max(2, min(steps, instance.parameters.max_steps))

    def mode_residual(now: Snapshot) -> Any:
        return instance.eigenvectors.T @ now.residual

    run = train(
        instance.network,
        instance.problem,
        GradientDescent(rate_W=eta, rate_a=0.0),
        steps=steps,
        record=("residual_norm", "tangent_distance", "flip_fraction", mode_residual),
        at=max(1, steps // 100),
    )
    return Evidence(run, -np.asarray(run.series["mode_residual"]))


def _predicted(instance: FirstLayer, run: Trajectory) -> Any:
    """(1 - eta lambda_i)^k v_i.y at the recorded steps, (records, n)."""
    factors = 1.0 - _step(instance) * instance.eigenvalues
    labels = instance.eigenvectors.T @ np.asarray(instance.problem.y)
    return factors[None, :] ** np.asarray(run.steps)[:, None] * labels


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
    centre = np.linalg.norm(_predicted(instance, run), axis=1)
    size = float(np.linalg.norm(instance.problem.y))
    return [_claim("||y - u(k)||", instance, run, run.series["residual_norm"], centre, size)]


def _mode_claims(instance: FirstLayer, evidence: Evidence) -> Sequence[Claim]:
    """All modes at once, then each that carries enough of y to be told from epsilon."""
    run, epsilon = evidence.run, instance.parameters.epsilon
    predicted = _predicted(instance, run)
    labels = instance.eigenvectors.T @ np.asarray(instance.problem.y)
    gap = np.linalg.norm(evidence.modes - predicted, axis=1)
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
                np.sign(labels[i]) * predicted[:, i],
                abs(float(labels[i])),
            )
            for i in told
        ),
        together,
    ]


def _requirement(instance: FirstLayer) -> Requirement:
    eta = instance.lambda0 / instance.n**2
    note = "width and step at C = 1; the decay is that of the slowest mode a step"
    return Requirement(
        width=_width(instance),
        width_up_to_constant=True,
        step=eta,
        decay=eta * instance.lambda0,
        note=note,
    )


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
        instance=_instance,
        hypotheses=_hypotheses,
        evidence=_evidence,
        run=lambda instance, evidence: evidence.run,
        constants=CONSTANTS,
        probability=Probability({"quick": 0.1, "full": 0.01}, frozenset({"init"}), {"quick": 30, "full": 299}),
        requirement=_requirement,
        witness="the constants of kappa, width and step are unspecified",
        **parts,
    )


NORM = _statement(
    "arora2019/theorem-4.1",
    "The residual norm is what the infinite-width kernel predicts",
    "Theorem 4.1",
    Grade.RECALL_HIGH,
    NORM_TEX,
    presets={"quick": Parameters(), "full": _FULL},
    claims=_norm_claims,
    mutants=lambda: false_relatives(NORM),
)

MODES = _statement(
    "arora2019/per-eigenvector",
    "Each mode of the residual decays at its own rate",
    "proof of Theorem 4.1",
    Grade.FROM_PROOF,
    MODES_TEX,
    presets={
        "quick": Parameters(labels="bottom-eigenvector"),
        "full": dataclasses.replace(_FULL, labels="bottom-eigenvector"),
    },
    claims=_mode_claims,
    mutants=lambda: false_relatives(MODES),
    notes=("the slowest labels are those along the bottom eigenvector, the quick setting's",),
)
