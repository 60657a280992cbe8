"""Activation patterns: what has flipped, and what is too close to a kink to tell."""

from __future__ import annotations

import numpy as np

from shallow.observe.observable import Memory
from shallow.observe.snapshot import Snapshot
from shallow.setting.arrays import Array, namespace

__all__ = ["ever_flipped", "ever_flipped_max", "flip_fraction", "flip_max", "near_kinks"]


def flip_fraction(now: Snapshot, start: Snapshot) -> float:
    """Fraction of the n m pairs whose pattern differs from the start's."""
    return float(_share(now.patterns != start.patterns))


def flip_max(now: Snapshot, start: Snapshot) -> float:
    """The largest fraction, over samples, of neurons whose pattern differs from the start's."""
    return float(_largest_share(now.patterns != start.patterns))


def ever_flipped(memory: Memory | None, now: Snapshot, start: Snapshot) -> Memory:
    """Fraction of the n m pairs whose pattern has differed from the start's at any step so far."""
    flipped = _ever(memory, now, start)
    return {"value": np.asarray(float(_share(flipped))), "flipped": flipped}


def ever_flipped_max(memory: Memory | None, now: Snapshot, start: Snapshot) -> Memory:
    """The largest fraction, over samples, of neurons that have ever differed from the start."""
    flipped = _ever(memory, now, start)
    return {"value": np.asarray(float(_largest_share(flipped))), "flipped": flipped}


def _share(which: Array) -> Array:
    xp = namespace(which)
    return xp.mean(xp.astype(which, xp.float64))


def _largest_share(which: Array) -> Array:
    xp = namespace(which)
    return xp.max(xp.mean(xp.astype(which, xp.float64), axis=1))


def _ever(memory: Memory | None, now: Snapshot, start: Snapshot) -> Array:
    differs = now.patterns != start.patterns
    return differs if memory is None else differs | memory["flipped"]


def near_kinks(now: Snapshot, start: Snapshot) -> float:
    """How many z_ik = w_k . x_i are too small for their sign to be sure.

    The bound is ``gamma_d |w_k| . |x_i|`` with ``gamma_d = d u / (1 - d u)``, u the unit roundoff
    (Higham, Accuracy and Stability, section 3.1): beyond it the sign holds for any order of summation.
    """
    xp = namespace(now.W)
    u = 0.5 * float(xp.finfo(now.W.dtype).eps)
    d = now.W.shape[1]
    bound = (d * u / (1 - d * u)) * (xp.abs(now.X) @ xp.abs(now.W).T)
    return float(xp.sum(xp.astype(xp.abs(now.preactivations) <= bound, xp.int64)))
