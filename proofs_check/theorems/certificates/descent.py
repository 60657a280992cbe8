"""CERT-B-GD: gradient descent on both layers at different rates, with every constant.

Proof. Descent is a step h on theta = (W/sqrt(eta_W), a/sqrt(eta_a)) with Jacobian J. While the path is at
most B, ||J - J_0|| <= e = s0/8. One step has r+ = r - h Jbar g with g = J^T r and Jbar the segment's
average, ||Jbar - J|| <= 2e, so r.Jbar g >= (1 - 2e/(s0 - e)) ||g||^2 = (5/7) ||g||^2, and with h (||J_0||
+ e)^2 <= 1 ||r+||^2 <= ||r||^2 - (3/7) h ||g||^2 <= (1 - (3/7)(7/8)^2 h s0^2) ||r||^2: the factor 21/64.
Also ||r|| - ||r+|| >= (3/14) h ||g||^2/||r|| >= (3/16) s0 h ||g||, which sums to a path of (16/3) r0/s0 =
B. The induction runs over partial steps h' <= h, so that no segment leaves the ball.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from proofs_check.statement import Claim, Constant, Grade, Hypothesis, Requirement, Statement
from proofs_check.theorems._decay import (
    affordable,
    at_most_along,
    decay_claim,
    evaluated,
    horizon,
    rounding_error,
)
from proofs_check.theorems._inequalities import at_most
from proofs_check.theorems.certificates._descent import (
    Parameters,
    largest_step,
    lazy_speed,
    log_factor_of_norm,
    longest_path,
    step_size,
)
from proofs_check.theorems.certificates._mutants import descent_mutants
from proofs_check.theorems.certificates._pieces import (
    NOT_RAZBOROV,
    SYMBOLS,
    TwoLayers,
    closeness,
    draw_two_layers,
    source,
    start_hypothesis,
)
from shallow.training import GradientDescent, Trajectory, train

__all__ = ["DESCENT"]


def _hypotheses(instance: TwoLayers) -> list[Hypothesis]:
    close = "sqrt(E_W^2 + E_a^2) <= s_0/8 on a path of length (16/3) r_0/s_0"
    moved = closeness(instance, longest_path(instance))
    return [
        start_hypothesis(instance),
        at_most("closeness", close, "sqrt(E_W^2 + E_a^2)", moved, instance.smallest / 8),
        at_most("step", "h <= 1/(||J_0|| + s_0/8)^2", "h", step_size(instance), largest_step(instance)),
    ]


def _evidence(instance: TwoLayers) -> Trajectory:
    h = step_size(instance)
    steps = affordable(horizon(-log_factor_of_norm(instance)), instance.parameters.max_steps)
    return train(
        instance.network,
        instance.problem,
        GradientDescent(rate_W=h * instance.rate_W, rate_a=h * instance.rate_a),
        steps=steps,
        record=("residual_norm", "tangent_distance", "path_length", "travel_W", "travel_a", "flip_fraction"),
        at=max(1, steps // 100),
    )


def _claims(instance: TwoLayers, run: Trajectory) -> Sequence[Claim]:
    residual, steps = run.series["residual_norm"], np.asarray(run.steps)
    error = rounding_error(instance.network, instance.problem, int(steps[-1]))
    keep, length = evaluated(residual), longest_path(instance)
    root_h = math.sqrt(step_size(instance))

    def within(name: str, values: Any, bound: float) -> Claim:
        return at_most_along(name, "step", steps[keep], values[keep], bound, error)

    return [
        decay_claim(
            "residual norm",
            steps,
            residual,
            log_factor_of_norm(instance) * steps,
            error=error,
            index_name="step",
        ),
        # path_length divides by the rates with h in them, this statement by eta_W and eta_a alone.
        within("rate-scaled path", root_h * run.series["path_length"], length),
        within("||W - W_0||", run.series["travel_W"], math.sqrt(instance.rate_W) * length),
        within("||a - a_0||", run.series["travel_a"], math.sqrt(instance.rate_a) * length),
    ]


DESCENT: Statement = Statement(
    key="certificates/cert-b-gd",
    title="Descent on both layers at different rates converges linearly (CERT-B-GD)",
    kind="certificate",
    family="certificates",
    source=source("CERT-B-GD"),
    grade=Grade.DERIVED,
    mathematics=(
        r"s_0^2 = \lambda_{\min}(\eta_W H_W(0) + \eta_a H_a(0)) > 0,"
        r"\quad B = \frac{16}{3} \frac{\|r_0\|}{s_0} \\"
        r"E_W = \sqrt{\eta_W} s \|X\| \left(\sqrt{\eta_a} B + \sqrt{A(\sqrt{\eta_W} B)}\right),"
        r"\quad E_a = \sqrt{\eta_W \eta_a} s \|X\| B \\"
        r"\sqrt{E_W^2 + E_a^2} \le \frac{s_0}{8},\quad h \le \frac{1}{(\|J_0\| + s_0/8)^2},"
        r"\quad \text{rates}\ h \eta_W, h \eta_a \\"
        r"\|r_k\|^2 \le \left(1 - \frac{21}{64} h s_0^2\right)^k \|r_0\|^2,\quad"
        r" \|W_k - W_0\|_F \le \sqrt{\eta_W} B,\quad \|a_k - a_0\| \le \sqrt{\eta_a} B"
    ),
    symbols=SYMBOLS,
    presets={
        "quick": Parameters(),
        "full": Parameters(n=20, d=200, m=20000),
        "beyond": Parameters(n=10, d=20, m=60, label_scale=10.0, rate_W=0.05, rate_a=0.05),
    },
    instance=draw_two_layers,
    hypotheses=_hypotheses,
    evidence=_evidence,
    claims=_claims,
    run=lambda instance, run: run,
    constants=(
        Constant("21/64", "decay", 21 / 64),
        Constant("16/3", "path", 16 / 3),
        Constant("1/8", "closeness", 0.125),
    ),
    requirement=lambda instance: Requirement(
        step=largest_step(instance),
        decay=21 / 64 * largest_step(instance) * instance.smallest**2,
        note="the width enters through closeness; step multiplies both rates",
    ),
    mutants=lambda: descent_mutants(DESCENT, lazy_speed),
    notes=(NOT_RAZBOROV,),
)
