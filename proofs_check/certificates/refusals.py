"""What is refused before anything else: instances on which the tangent kernel is singular for sure."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from proofs_check.certificates.geometry import Geometry
from proofs_check.certificates.instance import Instance
from shallow.setting.duplicates import Duplicate, find_duplicates
from shallow.setting.problem import Problem

__all__ = ["SINGULAR", "merge_equal_inputs", "refusal", "singular"]

Array = np.ndarray[Any, np.dtype[np.float64]]

SINGULAR = 1e-13
"""A smallest eigenvalue below this share of the trace is taken for 0."""


def refusal(instance: Instance) -> str | None:
    """Why no certificate can exist for this instance, in one sentence; None when nothing forbids one.

    Exact: equal and proportional inputs are found in integer arithmetic. Cost O(n d + m d + n log n).
    """
    for name in ("X", "y", "W", "a"):
        if not np.all(np.isfinite(getattr(instance, name))):
            return f"{name} holds a number that is not finite"
    if instance.rate_W == 0 and instance.rate_a == 0:
        return "both rates are 0: nothing is trained"
    if instance.scale == 0:
        return "the scale is 0: the network is 0 whatever its weights"
    return _refused_size(instance) or _refused_rows(instance) or _refused_rank(instance)


def _refused_size(instance: Instance) -> str | None:
    """Products of the numbers must stay inside float64: K, H and their traces are formed."""
    log = {name: _log_largest(getattr(instance, name)) for name in ("X", "y", "W", "a")}
    count = math.log10(max(instance.n, instance.d, instance.m))
    scale = math.log10(abs(instance.scale))
    rate = max(math.log10(rate) for rate in (instance.rate_W, instance.rate_a) if rate > 0)
    kernel = rate + 2 * scale + 2 * log["X"] + 2 * max(log["a"], log["W"]) + 4 * count
    if (
        max(
            kernel, 2 * log["X"] + 2 * count, 2 * log["y"], scale + log["a"] + log["W"] + log["X"] + 3 * count
        )
        > 290
    ):
        return "the numbers overflow in float64: scale the data, the weights or the labels"
    return None


def _log_largest(values: Array) -> float:
    return math.log10(max(float(np.max(np.abs(values))), 1e-300))


def _refused_rows(instance: Instance) -> str | None:
    zero = np.flatnonzero(~np.any(instance.X != 0, axis=1))
    if zero.size:
        i = int(zero[0])
        if instance.y[i] == 0:
            return f"input {i} (counted from 0) is 0 and so is its label: drop the sample, it never matters"
        return f"input {i} (counted from 0) is 0 and its label is {instance.y[i]:g}: every network is 0 there"
    groups = find_duplicates(instance.problem)
    worst = min(groups, key=lambda group: group.consistent, default=None)
    return None if worst is None else _duplicate_reason(worst)


def _duplicate_reason(group: Duplicate) -> str:
    if not group.consistent:
        return f"{group}: f(c x) = c f(x) for every network, so none fits them"
    if group.proportional:
        return (
            f"{group}: their gradients are parallel and the tangent kernel is singular; keep one row x, y "
            "scaled by sqrt(sum of c^2) for the rows c x, c y"
        )
    return (
        f"{group}: their gradients are equal and the tangent kernel is singular; merge_equal_inputs(problem) "
        "makes q equal rows one row (sqrt(q) x, sqrt(q) y), with the same flow"
    )


def _refused_rank(instance: Instance) -> str | None:
    """More samples than the rank of G can be: D_k X w_k = phi(X w_k), so features add no rank."""
    n, m, d = instance.n, instance.m, instance.d
    if instance.rate_W > 0 and instance.rate_a > 0 and n > m * d:
        return (
            f"n = {n} exceeds m d = {m * d}: column k of the features is (gates) X w_k, in the range of the "
            "first layer's Jacobian, so the tangent kernel has rank at most m d; more neurons are needed"
        )
    alive = int(np.count_nonzero(instance.a))
    if instance.rate_a == 0 and n > alive * d:
        return f"n = {n} exceeds d times the {alive} neurons with a != 0, and only the first layer is trained"
    if instance.rate_W == 0 and n > m:
        return f"n = {n} exceeds m = {m} and only the second layer is trained"
    return None


def singular(geometry: Geometry) -> str | None:
    """Why the tangent kernel at the instance is 0 or singular to rounding; None when it is not.

    Cost O(m n^2 + n^3).
    """
    instance = geometry.instance
    if not math.isfinite(geometry.residual_norm) or not np.all(np.isfinite(geometry.K)):
        return "the numbers overflow in float64: scale the data, the weights or the labels"
    if instance.slope == 0:
        active = geometry.Z > 0
        if instance.rate_a == 0:
            active = active & (instance.a != 0)[:, None]
        dead = np.flatnonzero(~np.any(active, axis=0))
        if dead.size == instance.n:
            return "the network is dead: no neuron is active on any sample, and its gradient is 0"
        if dead.size:
            return f"sample {dead[0]} (counted from 0) activates no neuron: its gradient is 0 for ever"
    gates = np.where(geometry.Z > 0, 1.0, instance.slope)
    G = instance.rate_W * instance.scale**2 * geometry.K * ((gates * instance.a[:, None] ** 2).T @ gates)
    G = G + instance.rate_a * geometry.second
    smallest, trace = float(np.linalg.eigvalsh((G + G.T) / 2)[0]), float(np.trace(G))
    if not (smallest > SINGULAR * trace and math.isfinite(trace)):
        return (
            f"the tangent kernel is singular to rounding: lambda_min = {smallest:.3g}, trace {trace:.3g}; "
            "more neurons, or inputs further apart, are needed"
        )
    return None


def merge_equal_inputs(problem: Problem) -> Problem:
    """The problem in which q equal inputs with equal labels are one row (sqrt(q) x, sqrt(q) y).

    By homogeneity its gradient flow is that of ``problem``, up to the rounding of sqrt(q).

    Raises
    ------
    ValueError
        If equal inputs have different labels.
    """
    X, y = np.array(problem.X, dtype=np.float64), np.array(problem.y, dtype=np.float64)
    keep = np.ones(len(X), dtype=bool)
    for group in find_duplicates(problem):
        if group.proportional:
            continue
        if not group.consistent:
            raise ValueError(f"{group}; no network fits them and they cannot be merged")
        rows = list(group.rows)
        keep[rows[1:]] = False
        X[rows[0]] *= math.sqrt(len(rows))
        y[rows[0]] *= math.sqrt(len(rows))
    return problem.replace(X=X[keep], y=y[keep])
