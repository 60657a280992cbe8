"""The convex margin program of nearly orthogonal leaky networks, solved to rounding.

With m1 outer weights +1/sqrt(m) and m2 outer weights -1/sqrt(m), all + neurons equal to v and all - neurons
equal to u, the margin problem is: minimise (m1 ||v||^2 + m2 ||u||^2)/2 subject to
(m1 <v,x> - slope m2 <u,x>)/sqrt(m) >= 1 where y = +1 and
(m2 <u,x> - slope m1 <v,x>)/sqrt(m) >= 1 where y = -1.
In (sqrt(m1) v, sqrt(m2) u) it is a least-distance problem, min ||theta|| subject to G theta >= 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from shallow.setting.network import Network

__all__ = ["MarginSolution", "TwoNeurons", "least_distance", "linear_margin", "signs_of", "two_neurons"]

Vector = np.ndarray[Any, np.dtype[np.float64]]
_EPS = float(np.finfo(np.float64).eps)


def require_nonzero_rows(X: Any, statement: str) -> None:
    """ValueError when a row is 0: without a bias every network is 0 there, whatever its label."""
    zero = np.flatnonzero(~np.any(np.asarray(X) != 0.0, axis=1))
    if zero.size:
        raise ValueError(f"{statement} needs inputs other than 0; row {zero[0]} (counted from 0) is 0")


def signs_of(y: Any, statement: str) -> Vector:
    """The labels as float64 signs; ValueError when one is neither -1 nor +1."""
    labels = np.asarray(y, dtype=np.float64)
    if labels.ndim != 1 or not np.all(np.abs(labels) == 1.0):
        raise ValueError(f"{statement} speaks of labels -1 and +1 only; give one sign a sample")
    return labels


@dataclass(frozen=True, eq=False)
class MarginSolution:
    """The solution theta = G^T multipliers of min ||theta|| subject to G theta >= 1.

    ``error`` bounds the relative error of the multipliers: the residual of G theta = 1 on the support plus
    its rounding, over the smallest eigenvalue of the support's Gram matrix, relative to the largest
    multiplier.
    """

    theta: Vector
    multipliers: Vector
    error: float


def least_distance(G: Vector) -> MarginSolution | None:
    """The least theta with G theta >= 1, by Lawson and Hanson's reduction to NNLS; None if infeasible.

    NNLS fits (0, ..., 0, 1) by the columns of [G^T; 1^T]; the multipliers are its solution over 1 - sum. One
    exact solve on the support then polishes them. Cost: O(n^3).
    """
    from scipy.optimize import nnls

    n, size = G.shape
    # theta lies in the row space of G, so an n-row triangular factor replaces long rows.
    rows = np.asarray(np.linalg.qr(G.T, mode="r")).T if size > n else G
    unit = float(np.max(np.sqrt(np.einsum("ij,ij->i", rows, rows))))
    if unit == 0:
        return None
    rows = rows / unit
    target = np.zeros(rows.shape[1] + 1)
    target[-1] = 1.0
    solution, distance = nnls(np.vstack([rows.T, np.ones(n)]), target)
    if distance <= 10.0 * n * _EPS:  # distance = 1/sqrt(1 + ||theta||^2) for rows of norm at most 1
        return None  # the rows of G have 0 in their convex hull: no theta has a positive margin
    multipliers = solution / (1.0 - float(solution.sum()))
    gram = rows @ rows.T
    support = np.flatnonzero(multipliers > 0)
    block = gram[np.ix_(support, support)]
    smallest = float(np.linalg.eigvalsh(block)[0])
    floor = len(support) * _EPS * float(np.trace(block))
    if smallest > floor:
        polished = np.linalg.solve(block, np.ones(support.size))
        if np.all(polished > 0):
            multipliers[support] = polished
    residual = float(np.linalg.norm(gram[support] @ multipliers - 1.0))
    rounding = n * _EPS * float(np.linalg.norm(gram, 2)) * float(np.linalg.norm(multipliers))
    error = (residual + rounding) / max(smallest, floor) / float(np.max(multipliers))
    multipliers = multipliers / unit**2
    return MarginSolution(G.T @ multipliers, multipliers, error)


@dataclass(frozen=True, eq=False)
class TwoNeurons:
    """The program's solution as a network of m1 equal + neurons and m2 equal - neurons."""

    v: Vector
    u: Vector
    z: Vector
    multipliers: Vector
    error: float
    network: Network


def two_neurons(X: Vector, y: Vector, slope: float, m1: int, m2: int) -> TwoNeurons | None:
    """Solve the convex program (c); None when no pair (v, u) satisfies its constraints.

    Parameters
    ----------
    X : (n, d) array
    y : (n,) array of signs
    slope : float
        The leak, in (0, 1].
    m1, m2 : int
        Numbers of neurons with outer weight +1/sqrt(m) and -1/sqrt(m), each at least 1; m = m1 + m2.
    """
    m = m1 + m2
    p, q = math.sqrt(m1 / m), math.sqrt(m2 / m)
    positive = y > 0
    along_v = np.where(positive, p, -slope * p)
    along_u = np.where(positive, -slope * q, q)
    found = least_distance(np.hstack([along_v[:, None] * X, along_u[:, None] * X]))
    if found is None:
        return None
    d = X.shape[1]
    v, u = found.theta[:d] / math.sqrt(m1), found.theta[d:] / math.sqrt(m2)
    z = (m1 * v - m2 * u) / math.sqrt(m)
    network = Network(
        W=np.vstack([np.tile(v, (m1, 1)), np.tile(u, (m2, 1))]),
        a=np.concatenate([np.ones(m1), -np.ones(m2)]),
        scale=1.0 / math.sqrt(m),
        slope=slope,
    )
    return TwoNeurons(v, u, z, found.multipliers, found.error, network)


def linear_margin(X: Vector, y: Vector) -> MarginSolution | None:
    """The hardest linear margin: z* = argmin ||z|| subject to y_i <z, x_i> >= 1; None if not separable."""
    return least_distance(y[:, None] * X)
