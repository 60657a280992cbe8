"""Du et al. (2019): each statement at its committed setting, its mutants, its constants, its corners."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from proofs_check.check import check, check_mutants
from proofs_check.check.parameters import with_changes
from proofs_check.theorems import THEOREMS
from proofs_check.verdict import Regime, Verdict
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

COMMITTED = {
    "du2019/theorem-4.1": Verdict.CONSISTENT,
    "du2019/flow-explicit": Verdict.HOLDS,
    "du2019/lemma-3.1": Verdict.HOLDS,
    "du2019/lemma-3.2": Verdict.HOLDS,
    "du2019/lemma-3.3": Verdict.HOLDS,
}


def unit_rows(n: int, d: int) -> np.ndarray:
    rows = np.random.default_rng(3).standard_normal((n, d))
    return rows / np.linalg.norm(rows, axis=1)[:, None]


@pytest.mark.parametrize("key", sorted(COMMITTED))
def test_committed_setting(key: str) -> None:
    result = check(THEOREMS[key])
    assert result.verdict is COMMITTED[key], result.reason
    assert result.evaluated > 0
    assert result.held == result.trials


@pytest.mark.parametrize("key", sorted(COMMITTED))
def test_every_mutant_is_refuted(key: str) -> None:
    found = check_mutants(THEOREMS[key])
    assert len(found) >= 2
    assert [item.name for item in found if not item.refuted] == []


def test_the_explicit_width_at_two_orthonormal_rows_is_four_times_6676() -> None:
    """n = 2, lambda0 = 1/2, ||y - u(0)||^2 = 2 tau^2: (512/pi) 32 0.02 16/0.25^2 = 26,701.77."""
    statement = THEOREMS["du2019/flow-explicit"]
    instance = statement.instance(statement.presets["quick"], Streams(0), None)
    by_hand = 512 / math.pi * 2**5 * 0.02 / (0.25**2 * 0.5**4)
    assert statement.requirement is not None
    assert statement.requirement(instance).width == pytest.approx(by_hand, rel=1e-12)
    assert 26701 < by_hand < 4 * 6676
    narrower = with_changes(statement.presets["quick"], {"m": 26700}, statement.key)
    result = check(statement, parameters=narrower)
    assert result.verdict is Verdict.NOT_APPLICABLE
    assert "width is false" in result.reason
    assert result.outside


def test_travel_below_the_radius_is_the_explicit_width() -> None:
    """At the width required, Lemma 3.3's travel equals Lemma 3.2's radius."""
    n, lambda0, delta, start = 7, 0.31, 0.2, 1.7
    m = 512 / math.pi * n**5 * start**2 / (delta**2 * lambda0**4)
    travel = 2 * math.sqrt(n) * start / (math.sqrt(m) * lambda0)
    assert travel == pytest.approx(math.sqrt(2 * math.pi) * delta * lambda0 / (16 * n**2), rel=1e-12)


def test_the_travel_bound_holds_where_its_form_without_the_factor_two_fails() -> None:
    statement = THEOREMS["du2019/lemma-3.3"]
    mutant = next(item for item in statement.mutants() if item.name == "without the factor 2")
    assert (mutant.parameters.n, mutant.parameters.m) == (1, 1000)
    result = check(statement, parameters=mutant.parameters, trials=3)
    assert result.verdict is Verdict.HOLDS
    assert result.inside == 3


@pytest.mark.parametrize("key", sorted(COMMITTED))
def test_duplicate_rows_make_lambda0_zero(key: str) -> None:
    X = unit_rows(3, 5)
    problem = Problem(np.vstack([X, X[1]]), [1.0, -1.0, 1.0, 1.0])
    result = check(THEOREMS[key], problem=problem, set={"m": 50}, trials=2)
    assert result.verdict is Verdict.NOT_APPLICABLE
    assert "lambda0 = 0: rows 1 and 3" in result.reason
    assert not result.outside


@pytest.mark.parametrize("key", sorted(COMMITTED))
def test_a_row_that_is_no_unit_vector_is_named(key: str) -> None:
    X = unit_rows(3, 5)
    X[2] *= 2.5
    result = check(THEOREMS[key], problem=Problem(X, [1.0, -1.0, 1.0]), set={"m": 50}, trials=2)
    assert result.verdict is Verdict.NOT_APPLICABLE
    assert "row 2 has norm 2.5" in result.reason


@pytest.mark.parametrize("key", sorted(COMMITTED))
def test_a_single_sample_is_handled(key: str) -> None:
    result = check(THEOREMS[key], problem=Problem([[1.0]], [0.05]), trials=3)
    assert result.verdict in {Verdict.HOLDS, Verdict.CONSISTENT, Verdict.UNDECIDED, Verdict.NOT_APPLICABLE}
    assert result.failed == 0


def test_a_single_neuron_is_far_from_every_width() -> None:
    for key in ("du2019/lemma-3.1", "du2019/lemma-3.2"):
        result = check(THEOREMS[key], set={"m": 1}, trials=3)
        assert result.verdict is Verdict.NOT_APPLICABLE
        assert "is false" in result.reason


def test_antipodal_rows_are_fine() -> None:
    X = unit_rows(3, 5)
    problem = Problem(np.vstack([X, -X[1]]), [1.0, -1.0, 1.0, 1.0])
    result = check(THEOREMS["du2019/lemma-3.1"], problem=problem, set={"m": 30000}, trials=3)
    assert {item.name: item.status.name for item in result.hypotheses}["lambda0"] == "TRUE"
    assert result.failed == 0


def test_single_precision_rows_count_as_unit_rows() -> None:
    X = unit_rows(3, 5).astype(np.float32)
    result = check(THEOREMS["du2019/theorem-4.1"], problem=Problem(X, np.ones(3, dtype=np.float32)), trials=2)
    assert {item.name: item.status.name for item in result.hypotheses}["unit-rows"] == "TRUE"


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        (Problem(unit_rows(3, 5), np.ones((3, 2))), "one output"),
        (Problem(1e150 * unit_rows(3, 5), np.ones(3)), "rescale"),
        (Problem(unit_rows(3, 5), 1e200 * np.ones(3)), "rescale"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(problem: Problem, sentence: str) -> None:
    result = check(THEOREMS["du2019/theorem-4.1"], problem=problem, trials=1)
    assert result.verdict is Verdict.NOT_APPLICABLE
    assert sentence in result.reason
    assert "\n" not in result.reason


def test_an_absurd_step_diverges_and_does_not_hold() -> None:
    result = check(THEOREMS["du2019/theorem-4.1"], set={"step_constant": 1e9}, trials=2)
    assert result.held == 0
    assert result.verdict is Verdict.UNDECIDED


def test_regime_is_lazy_at_the_committed_width() -> None:
    assert check(THEOREMS["du2019/theorem-4.1"], trials=2).regime is Regime.LAZY


def test_labels_along_the_bottom_eigenvector_decay_slowest() -> None:
    statement = THEOREMS["du2019/theorem-4.1"]
    quick = dataclasses.replace(statement.presets["quick"], label_scale=20.0)
    tightness = {
        labels: check(statement, parameters=dataclasses.replace(quick, labels=labels), trials=2).tightness
        for labels in ("bottom-eigenvector", "top-eigenvector")
    }
    assert tightness["bottom-eigenvector"] > tightness["top-eigenvector"]


def test_an_unknown_law_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="labels is 'loud'; choose signs"):
        check(THEOREMS["du2019/theorem-4.1"], set={"labels": "loud"}, trials=1)
