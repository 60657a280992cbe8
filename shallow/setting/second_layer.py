"""Laws of the second layer before scaling: what a looks like for unit variance, given the drawn W."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from shallow.setting.streams import Streams

__all__ = ["SECOND_LAYER", "SecondLayerLaw"]

Matrix = np.ndarray[Any, np.dtype[np.float64]]
SecondLayerLaw = Literal["gaussian", "signs", "alternating", "balanced"]


def _gaussian(W: Matrix, k: int, streams: Streams) -> Matrix:
    return streams.generator("a", law="gaussian", k=k).standard_normal((W.shape[0], k))


def _signs(W: Matrix, k: int, streams: Streams) -> Matrix:
    coins = streams.generator("a", law="signs", k=k).random((W.shape[0], k))
    return np.where(coins < 0.5, -1.0, 1.0)


def _alternating(W: Matrix, k: int, streams: Streams) -> Matrix:
    column = np.where(np.arange(W.shape[0]) % 2 == 0, 1.0, -1.0)
    return np.repeat(column[:, None], k, axis=1)


def _balanced(W: Matrix, k: int, streams: Streams) -> Matrix:
    """Rows of norm ||w_k||: this one shares its scale with W and has no unit variance."""
    norms = np.sqrt(np.einsum("ij,ij->i", W, W) / k)
    return np.asarray(norms[:, None] * _signs(W, k, streams))


SECOND_LAYER: Mapping[str, Callable[[Matrix, int, Streams], Matrix]] = MappingProxyType(
    {"gaussian": _gaussian, "signs": _signs, "alternating": _alternating, "balanced": _balanced}
)
