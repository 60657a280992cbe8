"""Exact intervals for a failure probability, valid sequences of them, and corrections for many tests."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

__all__ = [
    "clopper_pearson",
    "confidence_sequence",
    "excess_p_value",
    "holm",
    "lower_limit",
    "trials_needed",
    "upper_limit",
]


def _require_counts(successes: int, trials: int) -> None:
    for name, value in (("successes", successes), ("trials", trials)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError(f"{name} is {value!r}; counts are integers")
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials: 0 <= successes <= trials is needed")


def _require_probability(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} is {value}; it must lie strictly between 0 and 1")


def upper_limit(successes: int, trials: int, level: float = 0.95) -> float:
    """The one-sided exact upper limit of a probability: below it with confidence ``level``.

    It is the p at which ``successes`` or fewer have probability 1 - level (Clopper and Pearson 1934), and 1
    without trials.
    """
    from scipy.special import betaincinv

    _require_counts(successes, trials)
    _require_probability("level", level)
    if successes == trials:
        return 1.0
    if successes == 0:
        return -math.expm1(math.log1p(-level) / trials)
    return float(betaincinv(successes + 1, trials - successes, level))


def lower_limit(successes: int, trials: int, level: float = 0.95) -> float:
    """The one-sided exact lower limit of a probability: above it with confidence ``level``."""
    from scipy.special import betaincinv

    _require_counts(successes, trials)
    _require_probability("level", level)
    if successes == 0:
        return 0.0
    if successes == trials:
        return math.exp(math.log1p(-level) / trials)
    return float(betaincinv(successes, trials - successes + 1, 1.0 - level))


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """The exact two-sided interval of Clopper and Pearson (1934) for a binomial probability.

    Parameters
    ----------
    successes, trials : int
    level : float
        Its coverage is at least this, whatever the probability.
    """
    _require_probability("level", level)
    side = 0.5 * (1.0 + level)
    return lower_limit(successes, trials, side), upper_limit(successes, trials, side)


def trials_needed(delta: float, level: float = 0.95, failures: int = 0) -> int:
    """The least number of trials after which ``failures`` failures put the upper limit at or below ``delta``.

    29 for delta = 0.1 and 299 for delta = 0.01, without failures, at 95 %.
    """
    _require_probability("delta", delta)
    _require_probability("level", level)
    _require_counts(failures, failures)
    low, high = failures, failures + 1
    while upper_limit(failures, high, level) > delta:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if upper_limit(failures, middle, level) <= delta else (middle, high)
    return high


def excess_p_value(failures: int, trials: int, delta: float) -> float:
    """P(Binomial(trials, delta) >= failures): the p-value of "the failure probability is at most delta"."""
    from scipy.special import betainc

    _require_counts(failures, trials)
    _require_probability("delta", delta)
    return 1.0 if failures == 0 else float(betainc(failures, trials - failures + 1, delta))


def confidence_sequence(
    successes: int, trials: int, level: float = 0.95, *, prior: tuple[float, float] = (0.5, 0.5)
) -> tuple[float, float]:
    """An interval for a binomial probability that may be looked at after every trial.

    With probability at least ``level`` the true p lies in the intervals of all times at once: the interval is
    where the beta-binomial mixture likelihood ratio, a martingale under p, stays below 1/(1 - level).

    Parameters
    ----------
    successes, trials : int
        Counts so far.
    level : float
    prior : (float, float)
        Parameters of the mixing Beta law, fixed beforehand.

    References
    ----------
    Robbins 1970 (mixture martingales); Ville's inequality.
    """
    _require_counts(successes, trials)
    _require_probability("level", level)
    if not (min(prior) > 0 and math.isfinite(sum(prior))):
        raise ValueError(f"prior is {prior}; a Beta law has two positive finite parameters")
    if trials == 0:
        return 0.0, 1.0
    failures = trials - successes
    alpha, beta = prior
    mixture = _log_beta(alpha + successes, beta + failures) - _log_beta(alpha, beta)

    def outside(p: float) -> bool:
        likelihood = successes * math.log(p) if successes else 0.0
        likelihood += failures * math.log1p(-p) if failures else 0.0
        return mixture - likelihood >= -math.log1p(-level)

    center = successes / trials
    low = 0.0 if successes == 0 else _boundary(outside, 0.0, center)
    high = 1.0 if failures == 0 else _boundary(outside, 1.0, center)
    return low, high


def _log_beta(x: float, y: float) -> float:
    return math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y)


def _boundary(outside: Callable[[float], bool], far: float, near: float) -> float:
    """The point between ``far`` (outside) and ``near`` (inside) where a monotone predicate changes."""
    for _ in range(200):
        middle = 0.5 * (far + near)
        if middle in (far, near):
            break
        far, near = (middle, near) if outside(middle) else (far, middle)
    return far


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down adjusted p-values (1979), in the order given.

    Rejecting those at most alpha rejects no true hypothesis, with probability at least 1 - alpha.

    Raises
    ------
    ValueError
        If an entry is no number between 0 and 1.
    """
    p = [float(value) for value in p_values]
    for i, value in enumerate(p):
        if not 0 <= value <= 1:
            raise ValueError(f"p_values[{i}] is {value}; a p-value lies between 0 and 1")
    adjusted = [0.0] * len(p)
    running = 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        running = max(running, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = running
    return tuple(adjusted)
