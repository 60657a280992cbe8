"""The inequalities of Theorems F1 and D in ball arithmetic, from the exact float64 inputs: a proof.

Every quantity is a ball that contains its exact value, of 128 bits, and an inequality counts only when it
holds for all points of its balls. The searches' floats enter as proposed numbers, taken as exact, and as
hints (which shift to use, where to try a bound) on which nothing rests. The reference for n up to about 100.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.certificates.balls import (
    Balls,
    ball,
    balls,
    midpoints,
    positive_definite,
    precision,
    shifted,
    up,
)
from proofs_check.certificates.checks import failed_levels, failed_numbers, missed
from proofs_check.certificates.enclosed_bounds import (
    Gates,
    Quantities,
    Ranges,
    first_layer,
    gates_of,
    quantities_of,
    ranges_of,
    second_layer,
)
from proofs_check.certificates.enclosed_constants import (
    Kernel,
    kernel_of,
    output_constants,
    output_reach,
    pair_constants,
    pair_reach,
)
from proofs_check.certificates.enclosed_steps import descent_matrix, failed_step, step_bound
from proofs_check.certificates.instance import Instance
from proofs_check.certificates.proposal import Finding, Proposal, Stage

__all__ = ["prove_descent", "prove_flow"]


@dataclass(frozen=True, eq=False)
class _Paid:
    """Path integrals so far (m, n), (m,), the path S, and for steps the highest prices so far."""

    pair: Balls
    output: Balls
    path: Any
    price: Balls
    price_a: Balls


def prove_flow(instance: Instance, proposal: Proposal) -> Finding:
    """Prove Theorem F1 for a proposal, in balls.

    Raises
    ------
    ValueError
        If python-flint is missing.

    Notes
    -----
    Cost O(J m n^2 min(n, d)) ball operations; (n, d, m) = (100, 20, 500) takes 1 to 2 minutes on one core.
    """
    return _prove(instance, proposal, _flow_stage)


def prove_descent(instance: Instance, proposal: Proposal) -> Finding:
    """Prove Theorem D for a proposal, in balls; see :func:`prove_flow`."""
    return _prove(instance, proposal, _descent_stage)


def _prove(instance: Instance, proposal: Proposal, check: Any) -> Finding:
    with precision(), np.errstate(all="ignore"):  # floats are hints and figures here
        quantities = quantities_of(instance)
        failed = failed_levels(up(quantities.residual_norm), proposal)
        if failed:
            return failed
        m, n = instance.m, instance.n
        pairs, outputs = balls(np.zeros((m, n))), balls(np.zeros(m))
        paid = _Paid(pairs, outputs, ball(0.0), pairs, outputs)
        before = proposal.start
        for j, stage in enumerate(proposal.stages, 1):
            failed = failed_numbers(instance, stage, j) or _failed_separation(quantities, stage, j)
            if failed:
                return failed
            found = check(quantities, stage, paid, before, j)
            if isinstance(found, Finding):
                return found
            paid, before = found, stage.end
        path = up(paid.path) if check is _flow_stage else math.inf
        return Finding(True, min(stage.decay for stage in proposal.stages), path)


def _failed_separation(quantities: Quantities, stage: Stage, j: int) -> Finding | None:
    if not quantities.trained_W:
        return None
    outside = ~stage.uncertain
    sizes, radii = abs(quantities.Z[outside]), balls(stage.radius[outside])
    return _failed(sizes > radii, radii, sizes, "separation", j)


def _failed(held: Any, needed: Balls, available: Balls, inequality: str, j: int) -> Finding | None:
    """None if every comparison held; else the worst one."""
    if bool(np.all(np.asarray(held, dtype=bool))):
        return None
    need, have = midpoints(needed), midpoints(available)
    with np.errstate(all="ignore"):
        ratio = np.where(have > 0, need / have, np.inf)
    worst = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
    return missed(j, inequality, float(need[worst]), float(have[worst]))


def _failed_spectrum(M: Balls, decay: float, j: int) -> Finding | None:
    if positive_definite(shifted(M, decay)):
        return None
    mid = midpoints(M)
    smallest = float(np.linalg.eigvalsh((mid + mid.T) / 2)[0]) if np.all(np.isfinite(mid)) else 0.0
    return missed(j, "spectrum", decay, smallest)


def _gates(quantities: Quantities, stage: Stage) -> Gates:
    return gates_of(quantities, stage.uncertain & quantities.trained_W)


def _multiplier(quantities: Quantities, stage: Stage) -> Balls:
    return balls(np.broadcast_to(stage.multiplier, quantities.Z.shape))


def _flow_stage(quantities: Quantities, stage: Stage, paid: _Paid, before: float, j: int) -> _Paid | Finding:
    instance = quantities.instance
    gates = _gates(quantities, stage)
    M = _flow_matrix(quantities, gates, stage)
    failed = _failed_spectrum(M, stage.decay, j)
    if failed:
        return failed
    kernel = kernel_of(M, stage.decay, stage.shifts)
    drop = ball(before) - stage.end
    path = paid.path + drop / ball(stage.decay).sqrt()
    cap_W, cap_a = (path * ball(rate).sqrt() for rate in (instance.rate_W, instance.rate_a))
    pair, output = paid.pair, paid.output
    ranges = ranges_of(quantities, balls(stage.radius)) if quantities.trained_a else None
    if quantities.trained_W:
        pair = pair + _pair_prices(quantities, gates, stage, kernel) * drop
        radius, cap = balls(stage.radius), quantities.norms * cap_W
        held = np.asarray(radius > pair, dtype=bool) | np.asarray(radius > cap, dtype=bool)
        failed = _failed(held, np.where(midpoints(pair) < midpoints(cap), pair, cap), radius, "travel", j)
        if failed:
            return failed
    if ranges is not None:
        output = output + _output_prices(quantities, ranges, kernel) * drop
        radius_a = balls(stage.radius_a)
        held = np.asarray(radius_a > output, dtype=bool) | np.asarray(radius_a > cap_a, dtype=bool)
        failed = _failed(held, output, radius_a, "output", j)
        if failed:
            return failed
    if quantities.trained_W and ranges is not None:
        cap = quantities.scale * quantities.lipschitz * quantities.spectral * cap_W
        if not (ranges.spread <= stage.spread or cap < stage.spread):
            return missed(j, "features", min(up(ranges.spread), up(cap)), stage.spread)
    return _Paid(pair, output, path, paid.price, paid.price_a)


def _flow_matrix(quantities: Quantities, gates: Gates, stage: Stage) -> Balls:
    instance = quantities.instance
    used = np.abs(instance.a) > stage.radius_a
    left = quantities.sizes - balls(stage.radius_a)
    weights = left * left * (ball(instance.scale) ** 2 * instance.rate_W)
    M = first_layer(quantities, gates, weights, used, _multiplier(quantities, stage))
    return M + second_layer(quantities, stage) if quantities.trained_a else M


def _reach_W(quantities: Quantities, stage: Stage) -> Balls:
    """eta_W |s| (|a_k| + alpha_k), (m, 1)."""
    step = quantities.scale * quantities.instance.rate_W
    return np.asarray((quantities.sizes + balls(stage.radius_a)) * step)[:, None]


def _pair_prices(quantities: Quantities, gates: Gates, stage: Stage, kernel: Kernel) -> Balls:
    return np.asarray(_reach_W(quantities, stage) * pair_constants(quantities, gates, kernel))


def _output_prices(quantities: Quantities, ranges: Ranges, kernel: Kernel) -> Balls:
    return np.asarray(output_constants(ranges, kernel) * (quantities.scale * quantities.instance.rate_a))


def _descent_stage(
    quantities: Quantities, stage: Stage, paid: _Paid, before: float, j: int
) -> _Paid | Finding:
    gates, multiplier = _gates(quantities, stage), _multiplier(quantities, stage)
    bound = step_bound(quantities, gates, stage, before)
    failed = failed_step(bound, stage, multiplier, j)
    if failed:
        return failed
    M = descent_matrix(quantities, gates, bound, stage, multiplier)
    failed = _failed_spectrum(M, stage.decay, j)
    if failed:
        return failed
    kernel = kernel_of(M, stage.decay, stage.shifts)
    drop = ball(before) - stage.end
    overshoot = before if stage.end > 0 else 0.0
    ranges = ranges_of(quantities, balls(stage.radius))
    pair, output, price, price_a = paid.pair, paid.output, paid.price, paid.price_a
    if quantities.trained_W:
        price = _larger(price, _pair_prices(quantities, gates, stage, kernel))
        pair = pair + price * drop
        step = _reach_W(quantities, stage) * pair_reach(quantities, gates)
        needed, radius = pair + step * overshoot, balls(stage.radius)
        failed = _failed(radius > needed, needed, radius, "travel", j)
        if failed:
            return failed
    if quantities.trained_a:
        price_a = _larger(price_a, _output_prices(quantities, ranges, kernel))
        output = output + price_a * drop
        step_a = output_reach(ranges) * (quantities.scale * quantities.instance.rate_a)
        needed, radius_a = output + step_a * overshoot, balls(stage.radius_a)
        failed = _failed(radius_a > needed, needed, radius_a, "output", j)
        if failed:
            return failed
    both = quantities.trained_W and quantities.trained_a
    if both and not ranges.spread <= stage.spread:
        return missed(j, "features", up(ranges.spread), stage.spread)
    return _Paid(pair, output, paid.path, price, price_a)


def _larger(first: Balls, second: Balls) -> Balls:
    out = np.empty(first.size, dtype=object)
    out[:] = [x.max(y) for x, y in zip(first.ravel().tolist(), second.ravel().tolist())]
    return out.reshape(first.shape)
