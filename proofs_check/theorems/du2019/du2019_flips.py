"""Du, Zhai, Poczos and Singh (2019), Lemma 3.2: weights that stay near their start flip few patterns.

The source leaves the constant of the radius open; it is derived here. Nothing is trained.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from proofs_check.statement import Claim, Grade, Hypothesis, Probability, Quantifier, Statement
from proofs_check.theorems._first_layer import FirstLayer, sphere_hypotheses
from proofs_check.theorems._inequalities import at_least, at_most
from proofs_check.theorems.du2019._mutants import flip_mutants
from proofs_check.theorems.du2019._source import SYMBOLS, source
from proofs_check.theorems.du2019._start import DELTAS, TRIALS, Parameters, draw_start, rounding, start_kernel

__all__ = ["FLIPS"]


def _largest_radius(instance: FirstLayer) -> float:
    """R = sqrt(2 pi) delta lambda0/(16 n^2): the mean of sum_ij |dH_ij| is at most 4 n^2 R/sqrt(2 pi)."""
    root = math.sqrt(2 * math.pi)
    return float(root * instance.parameters.delta * instance.lambda0 / (16 * instance.n**2))


def _radius(instance: FirstLayer) -> float:
    return float(instance.parameters.radius_factor * _largest_radius(instance))


def _flip_hypotheses(instance: FirstLayer) -> list[Hypothesis]:
    smallest = float(np.linalg.eigvalsh(start_kernel(instance))[0])
    gram, radius = "lambda_min(H(0)) >= 3 lambda0/4 (Lemma 3.1)", "R <= sqrt(2 pi) delta lambda0/(16 n^2)"
    return [
        *sphere_hypotheses(instance),
        at_least("gram", gram, "lambda_min(H(0))", smallest, 3 * instance.lambda0 / 4),
        at_most("radius", radius, "R", _radius(instance), _largest_radius(instance)),
    ]


def _flip_claims(instance: FirstLayer, evidence: None) -> Sequence[Claim]:
    """Each pattern that the ball lets change counts as changed: the bounds speak of the whole ball."""
    X, R, m = np.asarray(instance.problem.X), _radius(instance), instance.network.m
    movable = np.abs(X @ np.asarray(instance.network.W).T) <= R * np.linalg.norm(X, axis=1)[:, None]
    still = (~movable).astype(np.float64)
    change = np.abs(X @ X.T) * (1.0 - still @ still.T / m)
    reach = float(np.linalg.norm(change, 2))
    smallest = float(np.linalg.eigvalsh(start_kernel(instance))[0])
    error, count = rounding(instance), float(np.count_nonzero(movable))
    allowed = 2 * m * instance.n * R / (math.sqrt(2 * math.pi) * instance.parameters.delta)
    bound, floor = instance.lambda0 / 4, instance.lambda0 / 2
    return [
        _proved("||H - H(0)|| over the ball", reach, upper=bound, numerical_error=error),
        _proved("movable patterns", count, upper=allowed, trivial=m * instance.n, numerical_error=0.0),
        _proved(
            "lambda_min(H) over the ball", smallest - reach, lower=floor, trivial=0.0, numerical_error=error
        ),
    ]


def _proved(name: str, observed: float, **sides: float) -> Claim:
    return Claim.from_arrays(name, observed, quantifier=Quantifier.PROVED, **sides)  # type: ignore[arg-type]


FLIPS: Statement = Statement(
    key="du2019/lemma-3.2",
    title="Weights that stay near their start flip few patterns",
    kind="lemma",
    family="du2019",
    source=source("Lemmas 3.2 and 4.1, with constants"),
    grade=Grade.DERIVED,
    mathematics=(
        r"R \le \frac{\sqrt{2 \pi} \delta \lambda_0}{16 {n}^2},"
        r"\quad \lambda_{\min}(H(0)) \ge \frac{3 \lambda_0}{4} \\"
        r"\mathbb{P}\left[\, \|w_r - w_r(0)\| \le R \ \text{for all}\ r \ \text{implies}\ "
        r"\|H - H(0)\| \le \frac{\lambda_0}{4},"
        r"\ \lambda_{\min}(H) \ge \frac{\lambda_0}{2} \,\right] \ge 1 - \delta \\"
        r"\text{on the same event}\quad \sum_i |\{r : |w_r(0) \cdot x_i| \le R\}|"
        r" \le \frac{2 {m} {n} R}{\sqrt{2 \pi} \delta}"
    ),
    symbols=SYMBOLS | {"R": "how far each neuron may move"},
    presets={
        "quick": Parameters(),
        "full": Parameters(n=10, m=120000, delta=0.01),
        "beyond": Parameters(m=2000, radius_factor=20.0),
    },
    instance=draw_start,
    hypotheses=_flip_hypotheses,
    claims=_flip_claims,
    probability=Probability(DELTAS, frozenset({"init"}), TRIALS),
    mutants=lambda: flip_mutants(FLIPS),
    notes=("the event is Markov's inequality for the number of patterns that the ball can change",),
)
