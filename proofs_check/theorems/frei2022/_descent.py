"""Descent on the exponential loss far below 1e-16, and how far from the margin solution each moment is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.theorems.frei2022._instances import MarginInstance
from proofs_check.theorems.frei2022._margin import TwoNeurons
from shallow.exact.gradient import jacobian, predict
from shallow.setting.losses import LOSSES
from shallow.setting.network import Network

__all__ = ["QUANTITIES", "SECOND", "Moments", "descend", "steps_to"]

QUANTITIES = (
    "sigma_3/sigma_1",
    "distance of W/||W|| from the program's solution",
    "KKT stationarity residual",
    "KKT complementarity residual",
    "share of points where sign f(x) is not sign <z, x>",
)
SECOND = "sigma_2/sigma_1"  # the row after those; the theorem says nothing of it
_STEPS_AT_MOST = 2_000_000
_WORK_AT_MOST = 10**10  # multiply-adds of a run: the presets need a third of it


@dataclass(frozen=True, eq=False)
class Moments:
    """u = 1/log(1/L) at some steps; QUANTITIES and SECOND there, one a row; and the run behind them."""

    u: np.ndarray[Any, np.dtype[np.float64]]
    values: np.ndarray[Any, np.dtype[np.float64]]
    run: Any


def steps_to(decades: float, multipliers: Any, step: float, weights: int) -> int:
    """Steps after which log10(1/L) has passed ``decades``.

    Along the limit direction the smallest margin grows by step/sum(multipliers) a step, and faster before.
    ``weights`` are those of the first layer; one step multiplies each with every sample.
    """
    steps = math.ceil(1.02 * decades * math.log(10.0) * float(np.sum(multipliers)) / step) + 50
    if steps > min(_STEPS_AT_MOST, _WORK_AT_MOST / (weights * len(multipliers))):
        raise ValueError(
            f"loss 1e-{decades:g} takes about {steps} steps on these data; ask for fewer decades"
        )
    return steps


def descend(
    case: MarginInstance, start: Network, solution: TwoNeurons, *, step: float, steps: Sequence[int]
) -> Moments:
    """Train the first layer with factor step/L to the last of ``steps`` and look at each of them.

    Moments at which some sample is still misclassified are left out.
    """
    from shallow.training import GradientDescent, LossScaled, train

    rule = GradientDescent(rate_W=1.0, rate_a=0.0, loss="exponential", schedule=LossScaled(step))
    run = train(
        start,
        case.problem,
        rule,
        steps=int(steps[-1]),
        record=["tangent_distance", {"weights": list(steps)}],
        at=list(steps),
    )
    found = [_look(case, net, solution) for k in steps if isinstance(net := run.snapshots.get(k), Network)]
    rows = np.array([row for row in found if row is not None])
    if rows.size == 0:
        rows = np.zeros((0, len(QUANTITIES) + 2))
    return Moments(rows[:, 0], rows[:, 1:].T, run)


def _look(case: MarginInstance, net: Network, solution: TwoNeurons) -> list[float] | None:
    from scipy.optimize import nnls

    X, y = np.asarray(case.problem.X), np.asarray(case.problem.y)
    outputs = np.asarray(predict(net, X))
    smallest = float((y * outputs).min())
    log_loss = float(LOSSES["exponential"].log_value(outputs, y))
    if smallest <= 0 or log_loss >= 0:
        return None
    W = np.asarray(net.W)
    spectrum = np.linalg.svd(W, compute_uv=False)
    limit = np.asarray(solution.network.W)
    gradients = (y[:, None, None] * np.asarray(jacobian(net, X).W)).reshape(y.size, -1)
    multipliers, gap = nnls(gradients.T, W.ravel() / smallest)
    slack = y * outputs / smallest - 1.0
    disagree = np.sign(np.asarray(predict(net, case.test_points))) != np.sign(case.test_points @ solution.z)
    return [
        -1.0 / log_loss,
        float(spectrum[2] / spectrum[0]) if spectrum.size > 2 else 0.0,
        float(np.linalg.norm(W / np.linalg.norm(W) - limit / np.linalg.norm(limit))),
        float(gap) * smallest / float(np.linalg.norm(W)),
        float(multipliers @ slack) / float(multipliers.sum()),
        float(np.mean(disagree)),
        float(spectrum[1] / spectrum[0]) if spectrum.size > 1 else 0.0,
    ]
