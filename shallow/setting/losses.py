"""The four losses, summed over samples, with logarithms that survive far below the smallest float.

Every function takes predictions ``f`` and labels ``y`` of one shape, (n,) or (n, k), in one array namespace,
and keeps their floating type. Labels of the classification losses are -1 and +1; q = y f is the margin.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from shallow.setting.arrays import Array, namespace

__all__ = ["LOSSES", "Loss"]


@dataclass(frozen=True)
class Loss:
    """A loss ``L(f, y) = sum_i ell(f_i, y_i)`` (the SUM over samples, never the mean).

    Parameters
    ----------
    name : str
    log_value : (f, y) -> scalar
        log L, correct where L itself underflows; -inf when L = 0.
    value : (f, y) -> scalar
        L; inf when it exceeds the largest float, without a warning.
    derivative : (f, y) -> array
        dL/df, of the shape of f.
    log_abs_derivative : (f, y) -> array
        log |dL/df|, entry by entry; -inf where the derivative is 0.
    classification : bool
        Whether labels are signs.

    Notes
    -----
    All four raise ValueError when f and y differ in shape. Cost: O(n k).
    """

    name: str
    log_value: Callable[[Array, Array], Array]
    value: Callable[[Array, Array], Array]
    derivative: Callable[[Array, Array], Array]
    log_abs_derivative: Callable[[Array, Array], Array]
    classification: bool


def _pair(f: Array, y: Array) -> Any:
    """The common namespace of ``f`` and ``y``; their shapes must agree, or (n,) - (n, 1) would be (n, n)."""
    if tuple(f.shape) != tuple(y.shape):
        raise ValueError(
            f"predictions have shape {tuple(f.shape)} and labels {tuple(y.shape)}; they must agree"
        )
    return namespace(f, y)


def _filled(xp: Any, like: Array, number: float) -> Array:
    return xp.full_like(like, number)


def _log(xp: Any, x: Array) -> Array:
    """log x for x >= 0, with log 0 = -inf and no warning."""
    zero = x == 0
    return xp.where(zero, _filled(xp, x, -math.inf), xp.log(xp.where(zero, _filled(xp, x, 1.0), x)))


def _exp(xp: Any, x: Array) -> Array:
    """exp x, with inf past the largest float and no warning."""
    cap = math.log(float(xp.finfo(x.dtype).max))
    over = x >= cap
    return xp.where(over, _filled(xp, x, math.inf), xp.exp(xp.where(over, _filled(xp, x, 0.0), x)))


def _log_sum_exp(xp: Any, x: Array) -> Array:
    """log sum exp(x_i) over all entries, with -inf entries allowed."""
    top = xp.max(x)
    shift = xp.where(xp.isfinite(top), top, xp.zeros_like(top))
    return shift + _log(xp, xp.sum(xp.exp(x - shift)))


def _log_abs_label(xp: Any, y: Array) -> Array:
    return _log(xp, xp.abs(y))


def _exp_minus_abs(xp: Any, q: Array) -> Array:
    return xp.exp(-xp.abs(q))


# squared: ell = (f - y)^2 / 2


def _squared_log_value(f: Array, y: Array) -> Array:
    xp = _pair(f, y)
    # Entries are divided by the largest before squaring, so that 1e-200 and 1e200 keep their digits.
    size = xp.abs(f - y)
    largest = xp.max(size)
    usable = xp.isfinite(largest) & (largest > 0)
    scaled = size / xp.where(usable, largest, xp.ones_like(largest))
    return 2.0 * _log(xp, largest) + _log(xp, xp.sum(scaled * scaled)) - math.log(2.0)


def _squared_value(f: Array, y: Array) -> Array:
    xp = _pair(f, y)
    r = f - y
    largest = xp.max(xp.abs(r))
    if float(largest) > math.sqrt(float(xp.finfo(r.dtype).max) / max(1, math.prod(r.shape))):
        return _exp(xp, _squared_log_value(f, y))
    return 0.5 * xp.sum(r * r)


def _squared_derivative(f: Array, y: Array) -> Array:
    _pair(f, y)
    return f - y


def _squared_log_abs_derivative(f: Array, y: Array) -> Array:
    xp = _pair(f, y)
    return _log(xp, xp.abs(f - y))


# logistic: ell = log(1 + exp(-q))


def _softplus(xp: Any, x: Array) -> Array:
    """log(1 + e^x) without overflow."""
    return xp.where(x > 0, x, xp.zeros_like(x)) + xp.log1p(_exp_minus_abs(xp, x))


def _logistic_log_value(f: Array, y: Array) -> Array:
    xp = _pair(f, y)
    q = y * f
    t = _exp_minus_abs(xp, q)
    # For q > 0, log log(1 + t) = -q + log(log(1 + t)/t), and the last ratio is 1 once t has underflowed.
    safe = xp.where(t == 0, xp.ones_like(t), t)
    ratio = xp.where(t == 0, xp.ones_like(t), xp.log1p(safe) / safe)
    left = xp.log(xp.where(q > 0, xp.ones_like(q), _softplus(xp, -q)))
    return _log_sum_exp(xp, xp.where(q > 0, -q + xp.log(ratio), left))


def _logistic_value(f: Array, y: Array) -> Array:
    xp = _pair(f, y)
    return xp.sum(_softplus(xp, -(y * f)))


def _logistic_derivative(f: Array, y: Array) -> Array:
    xp = _pair(f, y)
    q = y * f
    t = _exp_minus_abs(xp, q)
    return -y * xp.where(q > 0, t, xp.ones_like(t)) / (1.0 + t)


def _logistic_log_abs_derivative(f: Array, y: Array) -> Array:
    xp = _pair(f, y)
    return _log_abs_label(xp, y) - _softplus(xp, y * f)


# exponential: ell = exp(-q)


def _exponential_log_value(f: Array, y: Array) -> Array:
    xp = _pair(f, y)
    return _log_sum_exp(xp, -(y * f))


def _exponential_value(f: Array, y: Array) -> Array:
    xp = _pair(f, y)
    return _exp(xp, _exponential_log_value(f, y))


def _exponential_derivative(f: Array, y: Array) -> Array:
    xp = _pair(f, y)
    return xp.where(y == 0, xp.zeros_like(y), -xp.sign(y) * _exp(xp, _exponential_log_abs_derivative(f, y)))


def _exponential_log_abs_derivative(f: Array, y: Array) -> Array:
    xp = _pair(f, y)
    return _log_abs_label(xp, y) - y * f


# hinge: ell = max(0, 1 - q); at q = 1 we take the derivative 0


def _hinge_terms(xp: Any, f: Array, y: Array) -> Array:
    q = y * f
    return xp.where(q >= 1, xp.zeros_like(q), 1.0 - q)


def _hinge_log_value(f: Array, y: Array) -> Array:
    xp = _pair(f, y)
    return _log(xp, xp.sum(_hinge_terms(xp, f, y)))


def _hinge_value(f: Array, y: Array) -> Array:
    xp = _pair(f, y)
    return xp.sum(_hinge_terms(xp, f, y))


def _hinge_derivative(f: Array, y: Array) -> Array:
    xp = _pair(f, y)
    q = y * f
    return xp.where(xp.isnan(q), q, xp.where(q < 1, -y, xp.zeros_like(y)))


def _hinge_log_abs_derivative(f: Array, y: Array) -> Array:
    xp = _pair(f, y)
    return _log(xp, xp.abs(_hinge_derivative(f, y)))


LOSSES: Mapping[str, Loss] = MappingProxyType(
    {
        "squared": Loss(
            "squared",
            _squared_log_value,
            _squared_value,
            _squared_derivative,
            _squared_log_abs_derivative,
            classification=False,
        ),
        "logistic": Loss(
            "logistic",
            _logistic_log_value,
            _logistic_value,
            _logistic_derivative,
            _logistic_log_abs_derivative,
            classification=True,
        ),
        "exponential": Loss(
            "exponential",
            _exponential_log_value,
            _exponential_value,
            _exponential_derivative,
            _exponential_log_abs_derivative,
            classification=True,
        ),
        "hinge": Loss(
            "hinge",
            _hinge_log_value,
            _hinge_value,
            _hinge_derivative,
            _hinge_log_abs_derivative,
            classification=True,
        ),
    }
)
