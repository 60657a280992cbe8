"""Gradient flow in Clarke's sense, pattern by pattern: the reference at small size.

Between events the flow is analytic and is summed from its Taylor series (flow_pieces); an event is the
first zero of a polynomial in time, found with Bernstein coefficients so that none is skipped
(flow_polynomial); at an event Filippov's rule decides between crossing and sliding (flow_kinks). Events are:
a preactivation reaches its kink; a sliding neuron's gate reaches an end of [slope, 1]; a sliding neuron's
output weight reaches 0, whereupon its kinks repel; and, where more kinks meet than are independent, the pull
of a sample changes sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shallow.training.flow_events import Event, Walk, first_event, gate_room
from shallow.training.flow_kinks import (
    DEPENDENT,
    FlowError,
    Lines,
    choose_sides,
    find_lines,
    gates,
    on_kinks,
    reject,
)
from shallow.training.flow_pieces import Layer, Modes, Series, Setting, expand, modes_of, reach_of

__all__ = ["ORDER", "Path", "trace"]

Array = np.ndarray[Any, Any]

ORDER = 20  # of the Taylor series: near the least cost per unit of time at double precision

_EPS = float(np.finfo(np.float64).eps)
_MOST_WINDOWS = 400_000

_STALLED = 100.0  # when events pile up, a velocity below this many rounding errors counts as zero
_MOMENT = 1e-6  # how far ahead a degenerate decision looks, as a share of ||r|| / ||r'||


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
    limit = 200 * W.shape[0] * setting.X.shape[0] + 1000 if event_limit is None else event_limit
    walk = _start(W, a, lines, setting, slope)
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
        if _is_still(series, setting, layer, _STALLED if stalled else 1.0):
            walk.settled = walk.time
            kept_W[done:], kept_a[done:] = walk.W, walk.a
            break
        reach = min(reach_of(series), times[-1] - walk.time)
        theta, event = first_event(walk, lines, series, reach, slope, setting)
        tau = reach * theta
        while done < len(times) and times[done] <= walk.time + tau:
            kept_W[done], kept_a[done] = _weights(series, modes, setting, layer, times[done] - walk.time)
            done += 1
        walk.W, walk.a = _weights(series, modes, setting, layer, tau)
        stalled = 0 if tau > 8 * _EPS * max(walk.time, reach) else stalled + 1
        walk.time = walk.time + tau if event is not None else max(walk.time + tau, walk.time)
        if tau > 0:
            walk.leaving, walk.pivoted = {}, set()
        if event is None:
            modes = None if modes is None else replace(modes, age=modes.age + tau)
            continue
        walk.events += 1
        if walk.events > limit or stalled > 4 * walk.share.size + 20:
            raise FlowError(
                f"the exact flow stalls at time {walk.time:.6g} after {walk.events} pattern events, last at "
                f"neuron {event[1]}; use method='euler-pair' or perturb the start"
            )
        _turn(walk, lines, setting, slope, layer, event)
        layer = None
    else:
        raise FlowError(f"the exact flow needs over {_MOST_WINDOWS} windows to pass time {walk.time:.6g}")
    return Path(kept_W, kept_a, walk.events, walk.most_sliding, walk.branchings, walk.settled)


def _no_lines(X: Array) -> Lines:
    return Lines(np.zeros((0, X.shape[1])), np.full(X.shape[0], -1), np.zeros(X.shape[0]))


def _keep(walk: Walk, times: Sequence[float], done: int, kept_W: Array, kept_a: Array) -> int:
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


def _layer(walk: Walk, lines: Lines, slope: float) -> Layer:
    bases = {}
    for k in np.flatnonzero(np.any(walk.slides, axis=1)):
        bases[int(k)] = _basis(lines.direction[walk.slides[k]])
    sizes = np.bincount(lines.of_sample[lines.of_sample >= 0], minlength=len(lines.direction))
    walk.most_sliding = max(walk.most_sliding, int(np.sum((walk.slides | walk.held) * sizes)))
    return Layer(gates(lines, walk.share, walk.slides, slope), bases)


def _basis(directions: Array) -> Array:
    """An orthonormal basis of the span of unit vectors."""
    _, singular, rows = np.linalg.svd(directions, full_matrices=False)
    basis: Array = rows[singular > DEPENDENT]
    return basis


def _residual(walk: Walk, lines: Lines, setting: Setting, slope: float) -> Array:
    D = gates(lines, walk.share, walk.slides, slope)
    r: Array = setting.scale * (walk.a @ (D * (walk.W @ setting.X.T))) - setting.y
    return r


def _start(W: Array, a: Array, lines: Lines, setting: Setting, slope: float) -> Walk:
    """Sides of all neurons at time 0; those within rounding of a kink are put on it and decided."""
    touching = on_kinks(lines, W)
    share = np.where(touching | (W @ lines.direction.T < 0), 0.0, 1.0)
    none = np.zeros(share.shape, dtype=bool)
    walk = Walk(np.array(W), np.array(a), 0.0, share, none, none.copy(), {}, set())
    r = _residual(walk, lines, setting, slope)
    for k in np.flatnonzero(np.any(touching, axis=1)):
        _decide(walk, lines, setting, slope, int(k), r, touching[k], share[k].copy())
    return walk


def _direction_of_a(walk: Walk, setting: Setting, slope: float, k: int, r: Array) -> tuple[float, int]:
    """The sign of scale * a_k just after now, and how many derivatives of w_k vanish with it."""
    if walk.a[k] != 0:
        return float(np.sign(setting.scale * walk.a[k])), 1
    z = setting.X @ walk.W[k]
    speed = -setting.rate_a * setting.scale * np.sum(np.where(z > 0, z, slope * z) * r)
    return float(np.sign(setting.scale * speed)) or 1.0, 2


def _decide(
    walk: Walk,
    lines: Lines,
    setting: Setting,
    slope: float,
    k: int,
    r: Array,
    touching: Array,
    prefer: Array,
    *,
    at_rest: bool = False,
) -> None:
    """Put neuron k exactly on the kinks ``touching`` and let it cross, slide or leave.

    ``at_rest``: its velocity off all of them vanishes now, and r is that of a moment later.
    """
    basis = _basis(lines.direction[touching])
    walk.W[k] = reject(walk.W[k], basis)
    # Kinks whose directions those span meet at the same point.
    on = np.flatnonzero(touching | (np.linalg.norm(reject(lines.direction, basis), axis=1) <= DEPENDENT))
    here = np.zeros((1, len(prefer)), dtype=bool)
    here[0, on] = True
    D_off = gates(lines, walk.share[k : k + 1], here, slope)[0]
    sign, vanishing = _direction_of_a(walk, setting, slope, k, r)
    vanishing += at_rest
    found = choose_sides(lines, setting.X, r, D_off, on, prefer[on], slope, sign)
    if found is None:
        samples = np.flatnonzero(np.isin(lines.of_sample, on)).tolist()
        raise FlowError(
            f"neuron {k} sits on the kinks of samples {samples} at time {walk.time:.6g} and no one-sided "
            "continuation was found; perturb the start or use method='euler-pair'"
        )
    walk.branchings += not found.unique
    walk.share[k, on], walk.slides[k, on], walk.held[k, on] = found.share, found.slides, found.held
    for g, v in zip(on, found.velocity):
        walk.leaving.pop((k, int(g)), None)
        if not (walk.slides[k, g] or walk.held[k, g]):
            walk.leaving[(k, int(g))] = vanishing if v != 0 else vanishing + 1


def _turn(walk: Walk, lines: Lines, setting: Setting, slope: float, layer: Layer, event: Event) -> None:
    """What an event does to the sides of its neuron."""
    kind, k, g, share = event
    staying = walk.slides[k] | walk.held[k]
    prefer = np.where(walk.slides[k], 0.0, walk.share[k])
    r = _residual(walk, lines, setting, slope)
    if kind == "exit" and not np.any(walk.held[k]) and _gates_at_end(walk, lines, setting, slope, k, r) < 2:
        # The gate reached an end of its interval: the neuron leaves tangentially, the others slide on.
        walk.share[k, g], walk.slides[k, g] = share, False
        walk.leaving[(k, g)] = 2
        return
    if kind in ("exit", "pull"):
        # Where directions depend, other gates may take over; where all gates reach an end together (the one
        # sample that pushes is fitted), the push turns round: the residual of a moment later decides.
        speed = expand(setting, layer, walk.W, walk.a, 1, None).r[1]
        fastest = float(np.linalg.norm(speed))
        ahead = r + (_MOMENT * float(np.linalg.norm(r)) / fastest if fastest > 0 else 0.0) * speed
        # A pull turns round for all the neurons that it holds.
        for neuron in [k] if kind == "exit" else np.flatnonzero(walk.held[:, g]).tolist():
            staying = walk.slides[neuron] | walk.held[neuron]
            prefer = np.where(walk.slides[neuron], 0.0, walk.share[neuron])
            _decide(walk, lines, setting, slope, neuron, ahead, staying, prefer, at_rest=True)
            walk.pivoted.add(neuron)
        return
    if kind == "turn":  # the output weight passes through 0: the kinks it slid on now repel
        walk.a[k] = 0.0
        touching = staying
    else:
        touching = on_kinks(lines, walk.W[k : k + 1])[0] | staying
        touching[g] = True
        prefer[g] = 1.0 - walk.share[k, g]
    _decide(walk, lines, setting, slope, k, r, touching, prefer)


def _gates_at_end(walk: Walk, lines: Lines, setting: Setting, slope: float, k: int, r: Array) -> int:
    """How many sliding gates of neuron k are within 1e-6 of an end of their interval."""
    low, high = gate_room(k, walk, lines, r[None], slope, setting)
    return int(np.count_nonzero(np.minimum(low, high) <= 1e-6 * np.abs(low + high)))


def _is_still(series: Series, setting: Setting, layer: Layer, allowance: float) -> bool:
    """Whether the velocity is below ``allowance`` times the error that rounding |f| and |y| gives it."""
    if len(series.a) < 2:
        return True
    a, Z = np.abs(series.a[0]), np.abs(layer.D * (series.W[0] @ setting.X.T))
    terms = Z.shape[0] + setting.X.shape[1] + setting.X.shape[0]
    r_floor = _EPS * np.sqrt(terms) * (abs(setting.scale) * (a @ Z) + np.abs(setting.y))
    r_floor = allowance * (r_floor + _EPS * np.abs(series.r[0]))
    speed_floor = abs(setting.scale) * ((np.abs(layer.D) * r_floor) @ np.abs(setting.X))
    floor_W = setting.rate_W * a[:, None] * speed_floor
    floor_a = setting.rate_a * abs(setting.scale) * (Z @ r_floor)
    speed_W, speed_a = np.abs(series.W[1]), np.abs(series.a[1])
    return bool(np.all(speed_W <= floor_W) and np.all(speed_a <= floor_a))
