"""False relatives of a statement: a check that cannot refute them would not notice an error either."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from proofs_check.check.judge import judge, tighten_to_measured
from proofs_check.check.result import MutantResult, Result
from proofs_check.check.run import check
from proofs_check.statement import Claim, Hypothesis, Mutant, Point, Statement
from proofs_check.verdict import HypothesisStatus, Outcome, Verdict

__all__ = ["TIGHTENING", "check_mutant", "check_mutants", "tightened"]

TIGHTENING = 1.25


def tightened(statement: Statement, factor: float = TIGHTENING) -> Statement:
    """The statement with each bound drawn ``factor`` times closer than where the observed values lie.

    Each claim is tightened to ``factor`` times its own measured tightness on the instance at hand, so that
    it is false there unless the numerical error is too large to see it. Claims without a tightness are
    dropped. It speaks of single instances: a probability is left out, and a constant the source leaves open
    is read as whatever the instance has.
    """
    changes: dict[str, Any] = {
        "key": f"{statement.key}#tightened",
        "title": f"{statement.title}, tightened to {factor:g} times its measured tightness",
        "probability": None,
        "mutants": _none,
    }
    claims_of, law_of = statement.claims, statement.law
    if claims_of is not None:

        def claims(instance: Any, evidence: Any) -> Sequence[Claim]:
            return _tighten_all(claims_of(instance, evidence), factor)

        changes["claims"] = claims
    if law_of is not None:

        def law(parameters: Any, points: Sequence[Point]) -> Sequence[Claim]:
            return _tighten_all(law_of(parameters, points), factor)

        changes["law"] = law
    return _definite(dataclasses.replace(statement, **changes))


def _definite(statement: Statement) -> Statement:
    """The statement with constants that the source leaves open read as whatever the instance has.

    Only so can a mutant be refuted: its witness is a definite instance.
    """
    return dataclasses.replace(
        statement,
        hypotheses=lambda instance: _settled(statement.hypotheses(instance)),
        hypotheses_along=lambda instance, evidence: _settled(statement.hypotheses_along(instance, evidence)),
    )


def _settled(hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
    return [
        dataclasses.replace(item, status=HypothesisStatus.TRUE)
        if item.status is HypothesisStatus.UP_TO_CONSTANT
        else item
        for item in hypotheses
    ]


def _none() -> Sequence[Mutant]:
    return ()


def _tighten_all(claims: Sequence[Claim], factor: float) -> list[Claim]:
    made = [tighten_to_measured(claim, factor) for claim in claims]
    return [claim for claim in made if claim is not None]


def check_mutants(
    statement: Statement, *, seed: int = 0, result: Result | None = None
) -> tuple[MutantResult, ...]:
    """Check every mutant on its witness; each should be refuted.

    With ``result``, a check of the statement whose conclusion was seen, the claim tightened in that check's
    worst instance is added: its numbers are at hand, so nothing is run again.

    Cost: one check for each of the statement's own mutants.
    """
    made = [_check_one(item, seed) for item in statement.mutants()]
    if result is not None and result.held > 0:
        made.extend(_tightened_in(result))
    return tuple(made)


def check_mutant(mutant: Mutant, *, seed: int) -> Result:
    """Check one mutant on its witness: open constants as they are there, as many trials as decide."""
    probability = mutant.statement.probability
    trials = mutant.trials if probability is None or mutant.trials > 1 else None
    return check(_definite(mutant.statement), parameters=mutant.parameters, seed=seed, trials=trials)


def _check_one(mutant: Mutant, seed: int) -> MutantResult:
    result = check_mutant(mutant, seed=seed)
    return MutantResult(
        name=mutant.name,
        why_false=mutant.why_false,
        refuted=result.verdict is Verdict.VIOLATED,
        verdict=result.verdict,
        reason=result.reason,
        claims=tuple(item.claim for item in result.claims),
        parameters=mutant.parameters,
        seed=seed,
    )


def _tightened_in(result: Result) -> list[MutantResult]:
    """The conclusion tightened to 1.25 times its measured tightness where it was tightest.

    The first claim serves that was seen to hold and whose observed values exceed their numerical error.
    """
    held = [item for item in result.claims if item.outcome is Outcome.HELD]
    for item in sorted(held, key=lambda item: item.detectable is None):
        claim = tighten_to_measured(item.claim, TIGHTENING)
        if claim is None:
            continue
        judgement = judge(claim)
        refuted = judgement.outcome is Outcome.FAILED
        seen = "none" if item.detectable is None else f"a factor {item.detectable:.3g}"
        return [
            MutantResult(
                name=f"tightened-{TIGHTENING:g}",
                why_false=f"{item.name}: {TIGHTENING:g} times tighter than what was seen beyond the error",
                refuted=refuted,
                verdict=Verdict.VIOLATED if refuted else Verdict.UNDECIDED,
                reason=f"slack {judgement.slack:.3g}; the smallest tightening this check detects: {seen}",
                claims=(claim,),
                parameters=result.parameters,
                seed=result.seed,
            )
        ]
    return []
