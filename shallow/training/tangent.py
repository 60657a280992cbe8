"""The tangent model: the network's first-order expansion in its weights."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from shallow.exact.activation import activation, gate
from shallow.setting.arrays import Array, namespace, read_array
from shallow.setting.network import Network

__all__ = ["TangentModel"]


@dataclass(frozen=True, eq=False)
class TangentModel:
    """``f(x) = f_at(x) + <df_at/dW(x), W> + <df_at/da(x), a>``: linear in the offsets W and a.

    Trained at rates (eta_W, eta_a) its residual obeys ``r <- (I - h (eta_W H_W + eta_a H_a)) r`` with the
    tangent kernels of ``at``, for squared loss and no weight decay.

    Parameters
    ----------
    at : Network
        Where it is tangent.
    W, a : arrays shaped as those of ``at``, optional
        The offsets from there; 0 when left out. A small offset so keeps all its digits. Weight decay acts
        on the weights ``at.W + W`` and ``at.a + a``.

    Raises
    ------
    TypeError, ValueError
        When an offset differs from ``at`` in shape or floating type, or is not finite.
    """

    at: Network
    W: Array = None
    a: Array = None

    def __post_init__(self) -> None:
        for name, ndims in (("W", (2,)), ("a", (1, 2))):
            there, given = getattr(self.at, name), getattr(self, name)
            if given is None:
                given = namespace(there).zeros_like(there)
            offset = read_array(given, name, ndims)
            if offset.shape != there.shape:
                raise ValueError(f"offset {name} is {tuple(offset.shape)}, at.{name} {tuple(there.shape)}")
            if offset.dtype != there.dtype:
                raise TypeError(f"offset {name} is {offset.dtype}, at.{name} {there.dtype}; they must agree")
            object.__setattr__(self, name, offset)

    @property
    def m(self) -> int:
        """Number of neurons."""
        return self.at.m

    @property
    def d(self) -> int:
        """Input dimension."""
        return self.at.d

    @property
    def scale(self) -> float:
        """The factor in front of the sum."""
        return self.at.scale

    @property
    def slope(self) -> float:
        """phi' on the negative side."""
        return self.at.slope

    @property
    def smoothing(self) -> float:
        """Half-width of the interval on which phi' rises."""
        return self.at.smoothing

    def predict(self, X: Array) -> Array:
        """f(X), (n,) or (n, k)."""
        xp = namespace(X)
        Z = X @ xp.matrix_transpose(self.at.W)
        features = activation(Z, self.slope, self.smoothing)
        moved = gate(Z, self.slope, self.smoothing) * (X @ xp.matrix_transpose(self.W))
        linear = moved @ self.at.a + features @ self.a
        return self.scale * (features @ self.at.a) + self.scale * linear

    def replace(self, **changes: object) -> TangentModel:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]
