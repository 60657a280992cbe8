"""Randomness by purpose: one seed, one independent stream for each thing that is drawn."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np

__all__ = ["Streams"]


@dataclass(frozen=True)
class Streams:
    """Random streams that depend on (seed, purpose, a law's own parameters) and on nothing else.

    Two runs with one seed that differ in steps, rates, label scale or width therefore share X and their
    first neurons bit for bit: standard variables are drawn row by row and scaled afterwards, so the first
    n rows are the same for every larger n (nested), and the same neurons meet every label scale (paired).

    Parameters
    ----------
    seed : int
        A non-negative integer.
    independent : tuple of str
        Extra words that go into every stream; leave empty to pair, put the cell's name in to unpair.

    Examples
    --------
    >>> small = Streams(7).generator("W", d=3).standard_normal((2, 3))
    >>> large = Streams(7).generator("W", d=3).standard_normal((5, 3))
    >>> bool((small == large[:2]).all())
    True
    """

    seed: int
    independent: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.seed, bool) or not isinstance(self.seed, int | np.integer) or self.seed < 0:
            raise ValueError(f"seed is {self.seed!r}; it must be a non-negative integer")
        object.__setattr__(self, "seed", int(self.seed))

    def generator(self, purpose: str, **parameters: float | int | str) -> np.random.Generator:
        """A fresh PCG64 generator at the start of the stream for ``purpose`` and ``parameters``."""
        words = json.dumps([purpose, sorted(parameters.items()), list(self.independent)])
        digest = hashlib.blake2b(words.encode(), digest_size=16).digest()
        entropy = [self.seed, int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")]
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
