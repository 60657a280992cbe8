"""How much weight can cross a kink: the flip energy of a first layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from shallow.setting.network import Network

__all__ = ["FlipEnergy", "flip_energy", "flip_energy_of"]

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class FlipEnergy:
    """A(R) = max_i of the most sum_k a_k^2 over neurons whose pattern on sample i a change of W by R can
    flip.

    Neuron k costs its squared margin (w_k.x_i)^2/||x_i||^2 and is worth a_k^2; a neuron on the kink is free.
    The greedy fractional knapsack is an upper bound, and exact for equal |a_k|.

    Parameters
    ----------
    cost, worth : (n', m') arrays
        Cumulated costs and worths in the order of worth per cost, samples x_i = 0 and neurons a_k = 0 left
        out.
    """

    cost: Array
    worth: Array

    def __call__(self, radius: float) -> float:
        """A(radius). Cost O(n log m)."""
        budget = radius**2
        best = 0.0
        for cost, worth in zip(self.cost, self.worth):
            whole = int(np.searchsorted(cost, budget, side="right"))
            energy = float(worth[whole - 1]) if whole else 0.0
            if whole < len(cost):
                spent = float(cost[whole - 1]) if whole else 0.0
                next_cost, next_worth = float(cost[whole]) - spent, float(worth[whole]) - energy
                energy += next_worth * min(max((budget - spent) / next_cost, 0.0), 1.0)
            best = max(best, energy)
        return best


def flip_energy_of(W: Array, a: Array, X: Array) -> FlipEnergy:
    """The flip energy of weights on inputs. Cost O(n m log m)."""
    norms = np.linalg.norm(X, axis=1)
    X, norms = X[norms > 0], norms[norms > 0]
    value = a[a != 0] ** 2
    cost = (X @ W[a != 0].T / norms[:, None]) ** 2
    order = np.argsort(cost / value, axis=1, kind="stable")
    return FlipEnergy(
        np.cumsum(np.take_along_axis(cost, order, axis=1), axis=1), np.cumsum(value[order], axis=1)
    )


def flip_energy(network: Network, X: Array, radius: float) -> float:
    """A(radius) of a network on inputs X."""
    return flip_energy_of(np.asarray(network.W), np.asarray(network.a), X)(radius)
