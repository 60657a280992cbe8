"""A certificate: an instance, the numbers that prove its convergence, and what follows for the limit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from proofs_check.certificates import limit
from proofs_check.certificates.geometry import geometry_of
from proofs_check.certificates.instance import Instance
from proofs_check.certificates.proposal import Finding, Proposal
from proofs_check.certificates.storage import Stored, read_stored, write_stored
from proofs_check.verdict import Evidence

__all__ = ["Certificate"]

Array = np.ndarray[Any, np.dtype[np.float64]]
Interval = tuple[float, float]
Theorem = Literal["flow", "descent"]


@dataclass(frozen=True, eq=False)
class Certificate:
    """What was found about the training of one network, from its present weights on.

    Parameters
    ----------
    theorem : "flow" or "descent"
        Gradient flow (in Clarke's sense, any rule at the kink), or gradient descent with the rates as steps.
    evidence : Evidence
        ENCLOSED, VERIFIED, or NUMERIC, which is never a proof.
    instance : Instance
        Data, weights and rates, exact.
    proposal : Proposal or None
        The numbers whose inequalities were checked; None when the search found none.
    finding : Finding or None
        What the check found.
    reason : str
        Why it is not certified; empty when it is.
    """

    theorem: Theorem
    evidence: Evidence
    instance: Instance
    proposal: Proposal | None
    finding: Finding | None
    reason: str

    @property
    def certified(self) -> bool:
        """Whether every inequality was checked."""
        return self.finding is not None and self.finding.proved

    @property
    def decay(self) -> float:
        """mu: ||r(t)|| <= ||r(0)|| exp(-mu t) (flow), ||r_t||^2 <= (1 - 2 mu)^t ||r_0||^2 (descent)."""
        return self._proved()[1].decay if self.certified else 0.0

    @cached_property
    def residual_norm(self) -> float:
        """||f - y|| now, in float64; the proof uses an upper bound of it."""
        return geometry_of(self.instance).residual_norm

    @cached_property
    def radius_W(self) -> Array:
        """Bounds (m,) on ||w_k(t) - w_k|| for all t >= 0; NaN when not certified."""
        if not self.certified:
            return np.full(self.instance.m, np.nan)
        return limit.neuron_radii(self.instance, *self._proved())

    @property
    def radius_a(self) -> Array:
        """Bounds (m,) on |a_k(t) - a_k| for all t >= 0; NaN when not certified."""
        if not self.certified:
            return np.full(self.instance.m, np.nan)
        return self._proved()[0].stages[-1].radius_a

    @property
    def radius_pairs(self) -> Array:
        """Bounds (m, n) on |x_i.(w_k(t) - w_k)| for all t >= 0; NaN when not certified."""
        if not self.certified:
            return np.full((self.instance.m, self.instance.n), np.nan)
        return self._proved()[0].stages[-1].radius

    @cached_property
    def travel(self) -> tuple[float, float]:
        """Bounds on ||W(t) - W||_F and ||a(t) - a|| for all t >= 0."""
        _, finding = self._proved()
        return limit.travel(self.instance, self.radius_W, self.radius_a, finding)

    def limit_prediction(self, X_new: Any) -> tuple[Array, Array]:
        """Lower and upper bounds (k,), (k,) on the limit's predictions at the rows of ``X_new`` (k, d).

        They hold at every time from now on. At the training inputs the limit takes the labels exactly.

        Raises
        ------
        ValueError
            If nothing was certified, or X_new has another number of columns or a number that is not finite.
        """
        _, finding = self._proved()
        X = np.atleast_2d(np.asarray(X_new, dtype=np.float64))
        if X.ndim != 2 or X.shape[1] != self.instance.d or not np.all(np.isfinite(X)):
            raise ValueError(f"X_new has shape {X.shape}; give finite rows of {self.instance.d} numbers")
        return limit.predictions(self.instance, X, self.radius_W, self.radius_a, self.travel, finding)

    @property
    def limit_norms(self) -> tuple[Interval, Interval]:
        """Intervals of ||W_inf||_F and ||a_inf||."""
        moved_W, moved_a = self.travel
        return limit.norm_interval(self.instance.W, moved_W), limit.norm_interval(self.instance.a, moved_a)

    @property
    def limit_margins(self) -> tuple[Array, Array]:
        """Intervals (m, n), (m, n) of |w_k.x_i|/||x_i|| at the limit."""
        self._proved()
        return limit.margins(self.instance, self.radius_pairs)

    @property
    def limit_patterns(self) -> np.ndarray[Any, np.dtype[np.int8]]:
        """Signs (m, n) of w_k.x_i from now on: +1 or -1 where they never change, 0 where they may."""
        return limit.patterns(self.instance, self._proved()[0].stages[-1].uncertain)

    @property
    def limit_stable_rank(self) -> Interval:
        """Interval of ||W_inf||_F^2/||W_inf||^2."""
        return limit.stable_rank(self.instance.W, self.travel[0])

    def limit_singular_ratio(self, r: int) -> float:
        """Upper bound on sigma_{r+1}(W_inf)/sigma_1(W_inf): how near the limit is to a matrix of rank r."""
        return limit.singular_ratio(self.instance.W, self.travel[0], r)

    def save(self, path: str | Path) -> None:
        """Write the certificate with its data and weights to an NPZ file, whole or not at all."""
        stored = Stored(self.theorem, self.evidence, self.instance, self.proposal, self.finding, self.reason)
        write_stored(stored, path, decay=self.decay, residual_norm=self.residual_norm)

    @staticmethod
    def load(path: str | Path) -> Certificate:
        """The certificate in a file, as it was written: nothing is proved again (see verify_certificate).

        Raises
        ------
        FileNotFoundError, ValueError
            If there is no such file, or it is no certificate whose data and weights carry their own hash.
        """
        found = read_stored(path)
        theorem: Theorem = "descent" if found.theorem == "descent" else "flow"
        return Certificate(
            theorem, found.evidence, found.instance, found.proposal, found.finding, found.reason
        )

    def _proved(self) -> tuple[Proposal, Finding]:
        if self.proposal is None or self.finding is None or not self.finding.proved:
            raise ValueError(f"nothing was certified, so nothing is known of the limit: {self.reason}")
        return self.proposal, self.finding
