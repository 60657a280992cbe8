"""A claimed lower bound of the smallest eigenvalue, proved, against computing all eigenvalues."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.measure import Agreement, Contender
from proofs_check.certificates.claimed import proves_lambda_min_at_least

__all__ = ["CLAIM", "agreement", "eigenvalues", "proof"]

Array = np.ndarray[Any, Any]

CLAIM = 25.97
"""Claimed of the infinite-width kernel of 8000 Gaussian rows in 200 dimensions, seed 0: it is 25.999."""


def proof(H: Array, claim: float) -> Contender:
    """The proof that ``lambda_min(H) >= claim``; its result is the claim, or -inf where it is not proved."""
    return Contender(
        name="shallow (proofs_check)",
        peer="ours",
        call="proves_lambda_min_at_least(H, s)",
        start=lambda: None,
        run=lambda _: proves_lambda_min_at_least(H, claim),
        result=lambda proved: claim if proved else -np.inf,
    )


def eigenvalues(H: Array) -> Contender:
    """All eigenvalues by LAPACK, and no proof."""
    return Contender(
        name="NumPy",
        peer="numpy",
        call="np.linalg.eigvalsh(H)[0] >= s",
        start=lambda: None,
        run=lambda _: np.linalg.eigvalsh(H)[0],
        result=float,
        rounds=1,
    )


def agreement(claim: float) -> Callable[[float], Agreement]:
    """Whether what was found is at least the claim."""
    return lambda found: Agreement(max(0.0, (claim - found) / claim), 0.0)
