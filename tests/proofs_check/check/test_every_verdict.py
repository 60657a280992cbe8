"""Each verdict is reached by a statement made for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from proofs_check import (
    Claim,
    Comparison,
    Evidence,
    Grade,
    Hypothesis,
    HypothesisStatus,
    Outcome,
    Point,
    Probability,
    Quantifier,
    Regime,
    Source,
    Statement,
    Verdict,
    check,
)
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams


@dataclass(frozen=True)
class Numbers:
    n: int = 20
    value: float = 0.01


OWN = Source("A. Tester", "Means of squares", 2024, "Lemma 1")


def toy(**changes: Any) -> Statement:
    """|value| <= 1 at every index, known without the statement only up to 100."""
    fields: dict[str, Any] = {
        "key": "toy/bounded",
        "title": "A number is at most one",
        "kind": "lemma",
        "family": "toy",
        "source": OWN,
        "grade": Grade.OWN,
        "mathematics": "x \\le 1",
        "symbols": {"x": "a number"},
        "presets": {"quick": Numbers(), "full": Numbers(n=40)},
        "instance": lambda parameters, streams, problem: parameters,
        "hypotheses": lambda instance: [Hypothesis.fact("real", "x is real", True)],
        "claims": lambda instance, evidence: [
            Claim.from_arrays("bounded", np.full(instance.n, instance.value), upper=1.0, trivial=100.0)
        ],
        **changes,
    }
    return Statement(**fields)


def claiming(**arguments: Any) -> Callable[[Any, Any], list[Claim]]:
    return lambda instance, evidence: [Claim.from_arrays("bounded", **arguments)]


def supposing(*hypotheses: Hypothesis) -> Callable[[Any], list[Hypothesis]]:
    return lambda instance: list(hypotheses)


def test_true_hypotheses_and_a_seen_informative_bound_hold() -> None:
    result = check(toy())
    assert result.verdict is Verdict.HOLDS
    assert (result.evaluated, result.held, result.failed, result.trials) == (20, 1, 0, 1)
    assert result.tightness == pytest.approx(100.0)
    assert result.evidence is Evidence.NUMERIC
    assert result.regime is Regime.NO_RUN


def test_a_conclusion_beyond_the_error_is_a_violation() -> None:
    result = check(toy(), set={"value": 2.0})
    assert result.verdict is Verdict.VIOLATED
    assert result.violates


def test_a_violated_finding_is_reported_but_is_no_violation_of_a_theorem() -> None:
    result = check(toy(kind="finding"), set={"value": 2.0})
    assert result.verdict is Verdict.VIOLATED
    assert not result.violates


def test_slack_under_the_numerical_error_is_undecided() -> None:
    near = toy(claims=claiming(observed=1.0 - 1e-12, upper=1.0, trivial=100.0, numerical_error=1e-9))
    assert check(near).verdict is Verdict.UNDECIDED


def test_a_bound_not_ten_times_below_the_trivial_value_is_vacuous() -> None:
    result = check(toy(claims=claiming(observed=0.01, upper=1.0, trivial=9.99)))
    assert result.verdict is Verdict.VACUOUS
    assert "bounded" in result.reason


def test_no_evaluated_index_is_vacuous() -> None:
    empty = np.empty(0)
    nothing = Claim("none", empty, empty, empty, empty, empty, empty, Comparison.UPPER)
    assert check(toy(claims=lambda instance, evidence: [nothing])).verdict is Verdict.VACUOUS


def test_a_false_hypothesis_is_named_with_its_ratio_and_the_conclusion_seen_is_outside() -> None:
    narrow = Hypothesis.inequality("width", "m is large", variable="m", have=10, sense=">=", need=1000)
    result = check(toy(hypotheses=supposing(narrow)))
    assert result.verdict is Verdict.NOT_APPLICABLE
    assert result.outside
    assert "width" in result.reason
    assert "1e+03" in result.reason
    failing = check(toy(hypotheses=supposing(narrow)), set={"value": 2.0})
    assert failing.verdict is Verdict.NOT_APPLICABLE
    assert not failing.outside


def test_a_trivially_seen_conclusion_is_not_outside() -> None:
    broken = supposing(Hypothesis.fact("real", "x is real", False))
    result = check(toy(hypotheses=broken, claims=claiming(observed=0.01, upper=1.0, trivial=2.0)))
    assert result.verdict is Verdict.NOT_APPLICABLE
    assert not result.outside


def test_up_to_a_constant_is_consistent_at_best_and_never_violated() -> None:
    open_width = Hypothesis.inequality(
        "width", "m >= C n", variable="m", have=10, sense=">=", need=1000, up_to_constant=True
    )
    assert check(toy(hypotheses=supposing(open_width))).verdict is Verdict.CONSISTENT
    failing = check(toy(hypotheses=supposing(open_width)), set={"value": 2.0})
    assert failing.verdict is Verdict.UNDECIDED
    assert "width" in failing.reason


def test_a_search_refutes_or_is_consistent() -> None:
    def searching(value: float) -> Statement:
        return toy(claims=claiming(observed=value, upper=1.0, trivial=100.0, quantifier=Quantifier.SEARCHED))

    assert check(searching(0.5)).verdict is Verdict.CONSISTENT
    assert check(searching(2.0)).verdict is Verdict.VIOLATED


def test_a_law_counts_only_when_it_is_assumed_by_name() -> None:
    statement = toy(hypotheses=supposing(Hypothesis.not_checkable("gaussian", "rows are Gaussian")))
    result = check(statement)
    assert result.verdict is Verdict.NOT_APPLICABLE
    assert "--assume gaussian" in result.reason
    assumed = check(statement, assume=["gaussian"])
    assert assumed.verdict is Verdict.HOLDS
    assert assumed.assumed == ("gaussian",)
    assert assumed.hypotheses[0].status is HypothesisStatus.NOT_CHECKABLE


def test_nan_observed_fails_and_a_nan_bound_is_an_error_of_the_statement() -> None:
    assert check(toy(claims=claiming(observed=np.nan, upper=1.0))).verdict is Verdict.VIOLATED
    with pytest.raises(ValueError, match="NaN bound"):
        check(toy(claims=claiming(observed=0.0, upper=np.array([np.nan]), comparison=Comparison.UPPER)))


def coin(failing: set[int], delta: float = 0.1, count: int = 30) -> Statement:
    """A statement whose conclusion fails in the named trials."""
    return toy(
        instance=lambda parameters, streams, problem: streams.trial,
        claims=lambda instance, evidence: [
            Claim.from_arrays("success", 2.0 if instance in failing else 0.01, upper=1.0, trivial=100.0)
        ],
        probability=Probability({"quick": delta}, frozenset({"init"}), {"quick": count}),
    )


@pytest.mark.parametrize(
    ("failures", "verdict"),
    [(0, Verdict.HOLDS), (1, Verdict.UNDECIDED), (5, Verdict.UNDECIDED), (7, Verdict.VIOLATED)],
)
def test_thirty_trials_decide_a_tenth(failures: int, verdict: Verdict) -> None:
    result = check(coin(set(range(failures))))
    assert result.verdict is verdict
    assert (result.trials, result.held, result.failed) == (30, 30 - failures, failures)
    assert result.evidence is Evidence.STATISTICAL


def test_undecided_says_how_many_trials_are_needed() -> None:
    assert "46 trials are needed" in check(coin({3})).reason
    assert check(coin({3}), trials=46).verdict is Verdict.HOLDS


def test_another_number_of_trials_is_exploratory() -> None:
    assert check(coin(set()), trials=10).exploratory
    assert not check(coin(set())).exploratory


def test_trials_outside_the_hypotheses_are_not_counted() -> None:
    statement = dataclasses.replace(
        coin({1}, count=31),
        hypotheses=lambda instance: [Hypothesis.fact("good", "trial is good", instance != 1)],
    )
    result = check(statement)
    assert result.verdict is Verdict.HOLDS
    assert (result.trials, result.inside) == (31, 30)
    assert [item.status for item in result.hypotheses] == [HypothesisStatus.TRUE]


def test_only_the_named_randomness_moves_between_trials() -> None:
    drawn: list[tuple[float, float]] = []

    def instance(parameters: Any, streams: Streams, problem: Problem | None) -> Any:
        drawn.append(
            (
                float(streams.generator("inputs", d=2).standard_normal()),
                float(streams.generator("W", d=2).standard_normal()),
            )
        )
        return parameters

    check(
        toy(
            instance=instance,
            probability=Probability({"quick": 0.1}, frozenset({"init"}), {"quick": 30}),
        ),
        seed=3,
    )
    assert len({inputs for inputs, _ in drawn}) == 1
    assert len({weights for _, weights in drawn}) == 30
    assert drawn[0][1] == float(Streams(3).generator("W", d=2).standard_normal())


def test_a_refusal_of_own_data_is_one_line_and_any_other_error_names_the_statement() -> None:
    def refuse(parameters: Any, streams: Streams, problem: Problem | None) -> Any:
        raise ValueError("needs labels of both signs\nmore words")

    data = Problem([[1.0, 0.0], [0.0, 1.0]], [1.0, 1.0])
    result = check(toy(instance=refuse), problem=data)
    assert result.verdict is Verdict.NOT_APPLICABLE
    assert result.reason == "needs labels of both signs"
    with pytest.raises(ValueError, match="both signs"):
        check(toy(instance=refuse))

    def breaks(instance: Any, evidence: Any) -> list[Claim]:
        raise KeyError("gone")

    with pytest.raises(KeyError) as caught:
        check(toy(claims=breaks), problem=data)
    assert any("toy/bounded" in note for note in caught.value.__notes__)


@dataclass(frozen=True)
class Series:
    series: dict[str, Any]


@pytest.mark.parametrize(
    ("distance", "regime"), [(0.05, Regime.LAZY), (0.3, Regime.BETWEEN), (0.8, Regime.NOT_LAZY)]
)
def test_the_regime_is_the_largest_distance_to_the_tangent_model(distance: float, regime: Regime) -> None:
    run = Series({"tangent_distance": np.array([0.0, distance, distance / 2])})
    result = check(toy(run=lambda instance, evidence: run))
    assert result.regime is regime
    assert result.regime_value == distance


def test_a_law_over_a_grid_is_fitted_once_over_all_cells() -> None:
    def law(parameters: Any, points: Any) -> list[Claim]:
        cells = [point for point in points if isinstance(point, Point)]
        sizes = np.log([point.parameters.n for point in cells])
        means = np.log([np.mean(point.summaries) for point in cells])
        slope = float(np.polyfit(sizes, means, 1)[0])
        return [Claim.from_arrays("exponent", slope, lower=1.5, upper=2.5)]

    statement = toy(
        kind="scaling",
        claims=None,
        evidence=lambda instance: float(instance.n) ** 2,
        grid=lambda parameters: [Numbers(n=k) for k in (10, 20, 40)],
        law=law,
        hypotheses=supposing(
            Hypothesis.inequality(
                "width", "m >= C n", variable="m", have=10, sense=">=", need=1000, up_to_constant=True
            )
        ),
    )
    done: list[tuple[int, int]] = []
    result = check(statement, trials=2, progress=lambda k, total: done.append((k, total)))
    assert result.verdict is Verdict.CONSISTENT
    assert done[-1] == (6, 6)
    assert result.outcomes == (Outcome.HELD,)
    wrong = dataclasses.replace(
        statement, law=lambda p, points: [Claim.from_arrays("exponent", 2.0, upper=1.0, trivial=np.nan)]
    )
    assert check(wrong).verdict is Verdict.VIOLATED


def test_when_every_trial_is_outside_only_a_few_are_trained_to_see_the_conclusion() -> None:
    trained: list[int] = []

    def evidence(instance: Any) -> None:
        trained.append(instance)

    outside = dataclasses.replace(
        coin(set()), evidence=evidence, hypotheses=lambda instance: [Hypothesis.fact("good", "no", False)]
    )
    result = check(outside)
    assert result.verdict is Verdict.NOT_APPLICABLE
    assert result.outside
    assert trained == [0, 1, 2]
    assert check(outside, trials=30).trials == 30
    mixed = dataclasses.replace(
        outside, hypotheses=lambda instance: [Hypothesis.fact("good", "trial 29 alone is", instance == 29)]
    )
    assert check(mixed).trials == 30
