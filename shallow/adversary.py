"""Labels chosen against us: the worst direction of a kernel, and labels found by search.

These laws need a kernel or a trajectory, so they stand above training; laws that need only X are in
``shallow.setting.labels``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from shallow.exact.spectrum import eigenpairs
from shallow.setting.arrays import Array, host
from shallow.setting.labels import with_label_scale
from shallow.setting.problem import Problem
from shallow.training import GradientDescent, Outcome, train
from shallow.training.model import Model

__all__ = ["SearchedLabels", "best_labels", "searched", "slowness", "worst_labels"]

Labels = np.ndarray[Any, np.dtype[np.float64]]
Move = Callable[[Labels, float, np.random.Generator], Labels]


def worst_labels(kernel: Array, label_scale: float, start: Array | None = None) -> Labels:
    """y = f_0 + tau sqrt(n) v_min: the residual f_0 - y along the kernel's bottom eigenvector.

    Under the flow of that fixed kernel no residual of this size decays more slowly.

    Parameters
    ----------
    kernel : (n, n) or (n, k, n, k) array
        Symmetric; for training at unequal rates, eta_W H_W + eta_a H_a.
    label_scale : float
        tau, the root mean square of y - f_0 (of y itself for a network that starts at 0).
    start : (n,) or (n, k) array, optional
        f_0, the network's predictions at the start; 0 when left out.

    Returns
    -------
    (n,) or (n, k) float64 array
        The entry of v_min largest in size is positive. If the smallest eigenvalue is repeated, v_min is
        whichever eigenvector LAPACK returns.

    Raises
    ------
    ValueError
        If the kernel is not symmetric or start has another shape. Cost: O((n k)^3).
    """
    return _along(kernel, 0, label_scale, start)


def best_labels(kernel: Array, label_scale: float, start: Array | None = None) -> Labels:
    """y = f_0 + tau sqrt(n) v_max: the residual along the top eigenvector; see :func:`worst_labels`."""
    return _along(kernel, -1, label_scale, start)


def _along(kernel: Array, which: int, label_scale: float, start: Array | None) -> Labels:
    _, vectors = eigenpairs(kernel)
    v = host(vectors)[:, which].astype(np.float64)
    v = v * math.copysign(1.0, float(v[np.argmax(np.abs(v))]))
    if kernel.ndim == 4:
        v = v.reshape(kernel.shape[0], kernel.shape[1])
    y = with_label_scale(v, label_scale)
    if start is None:
        return y
    f = host(start).astype(np.float64)
    if f.shape != y.shape:
        raise ValueError(f"start has shape {f.shape}; the kernel is for predictions of shape {y.shape}")
    return np.asarray(f + y)


@dataclass(frozen=True, eq=False)
class SearchedLabels:
    """What a search found: it speaks for all labels only by refuting, never by not finding.

    Parameters
    ----------
    labels : (n,) or (n, k) array
    value : float
        The objective there.
    start_value : float
        The objective of the labels the search began with.
    evaluations : int
        How often the objective was computed, the start included.
    """

    labels: Labels
    value: float
    start_value: float
    evaluations: int


def _flip(y: Labels, size: float, rng: np.random.Generator) -> Labels:
    """Change the sign of about ``size`` of the entries, at least one."""
    flat = y.reshape(-1).copy()
    count = max(1, round(size * flat.size))
    chosen = rng.choice(flat.size, count, replace=False)
    flat[chosen] *= -1.0
    return flat.reshape(y.shape)


def _rotate(y: Labels, size: float, rng: np.random.Generator) -> Labels:
    """Turn y by the angle (pi/2) ``size`` towards a random direction, keeping its norm."""
    norm = float(np.linalg.norm(y))
    u = y / norm
    g = np.asarray(rng.standard_normal(y.shape))
    g = g - float(np.sum(g * u)) * u
    length = float(np.linalg.norm(g))
    if length == 0:  # one label: the only other point of its norm is -y
        return -y
    angle = 0.5 * math.pi * size
    return np.asarray(norm * (math.cos(angle) * u + math.sin(angle) * g / length))


_SMALLEST_MOVE = 1e-3

_MOVES: Mapping[str, Move] = MappingProxyType({"flip": _flip, "rotate": _rotate})


def searched(
    objective: Callable[[Labels], float],
    start: Array,
    *,
    evaluations: int,
    rng: np.random.Generator,
    move: Literal["flip", "rotate"] = "flip",
) -> SearchedLabels:
    """Labels of the same root mean square as ``start`` that make ``objective`` large, by hill climbing.

    Parameters
    ----------
    objective : (y) -> float
        Such as :func:`slowness`; +inf (a run that diverged) ends the search.
    start : (n,) or (n, k) array
        Labels to begin with, such as random signs or :func:`worst_labels`.
    evaluations : int
        How often the objective may be computed, at least 1. All the cost is here.
    rng : numpy.random.Generator
    move : "flip" or "rotate"
        Flip signs (labels stay +-tau), or turn y on its sphere. Moves shrink by a fifth when one fails, grow
        by half when one succeeds, and start large again once they are tiny, to leave local maxima.

    Raises
    ------
    ValueError
        If the objective is NaN, evaluations < 1, start is 0, or the move is unknown.
    """
    if move not in _MOVES:
        raise ValueError(f"move is {move!r}; choose {', '.join(_MOVES)}")
    if evaluations < 1:
        raise ValueError(f"evaluations is {evaluations}; at least 1 is needed")
    best = host(start).astype(np.float64)
    if not np.any(best):
        raise ValueError("the search starts at labels 0, which have no direction to search from")
    first = _evaluated(objective, best)
    value, size, used = first, 1.0, 1
    while used < evaluations and value < math.inf:
        candidate = _MOVES[move](best, size, rng)
        reached = _evaluated(objective, candidate)
        used += 1
        if reached > value:
            best, value, size = candidate, reached, min(1.0, 1.5 * size)
        else:
            size = 0.8 * size if size > _SMALLEST_MOVE else 1.0
    return SearchedLabels(best, value, first, used)


def _evaluated(objective: Callable[[Labels], float], y: Labels) -> float:
    value = float(objective(y))
    if math.isnan(value):
        raise ValueError("the objective of the search is NaN; return inf for a run that diverged")
    return value


def slowness(model: Model, X: Array, rule: GradientDescent, *, steps: int) -> Callable[[Labels], float]:
    """The objective y -> ||r_T||/||r_0|| of T = ``steps`` steps of training on (X, y); inf if it diverges."""

    def objective(y: Labels) -> float:
        run = train(model, Problem(X, y), rule, steps=steps, record=["residual_norm"], at=[0, steps])
        if run.outcome is Outcome.DIVERGED:
            return math.inf
        residuals = run.series["residual_norm"]
        return float(residuals[-1] / residuals[0]) if residuals[0] > 0 else 0.0

    return objective
