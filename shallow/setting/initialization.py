"""Initialisations as power laws in the width.

    scale = c_s m^-p,   sigma_W = c_W m^-q,   sigma_a = c_a m^-r,   gamma = p + q + r,   gamma' = r - q

with (gamma, gamma') the coordinates of Luo, Xu, Ma and Zhang's phase plane (arXiv:2007.07497). Standard
variables are drawn first, neuron by neuron, and scaled after: neuron k does not depend on m, on the scales,
or on which of these laws is drawn.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np

from shallow.setting.arrays import Array, namespace
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.setting.second_layer import SECOND_LAYER, SecondLayerLaw
from shallow.setting.streams import Streams

__all__ = [
    "Initialization",
    "Moments",
    "balanced",
    "doubled",
    "he",
    "lecun",
    "mean_field",
    "mup",
    "ntk",
    "ntk_signs",
    "oymak",
    "power_law",
]

Matrix = np.ndarray[Any, np.dtype[np.float64]]


class Moments(NamedTuple):
    """The scale in front of the sum and the root mean squares of the entries of W and a."""

    scale: float
    sigma_W: float
    sigma_a: float


_CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "law_a": tuple(SECOND_LAYER),
        "unit_W": ("1", "1/sqrt(d)"),
        "unit_a": ("1", "label scale"),
        "pairing": ("none", "antisymmetric"),
    }
)


@dataclass(frozen=True)
class Initialization:
    """A law of networks of every width.

    Parameters
    ----------
    name : str
    c_s, p : float
        scale = c_s m^-p.
    c_W, q : float
        sigma_W = c_W m^-q, times 1/sqrt(d) when ``unit_W`` says so. W is Gaussian.
    c_a, r : float
        sigma_a = c_a m^-r, times the label scale of the problem when ``unit_a`` says so. Not used by the
        law "balanced", whose |a_k| is ||w_k||.
    law_a : "gaussian", "signs", "alternating" or "balanced"
        Normal; fair signs; +, -, +, - ... (m even: half plus, half minus); a_k = +-||w_k||.
    unit_W : "1" or "1/sqrt(d)"
    unit_a : "1" or "label scale"
    rate_power : float
        The natural rates of this parametrisation are a number times m^rate_power, for both layers.
    pairing : "none" or "antisymmetric"
        With "antisymmetric", m is even and neurons come as (w, a), (w, -a): see :func:`doubled`.
    slope, smoothing : float
        Passed on to the network.
    """

    name: str
    c_s: float = 1.0
    p: float = 0.0
    c_W: float = 1.0
    q: float = 0.0
    c_a: float = 1.0
    r: float = 0.0
    law_a: SecondLayerLaw = "gaussian"
    unit_W: Literal["1", "1/sqrt(d)"] = "1"
    unit_a: Literal["1", "label scale"] = "1"
    rate_power: float = 0.0
    pairing: Literal["none", "antisymmetric"] = "none"
    slope: float = 0.0
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        for name in ("c_s", "p", "c_W", "q", "c_a", "r", "rate_power", "slope", "smoothing"):
            value = float(getattr(self, name))
            if not math.isfinite(value):
                raise ValueError(f"{self.name}: {name} is {value}; it must be a finite number")
            object.__setattr__(self, name, value)
        for name in ("c_s", "c_W", "c_a"):
            if getattr(self, name) < 0:
                raise ValueError(f"{self.name}: {name} is {getattr(self, name)}; a scale cannot be negative")
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise ValueError(f"{self.name}: {name} is {value!r}; choose {', '.join(allowed)}")

    @property
    def gamma(self) -> float:
        """p + q + r: -log(scale sigma_W sigma_a)/log m for constants 1."""
        return self.p + self.q + self._r

    @property
    def gamma_prime(self) -> float:
        """r - q: -log(sigma_a/sigma_W)/log m for constants 1."""
        return self._r - self.q

    @property
    def _r(self) -> float:
        return self.q if self.law_a == "balanced" else self.r

    def rate_multiplier(self, m: int) -> float:
        """m^rate_power: what the rates of both layers are multiplied by in this parametrisation."""
        return math.pow(m, self.rate_power)

    def moments(self, m: int, d: int, problem: Problem | None = None) -> Moments:
        """The scale and the root mean squares sigma_W, sigma_a at width m and input dimension d.

        These are what the limiting kernel needs: E[a^2] = sigma_a^2 and E[w w^T] = sigma_W^2 I.

        Raises
        ------
        ValueError
            If the law takes its unit from the labels and no problem is given.
        """
        _require_width(m)
        sigma_W = self.c_W * math.pow(m, -self.q)
        if self.unit_W == "1/sqrt(d)":
            sigma_W /= math.sqrt(d)
        if self.law_a == "balanced":
            sigma_a = sigma_W * math.sqrt(d / _outputs(problem))
        else:
            sigma_a = self.c_a * math.pow(m, -self.r)
        if self.unit_a == "label scale":
            if problem is None:
                raise ValueError(f"{self.name}: a has the scale of the labels, so moments needs the problem")
            sigma_a *= problem.label_scale
        return Moments(self.c_s * math.pow(m, -self.p), sigma_W, sigma_a)

    def draw(self, m: int, problem: Problem, streams: Streams) -> Network:
        """A network of width m for the inputs (and, where the law uses them, labels) of ``problem``.

        W is (m, d); a is (m,) when y is (n,) and (m, k) when y is (n, k). The arrays have the floating type
        and namespace of ``problem.X``; the numbers are drawn in float64 on the CPU.

        Raises
        ------
        ValueError
            If m is no positive integer, or odd where the law has as many plus as minus neurons.
        """
        _require_width(m)
        if m % 2 and (self.pairing == "antisymmetric" or self.law_a == "alternating"):
            raise ValueError(f"{self.name} has as many plus as minus neurons; m = {m} is odd, take it even")
        moments = self.moments(m, problem.d, problem)
        drawn = m // 2 if self.pairing == "antisymmetric" else m
        W = streams.generator("W", d=problem.d).standard_normal((drawn, problem.d))
        a = SECOND_LAYER[self.law_a](W, _outputs(problem), streams)
        # |a_k| = ||w_k|| is kept by one common factor; the other laws have unit variance before scaling.
        a = a * (moments.sigma_W if self.law_a == "balanced" else moments.sigma_a)
        W = W * moments.sigma_W
        if self.pairing == "antisymmetric":
            W = np.repeat(W, 2, axis=0)
            a = np.repeat(a, 2, axis=0)
            a[1::2] *= -1.0
        if problem.y.ndim == 1:
            a = a[:, 0]
        return Network(
            W=_like(problem.X, W),
            a=_like(problem.X, a),
            scale=moments.scale,
            slope=self.slope,
            smoothing=self.smoothing,
        )


def _require_width(m: int) -> None:
    if isinstance(m, bool) or not isinstance(m, int | np.integer) or m < 1:
        raise ValueError(f"m is {m!r}; a network has a positive integer number of neurons")


def _outputs(problem: Problem | None) -> int:
    return 1 if problem is None or problem.y.ndim == 1 else int(problem.y.shape[1])


def _like(X: Array, values: Matrix) -> Array:
    xp = namespace(X)
    return xp.asarray(values, dtype=X.dtype, device=X.device)


def ntk(*, slope: float = 0.0, smoothing: float = 0.0) -> Initialization:
    """scale = m^-1/2, W and a standard normal: (gamma, gamma') = (1/2, 0)."""
    return Initialization("ntk", p=0.5, slope=slope, smoothing=smoothing)


def ntk_signs(kappa: float = 1.0, *, slope: float = 0.0, smoothing: float = 0.0) -> Initialization:
    """scale = m^-1/2, W ~ N(0, kappa^2), a = +-1: Du et al. (kappa = 1) and Arora et al.; (1/2, 0)."""
    return Initialization("ntk-signs", p=0.5, c_W=kappa, law_a="signs", slope=slope, smoothing=smoothing)


def lecun(*, slope: float = 0.0, smoothing: float = 0.0) -> Initialization:
    """scale = 1, W ~ N(0, 1/d), a ~ N(0, 1/m): (gamma, gamma') = (1/2, 1/2)."""
    return Initialization("lecun", unit_W="1/sqrt(d)", r=0.5, slope=slope, smoothing=smoothing)


def he(*, slope: float = 0.0, smoothing: float = 0.0) -> Initialization:
    """scale = 1, W ~ N(0, 2/d), a ~ N(0, 2/m): (gamma, gamma') = (1/2, 1/2)."""
    root = math.sqrt(2.0)
    return Initialization(
        "he", c_W=root, unit_W="1/sqrt(d)", c_a=root, r=0.5, slope=slope, smoothing=smoothing
    )


def mean_field(*, slope: float = 0.0, smoothing: float = 0.0) -> Initialization:
    """scale = 1/m, W and a standard normal, rates multiplied by m: (gamma, gamma') = (1, 0)."""
    return Initialization("mean-field", p=1.0, rate_power=1.0, slope=slope, smoothing=smoothing)


def mup(*, slope: float = 0.0, smoothing: float = 0.0) -> Initialization:
    """scale = 1, W ~ N(0, 1/m), a ~ N(0, 1/m), rates not multiplied: (gamma, gamma') = (1, 0).

    Yang and Hu's maximal update parametrisation (arXiv:2011.14522) has b = 1/2 and multipliers m^(1/2) inside
    and m^(-1/2) outside, which a homogeneous phi cancels. With w -> w/sqrt(m), a -> a/sqrt(m) this is the
    mean field law with rates times m, trajectory for trajectory, for smoothing = 0.
    """
    return Initialization("mup", q=0.5, r=0.5, slope=slope, smoothing=smoothing)


def oymak(*, slope: float = 0.0, smoothing: float = 0.0) -> Initialization:
    """scale = 1, W standard normal, a = +||y||/sqrt(m n) for half the neurons and minus that for the others.

    Oymak and Soltanolkotabi (arXiv:1902.04674; recalled, high confidence), where a is not trained; m is even
    and signs alternate. (gamma, gamma') = (1/2, 1/2).
    """
    return Initialization(
        "oymak", r=0.5, law_a="alternating", unit_a="label scale", slope=slope, smoothing=smoothing
    )


def balanced(size: float, *, slope: float = 0.0, smoothing: float = 0.0) -> Initialization:
    """scale = 1, w_k = size z_k with z_k standard normal, a_k = +-||w_k|| with fair signs.

    ||a_k||^2 = ||w_k||^2, which gradient flow at equal rates conserves; with k outputs the rows of a have
    that norm.
    """
    return Initialization("balanced", c_W=size, law_a="balanced", slope=slope, smoothing=smoothing)


def power_law(
    *,
    c_s: float = 1.0,
    p: float = 0.0,
    c_W: float = 1.0,
    q: float = 0.0,
    c_a: float = 1.0,
    r: float = 0.0,
    law_a: SecondLayerLaw = "gaussian",
    rate_power: float = 0.0,
    slope: float = 0.0,
    smoothing: float = 0.0,
) -> Initialization:
    """A free power law: scale = c_s m^-p, sigma_W = c_W m^-q, sigma_a = c_a m^-r."""
    return Initialization(
        "power-law",
        c_s=c_s,
        p=p,
        c_W=c_W,
        q=q,
        c_a=c_a,
        r=r,
        law_a=law_a,
        rate_power=rate_power,
        slope=slope,
        smoothing=smoothing,
    )


def doubled(initialization: Initialization) -> Initialization:
    """The antisymmetric doubling of a law: neurons (w, a), (w, -a), so that f_0 = 0 and the kernel is kept.

    m/2 neurons are drawn with the scales that belong to width m and each is followed by its copy with the
    outer weight negated; at equal m the expected tangent kernel is that of the law itself. Copies stand side
    by side so that draws stay nested, and so that sums cancel early: a computed f_0 is exactly 0 for a = +-c
    and within a rounding of its largest terms otherwise.
    """
    if initialization.pairing == "antisymmetric":
        raise ValueError(f"{initialization.name} is doubled already")
    return dataclasses.replace(initialization, name=f"doubled-{initialization.name}", pairing="antisymmetric")
