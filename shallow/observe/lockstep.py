"""The distance to the tangent model, which descends beside the network with the same step factors.

The tangent model's outputs are affine in its weights, so its descent closes in coefficients: after any
number of steps W = (1 - b_W) W_0 - J_W^T c_W and a = (1 - b_a) a_0 - J_a^T c_a, and
f_tangent = f_0 - H_W c_W - H_a c_a - b_W J_W W_0 - b_a J_a a_0. One step costs O((n k)^2), not O(n m d).
"""

from __future__ import annotations

import math

import numpy as np

from shallow.exact.activation import activation
from shallow.observe.fit import norm
from shallow.observe.observable import Memory
from shallow.observe.snapshot import Snapshot
from shallow.setting.arrays import Array, namespace
from shallow.setting.losses import LOSSES

__all__ = ["tangent_distance", "tangent_outputs"]


def tangent_distance(memory: Memory | None, now: Snapshot, start: Snapshot) -> Memory:
    """sup over the steps so far of ||f - f_tangent|| / ||f_0 - y||, the E that names the regime."""
    state = _first(start) if memory is None else _next(memory, now.factor, start)
    gap = norm(_flat(now.outputs) - tangent_outputs(state, start))
    size = norm(start.residual)
    ratio = gap / size if size > 0 else (math.inf if gap > 0 else 0.0)
    before = 0.0 if memory is None else float(memory["value"])
    return {**state, "value": np.asarray(max(before, ratio))}


def tangent_outputs(memory: Memory, start: Snapshot) -> Array:
    """The tangent model's outputs, flat, in float64."""
    kernel_W, kernel_a = start.layer_kernels
    f = _flat(start.outputs)
    f = f - kernel_W @ memory["c_W"] - kernel_a @ memory["c_a"]
    if float(memory["b"][0]) != 0 or float(memory["b"][1]) != 0:
        image_W, image_a = _weights_seen(start)
        f = f - float(memory["b"][0]) * image_W - float(memory["b"][1]) * image_a
    return f


def _flat(array: Array) -> Array:
    xp = namespace(array)
    return xp.reshape(xp.astype(array, xp.float64), (-1,))


def _first(start: Snapshot) -> dict[str, Array]:
    nothing = namespace(start.outputs).zeros_like(_flat(start.outputs))
    return {"c_W": nothing, "c_a": nothing, "b": np.zeros(2)}


def _next(memory: Memory, factor: float, start: Snapshot) -> dict[str, Array]:
    terms = start.terms
    moved = _scaled_derivative(tangent_outputs(memory, start), factor, start)
    kept_W = 1 - factor * terms.rate_W * terms.decay_W if terms.decay_W > 0 else 1.0
    kept_a = 1 - factor * terms.rate_a * terms.decay_a if terms.decay_a > 0 else 1.0
    b_W, b_a = (float(b) for b in memory["b"])
    return {
        "c_W": kept_W * memory["c_W"] + terms.rate_W * moved,
        "c_a": kept_a * memory["c_a"] + terms.rate_a * moved,
        "b": np.array([1 - kept_W * (1 - b_W), 1 - kept_a * (1 - b_a)]),
    }


def _scaled_derivative(f: Array, factor: float, start: Snapshot) -> Array:
    """factor * dL/df; through logarithms when the factor is so large that the derivative may underflow."""
    xp, y = namespace(f), _flat(start.y)
    loss = LOSSES[start.terms.loss]
    if factor < 1e100:
        return factor * loss.derivative(f, y)
    size = xp.exp(xp.clip(loss.log_abs_derivative(f, y) + math.log(factor), max=709.0))
    return (xp.sign(-y) if loss.classification else xp.sign(f - y)) * size


def _weights_seen(start: Snapshot) -> tuple[Array, Array]:
    """J_W W_0 and J_a a_0, flat."""
    xp = namespace(start.a)
    a = xp.astype(start.a, xp.float64)
    Z = xp.astype(start.preactivations, xp.float64)
    linear = xp.astype(start.gates, xp.float64) * Z
    features = activation(Z, start.slope, start.smoothing)
    return _flat(start.scale * (linear @ a)), _flat(start.scale * (features @ a))
