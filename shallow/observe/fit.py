"""How well the data are fitted: loss, residual, margins, test error."""

from __future__ import annotations

import math

import numpy as np

from shallow.exact.gradient import predict
from shallow.observe.observable import Observable
from shallow.observe.snapshot import Snapshot
from shallow.setting.arrays import Array, beside, namespace
from shallow.setting.losses import LOSSES
from shallow.setting.problem import Problem

__all__ = [
    "log_loss",
    "loss",
    "loss_ratio",
    "margin_min",
    "margin_ratio",
    "residual_norm",
    "smoothed_margin",
    "test_error",
]


def loss(now: Snapshot, start: Snapshot) -> float:
    """L, the sum over samples."""
    return float(LOSSES[now.terms.loss].value(now.outputs, now.y))


def log_loss(now: Snapshot, start: Snapshot) -> float:
    """log L, right where L underflows."""
    return now.log_loss


def residual_norm(now: Snapshot, start: Snapshot) -> float:
    """||f - y||."""
    return norm(now.residual)


def loss_ratio(now: Snapshot, start: Snapshot) -> float:
    """max g_i / min g_j of g = |dL/df|, from logarithms; inf when one sample's derivative is 0.

    Frei, Chatterji and Bartlett (2022), Lemma 11. With all derivatives 0 there is no ratio: inf.
    """
    xp = namespace(now.outputs)
    logs = LOSSES[now.terms.loss].log_abs_derivative(now.outputs, now.y)
    low, high = float(xp.min(logs)), float(xp.max(logs))
    if low == -math.inf or high - low > 709.0:
        return math.inf
    return math.exp(high - low)


def margin_min(now: Snapshot, start: Snapshot) -> float:
    """min y f over samples and outputs."""
    return float(namespace(now.y).min(now.y * now.outputs))


def margin_ratio(now: Snapshot, start: Snapshot) -> float:
    """max y f / min y f; inf until every sample is on the right side."""
    xp, margins = namespace(now.y), now.y * now.outputs
    smallest = float(xp.min(margins))
    return float(xp.max(margins)) / smallest if smallest > 0 else math.inf


def smoothed_margin(now: Snapshot, start: Snapshot) -> float:
    """log(1/L) / ||theta||^p over the p layers that are trained (Lyu and Li, for homogeneous networks).

    0 when no layer is trained or all weights are 0.
    """
    layers = [x for x, rate in ((now.W, now.terms.rate_W), (now.a, now.terms.rate_a)) if rate > 0]
    size = math.hypot(*(norm(x) for x in layers))
    if size == 0:
        return 0.0
    margin = -now.log_loss / size
    return margin / size if len(layers) == 2 else margin  # size^2 may overflow


def test_error(problem: Problem) -> Observable:
    """The observable ``test_error`` on a test set.

    For a classification loss the fraction of wrong signs (an output of 0 is wrong); for squared loss the
    mean of (f - y)^2 over samples and outputs.
    """

    def function(now: Snapshot, start: Snapshot) -> float:
        X, y = beside(problem.X, now.W), beside(problem.y, now.W)
        xp, f = namespace(y), predict(now.network, X)
        if LOSSES[now.terms.loss].classification:
            return float(xp.mean(xp.astype(f * y <= 0, xp.float64)))
        return float(xp.mean((f - y) ** 2))

    return Observable("test_error", "1 or output^2", "O(n_test m d)", ("W", "a"), function)


test_error.__test__ = False  # type: ignore[attr-defined]  # not a test, whatever pytest thinks of its name


def norm(array: Array) -> float:
    """The Euclidean norm of all entries in float64, without overflow or underflow."""
    if not isinstance(array, np.ndarray | np.generic):
        return _norm_on_device(array)
    flat = np.asarray(array, dtype=np.float64).ravel()
    with np.errstate(over="ignore"):
        square = float(np.dot(flat, flat))
    if 1e-280 < square < 1e300:
        return math.sqrt(square)
    largest = float(np.abs(flat).max())
    if largest == 0 or not math.isfinite(largest):
        return largest
    scaled = flat / largest
    return largest * math.sqrt(float(np.dot(scaled, scaled)))


def _norm_on_device(array: Array) -> float:
    xp = namespace(array)
    entries = xp.astype(array, xp.float64)
    largest = float(xp.max(xp.abs(entries)))
    if largest == 0 or not math.isfinite(largest):
        return largest
    scaled = entries / largest
    return largest * math.sqrt(float(xp.sum(scaled * scaled)))
