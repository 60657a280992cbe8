"""The identity of a run, and of the arithmetic that made it."""

from __future__ import annotations

import hashlib
import importlib.metadata

from shallow.configuration.canonical import canonical
from shallow.configuration.model import RunModel

__all__ = ["NUMERICS", "cell_key", "numerics_version", "run_key"]

NUMERICS = 1
"""Raised whenever a change of ours changes the bits of a run."""


def cell_key(model: RunModel) -> str:
    """The BLAKE2b hash of the canonical configuration without its seed, 32 hexadecimal digits."""
    return hashlib.blake2b(canonical(model).encode(), digest_size=16).hexdigest()


def run_key(cell: str, seed: int) -> str:
    """The identity of a cell's run with a seed, 32 hexadecimal digits."""
    return hashlib.blake2b(f"{cell}/{seed}".encode(), digest_size=16).hexdigest()


def numerics_version() -> str:
    """What has to be equal for two runs of one configuration to have equal bits on one machine."""
    packages = ("numpy", "scipy", "numba")
    return ", ".join([f"numerics {NUMERICS}", *(f"{p} {importlib.metadata.version(p)}" for p in packages)])
