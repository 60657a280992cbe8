"""From trials to a verdict: hypotheses first, then the conclusion, then what kind of statement it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proofs_check.check.draw import Trial, met
from proofs_check.check.limits import decide
from proofs_check.statement import Hypothesis, Quantifier
from proofs_check.verdict import HypothesisStatus, Outcome, Regime, Verdict
from shallow.statistics import holm

__all__ = ["Decision", "combine", "regime_of", "worst_hypotheses"]

LAZY_BELOW, NOT_LAZY_ABOVE = 0.1, 0.5

_STATUS_WORST_FIRST = (
    HypothesisStatus.FALSE,
    HypothesisStatus.NOT_CHECKABLE,
    HypothesisStatus.UP_TO_CONSTANT,
    HypothesisStatus.TRUE,
)


@dataclass(frozen=True)
class Decision:
    """A verdict with its counts and its reason.

    ``inside`` are the numbers of the trials that met every hypothesis; ``conclusion`` is what the
    conclusion alone did, before the hypotheses had their say.
    """

    verdict: Verdict
    conclusion: Verdict
    reason: str
    outside: bool
    inside: tuple[int, ...]
    held: int
    failed: int
    p_violation: float | None = None


def combine(
    trials: Sequence[Trial],
    *,
    delta: float | None = None,
    assume: Sequence[str] = (),
    scaling: bool = False,
) -> Decision:
    """The verdict on a statement from its trials.

    Parameters
    ----------
    trials : sequence of Trial
    delta : float, optional
        The failure probability the statement allows; without one a single failure refutes it.
    assume : sequence of str
        Names of NOT_CHECKABLE hypotheses taken as true.
    scaling : bool
        Whether a law was fitted over sizes: only then can a statement with unspecified constants be VIOLATED.
    """
    refusals = [trial.refusal for trial in trials if trial.refusal]
    inside = tuple(i for i, trial in enumerate(trials) if not trial.refusal and met(trial.hypotheses, assume))
    if not inside:
        return _not_applicable(trials, delta, assume, refusals)
    chosen = [trials[i] for i in inside]
    conclusion, reason, p_violation = _conclude(chosen, delta)
    verdict, why = _qualify(conclusion, chosen, scaling)
    left_out = len(trials) - len(inside)
    if left_out:
        reason += f"; {left_out} of {len(trials)} trials were outside the hypotheses and are not counted"
    return Decision(
        verdict=verdict,
        conclusion=conclusion,
        reason=reason + why,
        outside=False,
        inside=inside,
        held=_count(chosen, Outcome.HELD),
        failed=_count(chosen, Outcome.FAILED),
        p_violation=p_violation,
    )


def _count(trials: Sequence[Trial], outcome: Outcome) -> int:
    return sum(trial.outcome is outcome for trial in trials)


def _not_applicable(
    trials: Sequence[Trial], delta: float | None, assume: Sequence[str], refusals: Sequence[str]
) -> Decision:
    spoke = [trial for trial in trials if not trial.refusal]
    held, failed = _count(spoke, Outcome.HELD), _count(spoke, Outcome.FAILED)
    broken = [item for item in worst_hypotheses(trials) if item.status is HypothesisStatus.FALSE]
    if broken:
        reason = "; ".join(_shortfall(item) for item in broken)
        outside = held > 0 and held >= (1.0 - (delta or 0.0)) * len(spoke)
        if outside:
            reason += "; the conclusion was seen all the same"
    elif refusals:
        reason, outside = refusals[0], False
    else:
        open_laws = {
            item.name
            for trial in trials
            for item in trial.hypotheses
            if item.status is HypothesisStatus.NOT_CHECKABLE and item.name not in assume
        }
        names = ", ".join(sorted(open_laws))
        first = names.partition(",")[0]
        reason = f"no finite set of numbers can settle {names}; assume it by name (--assume {first})"
        outside = False
    return Decision(Verdict.NOT_APPLICABLE, Verdict.NOT_APPLICABLE, reason, outside, (), held, failed)


def _shortfall(item: Hypothesis) -> str:
    if item.have != item.have or item.need != item.need:
        return f"{item.name} is false: {item.text}"
    name = item.variable or item.name
    return (
        f"{item.name} is false: {name} {item.sense} {item.need:.3g} is required, "
        f"you have {item.have:.3g} (ratio {item.ratio:.2g})"
    )


def _conclude(trials: Sequence[Trial], delta: float | None) -> tuple[Verdict, str, float | None]:
    """What the conclusion did over trials inside the hypotheses: HOLDS, VIOLATED, UNDECIDED or VACUOUS."""
    counts = {outcome: _count(trials, outcome) for outcome in Outcome}
    if delta is not None:
        return decide(
            held=counts[Outcome.HELD],
            failed=counts[Outcome.FAILED],
            within=counts[Outcome.WITHIN_ERROR],
            trivial=counts[Outcome.TRIVIAL],
            delta=delta,
        )
    if counts[Outcome.FAILED]:
        return Verdict.VIOLATED, _failure_text(trials), None
    if counts[Outcome.WITHIN_ERROR]:
        where = _names(trials, Outcome.WITHIN_ERROR)
        return Verdict.UNDECIDED, f"the slack is under the numerical error{where}", None
    if counts[Outcome.HELD] == 0:
        return Verdict.VACUOUS, _vacuous_text(trials), None
    of = "the trial" if len(trials) == 1 else f"{counts[Outcome.HELD]} of {len(trials)} trials"
    return Verdict.HOLDS, f"the conclusion was seen in {of}, with room for the numerical error", None


def _failure_text(trials: Sequence[Trial]) -> str:
    failed = _count(trials, Outcome.FAILED)
    return f"the conclusion failed in {failed} of {len(trials)} trials" + _names(trials, Outcome.FAILED)


def _names(trials: Sequence[Trial], outcome: Outcome) -> str:
    """ " (claim, by so much)" for the first claim of that outcome."""
    for trial in trials:
        for claim, judgement in zip(trial.claims, trial.judgements, strict=True):
            if judgement.outcome is outcome:
                if judgement.slack != judgement.slack:
                    return f" ({claim.name}: not a number)"
                return f" ({claim.name}: slack {judgement.slack:.3g})"
    return ""


def _vacuous_text(trials: Sequence[Trial]) -> str:
    names: list[str] = []
    for trial in trials:
        for claim, judgement in zip(trial.claims, trial.judgements, strict=True):
            if judgement.outcome is Outcome.TRIVIAL and claim.name not in names:
                names.append(claim.name)
    if not names:
        return "the statement made no claim here"
    return f"the bound of {', '.join(names)} never gets ten times beyond what is known without it"


def _qualify(conclusion: Verdict, trials: Sequence[Trial], scaling: bool) -> tuple[Verdict, str]:
    """What unspecified constants and searches allow of the conclusion's verdict."""
    open_constants = sorted(
        {
            item.name
            for trial in trials
            for item in trial.hypotheses
            if item.status is HypothesisStatus.UP_TO_CONSTANT
        }
    )
    searched = any(claim.quantifier is Quantifier.SEARCHED for trial in trials for claim in trial.claims)
    if conclusion is Verdict.HOLDS and open_constants:
        return Verdict.CONSISTENT, f"; known only up to a constant: {', '.join(open_constants)}"
    if conclusion is Verdict.HOLDS and searched:
        return Verdict.CONSISTENT, "; a search found no counter-example, which proves nothing"
    if conclusion is Verdict.VIOLATED and open_constants and not scaling:
        return (
            Verdict.UNDECIDED,
            f"; a larger constant may excuse this, for it is unspecified in: {', '.join(open_constants)}",
        )
    return conclusion, ""


def worst_hypotheses(trials: Sequence[Trial]) -> tuple[Hypothesis, ...]:
    """Each hypothesis at its worst over the trials: worst status first, then the smallest ratio."""
    worst: dict[str, Hypothesis] = {}
    for trial in trials:
        for item in trial.hypotheses:
            if item.name not in worst or _badness(item) < _badness(worst[item.name]):
                worst[item.name] = item
    return tuple(worst.values())


def _badness(item: Hypothesis) -> tuple[int, float]:
    ratio = item.ratio
    return _STATUS_WORST_FIRST.index(item.status), ratio if ratio == ratio else float("inf")


def regime_of(values: Sequence[float | None], trained: bool) -> tuple[Regime | None, float | None]:
    """The regime by the largest E over the trials, with that E; the thresholds are ours: 0.1 and 0.5."""
    if not trained:
        return Regime.NO_RUN, None
    known = [value for value in values if value is not None]
    if not known:
        return None, None
    worst = max(known)
    if worst < LAZY_BELOW:
        return Regime.LAZY, worst
    return (Regime.NOT_LAZY if worst > NOT_LAZY_ABOVE else Regime.BETWEEN), worst


def holm_reasons(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm-adjusted p-values by key."""
    keys = list(p_values)
    return dict(zip(keys, holm([p_values[key] for key in keys]), strict=True))
