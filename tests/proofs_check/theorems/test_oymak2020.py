"""The width law: which grids identify it, what a cell counts, and what the fit says."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from proofs_check import THEOREMS, check
from proofs_check.check import check_mutants
from proofs_check.statement import Point
from proofs_check.theorems.oymak2020._cells import Parameters, Summary, draw, successes
from proofs_check.verdict import Evidence, HypothesisStatus, Verdict
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

STATEMENT = THEOREMS["oymak2020/relu-width"]


def test_the_threshold_does_not_outgrow_the_law_and_the_mutant_is_refuted() -> None:
    result = check(STATEMENT)
    assert result.verdict is Verdict.CONSISTENT
    assert result.evidence is Evidence.STATISTICAL
    (claim,) = result.claims
    assert np.all(claim.observed + claim.numerical_error < 0)
    found = check_mutants(STATEMENT)
    assert len(found) == 1
    assert [item.name for item in found if not item.refuted] == []


@pytest.mark.parametrize(
    "sizes",
    [
        ((8, 4), (16, 8), (32, 16), (64, 32)),
        ((4, 2), (9, 3), (16, 4), (25, 5)),
        ((8, 4), (16, 8), (18, 6), (36, 12)),
    ],
)
def test_a_grid_that_does_not_identify_both_exponents_is_refused_before_training(
    sizes: tuple[tuple[int, int], ...],
) -> None:
    with pytest.raises(ValueError, match="not identified"):
        check(STATEMENT, parameters=Parameters(sizes=sizes))


def _counts(a: float, b: float) -> list[Point]:
    """Exact counts of a threshold m* = n^a d^b with a logistic of slope 4, 400 runs a cell."""
    points = []
    for n, d in Parameters().sizes:
        for factor in (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0):
            m = max(1, round(factor * n**a * d**b))
            share = 1.0 / (1.0 + math.exp(-4.0 * (math.log(m) - math.log(n**a * d**b))))
            points.append(Point(None, (Summary(n, d, m, round(400 * share), 400),)))
    return points


@pytest.mark.parametrize(("a", "b"), [(2.0, -1.0), (3.0, -2.0), (4.0, -3.0), (2.0, 1.0)])
def test_the_growth_along_both_edges_is_recovered_from_exact_counts(a: float, b: float) -> None:
    assert STATEMENT.law is not None
    (claim,) = STATEMENT.law(Parameters(), _counts(a, b))
    expected = np.array([a + b - 1.0, 2 * a + b - 5.0])
    assert np.all(np.abs(claim.observed - expected) <= claim.numerical_error)
    # Widths are integers and counts rounded: the exponents' interval is that of 400 runs a cell.
    assert np.max(claim.numerical_error) <= 0.5


def test_a_threshold_that_outgrows_the_law_is_a_violation() -> None:
    assert STATEMENT.law is not None
    (claim,) = STATEMENT.law(Parameters(), _counts(2.0, 1.0))
    assert claim.observed[0] - claim.numerical_error[0] > 0


def test_a_single_sample_is_fitted_by_two_neurons_or_is_dead() -> None:
    case = draw(Parameters(sizes=((1, 1),), widths=(2.0,), replicates=12), Streams(0), None)
    found = successes(case)
    assert (found.n, found.d, found.m, found.trials) == (1, 1, 2, 12)
    assert 0 <= found.successes <= 12


def test_wide_networks_succeed_and_one_pair_of_neurons_does_not() -> None:
    wide = draw(Parameters(sizes=((8, 8),), widths=(64.0,), replicates=5), Streams(1), None)
    narrow = draw(Parameters(sizes=((16, 4),), widths=(0.5,), replicates=5), Streams(1), None)
    assert successes(wide).successes == 5
    assert successes(narrow).successes == 0


def test_the_required_width_is_named_on_a_users_data() -> None:
    assert STATEMENT.requirement is not None
    case = STATEMENT.instance(STATEMENT.presets["quick"], Streams(0), Problem(np.eye(4), np.ones(4)))
    required = STATEMENT.requirement(case)
    # Orthonormal rows: ||X|| = 1 and lambda(X) = 1/2, so n ||X||^6/lambda^4 = 4 * 16.
    assert math.isclose(required.width, 64.0, rel_tol=1e-12)
    assert required.width_up_to_constant
    statuses = {item.name: item.status for item in STATEMENT.hypotheses(case)}
    assert statuses["width"] is HypothesisStatus.UP_TO_CONSTANT


def test_it_refuses_data_because_it_speaks_of_growing_sizes() -> None:
    result = check(STATEMENT, problem=Problem(np.eye(4), np.ones(4)))
    assert result.verdict is Verdict.NOT_APPLICABLE
    assert "growing n and d" in result.reason


@pytest.mark.slow
def test_along_n_equals_d_squared_the_threshold_grows() -> None:
    result = check(STATEMENT, parameters=dataclasses.replace(Parameters(), replicates=48))
    (claim,) = result.claims
    growth = claim.observed + np.array([1.0, 5.0])
    assert growth[1] - claim.numerical_error[1] > 0
