"""The result's record, put together from trials and the decision on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from proofs_check.check.combine import Decision, regime_of, worst_hypotheses
from proofs_check.check.draw import Trial
from proofs_check.check.judge import Judgement
from proofs_check.check.result import ClaimSummary, Result
from proofs_check.check.trials import Job
from proofs_check.statement import Claim, Statement
from proofs_check.verdict import Evidence, Outcome, Regime, Verdict

__all__ = ["compose", "refused"]


def compose(job: Job, trials: Sequence[Trial], decision: Decision) -> Result:
    """Everything a verdict rests on, as one record."""
    statement = job.statement
    # A law is fitted to many runs of which only summaries are kept: trained, but not measured.
    trained = statement.law is not None or any(trial.trained for trial in trials)
    counted = [trials[i] for i in decision.inside] or [trial for trial in trials if not trial.refusal]
    regime, regime_value = regime_of([trial.regime_value for trial in trials], trained)
    claims = _summaries(counted)
    return Result(
        key=statement.key,
        kind=statement.kind,
        statement=statement,
        parameters=job.parameters,
        size=job.size,
        seed=job.seed,
        verdict=decision.verdict,
        evidence=_evidence(statement),
        outside=decision.outside,
        regime=regime,
        regime_value=regime_value if regime_value is not None and regime_value < float("inf") else None,
        tightness=next((item.tightness for item in claims if item.tightness is not None), None),
        trials=len(trials),
        inside=len(decision.inside),
        held=decision.held,
        failed=decision.failed,
        hypotheses=worst_hypotheses(counted or trials),
        evaluated=sum(item.evaluated for item in claims),
        claims=claims,
        outcomes=tuple(trial.outcome for trial in trials),
        reason=decision.reason,
        p_violation=decision.p_violation,
        notes=tuple(statement.notes),
    )


def _evidence(statement: Statement) -> Evidence:
    statistical = statement.probability is not None or statement.law is not None
    return min(statement.numeric, Evidence.STATISTICAL) if statistical else statement.numeric


_SEVERITY = (Outcome.FAILED, Outcome.WITHIN_ERROR, Outcome.TRIVIAL, Outcome.HELD)


def _summaries(trials: Sequence[Trial]) -> tuple[ClaimSummary, ...]:
    names = dict.fromkeys(claim.name for trial in trials for claim in trial.claims)
    return tuple(_summary(name, trials) for name in names)


def _summary(name: str, trials: Sequence[Trial]) -> ClaimSummary:
    """The claim at its worst outcome and, among those trials, where the bound is tightest."""
    found = [
        (trial.number, claim, judgement)
        for trial in trials
        for claim, judgement in zip(trial.claims, trial.judgements, strict=True)
        if claim.name == name
    ]

    def badness(item: tuple[int, Claim, Judgement]) -> tuple[int, float]:
        detectable = item[2].detectable
        return _SEVERITY.index(item[2].outcome), float("inf") if detectable is None else detectable

    number, claim, judgement = min(found, key=badness)
    fields: dict[str, Any] = {item.name: getattr(claim, item.name) for item in dataclasses.fields(claim)}
    detectable = judgement.detectable
    return ClaimSummary(
        **fields,
        outcome=judgement.outcome,
        tightness=judgement.tightness,
        evaluated=judgement.evaluated,
        least_slack=judgement.least_slack,
        detectable=detectable if detectable is not None and detectable < float("inf") else None,
        trial=number,
    )


def refused(job: Job, why: str) -> Result:
    """The result for a statement that does not take these data, and why."""
    decision = Decision(Verdict.NOT_APPLICABLE, Verdict.NOT_APPLICABLE, why, False, (), 0, 0)
    return dataclasses.replace(compose(job, (), decision), regime=Regime.NO_RUN)
