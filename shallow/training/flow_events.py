"""When the pattern of a gradient flow changes next: the first zero of polynomials in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from shallow.training.flow_kinks import Lines, gates
from shallow.training.flow_pieces import Series, Setting
from shallow.training.flow_polynomial import first_root, keeps_sign

__all__ = ["Event", "Walk", "first_event", "gate_room"]

Array = np.ndarray[Any, Any]

_EPS = float(np.finfo(np.float64).eps)

Event = tuple[str, int, int, int]
"""Kind ("kink", "exit", "pull" or "turn"), neuron, line, share at which its gate leaves."""


@dataclass(eq=False)
class Walk:
    """Where the flow stands: the only mutable thing here."""

    W: Array
    a: Array
    time: float
    share: Array  # (m, G): 1 and 0 on the two sides of a kink, between while held on it
    slides: Array  # (m, G) booleans: on the kink, with a gate that keeps it there
    held: Array  # (m, G) booleans: on the kink because the directions slid on span its own
    leaving: dict[tuple[int, int], int]  # kinks just left: how many Taylor coefficients of u_g . w_k vanish
    pivoted: set[int]  # neurons whose free gates were exchanged just now: one starts from its end
    events: int = 0
    most_sliding: int = 0
    branchings: int = 0
    settled: float | None = None


def first_event(
    walk: Walk, lines: Lines, series: Series, reach: float, slope: float, setting: Setting
) -> tuple[float, Event | None]:
    """The first event in the window of length ``reach`` as a share of it; (1, None) when there is none."""
    if setting.rate_W == 0 or len(lines.direction) == 0 or reach == 0:
        return 1.0, None
    powers = reach ** np.arange(len(series.a))
    first: float = 1.0
    event: Event | None = None
    for polynomials, name in _functions(walk, lines, series, slope, setting, reach):
        scaled = polynomials * powers
        for row in np.flatnonzero(~keeps_sign(scaled)):
            root = first_root(scaled[row]) if np.any(scaled[row]) else None
            if root is not None and (root < first or event is None):
                first, event = root, name(int(row))
    return first, event


def _functions(
    walk: Walk, lines: Lines, series: Series, slope: float, setting: Setting, reach: float
) -> list[tuple[Array, Callable[[int], Event]]]:
    """Power coefficients, row by row, of functions that are positive until their event, and its name."""
    found = [_positions(walk, lines, series, setting, reach)]
    for neuron in np.flatnonzero(np.any(walk.slides | walk.held, axis=1)):
        k = int(neuron)
        low, high = gate_room(k, walk, lines, series.r, slope, setting)
        if k in walk.pivoted:
            whole = np.abs(low[0] + high[0])
            low, high = (_without_start(room, whole) for room in (low, high))
        low, high = (_above_rounding(room, series, setting, reach) for room in (low, high))
        sliding, held = np.flatnonzero(walk.slides[k]), np.flatnonzero(walk.held[k])
        found.append((low.T, lambda row, k=k, on=sliding: ("exit", k, int(on[row]), 0)))  # type: ignore[misc]
        found.append((high.T, lambda row, k=k, on=sliding: ("exit", k, int(on[row]), 1)))  # type: ignore[misc]
        pulls = series.r @ (np.abs(lines.factor)[:, None] * (lines.of_sample[:, None] == held))
        pulls = _without_start(pulls, np.full(held.size, _push(series, setting)))
        found.append((pulls.T * np.sign(pulls[:1].T), lambda row, k=k, on=held: ("pull", k, int(on[row]), 0)))  # type: ignore[misc]
        if walk.a[k] != 0:
            towards = series.a[None, :, k] * np.sign(walk.a[k])
            found.append((towards, lambda row, k=k: ("turn", k, -1, 0)))  # type: ignore[misc]
    return [(polynomials, name) for polynomials, name in found if len(polynomials)]


def _positions(
    walk: Walk, lines: Lines, series: Series, setting: Setting, reach: float
) -> tuple[Array, Callable[[int], Event]]:
    """The distances to kinks that a neuron is not on; one within rounding of 0 throughout has no event."""
    count = len(series.a)
    side = np.where(walk.share > 0.5, 1.0, -1.0)
    positions = np.moveaxis(series.W @ lines.direction.T, 0, -1) * side[:, :, None]
    for (k, g), vanishing in walk.leaving.items():
        shifted = np.zeros(count)
        shifted[: count - vanishing] = positions[k, g, vanishing:]
        powers = reach ** np.arange(vanishing, vanishing + count)
        floor = 16 * _EPS * reach * setting.rate_W * abs(setting.scale * walk.a[k])
        floor *= _push(series, setting)
        positions[k, g] = shifted if np.sum(np.abs(shifted) * powers) > floor else 0.0
    ks, gs = np.nonzero(~(walk.slides | walk.held))
    return positions[ks, gs], lambda row: ("kink", int(ks[row]), int(gs[row]), 0)


def _push(series: Series, setting: Setting) -> float:
    """The size of the terms that make up a neuron's push, sum |x_i| |r_i|."""
    return float(np.sum(np.abs(setting.X * series.r[0][:, None])))


def _above_rounding(room: Array, series: Series, setting: Setting, reach: float) -> Array:
    """Series (columns) with those set to 0 that stay within their rounding error through the window."""
    size = np.abs(room.T) @ reach ** np.arange(len(room))
    return np.where(size > 64 * _EPS * _push(series, setting), room, 0.0)


def _without_start(room: Array, whole: Array) -> Array:
    """Series (columns) that start at 0, to 1e-9 of ``whole``, divided by the time."""
    at_end = np.abs(room[0]) <= 1e-9 * whole
    shifted = np.concatenate([room[1:], np.zeros_like(room[:1])])
    return np.where(at_end, shifted, room)


def gate_room(
    k: int, walk: Walk, lines: Lines, r: Array, slope: float, setting: Setting
) -> tuple[Array, Array]:
    """How far the sliding gates of neuron k are from their ends, times |R_g|; r (N+1, n), each (N+1, U)."""
    on = np.flatnonzero(walk.slides[k])
    D = gates(lines, walk.share[k : k + 1], walk.slides[k : k + 1], slope)[0]
    drift = (r * D) @ setting.X
    needed = -drift @ np.linalg.pinv(lines.direction[on])
    low, high = np.empty_like(needed), np.empty_like(needed)
    sign = np.sign(setting.scale * walk.a[k]) or 1.0
    for j, g in enumerate(on):
        members = lines.members(int(g))
        c = lines.factor[members]
        base = r[:, members] @ (np.where(c > 0, slope, 1.0) * c)
        full = r[:, members] @ ((1.0 - slope) * np.abs(c))
        low[:, j] = sign * (needed[:, j] - base)
        high[:, j] = sign * (full - needed[:, j] + base)
    return low, high
