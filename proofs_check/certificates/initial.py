"""Certificates at the start, in closed form: what the first moment alone proves of the whole training.

Notation: s0^2 = lambda_min(eta_W H_W + eta_a H_a) and r0 = ||f - y|| now; phi0 = n-th singular value of the
features F (0 if m < n); L = max(1, |slope|). Along a rate-scaled path of length B the rate-scaled Jacobian
moves by at most E(B),
    E_W = sqrt(eta_W) |s| ||X|| (L sqrt(eta_a) B + |1 - slope| sqrt(A(sqrt(eta_W) B))),
    E_a = sqrt(eta_W eta_a) |s| ||X|| L B,      E = sqrt(E_W^2 + E_a^2),
with A the flip energy (Schur's bound on Khatri-Rao products; relu is 1-Lipschitz). CERT-A is CERT-B with
eta_a = 0.

While sigma_min of the Jacobian is at least s0/2 the path is at most B = 2 r0/s0: -d||r||/dt = ||J^T
r||^2/||r|| >= (s0/2) ||J^T r||. The integrated forms use s0 - E(l) (or phi0 - c l) at the path length l
reached instead of the half.

All figures are plain float64 (NUMERIC): eigenvalues, norms and sums carry no bound on their rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from proofs_check.certificates.flips import FlipEnergy, flip_energy_of
from proofs_check.certificates.geometry import Geometry, geometry_of
from proofs_check.certificates.instance import Instance
from proofs_check.certificates.refusals import refusal, singular
from proofs_check.verdict import Evidence
from shallow.setting.network import Network
from shallow.setting.problem import Problem

__all__ = ["INITIAL", "InitialCertificate", "certify_initial", "lmin_probability", "lmin_width"]

Array = np.ndarray[Any, np.dtype[np.float64]]

_GRID = 512
_REFINED = 4


@dataclass(frozen=True)
class InitialCertificate:
    """What one closed-form criterion says.

    Parameters
    ----------
    name : str
        One of :data:`INITIAL`.
    certified : bool
    ratio : float
        Needed over available; the criterion holds when it is at most 1 (below 1 for the integrated ones).
    decay : float
        ||r(t)|| <= ||r(0)|| exp(-decay t) for the flow, ||r_t||^2 <= (1 - 2 decay)^t ||r_0||^2 for descent; 0
        when not certified.
    travel_W, travel_a : float
        Bounds on ||W(t) - W||_F and ||a(t) - a||; infinite when not certified.
    reason : str
        Empty when certified.
    evidence : Evidence
        NUMERIC.
    """

    name: str
    certified: bool
    ratio: float
    decay: float
    travel_W: float
    travel_a: float
    reason: str
    evidence: Evidence = Evidence.NUMERIC


@dataclass(frozen=True, eq=False)
class _Start:
    geometry: Geometry
    smallest: float
    largest: float
    features: float
    flips: FlipEnergy

    @property
    def size(self) -> float:
        """|s| ||X||."""
        return abs(self.geometry.instance.scale) * self.geometry.spectral

    def drift(self, length: float) -> float:
        """E(length)."""
        instance, L = self.geometry.instance, self.geometry.lipschitz
        root_W, root_a = math.sqrt(instance.rate_W), math.sqrt(instance.rate_a)
        flipped = abs(1 - instance.slope) * math.sqrt(self.flips(root_W * length)) if root_W > 0 else 0.0
        return root_W * self.size * math.hypot(L * root_a * length + flipped, L * root_a * length)


def certify_initial(
    network: Network, problem: Problem, rates: tuple[float, float] = (1.0, 1.0)
) -> Mapping[str, InitialCertificate]:
    """Every closed-form certificate of :data:`INITIAL` at these weights, by name.

    Raises
    ------
    ValueError
        As :func:`certify_flow`.

    Notes
    -----
    Cost O(n m (d + n + log m) + n^3).
    """
    instance = Instance.of(network, problem, rates)
    reason = refusal(instance)
    geometry = geometry_of(instance)
    reason = reason or singular(geometry)
    if reason:
        return MappingProxyType({name: _refused(name, reason) for name in INITIAL})
    start = _start(geometry)
    return MappingProxyType({name: criterion(start) for name, criterion in INITIAL.items()})


def _refused(name: str, reason: str, ratio: float = math.inf) -> InitialCertificate:
    return InitialCertificate(name, False, ratio, 0.0, math.inf, math.inf, reason)


def _start(geometry: Geometry) -> _Start:
    instance = geometry.instance
    gates = np.where(geometry.Z > 0, 1.0, instance.slope)
    weights = instance.rate_W * instance.scale**2 * instance.a**2
    H = geometry.K * ((gates * weights[:, None]).T @ gates) + instance.rate_a * geometry.second
    values = np.linalg.eigvalsh(H)
    features = 0.0
    if instance.m >= instance.n:
        features = abs(instance.scale) * float(
            np.linalg.svd(geometry.features, compute_uv=False)[instance.n - 1]
        )
    return _Start(
        geometry=geometry,
        smallest=math.sqrt(max(float(values[0]), 0.0)),
        largest=math.sqrt(max(float(values[-1]), 0.0)),
        features=features,
        flips=flip_energy_of(instance.W, instance.a, instance.X),
    )


def _decided(
    name: str, ratio: float, strict: bool, decay: float, travel: tuple[float, float]
) -> InitialCertificate:
    held = ratio < 1 if strict else ratio <= 1
    if not (held and decay > 0):
        return _refused(name, f"{name}: its condition misses by a factor {ratio:.3g}", ratio)
    return InitialCertificate(name, True, ratio, decay, *travel, reason="")


def _rooted(start: _Start, length: float) -> tuple[float, float]:
    instance = start.geometry.instance
    return math.sqrt(instance.rate_W) * length, math.sqrt(instance.rate_a) * length


def cert_a(start: _Start) -> InitialCertificate:
    """CERT-A: CERT-B for a frozen second layer."""
    if start.geometry.instance.rate_a != 0:
        return _refused("CERT-A", "CERT-A: it is for a frozen second layer (rate_a = 0); see CERT-B")
    return _lazy("CERT-A", start)


def cert_b(start: _Start) -> InitialCertificate:
    """CERT-B: E(2 r0/s0) <= s0/2 gives the decay s0^2/4 and a path of 2 r0/s0."""
    return _lazy("CERT-B", start)


def _lazy(name: str, start: _Start) -> InitialCertificate:
    length = 2 * start.geometry.residual_norm / start.smallest
    ratio = start.drift(length) / (start.smallest / 2)
    return _decided(name, ratio, False, start.smallest**2 / 4, _rooted(start, length))


def cert_b_gd(start: _Start) -> InitialCertificate:
    """CERT-B-GD: E(16 r0/(3 s0)) <= s0/8, ||J|| + s0/8 <= 1: ||r_t||^2 <= (1 - (21/64) s0^2)^t ||r_0||^2."""
    length = 16 / 3 * start.geometry.residual_norm / start.smallest
    close = start.drift(length) / (start.smallest / 8)
    ratio = max(close, start.largest + start.smallest / 8)
    return _decided("CERT-B-GD", ratio, False, 21 / 128 * start.smallest**2, _rooted(start, length))


def cert_ab_plus(start: _Start) -> InitialCertificate:
    """CERT-AB+: if E(l) < s0 and int_0^l (s0 - E) > r0 then the path is below l, and the decay is (s0 -
    E(l))^2.

    The integral is bounded below by right end points: E does not decrease.
    """
    s0, r0 = start.smallest, start.geometry.residual_norm
    end = r0 / s0
    for _ in range(60):
        if start.drift(2 * end) >= s0:
            break
        end *= 2
    length, best, reached = 2 * end, 0.0, 0.0
    for _ in range(_REFINED):
        found, decay, area = _integrated(start, length)
        best = max(best, area)
        if found == 0:
            break
        length, reached = found, decay
    ratio = r0 / best if best > 0 else math.inf
    if reached == 0:
        return _refused(
            "CERT-AB+", f"CERT-AB+: its condition misses by a factor {ratio:.3g}", max(ratio, 1.0)
        )
    return _decided("CERT-AB+", min(ratio, 1 - 1e-16), True, reached, _rooted(start, length))


def _integrated(start: _Start, end: float) -> tuple[float, float, float]:
    """First grid point l with int_0^l (s0 - E) > r0 (0 if none), (s0 - E(l))^2, and the largest area seen."""
    grid = np.linspace(0, end, _GRID + 1)[1:]
    left = start.smallest - np.array([start.drift(float(length)) for length in grid])
    areas = np.cumsum(np.where(left > 0, left, 0.0) * grid[0])
    done = np.flatnonzero((areas > start.geometry.residual_norm) & (left > 0))
    at = int(done[0]) if done.size else 0
    return (float(grid[at]) if done.size else 0.0), float(left[at]) ** 2, float(np.max(areas))


def _q(start: _Start) -> float:
    instance = start.geometry.instance
    if instance.rate_a == 0 or start.features == 0:
        return math.inf
    ratio = math.sqrt(instance.rate_W / instance.rate_a)
    return (
        2 * start.size * start.geometry.lipschitz * ratio * start.geometry.residual_norm / start.features**2
    )


def cert_f(start: _Start) -> InitialCertificate:
    """CERT-F: 4 |s| L ||X|| sqrt(eta_W/eta_a) r0 <= phi0^2 gives the decay eta_a phi0^2/4."""
    return _features("CERT-F", start, 2 * _q(start), False, 0.25, 2.0)


def cert_f_plus(start: _Start) -> InitialCertificate:
    """CERT-F+: q = 2 |s| L ||X|| sqrt(eta_W/eta_a) r0/phi0^2 < 1 gives the decay eta_a phi0^2 (1 - q)."""
    q = _q(start)
    left = max(1 - q, 0.0)
    return _features("CERT-F+", start, q, True, left, 2 / (1 + math.sqrt(left)))


def _features(
    name: str, start: _Start, ratio: float, strict: bool, share: float, reach: float
) -> InitialCertificate:
    instance = start.geometry.instance
    if instance.rate_a == 0:
        return _refused(name, f"{name}: it needs a trained second layer (rate_a > 0)")
    if start.features == 0:
        return _refused(name, f"{name}: the features have no n independent columns (m >= n is needed)")
    moved_a = reach * start.geometry.residual_norm / start.features
    moved = math.sqrt(instance.rate_W / instance.rate_a) * moved_a, moved_a
    return _decided(name, ratio, strict, share * instance.rate_a * start.features**2, moved)


INITIAL: Mapping[str, Callable[[_Start], InitialCertificate]] = MappingProxyType(
    {
        "CERT-A": cert_a,
        "CERT-B": cert_b,
        "CERT-B-GD": cert_b_gd,
        "CERT-AB+": cert_ab_plus,
        "CERT-F": cert_f,
        "CERT-F+": cert_f_plus,
    }
)
"""The criteria by name; CERT-B-GD reads the rates as step sizes, the others are for the flow."""


def lmin_probability(
    lambda0: float, spectral: float, n: int, m: int, share: float = 0.5, slope: float = 0.0
) -> float:
    """LMIN-1: bounds P(lambda_min(H_W) <= (1 - share) lambda0) for a_k = +-1, scale 1/sqrt(m), rate_W = 1.

    H_W(0) is the mean of m independent matrices between 0 and L^2 ||X||^2 I, L = max(1, |slope|), with mean
    H_inf, lambda0 its smallest eigenvalue: the lower tail is n exp(-share^2 m lambda0/(2 L^2 ||X||^2)).
    """
    if not (0 < share <= 1 and lambda0 >= 0 and spectral > 0):
        raise ValueError(
            f"share {share} in (0, 1], lambda0 {lambda0} >= 0 and ||X|| {spectral} > 0 are needed"
        )
    largest = (_gate_bound(slope) * spectral) ** 2
    return min(1.0, n * math.exp(-(share**2) * m * lambda0 / (2 * largest)))


def lmin_width(
    lambda0: float, spectral: float, n: int, delta: float, share: float = 0.5, slope: float = 0.0
) -> float:
    """The m from which :func:`lmin_probability` is at most delta."""
    if not (0 < delta < 1 and 0 < share <= 1 and lambda0 > 0 and spectral > 0):
        raise ValueError(
            f"delta {delta} in (0, 1), share {share} in (0, 1], lambda0 {lambda0} > 0 "
            f"and ||X|| {spectral} > 0 are needed"
        )
    largest = (_gate_bound(slope) * spectral) ** 2
    return max(2 * largest * math.log(n / delta) / (share**2 * lambda0), 0.0)


def _gate_bound(slope: float) -> float:
    if not math.isfinite(slope):
        raise ValueError(f"slope is {slope}; it must be a finite number")
    return max(1.0, abs(slope))
