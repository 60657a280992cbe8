"""What every compiled form does between its products: f from its chunks, dL/df, the check of a step."""

from __future__ import annotations

import math
from typing import Any

from shallow.compute.jit import routine

__all__ = ["LOSS_CODES", "add_chunks", "coefficients", "is_sound"]

LOSS_CODES = {"squared": 0, "logistic": 1, "exponential": 2, "hinge": 3}


@routine
def add_chunks(sums: Any, scale: Any, f: Any) -> None:
    """``f = scale * sum`` over the chunks of neurons, in their order; a chunk may be padded past f."""
    n = f.shape[0]
    f[:] = sums[0, :n]
    for chunk in range(1, sums.shape[0]):
        for i in range(n):
            f[i] += sums[chunk, i]
    for i in range(n):
        f[i] *= scale


@routine
def coefficients(loss: Any, f: Any, y: Any, c: Any) -> None:
    """``c = dL/df`` for the losses of LOSS_CODES, in the formulas of ``shallow.setting.losses``."""
    if loss == 0:
        for i in range(f.shape[0]):
            c[i] = f[i] - y[i]
    elif loss == 1:
        for i in range(f.shape[0]):
            q = y[i] * f[i]
            t = math.exp(-abs(q))
            c[i] = -y[i] * (t if q > 0 else 1.0) / (1.0 + t)
    elif loss == 2:
        for i in range(f.shape[0]):
            size = math.exp(math.log(abs(y[i])) - y[i] * f[i])
            c[i] = 0.0 if y[i] == 0 else -math.copysign(1.0, y[i]) * size
    else:
        for i in range(f.shape[0]):
            q = y[i] * f[i]
            c[i] = q if math.isnan(q) else (-y[i] if q < 1 else 0.0)


@routine
def is_sound(f: Any, y: Any, limit: Any, doubt: Any) -> Any:
    """Whether every residual is within the limit, every output finite, and ``doubt`` not NaN."""
    sound = not math.isnan(doubt)
    for i in range(f.shape[0]):
        sound = sound and abs(f[i] - y[i]) <= limit and not math.isinf(f[i])
    return sound
