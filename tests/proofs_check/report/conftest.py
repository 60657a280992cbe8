"""Results made by hand, one of each kind, so that the report is tested without training anything."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from proofs_check.check.result import ClaimSummary, MutantResult, Result
from proofs_check.statement import (
    Claim,
    Comparison,
    Constant,
    Grade,
    Hypothesis,
    Probability,
    Quantifier,
    Source,
    Statement,
)
from proofs_check.verdict import Evidence, Outcome, Regime, Verdict

Maker = Callable[..., Result]

BIBTEX = """@inproceedings{made2024up,
  author = {Up, Made and Other, Some},
  title = {A statement made up for testing},
  year = {2024}
}"""


@dataclass(frozen=True)
class Parameters:
    n: int = 5
    m: int = 1000
    label_scale: float = 0.01


def _statement(key: str, **changes: Any) -> Statement:
    fields: dict[str, Any] = {
        "key": key,
        "title": "Descent converges when $m \\ge n$ & <nothing> else happens",
        "kind": "theorem",
        "family": key.split("/")[0],
        "source": Source("Up and Other", "A statement <made up>", 2024, "Theorem 1", "2401.00001", BIBTEX),
        "grade": Grade.DERIVED,
        "mathematics": r"{m} \ge \frac{n}{{label_scale}} \\ \|r_k\|^2 \le (1 - \eta\lambda_0/2)^k \|r_0\|^2",
        "symbols": {"lambda_0": "smallest eigenvalue", r"\|r_k\|": "residual", "step_constant": "a <number>"},
        "presets": {"quick": Parameters()},
        "instance": lambda parameters, streams, problem: None,
        "hypotheses": lambda instance: (),
        "claims": lambda instance, evidence: (),
    }
    return Statement(**{**fields, **changes})


def _summary(claim: Claim, outcome: Outcome, tightness: float | None) -> ClaimSummary:
    fields = {name: getattr(claim, name) for name in Claim.__dataclass_fields__}
    return ClaimSummary(
        **fields,
        outcome=outcome,
        tightness=tightness,
        evaluated=claim.index.size,
        least_slack=claim.index.size - 1 if claim.index.size else None,
        detectable=1.3,
        trial=0,
    )


def decay(factor: float = 1.0) -> Claim:
    """A residual that decays twice as fast as claimed; with a factor above 1 it starts above its bound."""
    steps = np.arange(1, 201)
    return Claim(
        "residual",
        steps,
        factor * np.exp(-0.06 * steps),
        -math.inf,
        np.exp(-0.03 * steps),
        1.0,
        1e-12,
        Comparison.DECAY,
        index_name="step",
        unit=r"$\|r_k\|/\|r_0\|$",
        log_scale=True,
    )


def exponents() -> Claim:
    """Two fitted exponents beside the intervals claimed of them."""
    return Claim(
        "exponents",
        [1, 2],
        [3.1, -1.0],
        [2.5, -1.5],
        [4.0, -0.5],
        math.nan,
        0.2,
        Comparison.LIMIT,
        Quantifier.SEARCHED,
    )


def _result(key: str = "made2024/theorem-1", verdict: Verdict = Verdict.HOLDS, **changes: Any) -> Result:
    claims = changes.pop("claims", (_summary(decay(), Outcome.HELD, 0.5),))
    fields: dict[str, Any] = {
        "key": key,
        "kind": "theorem",
        "statement": changes.pop("statement", None) or _statement(key),
        "parameters": Parameters(),
        "size": "quick",
        "seed": 0,
        "verdict": verdict,
        "evidence": Evidence.NUMERIC,
        "outside": False,
        "regime": Regime.LAZY,
        "regime_value": 0.03,
        "tightness": 0.5,
        "trials": 30,
        "inside": 30,
        "held": 30,
        "failed": 0,
        "hypotheses": (
            Hypothesis.inequality("width", "wide enough", variable="m", have=1000.0, sense=">=", need=6.7e2),
            Hypothesis.fact("unit-rows", r"every $\|x_i\| = 1$", True, "X"),
        ),
        "evaluated": 200,
        "claims": claims,
        "outcomes": (Outcome.HELD,) * 30,
        "reason": "every hypothesis is true and the conclusion held in all 30 trials",
        "mutants": (
            MutantResult("tightened", "the bound is 1.3 times smaller", True, Verdict.VIOLATED, "step 3"),
        ),
        "replay": "import proofs_check\nprint('<again>')",
        "seconds": 1.5,
    }
    return Result(**{**fields, **changes})


def _outside() -> Result:
    width = Hypothesis.inequality("width", "wide", variable="m", have=1e3, sense=">=", need=3.1e9)
    return _result("made2024/outside", Verdict.NOT_APPLICABLE, hypotheses=(width,), outside=True, inside=0)


def _up_to_constant() -> Result:
    key = "other2020/scaling"
    width = Hypothesis.inequality(
        "width", "wide", variable="m", have=1e3, sense=">=", need=math.inf, up_to_constant=True
    )
    statement = _statement(
        key,
        constants=(Constant("C", "of the width"), Constant("c", "of the step", 0.5)),
        probability=Probability({"quick": 0.1}, frozenset({"init"}), {"quick": 30}),
        witness="its constant is open",
    )
    claims = (_summary(exponents(), Outcome.HELD, None),)
    return _result(
        key,
        Verdict.CONSISTENT,
        statement=statement,
        hypotheses=(width, Hypothesis.not_checkable("law", "rows are Gaussian")),
        claims=claims,
        tightness=None,
        regime=None,
        regime_value=None,
        p_violation=1.0,
        p_adjusted=1.0,
    )


def _violated() -> Result:
    outcomes = (Outcome.FAILED,) * 3 + (Outcome.HELD,) * 25 + (Outcome.WITHIN_ERROR, Outcome.TRIVIAL)
    claims = (_summary(decay(1.5), Outcome.FAILED, 1.2),)
    changes: dict[str, Any] = {"claims": claims, "outcomes": outcomes, "held": 25, "failed": 3}
    return _result(
        "other2020/violated", Verdict.VIOLATED, regime=Regime.NOT_LAZY, regime_value=2.0, **changes
    )


def _empty() -> Result:
    changes: dict[str, Any] = {"claims": (), "outcomes": (), "hypotheses": (), "mutants": (), "replay": ""}
    numbers: dict[str, Any] = {"trials": 0, "inside": 0, "held": 0, "evaluated": 0, "tightness": None}
    return _result(
        "own/lemma", Verdict.UNDECIDED, regime=Regime.NO_RUN, regime_value=None, **changes, **numbers
    )


@pytest.fixture(scope="session")
def make_result() -> Maker:
    """Build a result, any field of which may be given."""
    return _result


@pytest.fixture(scope="session")
def summarized() -> Callable[[Claim, Outcome], ClaimSummary]:
    """Make a claim into what a result keeps of it."""
    return lambda claim, outcome: _summary(claim, outcome, None)


@pytest.fixture(scope="session")
def results() -> tuple[Result, ...]:
    """One result of every kind the page must show."""
    vacuous = _result("own/vacuous", Verdict.VACUOUS, outcomes=(Outcome.TRIVIAL,) * 30, held=0)
    return (_result(), _outside(), _up_to_constant(), _violated(), _empty(), vacuous)
