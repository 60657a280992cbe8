"""Rows that are equal, or positive multiples of each other, found in exact arithmetic.

A depth-2 network is positively homogeneous, f(c x) = c f(x) for c > 0 (without smoothing). So equal inputs
with different labels, or inputs x and c x whose labels are not y and c y, cannot be fitted by any network,
and every tangent kernel is singular on them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from shallow.setting.arrays import host
from shallow.setting.problem import Problem

__all__ = ["Duplicate", "find_duplicates"]

Matrix = np.ndarray[Any, np.dtype[np.float64]]
Direction = tuple[int, ...]


@dataclass(frozen=True)
class Duplicate:
    """Inputs that are equal, or positive multiples of one another.

    Parameters
    ----------
    rows : tuple of int
        Counted from 0, increasing.
    kind : "equal" or "proportional"
        Proportional groups hold at least two different inputs.
    consistent : bool
        Whether some positively homogeneous function takes these labels: equal labels for equal inputs, y and
        c y for x and c x, without rounding.
    """

    rows: tuple[int, ...]
    kind: Literal["equal", "proportional"]
    consistent: bool

    @property
    def proportional(self) -> bool:
        """Whether the rows differ in size."""
        return self.kind == "proportional"

    def __str__(self) -> str:
        shown = ", ".join(str(i) for i in self.rows[:8]) + (", ..." if len(self.rows) > 8 else "")
        relation = "are positive multiples of one another" if self.proportional else "are equal"
        labels = "consistent" if self.consistent else "conflicting"
        return f"rows {shown} (counted from 0) {relation}, with {labels} labels"


def find_duplicates(problem: Problem) -> tuple[Duplicate, ...]:
    """All groups of equal and of proportional inputs, ordered by their first row.

    Exact: two inputs differing in the last bit are different. Zero inputs are equal to one another and
    proportional to nothing. Cost: O(n d + n log n), and integer arithmetic on the rows that look alike.
    """
    X = host(problem.X).astype(np.float64)
    y = host(problem.y).astype(np.float64).reshape(X.shape[0], -1)
    found: list[Duplicate] = []
    for rows in _look_alikes(X):
        by_direction: dict[Direction, list[tuple[int, Fraction]]] = defaultdict(list)
        for i in rows:
            direction, size = _direction(X[i])
            by_direction[direction].append((i, size))
        for members in by_direction.values():
            found.extend(_groups(members, y))
    return tuple(sorted(found, key=lambda duplicate: (duplicate.rows, duplicate.kind)))


def _look_alikes(X: Matrix) -> Iterator[list[int]]:
    """Sets of rows outside which no two are proportional: rows whose unit versions nearly project alike.

    After division by its largest entry, each entry of a row is known to eps, so proportional rows have
    projections on one fixed vector g that differ by at most a small multiple of d eps ||g||_1.
    """
    d = X.shape[1]
    largest = np.max(np.abs(X), axis=1, keepdims=True)
    unit = X / np.where(largest == 0, 1.0, largest)
    g = np.random.default_rng(0).standard_normal(d)
    projection = unit @ g
    tolerance = 8 * (d + 4) * np.finfo(np.float64).eps * float(np.sum(np.abs(g)))
    order = np.argsort(projection, kind="stable")
    breaks = np.flatnonzero(np.diff(projection[order]) > tolerance) + 1
    for group in np.split(order, breaks):
        if group.size > 1:
            yield sorted(int(i) for i in group)


def _direction(row: Matrix) -> tuple[Direction, Fraction]:
    """The primitive integer vector along ``row`` and the positive factor between them, exactly."""
    ratios = [float(value).as_integer_ratio() for value in row]
    denominator = max(bottom for _, bottom in ratios)  # all are powers of two
    integers = [top * (denominator // bottom) for top, bottom in ratios]
    divisor = math.gcd(*integers)
    if divisor == 0:
        return tuple(integers), Fraction(1)
    return tuple(value // divisor for value in integers), Fraction(divisor, denominator)


def _groups(members: list[tuple[int, Fraction]], y: Matrix) -> Iterator[Duplicate]:
    """The equal groups among rows of one direction, and their whole when it holds different sizes."""
    by_size: dict[Fraction, list[int]] = defaultdict(list)
    for i, size in members:
        by_size[size].append(i)
    for rows in by_size.values():
        if len(rows) > 1:
            yield Duplicate(tuple(rows), "equal", bool(np.all(y[rows] == y[rows[0]])))
    if len(by_size) > 1:
        slopes = {tuple(Fraction(float(label)) / size for label in y[i]) for i, size in members}
        yield Duplicate(tuple(i for i, _ in members), "proportional", len(slopes) == 1)
