"""Gradient flow in Clarke's sense, pattern by pattern: the reference at small size.

Between events the flow is analytic and is summed from its Taylor series (flow_pieces); an event is the
first zero of a polynomial in time, found with Bernstein coefficients so that none is skipped
(flow_polynomial); at an event Filippov's rule decides between crossing and sliding (flow_kinks). Events are:
a preactivation reaches its kink; a sliding neuron's gate reaches an end of [slope, 1]; a sliding neuron's
output weight reaches 0, whereupon its kinks repel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shallow.training.flow_kinks import FlowError, Lines, choose_sides, find_lines, gates, on_kinks
from shallow.training.flow_pieces import Layer, Modes, Series, Setting, expand, modes_of, reach_of
from shallow.training.flow_polynomial import bernstein_matrix, first_root

__all__ = ["ORDER", "Path", "trace"]

Array = np.ndarray[Any, Any]

ORDER = 20  # of the Taylor series: near the least cost per unit of time at double precision

_EPS = float(np.finfo(np.float64).eps)
_MOST_WINDOWS = 400_000

_Event = tuple[str, int, int, int]  # kind, neuron, line, side it leaves to


@dataclass(frozen=True, eq=False)
class Path:
    """What :func:`trace` returns: weights at the times asked for and what happened on the way.

    ``settled`` is the time from which the gradient is below its rounding error and the weights are held,
    or None; ``sliding_pairs`` the largest number of pairs (k, i) that slid at once; ``branchings`` how
    often a kink repelled and one of several solutions was taken.
    """

    W: Array
    a: Array
    events: int
    sliding_pairs: int
    branchings: int
    settled: float | None


@dataclass(eq=False)
class _Walk:
    """Where the flow stands: the only mutable thing here."""

    W: Array
    a: Array
    time: float
    side: Array  # (m, G): +1, -1, or 0 while sliding
    leaving: dict[tuple[int, int], int]  # kinks just left: how many Taylor coefficients of u_g . w_k vanish
    events: int = 0
    most_sliding: int = 0
    branchings: int = 0
    settled: float | None = None


def trace(
    W: Array,
    a: Array,
    setting: Setting,
    slope: float,
    times: Sequence[float],
    *,
    order: int = ORDER,
    event_limit: int | None = None,
) -> Path:
    """The flow from (W, a), float64 with ``a`` of shape (m,), at increasing ``times`` >= 0.

    Raises
    ------
    FlowError
        When events exceed ``event_limit`` (200 m n + 1000 by default), pile up without time passing, or a
        neuron sits on kinks from which no continuation was found.
    """
    lines = find_lines(setting.X) if slope != 1.0 else _no_lines(setting.X)
    walk = _Walk(np.array(W), np.array(a), 0.0, np.zeros((W.shape[0], len(lines.direction))), {})
    limit = 200 * W.shape[0] * setting.X.shape[0] + 1000 if event_limit is None else event_limit
    _start(walk, lines, setting, slope)
    kept_W, kept_a = np.empty((len(times), *W.shape)), np.empty((len(times), *a.shape))
    done = _keep(walk, times, 0, kept_W, kept_a)
    modes: Modes | None = None
    layer: Layer | None = None
    stalled = 0
    for _ in range(_MOST_WINDOWS):
        if done == len(times):
            break
        if layer is None:
            layer = _layer(walk, lines, slope)
            modes = modes_of(setting, layer, walk.W, walk.a) if setting.rate_a == 0 else None
        layer.project(walk.W)
        series = expand(setting, layer, walk.W, walk.a, order, modes)
        if _is_still(series, setting, layer):
            walk.settled = walk.time
            kept_W[done:], kept_a[done:] = walk.W, walk.a
            break
        reach = min(reach_of(series), times[-1] - walk.time)
        theta, event = _first_event(walk, lines, series, reach, slope, setting)
        tau = reach * theta
        while done < len(times) and times[done] <= walk.time + tau:
            kept_W[done], kept_a[done] = _weights(series, modes, setting, layer, times[done] - walk.time)
            done += 1
        walk.W, walk.a = _weights(series, modes, setting, layer, tau)
        stalled = 0 if tau > 8 * _EPS * max(walk.time, reach) else stalled + 1
        walk.time = walk.time + tau if event is not None else max(walk.time + tau, walk.time)
        if tau > 0:
            walk.leaving = {}
        if event is None:
            modes = None if modes is None else replace(modes, age=modes.age + tau)
            continue
        walk.events += 1
        if walk.events > limit or stalled > 4 * walk.side.size + 20:
            raise FlowError(
                f"the exact flow stalls at time {walk.time:.6g} after {walk.events} pattern events, last at "
                f"neuron {event[1]}; use method='euler-pair' or perturb the start"
            )
        _turn(walk, lines, setting, slope, event)
        layer = None
    else:
        raise FlowError(f"the exact flow needs over {_MOST_WINDOWS} windows to pass time {walk.time:.6g}")
    return Path(kept_W, kept_a, walk.events, walk.most_sliding, walk.branchings, walk.settled)


def _no_lines(X: Array) -> Lines:
    return Lines(np.zeros((0, X.shape[1])), np.full(X.shape[0], -1), np.zeros(X.shape[0]))


def _keep(walk: _Walk, times: Sequence[float], done: int, kept_W: Array, kept_a: Array) -> int:
    while done < len(times) and times[done] <= walk.time:
        kept_W[done], kept_a[done] = walk.W, walk.a
        done += 1
    return done


def _weights(
    series: Series, modes: Modes | None, setting: Setting, layer: Layer, tau: float
) -> tuple[Array, Array]:
    if modes is None:
        return series.at(tau)
    return modes.weights(setting, layer, series.a[0], tau), series.a[0].copy()


def _layer(walk: _Walk, lines: Lines, slope: float) -> Layer:
    bases = {}
    for k in np.flatnonzero(np.any(walk.side == 0, axis=1)):
        directions = lines.direction[walk.side[k] == 0]
        _, singular, rows = np.linalg.svd(directions, full_matrices=False)
        bases[int(k)] = rows[singular > 1e3 * _EPS * singular[0]]
    sizes = np.bincount(lines.of_sample[lines.of_sample >= 0], minlength=len(lines.direction))
    walk.most_sliding = max(walk.most_sliding, int(np.sum((walk.side == 0) * sizes)))
    return Layer(gates(lines, walk.side, slope), bases)


def _residual(walk: _Walk, lines: Lines, setting: Setting, slope: float) -> Array:
    D = gates(lines, walk.side, slope)
    r: Array = setting.scale * (walk.a @ (D * (walk.W @ setting.X.T))) - setting.y
    return r


def _start(walk: _Walk, lines: Lines, setting: Setting, slope: float) -> None:
    """Sides of all neurons at time 0; those within rounding of a kink are put on it and decided."""
    position = walk.W @ lines.direction.T
    touching = on_kinks(lines, walk.W)
    walk.side = np.where(touching, -1.0, np.sign(position))
    r = _residual(walk, lines, setting, slope)
    for k in np.flatnonzero(np.any(touching, axis=1)):
        _decide(walk, lines, setting, slope, int(k), r, np.flatnonzero(touching[k]), walk.side[k])


def _direction_of_a(walk: _Walk, setting: Setting, slope: float, k: int, r: Array) -> tuple[float, int]:
    """The sign of scale * a_k just after now, and how many derivatives of w_k vanish with it."""
    if walk.a[k] != 0:
        return float(np.sign(setting.scale * walk.a[k])), 1
    z = setting.X @ walk.W[k]
    speed = -setting.rate_a * setting.scale * np.sum(np.where(z > 0, z, slope * z) * r)
    return float(np.sign(setting.scale * speed)) or 1.0, 2


def _decide(
    walk: _Walk, lines: Lines, setting: Setting, slope: float, k: int, r: Array, on: Array, prefer: Array
) -> None:
    """Put neuron k exactly on the kinks ``on`` and let it cross, slide or leave."""
    _, singular, rows = np.linalg.svd(lines.direction[on], full_matrices=False)
    basis = rows[singular > 1e3 * _EPS * singular[0]]
    walk.W[k] -= (walk.W[k] @ basis.T) @ basis
    side = walk.side[k].copy()
    side[on] = 0
    D_off = gates(lines, side[None, :], slope)[0]
    sign, vanishing = _direction_of_a(walk, setting, slope, k, r)
    found = choose_sides(lines, setting.X, r, D_off, on, prefer[on], slope, sign)
    if found is None:
        samples = np.flatnonzero(np.isin(lines.of_sample, on)).tolist()
        raise FlowError(
            f"neuron {k} sits on the kinks of samples {samples} at time {walk.time:.6g} and no one-sided "
            "continuation was found; perturb the start or use method='euler-pair'"
        )
    walk.branchings += not found.unique
    for g, s, v in zip(on, found.side, found.velocity):
        walk.side[k, g] = s
        walk.leaving.pop((k, int(g)), None)
        if s != 0:
            walk.leaving[(k, int(g))] = vanishing if v != 0 else vanishing + 1


def _turn(walk: _Walk, lines: Lines, setting: Setting, slope: float, event: _Event) -> None:
    """What an event does to the sides of its neuron."""
    kind, k, g, side = event
    if kind == "exit":  # the gate reached an end of its interval: the neuron leaves tangentially
        walk.side[k, g] = side
        walk.leaving[(k, g)] = 2
        return
    if kind == "turn":  # the output weight passes through 0: the kinks it slid on now repel
        walk.a[k] = 0.0
        on = np.flatnonzero(walk.side[k] == 0)
    else:
        touching = on_kinks(lines, walk.W[k : k + 1])[0]
        touching[g] = True
        on = np.flatnonzero(touching | (walk.side[k] == 0))
    r = _residual(walk, lines, setting, slope)
    prefer = np.where(walk.side[k] == 0, -1.0, walk.side[k])
    if kind == "kink":
        prefer[g] = -walk.side[k, g]
    _decide(walk, lines, setting, slope, k, r, on, prefer)


def _is_still(series: Series, setting: Setting, layer: Layer) -> bool:
    """Whether the velocity is below the rounding error with which it is computed (eps |f| + |y| in r)."""
    if len(series.a) < 2:
        return True
    a, Z = np.abs(series.a[0]), np.abs(layer.D * (series.W[0] @ setting.X.T))
    terms = Z.shape[0] + setting.X.shape[1] + setting.X.shape[0]
    r_floor = _EPS * np.sqrt(terms) * (abs(setting.scale) * (a @ Z) + np.abs(setting.y))
    r_floor = r_floor + _EPS * np.abs(series.r[0])
    speed_floor = abs(setting.scale) * ((np.abs(layer.D) * r_floor) @ np.abs(setting.X))
    floor_W = setting.rate_W * a[:, None] * speed_floor
    floor_a = setting.rate_a * abs(setting.scale) * (Z @ r_floor)
    speed_W, speed_a = np.abs(series.W[1]), np.abs(series.a[1])
    return bool(np.all(speed_W <= floor_W) and np.all(speed_a <= floor_a))


def _first_event(
    walk: _Walk, lines: Lines, series: Series, reach: float, slope: float, setting: Setting
) -> tuple[float, _Event | None]:
    """The first event in the window as a share of it, (1, None) when there is none."""
    if setting.rate_W == 0 or len(lines.direction) == 0 or reach == 0:
        return 1.0, None
    powers = reach ** np.arange(len(series.a))
    polynomials, labels = _event_polynomials(walk, lines, series, slope, setting)
    polynomials = polynomials * powers
    degree = polynomials.shape[1] - 1
    suspicious = np.flatnonzero(~np.all(polynomials @ bernstein_matrix(degree).T > 0, axis=1))
    first: float = 1.0
    event: _Event | None = None
    for row in suspicious:
        coefficients = polynomials[row]
        if not np.any(coefficients):
            continue
        root = first_root(coefficients)
        if root is not None and (root < first or event is None):
            first, event = root, labels(int(row))
    return first, event


def _event_polynomials(
    walk: _Walk, lines: Lines, series: Series, slope: float, setting: Setting
) -> tuple[Array, Any]:
    """Power coefficients of all functions that are positive until their event, and what each row is."""
    count = len(series.a)
    positions = np.moveaxis(series.W @ lines.direction.T, 0, -1) * walk.side[:, :, None]
    for (k, g), vanishing in walk.leaving.items():
        shifted = np.zeros(count)
        shifted[: count - vanishing] = positions[k, g, vanishing:]
        positions[k, g] = shifted
    ks, gs = np.nonzero(walk.side)
    rows = [positions[ks, gs]]
    names: list[_Event] = []
    for k in np.flatnonzero(np.any(walk.side == 0, axis=1)):
        low, high = _gate_room(int(k), walk, lines, series, slope, setting)
        for j, g in enumerate(np.flatnonzero(walk.side[k] == 0)):
            rows.append(np.stack([low[:, j], high[:, j]]))
            names += [("exit", int(k), int(g), -1), ("exit", int(k), int(g), 1)]
        if walk.a[k] != 0:
            rows.append(series.a[None, :, k] * np.sign(walk.a[k]))
            names.append(("turn", int(k), -1, 0))

    def label(row: int) -> _Event:
        if row < ks.size:
            return ("kink", int(ks[row]), int(gs[row]), 0)
        return names[row - ks.size]

    return np.concatenate(rows), label


def _gate_room(
    k: int, walk: _Walk, lines: Lines, series: Series, slope: float, setting: Setting
) -> tuple[Array, Array]:
    """How far the sliding gates of neuron k are from either end, as series, times |R_g|; each (N+1, U)."""
    on = np.flatnonzero(walk.side[k] == 0)
    D = gates(lines, walk.side[k : k + 1], slope)[0]
    drift = (series.r * D) @ setting.X
    needed = -drift @ np.linalg.pinv(lines.direction[on])
    low, high = np.empty_like(needed), np.empty_like(needed)
    sign = np.sign(setting.scale * walk.a[k]) or 1.0
    for j, g in enumerate(on):
        members = lines.members(int(g))
        c = lines.factor[members]
        base = series.r[:, members] @ (np.where(c > 0, slope, 1.0) * c)
        full = series.r[:, members] @ ((1.0 - slope) * np.abs(c))
        low[:, j] = sign * (needed[:, j] - base)
        high[:, j] = sign * (full - needed[:, j] + base)
    return low, high
