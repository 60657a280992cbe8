"""The start that Lemmas 3.1 and 3.2 speak of, and its kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.theorems._decay import EPS
from proofs_check.theorems._first_layer import FirstLayer, draw_first_layer
from shallow.exact.ntk import empirical_ntk
from shallow.setting.initialization import ntk_signs
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = ["DELTAS", "TRIALS", "Parameters", "draw_start", "rounding", "start_kernel"]

DELTAS = {"quick": 0.1, "full": 0.01}
TRIALS = {"quick": 30, "full": 299}


@dataclass(frozen=True)
class Parameters:
    """``radius_factor`` multiplies the radius R of Lemma 3.2; Lemma 3.1 does not use it."""

    n: int = 5
    d: int = 50
    m: int = 10000
    label_scale: float = 1.0
    delta: float = 0.1
    labels: str = "signs"
    inputs: str = "sphere"
    radius_factor: float = 1.0


def draw_start(parameters: Parameters, streams: Streams, problem: Problem | None) -> FirstLayer:
    """Du et al.'s initialisation: W ~ N(0, I), a = +-1."""
    return draw_first_layer(parameters, ntk_signs(), streams, problem)


def start_kernel(instance: FirstLayer) -> Any:
    """H(0), the first layer's kernel at the start."""
    return np.asarray(empirical_ntk(instance.network, instance.problem.X, rate_W=1.0, rate_a=0.0))


def rounding(instance: FirstLayer) -> float:
    """A bound on the rounding error of an eigenvalue of H(0) (n entries, each a sum)."""
    return 2 * instance.n * (instance.network.m + instance.problem.d + instance.n) * EPS
