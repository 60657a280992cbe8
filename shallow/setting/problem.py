"""A regression or classification problem: inputs X and labels y."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shallow.setting.archive import read_archive, write_archive
from shallow.setting.arrays import Array, host, namespace, read_array

__all__ = ["Problem"]


@dataclass(frozen=True, eq=False)
class Problem:
    """n samples in d dimensions with their labels.

    Parameters
    ----------
    X : (n, d) array
        Inputs, one sample a row.
    y : (n,) or (n, k) array
        Labels; real numbers, or -1 and +1 for classification.
    name : str
        What the problem is called in messages and reports.

    Raises
    ------
    TypeError
        If X and y differ in floating type or array namespace.
    ValueError
        If a shape does not fit or an entry is not finite.
    """

    X: Array
    y: Array
    name: str = "data"

    def __post_init__(self) -> None:
        X = read_array(self.X, "X", (2,))
        y = read_array(self.y, "y", (1, 2))
        namespace(X, y)
        if X.dtype != y.dtype:
            raise TypeError(f"X is {X.dtype} and y is {y.dtype}; give both one floating type")
        if X.shape[0] != y.shape[0]:
            raise ValueError(f"X has {X.shape[0]} samples (rows) and y has {y.shape[0]}")
        object.__setattr__(self, "X", X)
        object.__setattr__(self, "y", y)

    @property
    def n(self) -> int:
        """Number of samples."""
        return int(self.X.shape[0])

    @property
    def d(self) -> int:
        """Input dimension."""
        return int(self.X.shape[1])

    @property
    def label_scale(self) -> float:
        """Root mean square of the labels, tau."""
        y = host(self.y).astype(np.float64)
        largest = float(np.max(np.abs(y)))
        if largest == 0:
            return 0.0
        return largest * float(np.sqrt(np.mean((y / largest) ** 2)))

    def replace(self, **changes: object) -> Problem:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]

    def with_bias(self, c: float = 1.0) -> Problem:
        """The problem with the constant ``c`` appended to every input, so that neurons have biases."""
        xp = namespace(self.X)
        column = xp.full((self.n, 1), float(c), dtype=self.X.dtype, device=self.X.device)
        return self.replace(X=xp.concat([self.X, column], axis=1))

    def equals(self, other: object) -> bool:
        """Whether ``other`` is a problem with the same inputs and labels, bit for bit."""
        if not isinstance(other, Problem):
            return False
        return all(
            host(p).dtype == host(q).dtype and p.shape == q.shape and host(p).tobytes() == host(q).tobytes()
            for p, q in ((self.X, other.X), (self.y, other.y))
        )

    def save(self, path: str | Path) -> None:
        """Write the problem to an NPZ file; the file appears whole or not at all."""
        write_archive(path, kind="problem", X=host(self.X), y=host(self.y), name=self.name)

    @staticmethod
    def load(path: str | Path) -> Problem:
        """Read a problem that :meth:`save` wrote, or any NPZ with arrays ``X`` and ``y``."""
        fields = read_archive(path, kind="problem", required=("X", "y"))
        name = str(fields["name"]) if "name" in fields else Path(path).stem
        return Problem(fields["X"], fields["y"], name=name)
