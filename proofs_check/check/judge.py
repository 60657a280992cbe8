"""One claim on one trial: did it hold, where was it tightest, and was anything at stake?"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.statement import Claim, Comparison
from proofs_check.verdict import Outcome

__all__ = ["INFORMATIVE", "Judgement", "judge", "tighten", "tighten_to_measured"]

_ARRAYS = ("index", "observed", "lower", "upper", "trivial", "numerical_error")

Series = np.ndarray[Any, np.dtype[np.float64]]

INFORMATIVE = 10.0
"""How many times below (or above) the trivial value a bound must get for its claim to say something."""


@dataclass(frozen=True)
class Judgement:
    """What became of one claim on one trial.

    Parameters
    ----------
    outcome : Outcome
    evaluated : int
        The number of indices at which the bound says something that was not known without it.
    tightness : float or None
        Bound over observed at the non-trivial index of least relative slack; for a decay, the proved exponent
        over the observed one (log-linear fits over the same indices); None where neither has a meaning.
    detectable : float or None
        The smallest factor by which the bound could be tightened (a decay's exponent multiplied) and be
        found false here.
    least_slack : int or None
        The position of that index of least relative slack.
    slack : float
        The least absolute slack, negative where the claim fails. NaN without an index.
    room : float or None
        The factor by which the bound could be tightened until it meets the observed value.
    """

    outcome: Outcome
    evaluated: int
    tightness: float | None
    detectable: float | None
    least_slack: int | None
    slack: float
    room: float | None


def judge(claim: Claim) -> Judgement:
    """Compare the observed numbers with their bounds.

    At each index the slack is the distance from the observed value to the nearer bound, negative outside.
    The claim FAILED if the slack is below minus the numerical error anywhere (a NaN fails), is
    WITHIN_ERROR if the slack is closer to zero than that error anywhere, and TRIVIAL if no bound gets ten
    times below (upper) or above (lower) what is known without it. An EQUAL claim holds where the
    difference is at most the numerical error.

    Raises
    ------
    ValueError
        If a bound, a trivial value's side or an error is ill-formed: a NaN bound, a negative or NaN error,
        or lower above upper.
    """
    _require_sane(claim)
    if claim.index.size == 0:
        return Judgement(Outcome.TRIVIAL, 0, None, None, None, math.nan, None)
    slack = _slack(claim)
    informative = _informative(claim)
    evaluated = int(np.count_nonzero(informative))
    failed = ~(slack >= -claim.numerical_error)
    if claim.comparison is Comparison.EQUAL:
        close = np.zeros_like(failed)
    else:
        close = ~failed & (slack < claim.numerical_error)
    if bool(failed.any()):
        outcome = Outcome.FAILED
    elif bool(close.any()):
        outcome = Outcome.WITHIN_ERROR
    else:
        outcome = Outcome.HELD if evaluated else Outcome.TRIVIAL
    place, ratio, detectable = _tightness(claim, informative)
    room = _room(claim, place, ratio)
    return Judgement(outcome, evaluated, ratio, detectable, place, float(np.min(slack)), room)


def _require_sane(claim: Claim) -> None:
    if bool(np.isnan(claim.lower).any()) or bool(np.isnan(claim.upper).any()):
        raise ValueError(f"claim {claim.name!r} has a NaN bound; use -inf or +inf for an absent side")
    if not bool((claim.numerical_error >= 0).all()):
        raise ValueError(f"claim {claim.name!r} has a negative or NaN numerical error")
    if bool((claim.lower > claim.upper).any()):
        raise ValueError(f"claim {claim.name!r} has a lower bound above its upper bound")


def _slack(claim: Claim) -> Series:
    # An absent side leaves infinite slack, even for an infinite observed value (inf - inf would be NaN).
    with np.errstate(invalid="ignore", over="ignore"):
        above = np.where(np.isposinf(claim.upper), np.inf, claim.upper - claim.observed)
        below = np.where(np.isneginf(claim.lower), np.inf, claim.observed - claim.lower)
    slack: Series = np.minimum(above, below)
    return np.where(np.isnan(claim.observed), np.nan, slack)


def _informative(claim: Claim) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Where a bound says ten times more than ``trivial``; everywhere that ``trivial`` is NaN.

    For a trivial value of 0 (an eigenvalue is never negative) any bound strictly beyond it counts.
    """
    trivial = claim.trivial
    if claim.comparison is Comparison.EQUAL:
        gap = np.abs(trivial - claim.lower)
        return np.asarray(np.isnan(trivial) | (gap >= INFORMATIVE * claim.numerical_error) & (gap > 0))
    with np.errstate(over="ignore"):
        below = np.where(trivial > 0, trivial / INFORMATIVE, trivial * INFORMATIVE)
        above = np.where(trivial > 0, trivial * INFORMATIVE, trivial / INFORMATIVE)
    upper = np.isfinite(claim.upper) & (claim.upper <= below) & (claim.upper < trivial)
    lower = np.isfinite(claim.lower) & (claim.lower >= above) & (claim.lower > trivial)
    bounded = np.isfinite(claim.upper) | np.isfinite(claim.lower)
    return np.asarray(bounded & (np.isnan(trivial) | upper | lower))


def _tightness(
    claim: Claim, informative: np.ndarray[Any, np.dtype[np.bool_]]
) -> tuple[int | None, float | None, float | None]:
    """(position of least slack, tightness, smallest detectable tightening)."""
    if claim.comparison is Comparison.EQUAL:
        return _worst_equal(claim, informative), None, None
    if claim.comparison is Comparison.DECAY:
        return _decay_tightness(claim, informative)
    ratios, invert = _bound_ratios(claim)
    usable = informative & np.isfinite(ratios) & (ratios > 0)
    if not bool(usable.any()):
        return None, None, None
    # How close each index comes to its bound, 1 at the bound: the reciprocal for lower bounds.
    closeness = np.where(invert, 1.0 / np.where(usable, ratios, 1.0), ratios)
    place = int(np.argmin(np.where(usable, closeness, np.inf)))
    return place, float(ratios[place]), float(_detectable_bound(claim, usable))


def _room(claim: Claim, place: int | None, ratio: float | None) -> float | None:
    if ratio is None or place is None:
        return None
    inverse = claim.comparison is Comparison.DECAY or bool(_sides(claim)[1][place])
    return 1.0 / ratio if inverse else ratio


def _worst_equal(claim: Claim, informative: np.ndarray[Any, np.dtype[np.bool_]]) -> int | None:
    if not bool(informative.any()):
        return None
    excess = np.abs(claim.observed - claim.lower) - claim.numerical_error
    return int(np.argmax(np.where(informative & ~np.isnan(excess), excess, -np.inf)))


def _sides(claim: Claim) -> tuple[Any, Any]:
    """Where the claim is an interval, and where it is a lower bound alone; elsewhere it is an upper bound."""
    has_lower, has_upper = np.isfinite(claim.lower), np.isfinite(claim.upper)
    interval = has_lower & has_upper & (claim.comparison not in (Comparison.UPPER, Comparison.LOWER))
    lower_only = has_lower & ~interval & ((claim.comparison is Comparison.LOWER) | ~has_upper)
    return interval, lower_only


def _half_width(claim: Claim) -> tuple[Series, Series]:
    """Half the interval's width, and how far the observed value is from its centre."""
    with np.errstate(invalid="ignore", over="ignore"):
        return (claim.upper - claim.lower) / 2.0, np.abs(claim.observed - (claim.upper + claim.lower) / 2.0)


def _bound_ratios(claim: Claim) -> tuple[Series, Any]:
    """bound/observed by index, and where the bound is a lower one (so that it is at most 1 when it holds)."""
    interval, lower_only = _sides(claim)
    half, away = _half_width(claim)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        bound = np.where(interval, half, np.where(lower_only, claim.lower, claim.upper))
        ratios: Series = bound / np.where(interval, away, claim.observed)
    return ratios, lower_only


def _detectable_bound(claim: Claim, usable: np.ndarray[Any, np.dtype[np.bool_]]) -> float:
    """The smallest factor c for which ``tighten(claim, c)`` fails by more than the numerical error."""
    interval, lower_only = _sides(claim)
    half, away = _half_width(claim)
    error = claim.numerical_error
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        from_interval = np.where(away > error, half / (away - error), np.inf)
        from_lower = (claim.observed + error) / claim.lower
        from_upper = np.where(claim.observed > error, claim.upper / (claim.observed - error), np.inf)
    factors = np.where(interval, from_interval, np.where(lower_only, from_lower, from_upper))
    return float(np.min(np.where(usable & (factors > 0), factors, np.inf)))


def _decay_tightness(
    claim: Claim, informative: np.ndarray[Any, np.dtype[np.bool_]]
) -> tuple[int | None, float | None, float | None]:
    """Exponents from log-linear fits of the bound and of the observed values over the evaluated indices."""
    usable = np.isfinite(claim.upper) & (claim.upper > 0) & (claim.observed > 0) & np.isfinite(claim.observed)
    if not bool(informative.any()) or np.unique(claim.index[usable]).size < 2:
        return None, None, None
    index = claim.index[usable]
    proved = _exponent(index, np.log(claim.upper[usable]))
    seen = _exponent(index, np.log(claim.observed[usable]))
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.where(usable & informative, claim.upper / np.where(usable, claim.observed, 1.0), np.inf)
    place = int(np.argmin(gap)) if bool(np.isfinite(gap).any()) else None
    if not proved > 0 or not seen > 0:
        return place, None, None
    reach = usable & (claim.observed > claim.numerical_error) & (claim.index > 0)
    if not bool(reach.any()):
        return place, proved / seen, None
    # tighten() multiplies the exponent, so log upper falls by (c - 1) * proved * index.
    room = np.log(claim.upper[reach]) - np.log(claim.observed[reach] - claim.numerical_error[reach])
    factors = 1.0 + np.maximum(room, 0.0) / (proved * claim.index[reach])
    return place, proved / seen, float(np.min(factors))


def _exponent(index: Series, logarithm: Series) -> float:
    centred = index - index.mean()
    return -float(centred @ (logarithm - logarithm.mean()) / (centred @ centred))


def tighten(claim: Claim, factor: float) -> Claim:
    """The claim with its bound tightened by ``factor`` > 1.

    An upper bound is divided by it, a lower bound multiplied, an interval narrowed about its centre, and
    a decay's exponent multiplied. The claim comes back unchanged when it is an equality.

    Raises
    ------
    ValueError
        If factor is not a positive finite number.
    """
    if not (math.isfinite(factor) and factor > 0):
        raise ValueError(f"factor is {factor}; it must be a positive finite number")
    lower, upper = claim.lower, claim.upper
    if claim.comparison is Comparison.DECAY:
        usable = np.isfinite(upper) & (upper > 0)
        if np.unique(claim.index[usable]).size >= 2:
            proved = _exponent(claim.index[usable], np.log(upper[usable]))
            upper = upper * np.exp(-(factor - 1.0) * proved * claim.index)
    elif claim.comparison is not Comparison.EQUAL:
        interval, lower_only = _sides(claim)
        with np.errstate(invalid="ignore", over="ignore"):
            centre, half = (upper + lower) / 2.0, (upper - lower) / (2.0 * factor)
            upper = np.where(interval, centre + half, np.where(lower_only, upper, upper / factor))
            lower = np.where(interval, centre - half, np.where(lower_only, lower * factor, lower))
    return dataclasses.replace(
        claim, name=f"{claim.name}, tightened by {factor:.3g}", lower=lower, upper=upper
    )


def tighten_to_measured(claim: Claim, factor: float) -> Claim | None:
    """The claim on its non-trivial indices, tightened to ``factor`` times its measured tightness there.

    The tightness is measured with the numerical error allowed for: a fit whose exponent is known to 0.5 can
    only refute a bound that lies further than that. With a factor above 1 the claim is then false; if every
    value is under its error, no tightening can be seen and the claim comes back undecided. None when the
    claim has no tightness.
    """
    found = judge(claim)
    if found.room is None:
        return None
    seen = found.detectable if found.detectable is not None and math.isfinite(found.detectable) else 0.0
    room = max(found.room, seen)
    where = _informative(claim)
    parts = {name: getattr(claim, name)[where] for name in _ARRAYS}
    return tighten(dataclasses.replace(claim, **parts), factor * room)
