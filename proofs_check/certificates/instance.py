"""What a certificate speaks of: one network, one problem, two rates, as exact float64 numbers."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from shallow.setting.arrays import host
from shallow.setting.network import Network
from shallow.setting.problem import Problem

__all__ = ["Instance"]

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class Instance:
    """Weights, data, scale, slope and rates. Every number is exact: none stands for a rounded one.

    Parameters
    ----------
    X : (n, d) array
    y : (n,) array
    W : (m, d) array
    a : (m,) array
    scale : float
        s in front of the sum over neurons, any sign.
    slope : float
        phi' on the negative side; 0 is the ReLU.
    rate_W, rate_a : float
        Non-negative; 0 freezes the layer. For the flow they multiply the gradients; for descent they are the
        step sizes.
    """

    X: Array
    y: Array
    W: Array
    a: Array
    scale: float
    slope: float
    rate_W: float
    rate_a: float

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.y)

    @property
    def d(self) -> int:
        """Input dimension."""
        return int(self.X.shape[1])

    @property
    def m(self) -> int:
        """Number of neurons."""
        return len(self.a)

    @staticmethod
    def of(network: Network, problem: Problem, rates: tuple[float, float]) -> Instance:
        """The instance of a network with one output and a kink.

        float32 numbers become the same float64 numbers.

        Raises
        ------
        ValueError
            For several outputs, a smoothed kink, different input dimensions, or rates that are no finite
            non-negative numbers.
        """
        a, y = _vector(network.a, "a"), _vector(problem.y, "y")
        if network.smoothing != 0:
            raise ValueError(
                f"the network's kink is smoothed (smoothing = {network.smoothing}); "
                "the certificates are for smoothing = 0"
            )
        if network.d != problem.d:
            raise ValueError(f"the network takes inputs of dimension {network.d}, the data have {problem.d}")
        if len(rates) != 2:
            raise ValueError(f"rates are two numbers (rate_W, rate_a), not {len(rates)}")
        rate_W, rate_a = (_rate(value, name) for value, name in zip(rates, ("rate_W", "rate_a")))
        return Instance(
            X=_exact(problem.X),
            y=y,
            W=_exact(network.W),
            a=a,
            scale=network.scale,
            slope=network.slope,
            rate_W=rate_W,
            rate_a=rate_a,
        )

    @property
    def network(self) -> Network:
        """The network of this instance."""
        return Network(self.W, self.a, scale=self.scale, slope=self.slope)

    @property
    def problem(self) -> Problem:
        """The problem of this instance."""
        return Problem(self.X, self.y)

    def fingerprint(self) -> str:
        """SHA-256 (hexadecimal) of the shapes and the bits of every number."""
        digest = hashlib.sha256(f"shallow-instance {self.n} {self.d} {self.m}".encode())
        numbers = np.array([self.scale, self.slope, self.rate_W, self.rate_a])
        for array in (self.X, self.y, self.W, self.a, numbers):
            digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
        return digest.hexdigest()


def _exact(value: Any) -> Array:
    array = np.array(host(value), dtype=np.float64, order="C")
    array.setflags(write=False)
    return array


def _vector(value: Any, name: str) -> Array:
    array = _exact(value)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"{name} has {array.shape[1]} outputs; the certificates are proved for one output: "
            "certify each output's own network, or train with scalar labels"
        )
    return array


def _rate(value: float, name: str) -> float:
    number = float(value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{name} is {value}; a rate is a finite number >= 0")
    return number
