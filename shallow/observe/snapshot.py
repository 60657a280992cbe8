"""A network under way: what a method has at hand, and the rest derived when it is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from shallow.compute.deferred import Deferred
from shallow.compute.tangent_kernel import empirical_ntk
from shallow.exact.activation import gate
from shallow.exact.gradient import Gradient, gradient, predict
from shallow.setting.arrays import Array, beside, host, namespace
from shallow.setting.losses import LOSSES
from shallow.setting.network import Network
from shallow.setting.problem import Problem

__all__ = ["Snapshot", "Terms"]


@dataclass(frozen=True)
class Terms:
    """What is being descended: the loss, the rates and the weight decays."""

    loss: str = "squared"
    rate_W: float = 1.0
    rate_a: float = 1.0
    decay_W: float = 0.0
    decay_a: float = 0.0


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One moment of a run, for observables and users' own functions.

    Everything beyond the fields is computed when first read, in the literal formulas of `shallow.exact`;
    large tangent kernels by :mod:`shallow.compute.tangent_kernel`. The arrays may be views into a run under
    way: copy what you keep. A run on a device gives arrays of that device, in the namespace of its network.

    Parameters
    ----------
    problem : Problem
    terms : Terms
    W, a : arrays
        The weights (a tangent model's are its expansion point plus its offsets). W may be given as a
        function, called when W is first read.
    scale, slope, smoothing : float
        As in :class:`shallow.Network`.
    model : str
        "network", "gated" or "tangent"; only a network has patterns and a kernel of its own.
    step : int
    time, factor : float
        Sum of the step factors so far, and the factor of the last step (0 before the first).
    given_outputs, given_preactivations : arrays, optional
        What the method has at hand: f (n,) or (n, k), and X W^T (n, m).
    """

    problem: Problem
    terms: Terms
    W: Deferred[Array] = Deferred()
    a: Array  # type: ignore[misc]  # W has no default: only a field that may be a function looks so
    scale: float = 1.0
    slope: float = 0.0
    smoothing: float = 0.0
    model: Literal["network", "gated", "tangent"] = "network"
    step: int = 0
    time: float = 0.0
    factor: float = 0.0
    given_outputs: Array | None = None
    given_preactivations: Array | None = None

    @staticmethod
    def of(network: Network, problem: Problem, terms: Terms | None = None) -> Snapshot:
        """The snapshot of a network that is not under way."""
        return Snapshot(
            problem,
            terms or Terms(),
            host(network.W),
            host(network.a),
            network.scale,
            network.slope,
            network.smoothing,
        )

    @cached_property
    def X(self) -> Array:
        """Inputs (n, d), where the weights are."""
        return beside(self.problem.X, self.a)

    @cached_property
    def y(self) -> Array:
        """Labels (n,) or (n, k), where the weights are."""
        return beside(self.problem.y, self.a)

    @cached_property
    def network(self) -> Network:
        """The network itself (a copy).

        Raises
        ------
        ValueError
            For a gated or tangent model, which is no network.
        """
        if self.model != "network":
            raise ValueError(f"a {self.model} model has no patterns, kernel or curvature to record")
        return Network(self.W, self.a, self.scale, self.slope, self.smoothing)

    @cached_property
    def outputs(self) -> Array:
        """f(X), (n,) or (n, k)."""
        if self.given_outputs is not None:
            return self.given_outputs
        return predict(self.network, self.X)

    @cached_property
    def residual(self) -> Array:
        """f(X) - y."""
        return self.outputs - self.y

    @cached_property
    def preactivations(self) -> Array:
        """X W^T, (n, m)."""
        if self.given_preactivations is not None:
            return self.given_preactivations
        if self.model != "network":
            raise ValueError(f"a {self.model} model has no patterns to record")
        return self.X @ self.W.T

    @cached_property
    def patterns(self) -> Array:
        """Which neuron is on at which sample, z > 0: (n, m) booleans."""
        return self.preactivations > 0

    @cached_property
    def gates(self) -> Array:
        """phi'(X W^T), (n, m)."""
        return gate(self.preactivations, self.slope, self.smoothing)

    @cached_property
    def log_loss(self) -> float:
        """log L, right where L underflows; -inf for L = 0."""
        return float(LOSSES[self.terms.loss].log_value(self.outputs, self.y))

    @cached_property
    def gradient(self) -> Gradient:
        """dL/dW and dL/da, weight decay left out."""
        here = self.X is self.problem.X
        problem = self.problem if here else self.problem.replace(X=self.X, y=self.y)
        return gradient(self.network, problem, self.terms.loss)

    @cached_property
    def tangent_kernel(self) -> Array:
        """``rate_W H_W + rate_a H_a`` as an (n k, n k) float64 matrix."""
        return self._kernel(self.terms.rate_W, self.terms.rate_a)

    @cached_property
    def layer_kernels(self) -> tuple[Array, Array]:
        """H_W and H_a without their rates, each an (n k, n k) float64 matrix."""
        return self._kernel(1.0, 0.0), self._kernel(0.0, 1.0)

    @cached_property
    def eigenvectors(self) -> Array:
        """Orthonormal eigenvectors of the tangent kernel, one a column, eigenvalues ascending."""
        return namespace(self.tangent_kernel).linalg.eigh(self.tangent_kernel)[1]

    @cached_property
    def eigenvalues(self) -> Array:
        """Eigenvalues of the tangent kernel, ascending."""
        return namespace(self.tangent_kernel).linalg.eigvalsh(self.tangent_kernel)

    def _kernel(self, rate_W: float, rate_a: float) -> Array:
        kernel = empirical_ntk(self.network, self.X, rate_W, rate_a)
        xp, rows = namespace(kernel), math.isqrt(kernel.size)
        return xp.reshape(xp.astype(kernel, xp.float64), (rows, rows))
