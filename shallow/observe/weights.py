"""How far the weights have gone, and what shape they have."""

from __future__ import annotations

import math

import numpy as np

from shallow.observe.fit import norm
from shallow.observe.observable import Memory
from shallow.observe.snapshot import Snapshot
from shallow.setting.arrays import Array, namespace

__all__ = [
    "balance",
    "path_length",
    "relative_travel_W",
    "relative_travel_a",
    "stable_rank",
    "travel_W",
    "travel_W_max",
    "travel_a",
]


def travel_W(now: Snapshot, start: Snapshot) -> float:
    """||W - W_0||_F."""
    return norm(now.W - start.W)


def travel_W_max(now: Snapshot, start: Snapshot) -> float:
    """max_k ||w_k - w_k(0)||."""
    xp = namespace(now.W)
    moved = xp.astype(now.W - start.W, xp.float64)
    largest = float(xp.max(xp.abs(moved)))
    if largest == 0:
        return 0.0
    return largest * math.sqrt(float(xp.max(xp.sum((moved / largest) ** 2, axis=1))))


def travel_a(now: Snapshot, start: Snapshot) -> float:
    """||a - a_0||."""
    return norm(now.a - start.a)


def relative_travel_W(now: Snapshot, start: Snapshot) -> float:
    """||W - W_0||_F / ||W_0||_F."""
    return _relative(travel_W(now, start), norm(start.W))


def relative_travel_a(now: Snapshot, start: Snapshot) -> float:
    """||a - a_0|| / ||a_0||."""
    return _relative(travel_a(now, start), norm(start.a))


def _relative(moved: float, size: float) -> float:
    if size > 0:
        return moved / size
    return math.inf if moved > 0 else 0.0


def path_length(memory: Memory | None, now: Snapshot, start: Snapshot) -> Memory:
    """Sum over the steps of sqrt(||dW||^2 / rate_W + ||da||^2 / rate_a): the rate-scaled path."""
    length = 0.0
    if memory is not None:
        moved_W = _scaled(now.W - memory["W"], now.terms.rate_W)
        moved_a = _scaled(now.a - memory["a"], now.terms.rate_a)
        length = float(memory["value"]) + math.hypot(moved_W, moved_a)
    xp = namespace(now.W)
    return {"value": np.asarray(length), "W": xp.asarray(now.W, copy=True), "a": xp.asarray(now.a, copy=True)}


def _scaled(moved: Array, rate: float) -> float:
    return norm(moved) / math.sqrt(rate) if rate > 0 else 0.0


def stable_rank(now: Snapshot, start: Snapshot) -> float:
    """||W||_F^2 / ||W||_2^2, between 1 and min(m, d); 0 for W = 0."""
    xp = namespace(now.W)
    W = xp.astype(now.W, xp.float64)
    largest = float(xp.max(xp.abs(W)))
    if largest == 0:
        return 0.0
    singular = xp.linalg.svdvals(W / largest)
    return float(xp.sum((singular / singular[0]) ** 2))


def balance(now: Snapshot, start: Snapshot) -> float:
    """max_k |b_k - b_k(0)| of b_k = rate_W ||a_k||^2 - rate_a ||w_k||^2, which the flow keeps.

    For smoothing = 0 and no weight decay the flow conserves every b_k; a step moves it by O(rate_W rate_a).
    """
    change = _balances(now) - _balances(start)
    xp = namespace(change)
    drift = float(xp.max(xp.abs(change)))
    return math.inf if math.isnan(drift) else drift  # squares beyond the largest float


def _balances(now: Snapshot) -> Array:
    xp = namespace(now.W)
    W, a = xp.astype(now.W, xp.float64), xp.astype(now.a, xp.float64)
    outer = a**2 if a.ndim == 1 else xp.sum(a**2, axis=1)
    return now.terms.rate_W * outer - now.terms.rate_a * xp.sum(W**2, axis=1)
