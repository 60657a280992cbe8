"""The frozen-gate model: the network's architecture with gates that never move."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from shallow.exact.activation import gate
from shallow.setting.arrays import Array, namespace, read_array
from shallow.setting.network import Network

__all__ = ["GatedModel"]


@dataclass(frozen=True, eq=False)
class GatedModel:
    """``f(x) = scale * sum_k a_k phi'(psi_k . x) (w_k . x)`` with gate vectors psi that are not trained.

    It is linear in W and linear in a. With W = psi it has the network's outputs (for smoothing = 0) and its
    gradient with respect to W.

    Parameters
    ----------
    W : (m, d) array
    a : (m,) or (m, k) array
    psi : (m, d) array
        The gate vectors.
    scale, slope, smoothing : float
        As in :class:`shallow.Network`.

    Raises
    ------
    TypeError, ValueError
        As :class:`shallow.Network` does; also when psi and W differ in shape or floating type.
    """

    W: Array
    a: Array
    psi: Array
    scale: float = 1.0
    slope: float = 0.0
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        checked = Network(self.W, self.a, self.scale, self.slope, self.smoothing)
        psi = read_array(self.psi, "psi", (2,))
        if psi.shape != checked.W.shape:
            raise ValueError(
                f"psi has shape {tuple(psi.shape)} and W {tuple(checked.W.shape)}; give both one shape"
            )
        if psi.dtype != checked.W.dtype:
            raise TypeError(f"psi is {psi.dtype} and W is {checked.W.dtype}; give both one floating type")
        object.__setattr__(self, "psi", psi)
        for name in ("W", "a", "scale", "slope", "smoothing"):
            object.__setattr__(self, name, getattr(checked, name))

    @staticmethod
    def of(network: Network) -> GatedModel:
        """The model that starts at ``network`` with the gates the network has now."""
        return GatedModel(network.W, network.a, network.W, network.scale, network.slope, network.smoothing)

    @property
    def m(self) -> int:
        """Number of neurons."""
        return int(self.W.shape[0])

    @property
    def d(self) -> int:
        """Input dimension."""
        return int(self.W.shape[1])

    def predict(self, X: Array) -> Array:
        """f(X), (n,) or (n, k)."""
        xp = namespace(X)
        gates = gate(X @ xp.matrix_transpose(self.psi), self.slope, self.smoothing)
        return self.scale * ((gates * (X @ xp.matrix_transpose(self.W))) @ self.a)

    def replace(self, **changes: object) -> GatedModel:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]
