"""Theorems F1 and D in float64 with every rounding bounded: proofs, given how the arithmetic rounds.

Assumed: the model of rounding of :mod:`.floating`, and that the interpreter and NumPy execute these formulas.
Nothing is assumed of linear algebra beyond matrix products: eigenvectors, Cholesky factors and solutions of
linear systems enter as arbitrary floats whose residuals are computed. NaN and infinity refuse.

Margin. A proof by exact arithmetic may succeed where this one refuses. For the decay the difference is by
estimate 6 n (600 + (m + d)/256) 2^-53 max_i G_ii (4e-11 of the largest diagonal entry at n = 100), and a
tenth of that where it was measured; it is more where some K_UU + Lam_k is nearly singular. A constant kappa
grows by about n^2 2^-53 times the condition number of M. No proof rests on these two figures.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.certificates.checks import failed_levels, failed_numbers, missed
from proofs_check.certificates.eigenvalue import positive_definite, shifted
from proofs_check.certificates.floating import check_arithmetic, down, norm_up, up
from proofs_check.certificates.instance import Instance
from proofs_check.certificates.proposal import Finding, Proposal, Stage
from proofs_check.certificates.rounded import Rounded, blocks, phi_range, rounded_of
from proofs_check.certificates.rounded_bounds import (
    Gates,
    Lower,
    features_gram,
    first_layer,
    gates_of,
    nothing,
    second_layer,
)
from proofs_check.certificates.rounded_constants import (
    Factor,
    Inverse,
    factor_of,
    inverses_of,
    output_kappa,
    pair_kappa,
    pair_reach,
)
from proofs_check.certificates.rounded_steps import (
    descent_matrix,
    missing_multiplier,
    step_of,
    weights_between,
)

__all__ = ["prove_descent", "prove_flow"]

Array = np.ndarray[Any, np.dtype[np.float64]]
_ENTRIES = 1_000_000


def prove_flow(instance: Instance, proposal: Proposal) -> Finding:
    """Prove every inequality of Theorem F1, or name one that could not be.

    Raises
    ------
    RuntimeError
        If this machine's arithmetic does not round as the proof assumes.

    Notes
    -----
    Cost O(m n^2) a stage with crude constants, O(m n min(n, d) (n + shifts d)) with shifts, and
    O(n^2 U + sum_k u_k^2 n) for U = sum_k u_k uncertain pairs. Memory: a few arrays (m, n) and (n, n).
    """
    return _proved(instance, proposal, _failed_flow)


def prove_descent(instance: Instance, proposal: Proposal) -> Finding:
    """Prove every inequality of Theorem D, or name one that could not be; as :func:`prove_flow`."""
    finding = _proved(instance, proposal, _failed_descent)
    return Finding(True, finding.decay, math.inf) if finding.proved else finding


@dataclass(frozen=True, eq=False)
class _Setting:
    """What all stages share."""

    rounded: Rounded
    factor: Factor
    features: Lower


@dataclass(eq=False)
class _Paid:
    """Path integrals bounded so far, P (m, n), P^a (m,) and S; prices Q, Q^a of steps."""

    pair: Array
    output: Array
    path: float
    price: Array
    price_a: Array


@dataclass(frozen=True, eq=False)
class _Solved:
    """What constants come from: lambda_min(M_f) > decay, inverses for the shifts, K_ij^2 where needed."""

    decay: float
    inverses: tuple[Inverse, ...]
    crude: bool
    squares: Array


@dataclass(eq=False)
class _Worst:
    """The largest needed over available met so far, and whether available > needed held throughout."""

    holds: bool = True
    ratio: float = 0.0

    def meet(self, needed: Array, available: Array) -> None:
        """Compare two arrays; NaN does not hold."""
        self.holds = self.holds and bool(np.all(available > needed))
        ratio = np.max(np.where(available > 0, needed / available, np.inf), initial=0.0)
        self.ratio = float(np.fmax(self.ratio, ratio))

    def failed(self, j: int, inequality: str) -> Finding | None:
        """The finding when a comparison did not hold."""
        return None if self.holds else missed(j, inequality, self.ratio, 1.0)


def _proved(instance: Instance, proposal: Proposal, failed_stage: Any) -> Finding:
    check_arithmetic()
    with np.errstate(all="ignore"):
        rounded = rounded_of(instance)
        failed = failed_levels(rounded.residual_norm, proposal)
        if failed:
            return failed
        features = features_gram(rounded) if rounded.trained_a else nothing(instance.n)
        setting = _Setting(rounded, factor_of(rounded), features)
        shape = (instance.m if rounded.trained_W else 0, instance.n)
        paid = _Paid(np.zeros(shape), np.zeros(instance.m), 0.0, np.zeros(shape), np.zeros(instance.m))
        levels = [proposal.start, *(stage.end for stage in proposal.stages)]
        for j, (before, stage) in enumerate(zip(levels, proposal.stages), 1):
            failed = failed_numbers(instance, stage, j) or _failed_separation(rounded, stage, j)
            failed = failed or failed_stage(setting, paid, stage, j, before)
            if failed:
                return failed
        return Finding(True, float(min(stage.decay for stage in proposal.stages)), paid.path)


def _failed_separation(rounded: Rounded, stage: Stage, j: int) -> Finding | None:
    """L3: |z_ki| > rho_ki for every pair outside U."""
    if not rounded.trained_W:
        return None
    worst = _Worst()
    for rows in _blocks(rounded):
        low, high = rounded.z_range(rows)
        distance = np.where(low > 0, low, np.where(high < 0, -high, 0.0))
        outside = ~stage.uncertain[rows]
        worst.meet(stage.radius[rows][outside], distance[outside])
    return worst.failed(j, "separation")


def _failed_flow(setting: _Setting, paid: _Paid, stage: Stage, j: int, before: float) -> Finding | None:
    """F4 to F8 of one stage; pays for it."""
    rounded = setting.rounded
    instance = rounded.instance
    gates = gates_of(rounded, stage.uncertain & rounded.trained_W)
    M = nothing(instance.n)
    if rounded.trained_W:
        multiplier = np.broadcast_to(stage.multiplier, rounded.Z.shape)
        M = first_layer(rounded, gates, weights_between(rounded, stage.radius_a)[0], multiplier)
    if rounded.trained_a:
        M = M.plus(second_layer(rounded, setting.features, stage.spread, stage.share))
    solved = _solved(rounded, M.assembled(), stage, j, reach=False)
    if isinstance(solved, Finding):
        return solved
    drop = up(before - stage.end)
    paid.path = float(up(paid.path + up(drop / down(math.sqrt(stage.decay)))))
    cap = up(up(rounded.norms * up(math.sqrt(instance.rate_W))) * paid.path)
    cap_a = up(up(math.sqrt(instance.rate_a)) * paid.path)
    travel, output = _Worst(), _Worst()
    for rows in _blocks(rounded):
        if rounded.trained_W:
            kappa = _pair_kappa(setting, gates, solved, rows)
            paid.pair[rows] = up(paid.pair[rows] + up(up(_steps(rounded, stage, rows) * kappa) * drop))
            travel.meet(np.minimum(paid.pair[rows], cap), stage.radius[rows])
        if rounded.trained_a:
            kappa_a = _output(rounded, solved, stage, rows)[0]
            paid.output[rows] = up(paid.output[rows] + up(up(rounded.step_a * kappa_a) * drop))
            output.meet(np.minimum(paid.output[rows], cap_a), stage.radius_a[rows])
    failed = travel.failed(j, "travel") or output.failed(j, "output")
    return failed or _failed_features(rounded, stage, j, paid.path)


def _failed_descent(setting: _Setting, paid: _Paid, stage: Stage, j: int, before: float) -> Finding | None:
    """D3 to D8 of one stage; pays for it."""
    rounded = setting.rounded
    gates = gates_of(rounded, stage.uncertain & rounded.trained_W)
    step = step_of(rounded, gates, setting.features, stage, before)
    if not (step.length < 2 and math.isfinite(step.stretch)):
        return missed(j, "step", step.length, 2.0)
    missing = missing_multiplier(rounded, gates, step, np.broadcast_to(stage.multiplier, rounded.Z.shape))
    if not missing <= 1:
        return missed(j, "multiplier", missing, 1.0)
    M = descent_matrix(rounded, gates, setting.features, step, stage)
    solved = _solved(rounded, M, stage, j, reach=True)
    if isinstance(solved, Finding):
        return solved
    drop, leap = up(before - stage.end), before if stage.end > 0 else 0.0
    travel, output = _Worst(), _Worst()
    for rows in _blocks(rounded):
        if rounded.trained_W:
            steps = _steps(rounded, stage, rows)
            kappa = up(steps * _pair_kappa(setting, gates, solved, rows))
            paid.price[rows] = np.maximum(paid.price[rows], kappa)
            paid.pair[rows] = up(paid.pair[rows] + up(paid.price[rows] * drop))
            reach = up(up(steps * pair_reach(gates, rows, solved.squares)) * leap)
            travel.meet(up(paid.pair[rows] + reach), stage.radius[rows])
        if rounded.trained_a:
            kappa_a, reach_a = _output(rounded, solved, stage, rows)
            paid.price_a[rows] = np.maximum(paid.price_a[rows], up(rounded.step_a * kappa_a))
            paid.output[rows] = up(paid.output[rows] + up(paid.price_a[rows] * drop))
            leap_a = up(up(rounded.step_a * reach_a) * leap)
            output.meet(up(paid.output[rows] + leap_a), stage.radius_a[rows])
    failed = travel.failed(j, "travel") or output.failed(j, "output")
    return failed or _failed_features(rounded, stage, j, math.inf)


def _blocks(rounded: Rounded) -> Any:
    return blocks(rounded.instance.m, max(1, _ENTRIES // rounded.instance.n))


def _steps(rounded: Rounded, stage: Stage, rows: slice) -> Array:
    """eta_W |s| (|a_k| + alpha_k), rounded up, (rows, 1)."""
    size = up(np.abs(rounded.instance.a[rows]) + stage.radius_a[rows])
    return np.asarray(up(rounded.step_W * size))[:, None]


def _solved(rounded: Rounded, M: Array, stage: Stage, j: int, *, reach: bool) -> _Solved | Finding:
    """M_f - mu I positive definite, and what the constants need."""
    if not positive_definite(shifted(M, stage.decay)):
        # at least 1: the eigenvalue may be above mu by less than its rounding
        least = float(_decomposed(M)[0][0])
        return missed(j, "spectrum", max(stage.decay, least), least)
    crude = len(stage.shifts) == 0
    inverses = () if crude else inverses_of(M, *_decomposed(M), stage.shifts)
    needed = rounded.trained_W and (crude or reach)
    squares = up(rounded.K_up * rounded.K_up) if needed else np.zeros((0, 0))
    return _Solved(stage.decay, inverses, crude, squares)


def _decomposed(M: Array) -> tuple[Array, Array]:
    """About the eigenvalues and eigenvectors; NaN where there are none to be had."""
    if np.all(np.isfinite(M)):
        with contextlib.suppress(np.linalg.LinAlgError):
            values, vectors = np.linalg.eigh(M)
            return np.asarray(values), np.asarray(vectors)
    return np.full(len(M), np.nan), np.full(M.shape, np.nan)


def _pair_kappa(setting: _Setting, gates: Gates, solved: _Solved, rows: slice) -> Array:
    if solved.crude:
        return np.asarray(up(pair_reach(gates, rows, solved.squares) / solved.decay))
    return pair_kappa(setting.rounded, gates, setting.factor, solved.inverses, rows)


def _output(rounded: Rounded, solved: _Solved, stage: Stage, rows: slice) -> tuple[Array, Array]:
    """Upper bounds (rows,) of kappa^a_k and of sup ||phi(z'_k)|| over the region."""
    low, high = _features_range(rounded, stage, rows)
    kappa, reach = output_kappa(low, high, solved.inverses)
    return (up(reach / solved.decay) if solved.crude else kappa), reach


def _features_range(rounded: Rounded, stage: Stage, rows: slice) -> tuple[Array, Array]:
    """Bounds of phi over the radii, each (rows, n)."""
    low, high = rounded.z_range(rows)
    if rounded.trained_W:
        low, high = down(low - stage.radius[rows]), up(high + stage.radius[rows])
    return phi_range(rounded.instance.slope, low, high)


def _failed_features(rounded: Rounded, stage: Stage, j: int, path: float) -> Finding | None:
    """F8 or D8: the spread covers what the radii, or the path S of the weights, do to the features."""
    if not (rounded.trained_a and rounded.trained_W):
        return None
    instance, parts = rounded.instance, []
    for rows in _blocks(rounded):
        least, greatest = _features_range(rounded, stage, rows)
        now = phi_range(instance.slope, *rounded.z_range(rows))
        away = np.maximum(up(greatest - now[0]), up(now[1] - least))
        parts.append(norm_up(np.minimum(away, up(rounded.lipschitz * stage.radius[rows]))))
    spread = float(up(abs(instance.scale) * norm_up(np.array(parts))))
    if stage.spread >= spread:
        return None
    size = up(up(abs(instance.scale) * rounded.lipschitz) * rounded.spectral)
    cap = float(up(up(size * up(math.sqrt(instance.rate_W))) * path)) if math.isfinite(path) else math.inf
    return None if stage.spread > cap else missed(j, "features", min(spread, cap), stage.spread)
