"""Gradient flow in Clarke's sense, with its numerical error reported beside it."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from shallow.exact.gradient import loss as loss_value
from shallow.exact.gradient import preactivations, predict
from shallow.setting.arrays import host
from shallow.setting.losses import LOSSES
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.training.flow_adaptive import adaptive
from shallow.training.flow_euler import euler_pair
from shallow.training.flow_exact import ORDER, trace
from shallow.training.flow_kinks import FlowError
from shallow.training.flow_pieces import Setting
from shallow.training.flow_velocity import FlowCase

__all__ = ["EXACT_PAIRS", "FLOW_METHODS", "FLOW_SERIES", "FlowError", "FlowOutcome", "FlowTrajectory", "flow"]

Array = np.ndarray[Any, Any]

EXACT_PAIRS = 1000
"""The exact method is chosen for n m up to this number of pairs; ``method="exact"`` forces it beyond."""

_EPS = float(np.finfo(np.float64).eps)


class FlowOutcome(enum.Enum):
    """How a flow ended."""

    REACHED = "the time asked for was reached"
    CONVERGED = "the residual fell below 1e-12 of its start"
    STATIONARY = "the gradient fell below its rounding error with a residual above 1e-12 of its start"
    INACCURATE = "the reported error exceeds the tolerance"


@dataclass(frozen=True, eq=False)
class FlowTrajectory:
    """A gradient flow at recorded times.

    Parameters
    ----------
    problem, initial : Problem and Network
        What was asked, in float64.
    network : Network
        At the last time.
    time : (T,) array
    series : mapping of str to (T,) arrays
        Recorded quantities; names as in :data:`FLOW_SERIES`.
    error : (T,) array
        Estimated distance of (W, a) from the true flow, Euclidean. ``exact``: the distance to a second
        run from a start moved by one ulp with a shorter series, plus one rounding of the weights.
        ``euler-pair``: the distance between the runs at h and h/2, which bounds the error of the finer
        one as soon as the error falls at least like h. ``adaptive``: the distance to a run at a hundred
        times the tolerance. Estimates, not bounds.
    series_error : mapping of str to (T,) arrays
        The same differences for each series.
    events : int
        Pattern events (exact) or gate changes (euler-pair).
    sliding_pairs : int
        The largest number of pairs (k, i) that slid on their kink at once.
    branchings : int
        How often the flow met a repelling kink, where several solutions exist and the fastest was taken
        (exact only; 0 for the others, which do not see it).
    outcome : FlowOutcome
    settled : float or None
        The time from which the gradient is below rounding and the weights are held (exact only).
    method : str
        ``exact``, ``euler-pair`` or ``adaptive``.
    """

    problem: Problem
    initial: Network
    network: Network
    time: Array
    series: Mapping[str, Array]
    error: Array
    series_error: Mapping[str, Array]
    events: int
    sliding_pairs: int
    branchings: int
    outcome: FlowOutcome
    settled: float | None
    method: str


def flow(
    network: Network,
    problem: Problem,
    *,
    rate_W: float = 1.0,
    rate_a: float = 1.0,
    time: float,
    record: Sequence[str] = ("residual_norm",),
    at: Sequence[float] | None = None,
    method: str | None = None,
    tolerance: float = 1e-8,
    loss: str = "squared",
    step_fraction: float = 0.05,
) -> FlowTrajectory:
    """Follow ``W' = -rate_W dL/dW``, ``a' = -rate_a dL/da`` (L the summed loss) in Clarke's sense.

    Trained networks slide on kinks: a pair (k, i) with ``w_k . x_i = 0`` whose velocities point to the
    kink from both sides keeps its preactivation at 0 with a gate in [slope, 1]. Three methods:

    - ``exact``: pattern by pattern, Taylor series to rounding (eigenvectors when one layer is frozen),
      events located and decided by Filippov's rule. Squared loss, no smoothing, one output.
    - ``euler-pair``: explicit Euler at h and h/2, ``h = step_fraction / lambda_max(H_t)``.
    - ``adaptive``: SciPy's DOP853, for smoothed networks; refuses as soon as a pair slides.

    Left to itself, ``flow`` takes ``adaptive`` for smoothed networks, ``exact`` when it applies and
    ``n m <= EXACT_PAIRS``, and ``euler-pair`` otherwise.

    Parameters
    ----------
    network, problem : Network and Problem
        Float32 ones are followed in float64.
    rate_W, rate_a : float
        Non-negative rates; 0 freezes a layer. One gradient descent step with these rates is one Euler
        step of length 1 of this flow.
    time : float
        Where to stop.
    record : names from :data:`FLOW_SERIES`
    at : increasing times in [0, time], optional
        When to record; 201 equally spaced times by default.
    tolerance : float
        Relative: the outcome is INACCURATE when ``error`` exceeds it times the norm of (W, a) somewhere
        (``exact`` and ``adaptive``; Euler pairs report their error and do not control it).
    loss : str
        A name in ``LOSSES``.
    step_fraction : float
        For ``euler-pair``.

    Raises
    ------
    ValueError
        For a bad rate, time, name or shape, or a method that cannot follow this flow.
    FlowError
        When a method cannot go on; the message says where and what to do.

    Notes
    -----
    At a repelling kink the flow is not unique; see ``branchings``. Cost of ``exact``: about one
    millisecond an event at n m = 100.
    """
    case = _read_case(network, problem, rate_W, rate_a, loss)
    times = _read_times(time, at)
    _require_names(record)
    chosen = _choose(network, case, method)
    W, a = host(network.W).astype(np.float64), host(network.a).astype(np.float64)
    start = Network(W, a, network.scale, network.slope, network.smoothing)
    target = problem.replace(X=case.X, y=case.y)
    run, twin, facts = _FOLLOW[chosen](W, a, case, times, tolerance, step_fraction)
    series, other = (_measure(start, target, loss, record, weights) for weights in (run, twin))
    error = np.array([_distance(p, q, r, s) for p, q, r, s in zip(run[0], run[1], twin[0], twin[1])])
    sizes = np.array([math.hypot(np.linalg.norm(p), np.linalg.norm(q)) for p, q in zip(*run)])
    if chosen != "euler-pair":
        error = error + _EPS * sizes
    last = start.replace(W=run[0][-1], a=run[1][-1])
    inaccurate = chosen != "euler-pair" and bool(np.any(error > tolerance * np.maximum(sizes, sizes[0])))
    return FlowTrajectory(
        problem=target,
        initial=start,
        network=last,
        time=_frozen(times),
        series=MappingProxyType(series),
        error=_frozen(error),
        series_error=MappingProxyType({name: _frozen(np.abs(series[name] - other[name])) for name in series}),
        outcome=FlowOutcome.INACCURATE if inaccurate else _outcome(start, last, target, facts["settled"]),
        method=chosen,
        **facts,
    )


def _read_case(network: Network, problem: Problem, rate_W: float, rate_a: float, loss: str) -> FlowCase:
    for name, rate in (("rate_W", rate_W), ("rate_a", rate_a)):
        if not (math.isfinite(rate) and rate >= 0):
            raise ValueError(f"{name} is {rate}; it must be a finite number that is not negative")
    if loss not in LOSSES:
        raise ValueError(f"the loss {loss!r} is unknown; choose one of {', '.join(sorted(LOSSES))}")
    if problem.d != network.d:
        raise ValueError(f"X has {problem.d} columns and the network reads {network.d} inputs")
    if problem.y.shape[1:] != network.a.shape[1:]:
        shapes = f"a has shape {tuple(network.a.shape)} and y {tuple(problem.y.shape)}"
        raise ValueError(f"{shapes}; give both the same second axis, or none")
    X, y = host(problem.X).astype(np.float64), host(problem.y).astype(np.float64)
    numbers = (network.scale, network.slope, network.smoothing, float(rate_W), float(rate_a))
    return FlowCase(X, y, *numbers, loss)


def _read_times(time: float, at: Sequence[float] | None) -> Array:
    if not (math.isfinite(time) and time > 0):
        raise ValueError(f"time is {time}; it must be a positive finite number")
    if at is None:
        return np.linspace(0.0, time, 201)
    times = np.asarray(at, dtype=np.float64).reshape(-1)
    ordered = times.size > 0 and bool(np.all(np.isfinite(times))) and bool(np.all(np.diff(times) > 0))
    if not ordered or times[0] < 0 or times[-1] > time:
        raise ValueError(f"at must be increasing times between 0 and {time}")
    return times if times[-1] == time else np.append(times, time)


def _require_names(record: Sequence[str]) -> None:
    for name in record:
        if name not in FLOW_SERIES:
            raise ValueError(f"the series {name!r} is unknown; choose from {', '.join(FLOW_SERIES)}")


def _choose(network: Network, case: FlowCase, method: str | None) -> str:
    if method is None:
        if network.smoothing > 0 and case.loss != "hinge":
            return "adaptive"
        fits = case.X.shape[0] * network.m <= EXACT_PAIRS
        return "exact" if fits and _exact_refuses(case) is None else "euler-pair"
    if method not in FLOW_METHODS:
        raise ValueError(f"the flow method {method!r} is unknown; choose one of {', '.join(FLOW_METHODS)}")
    reason = _exact_refuses(case) if method == "exact" else None
    if reason is not None:
        raise ValueError(f"the exact flow {reason}; use method='euler-pair'")
    return method


def _exact_refuses(case: FlowCase) -> str | None:
    if case.loss != "squared":
        return f"follows the squared loss, not {case.loss}"
    if case.smoothing > 0:
        return "follows kinks, not a smoothed activation"
    return "follows one output" if case.y.ndim == 2 else None


_Weights = tuple[Array, Array]


def _follow_exact(
    W: Array, a: Array, case: FlowCase, times: Array, tolerance: float, step_fraction: float
) -> tuple[_Weights, _Weights, dict[str, Any]]:
    setting = Setting(case.X, case.y, case.scale, case.rate_W, case.rate_a)
    path = trace(W, a, setting, case.slope, times.tolist())
    ulps = 1.0 + _EPS * (1 - 2.0 * (np.arange(len(W)) % 2))
    moved_a = a * ulps if case.rate_a > 0 else a
    moved_W = W * ulps[::-1, None] if case.rate_W > 0 else W
    twin = trace(moved_W, moved_a, setting, case.slope, times.tolist(), order=ORDER - 4)
    facts = {
        "events": path.events,
        "sliding_pairs": path.sliding_pairs,
        "branchings": path.branchings,
        "settled": path.settled,
    }
    return (path.W, path.a), (twin.W, twin.a), facts


def _follow_euler(
    W: Array, a: Array, case: FlowCase, times: Array, tolerance: float, step_fraction: float
) -> tuple[_Weights, _Weights, dict[str, Any]]:
    if not (math.isfinite(step_fraction) and 0 < step_fraction < 1):
        raise ValueError(f"step_fraction is {step_fraction}; it must lie between 0 and 1")
    pair = euler_pair(W, a, case, times.tolist(), step_fraction=step_fraction)
    facts = {"events": pair.flips, "sliding_pairs": pair.sliding_pairs, "branchings": 0, "settled": None}
    return (pair.W, pair.a), (pair.coarse_W, pair.coarse_a), facts


def _follow_adaptive(
    W: Array, a: Array, case: FlowCase, times: Array, tolerance: float, step_fraction: float
) -> tuple[_Weights, _Weights, dict[str, Any]]:
    run = adaptive(W, a, case, times.tolist(), tolerance=tolerance / 1e4)
    twin = adaptive(W, a, case, times.tolist(), tolerance=tolerance / 100)
    return run, twin, {"events": 0, "sliding_pairs": 0, "branchings": 0, "settled": None}


_FOLLOW = {"exact": _follow_exact, "euler-pair": _follow_euler, "adaptive": _follow_adaptive}
FLOW_METHODS = tuple(_FOLLOW)


def _outcome(start: Network, last: Network, problem: Problem, settled: float | None) -> FlowOutcome:
    before, after = (float(np.linalg.norm(predict(net, problem.X) - problem.y)) for net in (start, last))
    if after <= 1e-12 * before:
        return FlowOutcome.CONVERGED
    return FlowOutcome.STATIONARY if settled is not None else FlowOutcome.REACHED


def _measure(
    start: Network, problem: Problem, loss: str, record: Sequence[str], weights: _Weights
) -> dict[str, Array]:
    networks = [start.replace(W=W, a=a) for W, a in zip(*weights)]
    return {
        name: _frozen(np.array([FLOW_SERIES[name](net, start, problem, loss) for net in networks]))
        for name in record
    }


def _frozen(values: Array) -> Array:
    values = np.asarray(values, dtype=np.float64)
    values.setflags(write=False)
    return values


def _distance(W: Array, a: Array, other_W: Array, other_a: Array) -> float:
    return math.hypot(np.linalg.norm(W - other_W), np.linalg.norm(a - other_a))


def _residual_norm(net: Network, start: Network, problem: Problem, loss: str) -> float:
    return float(np.linalg.norm(predict(net, problem.X) - problem.y))


def _loss(net: Network, start: Network, problem: Problem, loss: str) -> float:
    return loss_value(net, problem, loss)


def _travel_W(net: Network, start: Network, problem: Problem, loss: str) -> float:
    return float(np.linalg.norm(net.W - start.W))


def _travel_W_max(net: Network, start: Network, problem: Problem, loss: str) -> float:
    return float(np.max(np.linalg.norm(net.W - start.W, axis=1)))


def _travel_a(net: Network, start: Network, problem: Problem, loss: str) -> float:
    return float(np.linalg.norm(net.a - start.a))


def _flip_fraction(net: Network, start: Network, problem: Problem, loss: str) -> float:
    now, then = (preactivations(x, problem.X) > 0 for x in (net, start))
    return float(np.mean(now != then))


FLOW_SERIES: Mapping[str, Callable[[Network, Network, Problem, str], float]] = MappingProxyType(
    {
        "residual_norm": _residual_norm,
        "loss": _loss,
        "travel_W": _travel_W,
        "travel_W_max": _travel_W_max,
        "travel_a": _travel_a,
        "flip_fraction": _flip_fraction,
    }
)
