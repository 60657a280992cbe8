"""The depth-2 network f(x) = scale * sum_k a_k phi(w_k . x)."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path

from shallow.setting.archive import read_archive, write_archive
from shallow.setting.arrays import Array, host, namespace, read_array

__all__ = ["Network"]


@dataclass(frozen=True, eq=False)
class Network:
    """A depth-2 (shallow) network ``f(x) = scale * sum_k a_k phi(w_k . x)``.

    ``phi(0) = 0`` and ``phi'`` is ``slope`` on the left, 1 on the right, rising linearly on
    ``|z| <= smoothing``. With ``smoothing = 0`` that is the (leaky) ReLU, and at its kink we gate with
    ``z > 0``: ``phi'(0) = slope``. In the notation of Frei, Chatterji and Bartlett (2022, eq. 1),
    ``smoothing = 1/H`` and ``slope = gamma``.

    Parameters
    ----------
    W : (m, d) array
        First-layer weights, one neuron a row.
    a : (m,) or (m, k) array
        Second-layer weights; with a second axis the network has k outputs.
    scale : float
        The factor in front of the sum, such as ``1/sqrt(m)`` in the NTK parametrisation.
    slope : float
        phi' on the negative side: 0 is the ReLU, 1 the identity.
    smoothing : float
        Half-width of the interval around 0 on which phi' rises; 0 is the kink.

    Raises
    ------
    TypeError
        If W and a differ in floating type or array namespace.
    ValueError
        If a shape does not fit, an entry is not finite, or smoothing is negative.

    Notes
    -----
    Arrays are copied in and, for NumPy, set read-only. Two networks are compared by :meth:`equals`.
    """

    W: Array
    a: Array
    scale: float = 1.0
    slope: float = 0.0
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        W = read_array(self.W, "W", (2,))
        a = read_array(self.a, "a", (1, 2))
        namespace(W, a)
        if W.dtype != a.dtype:
            raise TypeError(f"W is {W.dtype} and a is {a.dtype}; give both one floating type")
        if W.shape[0] != a.shape[0]:
            raise ValueError(
                f"W has {W.shape[0]} neurons (rows) and a has {a.shape[0]}; "
                "W is (m, d) and a is (m,) or (m, k)"
            )
        object.__setattr__(self, "W", W)
        object.__setattr__(self, "a", a)
        for name in ("scale", "slope", "smoothing"):
            value = float(getattr(self, name))
            if not math.isfinite(value):
                raise ValueError(f"{name} is {value}; it must be a finite number")
            object.__setattr__(self, name, value)
        if self.smoothing < 0:
            raise ValueError(f"smoothing is {self.smoothing}; it is a half-width and cannot be negative")

    @property
    def m(self) -> int:
        """Number of neurons."""
        return int(self.W.shape[0])

    @property
    def d(self) -> int:
        """Input dimension."""
        return int(self.W.shape[1])

    def replace(self, **changes: object) -> Network:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]

    def equals(self, other: object) -> bool:
        """Whether ``other`` is a network with the same fields, bit for bit."""
        if not isinstance(other, Network):
            return False
        same_numbers = all(
            getattr(self, name) == getattr(other, name) for name in ("scale", "slope", "smoothing")
        )
        return same_numbers and all(
            host(x).dtype == host(y).dtype and host(x).tobytes() == host(y).tobytes() and x.shape == y.shape
            for x, y in ((self.W, other.W), (self.a, other.a))
        )

    def save(self, path: str | Path) -> None:
        """Write the network to an NPZ file; the file appears whole or not at all."""
        write_archive(
            path,
            kind="network",
            W=host(self.W),
            a=host(self.a),
            scale=self.scale,
            slope=self.slope,
            smoothing=self.smoothing,
        )

    @staticmethod
    def load(path: str | Path) -> Network:
        """Read a network that :meth:`save` wrote, or any NPZ with arrays ``W`` and ``a``.

        Raises
        ------
        ValueError
            If the file is no NPZ archive or lacks W or a.
        """
        fields = read_archive(path, kind="network", required=("W", "a"))
        numbers = {name: float(fields[name]) for name in ("scale", "slope", "smoothing") if name in fields}
        return Network(fields["W"], fields["a"], **numbers)
