"""What trials say of a failure probability: exact one-sided limits at 95 %."""

from __future__ import annotations

from proofs_check.verdict import Verdict
from shallow.statistics import excess_p_value, lower_limit, trials_needed, upper_limit

__all__ = ["decide"]


def decide(*, held: int, failed: int, within: int, trivial: int, delta: float) -> tuple[Verdict, str, float]:
    """HOLDS, VIOLATED, UNDECIDED or VACUOUS for "with probability at least 1 - delta", why, and a p-value.

    A trial within its numerical error counts as a failure against HOLDS and as a success against VIOLATED;
    a trial in which nothing was at stake counts towards VIOLATED's trials only.
    """
    telling, all_trials = held + failed + within, held + failed + within + trivial
    p_value = excess_p_value(failed, all_trials, delta)
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
    needed = trials_needed(delta, failures=bad)
    text = (
        f"{bad} failures in {telling} trials leave the failure probability up to {high:.3g} > {delta:g}; "
        f"{needed} trials are needed if no more fail"
    )
    return Verdict.UNDECIDED, text, p_value
