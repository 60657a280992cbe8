"""What trials say of a failure probability: exact one-sided limits at 95 %."""

from __future__ import annotations

from collections.abc import Sequence

from proofs_check.verdict import Verdict

__all__ = ["LEVEL", "decide", "holm", "lower_limit", "p_violation", "trials_needed", "upper_limit"]

LEVEL = 0.95


def upper_limit(failures: int, trials: int) -> float:
    """The exact one-sided 95 % upper limit of a failure probability (Clopper and Pearson, 1934)."""
    from scipy.stats import beta

    return 1.0 if failures >= trials else float(beta.ppf(LEVEL, failures + 1, trials - failures))


def lower_limit(failures: int, trials: int) -> float:
    """The exact one-sided 95 % lower limit of a failure probability."""
    from scipy.stats import beta

    return 0.0 if failures == 0 else float(beta.ppf(1.0 - LEVEL, failures, trials - failures + 1))


def trials_needed(delta: float, failures: int = 0) -> int:
    """The fewest trials with that many failures whose upper limit is at most ``delta``."""
    low, high = failures, failures + 1
    while upper_limit(failures, high) > delta:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if upper_limit(failures, middle) <= delta else (middle, high)
    return high


def p_violation(failures: int, trials: int, delta: float) -> float:
    """The chance of at least that many failures when each has probability ``delta``."""
    from scipy.stats import binom

    return float(binom.sf(failures - 1, trials, delta))


def decide(*, held: int, failed: int, within: int, trivial: int, delta: float) -> tuple[Verdict, str, float]:
    """HOLDS, VIOLATED, UNDECIDED or VACUOUS for "with probability at least 1 - delta", why, and a p-value.

    A trial within its numerical error counts as a failure against HOLDS and as a success against VIOLATED;
    a trial in which nothing was at stake counts towards VIOLATED's trials only.
    """
    telling, all_trials = held + failed + within, held + failed + within + trivial
    p_value = p_violation(failed, all_trials, delta)
    if lower_limit(failed, all_trials) > delta:
        low = lower_limit(failed, all_trials)
        text = f"{failed} failures in {all_trials} trials: a failure probability of at least {low:.3g}"
        return Verdict.VIOLATED, f"{text} > {delta:g} (one-sided, 95 %)", p_value
    if telling == 0:
        return Verdict.VACUOUS, "no trial's bound gets ten times beyond what is known without it", p_value
    bad = failed + within
    high = upper_limit(bad, telling)
    if high <= delta:
        text = f"{bad} failures in {telling} trials: a failure probability of at most {high:.3g} <= {delta:g}"
        return Verdict.HOLDS, text + " (one-sided, 95 %)", p_value
    needed = trials_needed(delta, bad)
    text = (
        f"{bad} failures in {telling} trials leave the failure probability up to {high:.3g} > {delta:g}; "
        f"{needed} trials are needed if no more fail"
    )
    return Verdict.UNDECIDED, text, p_value


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment: each p-value times the number of those not smaller, made monotone."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = running
    return adjusted
