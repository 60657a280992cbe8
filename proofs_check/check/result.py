"""What a check returns: one record with everything the terminal, the page and the JSON document show."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np

from proofs_check.statement import Claim, Comparison, FitPoints, Hypothesis, Quantifier, Statement
from proofs_check.verdict import Evidence, HypothesisStatus, Outcome, Regime, Verdict

__all__ = ["ClaimSummary", "MutantResult", "Result", "jsonable", "parameter_values"]


@dataclass(frozen=True, eq=False)
class ClaimSummary:
    """One claim over all trials, with the arrays of a representative trial (the worst) for pictures.

    Parameters
    ----------
    name, index, observed, lower, upper, trivial, numerical_error, comparison, quantifier
    index_name, unit, log_scale, fit
        As in :class:`proofs_check.Claim`, from trial number ``trial``.
    outcome : Outcome
        The worst over the trials whose hypotheses are met (over all trials where none is).
    tightness : float or None
        In the trial where the bound is tightest; None where it has no meaning.
    evaluated : int
        The number of non-trivial evaluated indices, in the representative trial.
    least_slack : int or None
        The position in ``index`` where the observed value comes closest to its bound, non-trivially.
    detectable : float or None
        The smallest factor by which tightening the bound would have been noticed here.
    """

    name: str
    index: Any
    observed: Any
    lower: Any
    upper: Any
    trivial: Any
    numerical_error: Any
    comparison: Comparison
    quantifier: Quantifier
    index_name: str
    unit: str
    log_scale: bool
    fit: tuple[FitPoints, ...]
    outcome: Outcome
    tightness: float | None
    evaluated: int
    least_slack: int | None
    detectable: float | None
    trial: int

    @property
    def claim(self) -> Claim:
        """The representative trial's claim itself."""
        return Claim(**{item.name: getattr(self, item.name) for item in dataclasses.fields(Claim)})


@dataclass(frozen=True, eq=False)
class MutantResult:
    """What became of a false relative of the statement: ``refuted`` is what should be true.

    ``claims``, ``parameters`` and ``seed`` are the witness.
    """

    name: str
    why_false: str
    refuted: bool
    verdict: Verdict
    reason: str
    claims: tuple[Claim, ...] = ()
    parameters: Any = None
    seed: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain data for the JSON document."""
        return {
            "name": self.name,
            "why_false": self.why_false,
            "refuted": self.refuted,
            "verdict": self.verdict.name,
            "reason": self.reason,
        }


@dataclass(frozen=True, eq=False)
class Result:
    """The verdict on a statement, with what it rests on.

    Parameters
    ----------
    key, kind : str
    statement : Statement
    parameters : the parameters it was checked at
    size : str
        The preset the parameters started from: "quick", "full" or "beyond".
    seed : int
    verdict : Verdict
    evidence : Evidence
    outside : bool
        Whether the conclusion was seen, non-trivially, although a hypothesis failed.
    regime : Regime or None
        None when the run did not record the distance to its tangent model.
    regime_value : float or None
        E, the largest over the trials.
    tightness : float or None
        Of the first claim that has one: bound/observed at its tightest; for a decay the ratio of exponents.
    trials : int
        How many were run; ``inside`` of them met every hypothesis.
    inside, held, failed : int
        ``held`` and ``failed`` count conclusions among the ``inside`` trials, or among all if none is inside.
    hypotheses : tuple of Hypothesis
        Each at its worst over the trials that ``held`` counts.
    evaluated : int
        The number of non-trivial evaluated indices over all claims of the representative trial.
    claims : tuple of ClaimSummary
    outcomes : tuple of Outcome
        One a trial.
    reason : str
        One sentence saying why the verdict is what it is.
    exploratory : bool
        Whether the number of trials was overridden, so that the stated confidence was not fixed in advance.
    assumed : tuple of str
        Hypotheses on laws that were taken as true by name.
    p_violation : float or None
        For a statement with a probability: the chance of as many failures if it were true; ``p_adjusted`` is
        that after Holm's correction over the report.
    replay : str
        Three lines of Python that repeat the check.
    duplicates : tuple of str
        Duplicate rows of the user's data, in words.
    seconds : float
    """

    key: str
    kind: str
    statement: Statement
    parameters: Any
    size: str
    seed: int
    verdict: Verdict
    evidence: Evidence
    outside: bool
    regime: Regime | None
    regime_value: float | None
    tightness: float | None
    trials: int
    inside: int
    held: int
    failed: int
    hypotheses: tuple[Hypothesis, ...]
    evaluated: int
    claims: tuple[ClaimSummary, ...]
    outcomes: tuple[Outcome, ...]
    reason: str
    exploratory: bool = False
    assumed: tuple[str, ...] = ()
    p_violation: float | None = None
    p_adjusted: float | None = None
    mutants: tuple[MutantResult, ...] = ()
    replay: str = ""
    data: str = ""
    duplicates: tuple[str, ...] = ()
    seconds: float = 0.0
    notes: tuple[str, ...] = field(default=())

    @property
    def is_finding(self) -> bool:
        """Whether a violation would speak of an empirical paper's finding and not of a theorem."""
        failing = [claim for claim in self.claims if claim.outcome is Outcome.FAILED]
        findings = [claim.comparison is Comparison.FINDING for claim in failing]
        return self.kind == "finding" or (len(findings) > 0 and all(findings))

    @property
    def violates(self) -> bool:
        """Whether this result makes ``proofs-check run`` exit with 1."""
        return self.verdict is Verdict.VIOLATED and not self.is_finding

    @property
    def detectable(self) -> float | None:
        """The smallest tightening of the conclusion that this check would have noticed."""
        found = [claim.detectable for claim in self.claims if claim.detectable is not None]
        return found[0] if found else None

    def to_json(self) -> dict[str, Any]:
        """Plain data for the JSON document: what is absent is null, with its reason under ``missing``."""
        content: dict[str, Any] = {
            "key": self.key,
            "kind": self.kind,
            "family": self.statement.family,
            "title": self.statement.title,
            "source": str(self.statement.source),
            "grade": self.statement.grade.value,
            "verdict": self.verdict.name,
            "evidence": self.evidence.name,
            "outside": self.outside,
            "regime": None if self.regime is None else self.regime.name,
            "regime_value": jsonable(self.regime_value),
            "tightness": jsonable(self.tightness),
            "detectable_tightening": jsonable(self.detectable),
            "trials": self.trials,
            "inside": self.inside,
            "held": self.held,
            "failed": self.failed,
            "hypotheses": [_hypothesis_json(item, self.assumed) for item in self.hypotheses],
            "evaluated": self.evaluated,
            "claims": [_claim_json(item) for item in self.claims],
            "outcomes": [item.name for item in self.outcomes],
            "reason": self.reason,
            "exploratory": self.exploratory,
            "p_violation": jsonable(self.p_violation),
            "p_adjusted": jsonable(self.p_adjusted),
            "size": self.size,
            "seed": self.seed,
            "parameters": jsonable(parameter_values(self.parameters)),
            "probability": None
            if self.statement.probability is None
            else {
                "delta": jsonable(dict(self.statement.probability.delta)),
                "over": sorted(self.statement.probability.over),
            },
            "mutants": [item.to_json() for item in self.mutants],
            "replay": self.replay,
            "data": self.data or None,
            "duplicates": list(self.duplicates),
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
        }
        reasons = self._reasons()
        content["missing"] = {name: reasons[name] for name, value in content.items() if value is None}
        return content

    def _reasons(self) -> dict[str, str]:
        """Why a field is absent, where it is."""
        unmeasured = "the runs did not record the distance to their tangent model"
        untrained = "the statement trains nothing"
        no_number = "the distance to the tangent model ceased to be a finite number"
        certain = "the statement makes no claim about a probability"
        return {
            "tightness": "no claim has a bound and a non-trivial observation to compare",
            "detectable_tightening": "no claim has a bound that could be tightened",
            "regime": unmeasured,
            "regime_value": unmeasured
            if self.regime is None
            else (untrained if self.regime is Regime.NO_RUN else no_number),
            "probability": certain,
            "p_violation": certain,
            "p_adjusted": certain if self.p_violation is None else "it was not corrected over a report",
            "data": "the statement drew its own instance",
        }


def _hypothesis_json(item: Hypothesis, assumed: tuple[str, ...]) -> dict[str, Any]:
    content = {
        "name": item.name,
        "text": item.text,
        "status": item.status.name,
        "assumed": item.name in assumed and item.status is HypothesisStatus.NOT_CHECKABLE,
        "variable": item.variable,
        "have": jsonable(item.have),
        "need": jsonable(item.need),
        "sense": item.sense,
        "ratio": jsonable(item.ratio),
    }
    if content["ratio"] is None:
        content["missing"] = "no inequality between two finite numbers"
    return content


def _claim_json(item: ClaimSummary) -> dict[str, Any]:
    content: dict[str, Any] = {
        "name": item.name,
        "comparison": item.comparison.value,
        "quantifier": item.quantifier.value,
        "outcome": item.outcome.name,
        "tightness": jsonable(item.tightness),
        "detectable_tightening": jsonable(item.detectable),
        "evaluated": item.evaluated,
        "least_slack": item.least_slack,
        "trial": item.trial,
        "index_name": item.index_name,
        "unit": item.unit,
        "log_scale": item.log_scale,
        "fit": [jsonable(parameter_values(one)) for one in item.fit],
    }
    for name in ("index", "observed", "lower", "upper", "trivial", "numerical_error"):
        values = np.asarray(getattr(item, name))
        content[name] = jsonable(values) if bool(np.isfinite(values).any()) else None
    content["missing"] = {
        name: "absent: the claim has no such side, or no finite value"
        for name in ("index", "observed", "lower", "upper", "trivial", "numerical_error")
        if content[name] is None
    }
    return content


def parameter_values(parameters: Any) -> dict[str, Any]:
    """The fields of a parameters object by name; empty when it is no dataclass."""
    if not dataclasses.is_dataclass(parameters):
        return {}
    return {item.name: getattr(parameters, item.name) for item in dataclasses.fields(parameters)}


def jsonable(value: Any) -> Any:
    """``value`` as plain JSON data; a number that is not finite becomes None."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, np.ndarray | np.generic):
        return jsonable(value.tolist())
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return jsonable(parameter_values(value))
    return str(value)
