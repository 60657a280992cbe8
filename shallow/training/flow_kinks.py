"""Which neurons sit on which kinks, and where Clarke's flow goes from there (crossing, sliding, leaving).

Samples on one line through the origin share their kink: neuron k meets all of them when ``u_g . w_k = 0``.
There the Clarke set has one number t in [0, 1] for the whole line, from the gates of the minus side (t = 0)
to those of the plus side (t = 1): duplicates switch together, antipodal samples oppositely. Neurons do not
couple, because the residual is continuous.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

__all__ = [
    "DEPENDENT",
    "FlowError",
    "Lines",
    "Verdict",
    "choose_sides",
    "find_lines",
    "gates",
    "on_kinks",
    "reject",
]

Array = np.ndarray[Any, Any]

_EPS = float(np.finfo(np.float64).eps)
DEPENDENT = 1e-10  # a unit vector with less than this outside a span counts as inside it
_MOST_REPELLING = 12  # 2**12 one-sided continuations are tried at most


class FlowError(ArithmeticError):
    """The piecewise exact flow could not go on; the message names the time, neuron and samples."""


@dataclass(frozen=True, eq=False)
class Lines:
    """The kinks of a problem.

    Parameters
    ----------
    direction : (G, d) array
        Unit vectors u_g, one for each line that carries a sample.
    of_sample : (n,) integers
        Line of each sample; -1 for x_i = 0, which has no kink.
    factor : (n,) array
        Signed length c_i with x_i = c_i u_g.
    """

    direction: Array
    of_sample: Array
    factor: Array

    def members(self, line: int) -> Array:
        """The samples on a line."""
        return np.flatnonzero(self.of_sample == line)


def find_lines(X: Array) -> Lines:
    """Group samples that are multiples of one another up to rounding (8 eps in the unit vector).

    Cost: n^2 d.
    """
    largest = np.max(np.abs(X), axis=1)
    safe = np.where(largest > 0, largest, 1.0)
    scaled = X / safe[:, None]
    length = np.sqrt(np.sum(scaled**2, axis=1))
    unit = scaled / np.where(length > 0, length, 1.0)[:, None]
    of_sample = np.full(X.shape[0], -1)
    factor = np.zeros(X.shape[0])
    directions: list[Array] = []
    for i in range(X.shape[0]):
        if largest[i] == 0:
            continue
        for g, u in enumerate(directions):
            gap_same, gap_opposite = np.linalg.norm(unit[i] - u), np.linalg.norm(unit[i] + u)
            if min(gap_same, gap_opposite) <= 8 * _EPS:
                of_sample[i], sign = g, 1.0 if gap_same < gap_opposite else -1.0
                break
        else:
            directions.append(unit[i])
            of_sample[i], sign = len(directions) - 1, 1.0
        factor[i] = sign * safe[i] * length[i]
    direction = np.array(directions).reshape(len(directions), X.shape[1])
    return Lines(direction, of_sample, factor)


def gates(lines: Lines, share: Array, slides: Array, slope: float) -> Array:
    """D, (m, n), from the shares t of the lines: ``slope`` at t = 0, 1 at t = 1; antipodal samples reversed.

    Pairs that slide get 0: their preactivation stays 0, and their push is what the projection undoes.
    """
    D = np.full((share.shape[0], lines.of_sample.size), slope)
    has_line = lines.of_sample >= 0
    if np.any(has_line):
        own = lines.of_sample[has_line]
        t = np.where(lines.factor[has_line] > 0, share[:, own], 1.0 - share[:, own])
        D[:, has_line] = np.where(slides[:, own], 0.0, slope * (1.0 - t) + t)
    return D


def on_kinks(lines: Lines, W: Array) -> Array:
    """(m, G) booleans: |u_g . w_k| is within rounding (8 eps sqrt(d) ||w_k||) of 0."""
    norms = np.sqrt(np.sum(W**2, axis=1, keepdims=True))
    position: Array = np.abs(W @ lines.direction.T)
    within: Array = position <= 8 * _EPS * np.sqrt(W.shape[1]) * norms
    return within


@dataclass(frozen=True, eq=False)
class Verdict:
    """Where one neuron goes from the kinks it is on.

    Parameters
    ----------
    share : (U,) array
        The number t of each line: 1 and 0 are the plus and the minus side.
    velocity : (U,) array
        Velocity of u_g . w_k up to a positive factor; 0 where it is zero to rounding.
    slides : (U,) booleans
        The kinks slid on whose t is free: their directions are independent.
    held : (U,) booleans
        Kinks whose direction depends on those slid on, so that the neuron stays on them whatever t is.
    unique : bool
        False where another continuation was consistent too: a kink repels and the flow branches.
    """

    share: Array
    velocity: Array
    slides: Array
    held: Array
    unique: bool


def choose_sides(
    lines: Lines, X: Array, r: Array, D_off: Array, on: Array, prefer: Array, slope: float, sign: float
) -> Verdict | None:
    """Filippov's decision for one neuron on the kinks ``on``.

    With ``w' = -c (g + sum_h (b_h + t_h R_h) u_h)`` and ``c`` of the given sign, find t in [0, 1] with
    velocity >= 0 where t = 1, <= 0 where t = 0 and = 0 between. Kinks with ``c R_h > 0`` attract: they are
    a convex least-squares problem in a box (the least speed), solved jointly. The others cannot be slid on
    stably: they leave to one side, and of several consistent continuations (a repelling kink has two) the
    fastest is taken; among equally fast ones the first, beginning with the sides ``prefer``.

    Parameters
    ----------
    D_off : (n,) array
        Gates of this neuron, 0 on the kinks in question.
    on, prefer : (U,) integers
        Lines the neuron sits on; 1 or 0, the share to try first.

    Returns
    -------
    Verdict or None
        None when no continuation is consistent or too many kinks repel.

    Notes
    -----
    Where directions are linearly dependent (at w_k = 0, above all) and some kinks repel, the box of all t can
    be larger than Clarke's set; the continuation is then one of the extended flow with independent gates in
    [slope, 1], which contains Clarke's. When all attract the two sets agree (sum rule for convex functions).
    """
    U = lines.direction[on]
    drift = (D_off * r) @ X
    base, reach = np.zeros(on.size), np.zeros(on.size)
    one_sided = bool(np.all(lines.factor[np.isin(lines.of_sample, on)] > 0))
    for j, g in enumerate(on):
        members = lines.members(int(g))
        c = lines.factor[members]
        base[j] = np.sum(np.where(c > 0, slope, 1.0) * c * r[members])
        reach[j] = (1.0 - slope) * np.sum(np.abs(c) * r[members])
    attracts = sign * reach > 0
    repels = np.flatnonzero(~attracts)
    if repels.size > _MOST_REPELLING:
        return None
    size = float(np.linalg.norm(drift) + np.sum(np.abs(base) + np.abs(reach)))
    slack = 64 * _EPS * size
    first = (prefer[repels] > 0.5).astype(float)
    chosen: Verdict | None = None
    fastest, unique = np.zeros(X.shape[1]), True
    for turn in itertools.product((0.0, 1.0), repeat=int(repels.size)):
        t = np.zeros(on.size)
        t[repels] = np.abs(first - np.array(turn))
        fixed = drift + (base + t * reach) @ U
        t[attracts] = _least_in_box(U[attracts] * reach[attracts, None], fixed)
        motion = -sign * (fixed + (t * reach * attracts) @ U)
        velocity = U @ motion
        agrees = np.where(t[repels] > 0, velocity[repels] >= -slack, velocity[repels] <= slack)
        if np.all(agrees):
            unique = unique and (chosen is None or bool(np.linalg.norm(motion - fastest) <= slack))
            if chosen is not None and np.linalg.norm(motion) <= np.linalg.norm(fastest) + slack:
                continue
            inner = attracts & (t > 0) & (t < 1)
            velocity = np.where(inner | (np.abs(velocity) <= slack), 0.0, velocity)
            slides, held = _free_and_held(U, t, inner, velocity == 0)
            if slope == 0 and one_sided and not (np.any(D_off) or np.any(t)):
                held = ~slides  # every gate is shut: the neuron rests where it is
            chosen, fastest = Verdict(t, velocity, slides, held, unique=True), motion
    return None if chosen is None else replace(chosen, unique=unique)


def _free_and_held(U: Array, t: Array, inner: Array, at_rest: Array) -> tuple[Array, Array]:
    """Independent directions among the ``inner`` ones (farthest from the ends first), and what they span."""
    slides = np.zeros(t.size, dtype=bool)
    basis = np.zeros((0, U.shape[1]))
    for j in sorted(np.flatnonzero(inner), key=lambda j: -min(t[j], 1 - t[j])):
        rest = reject(U[j], basis)
        length = float(np.linalg.norm(rest))
        if length > DEPENDENT:
            slides[j], basis = True, np.vstack([basis, reject(rest / length, basis)])
    spanned = np.linalg.norm(reject(U, basis), axis=1) <= DEPENDENT
    return slides, at_rest & spanned & ~slides


def reject(vectors: Array, basis: Array) -> Array:
    """What is left of vectors (rows) without their part in the span of an orthonormal basis."""
    if basis.shape[0] == vectors.shape[-1]:
        return np.zeros_like(vectors)
    once = vectors - (vectors @ basis.T) @ basis
    rejected: Array = once - (once @ basis.T) @ basis
    return rejected


def _least_in_box(rows: Array, fixed: Array) -> Array:
    """The t in [0, 1]^U of least ||fixed + sum_j t_j rows_j||; 0 and 1 exactly where the box binds."""
    if rows.shape[0] == 0:
        return np.zeros(0)
    if rows.shape[0] == 1:
        t = np.array([-(rows[0] @ fixed) / (rows[0] @ rows[0])])
    else:
        from scipy.optimize import lsq_linear

        scale = np.sqrt(np.sum(rows**2, axis=1))
        unit = rows / scale[:, None]
        solved = lsq_linear(unit.T, -fixed, bounds=(np.zeros_like(scale), scale), method="bvls", tol=1e-15)
        t = solved.x / scale
    t = np.clip(t, 0.0, 1.0)
    t[t <= 16 * _EPS] = 0.0
    t[t >= 1 - 16 * _EPS] = 1.0
    return np.asarray(t)
