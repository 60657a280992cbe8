"""The grid behind a scaling law: what was varied, whether it identifies every exponent, its halves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Grid", "halves", "read_grid"]

Vector = np.ndarray[Any, np.dtype[np.float64]]

Mask = np.ndarray[Any, np.dtype[np.bool_]]


def halves(column: Vector) -> tuple[Mask, Mask]:
    """Masks of the entries in the smaller and in the larger half of the different values.

    An odd number of values shares the middle one, so that three values give two halves of two.
    """
    values = np.unique(column)
    half = (len(values) + 1) // 2
    return column <= values[half - 1], column >= values[len(values) - half]


@dataclass(frozen=True, eq=False)
class Grid:
    """Positive sizes and their logarithms, one column a variable, one row a point."""

    names: tuple[str, ...]
    sizes: Vector
    logs: Vector

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """The smallest and largest value of each variable: the range the fit speaks of."""
        low, high = self.sizes.min(axis=0), self.sizes.max(axis=0)
        return {name: (float(p), float(q)) for name, p, q in zip(self.names, low, high)}

    def halves(self, j: int) -> tuple[Mask, Mask]:
        """Masks of the smaller and larger half of variable j's values."""
        return halves(self.sizes[:, j])

    def rows(self, mask: np.ndarray[Any, Any]) -> Grid:
        """The points of ``mask`` alone."""
        return Grid(self.names, self.sizes[mask], self.logs[mask])

    def parts(self) -> Iterator[tuple[str, Grid]]:
        """The whole grid and each of its halves, with words for messages."""
        yield "the grid", self
        for j, name in enumerate(self.names):
            small, large = self.halves(j)
            yield f"the smaller half of {name}", self.rows(small)
            yield f"the larger half of {name}", self.rows(large)

    def require_identified(self) -> None:
        """Raise ValueError unless the grid and each of its halves determine every exponent.

        A variable needs three different values: two give an exponent but no word on whether it is one.
        """
        for j, name in enumerate(self.names):
            count = len(np.unique(self.logs[:, j]))
            if count < 3:
                raise ValueError(
                    f"the exponent of {name} is not identified: {count} value(s) of {name} in the grid; "
                    "take at least 3"
                )
        for words, part in self.parts():
            design = np.column_stack([np.ones(len(part.logs)), part.logs - self.logs.mean(axis=0)])
            if np.linalg.matrix_rank(design) < design.shape[1]:
                raise ValueError(
                    f"the exponents of {', '.join(self.names)} are not identified separately: in {words} "
                    "they vary together; vary each while the others stay fixed"
                )


def read_grid(sizes: Mapping[str, Sequence[float]], count: int) -> Grid:
    """The grid of positive ``sizes``, each with one entry for each of ``count`` points.

    Raises
    ------
    ValueError
        If a variable has another length or an entry that is not positive and finite, or if the grid does not
        identify every exponent.
    """
    if not sizes:
        raise ValueError("no sizes were given, so there is no exponent to fit")
    columns = []
    for name, values in sizes.items():
        column = np.asarray(values, dtype=np.float64)
        if column.shape != (count,):
            raise ValueError(
                f"sizes[{name!r}] has shape {column.shape}; one entry for each of {count} points"
            )
        bad = np.flatnonzero(~(np.isfinite(column) & (column > 0)))
        if bad.size:
            raise ValueError(f"sizes[{name!r}][{bad[0]}] is {column[bad[0]]}; sizes are positive and finite")
        columns.append(column)
    table = np.column_stack(columns)
    grid = Grid(tuple(sizes), table, np.log(table))
    grid.require_identified()
    return grid
