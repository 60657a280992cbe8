"""Duplicate and proportional rows are found exactly: none missed, none invented."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shallow.setting.duplicates import Duplicate, find_duplicates
from shallow.setting.problem import Problem


def proportional(u: np.ndarray, v: np.ndarray) -> bool:
    """Whether u = c v for some c > 0, by cross-multiplying exact fractions, pair by pair."""
    p, q = [Fraction(float(t)) for t in u], [Fraction(float(t)) for t in v]
    if not any(p) or not any(q):
        return not any(p) and not any(q)
    j = next(k for k, value in enumerate(p) if value)
    return p[j] * q[j] > 0 and all(p[i] * q[j] == p[j] * q[i] for i in range(len(p)))


small = st.sampled_from([0.0, -0.0, 1.0, 2.0, -3.0, 0.1, 0.2, 1e-320, 2e-320])


@given(st.lists(st.tuples(small, small, small), min_size=1, max_size=12))
@settings(max_examples=50)
def test_the_groups_are_the_classes_of_the_exact_relations(rows: list[tuple[float, ...]]) -> None:
    X = np.array(rows)
    found = find_duplicates(Problem(X, np.zeros(len(rows))))
    equal_pairs = {
        pair for group in found if group.kind == "equal" for pair in itertools.combinations(group.rows, 2)
    }
    all_pairs = {pair for group in found for pair in itertools.combinations(group.rows, 2)}
    pairs = list(itertools.combinations(range(len(rows)), 2))
    assert equal_pairs == {(i, j) for i, j in pairs if np.array_equal(X[i], X[j])}
    assert all_pairs == {(i, j) for i, j in pairs if proportional(X[i], X[j])}
    assert all(group.consistent for group in found)  # all labels are 0


@given(st.integers(1, 40), st.integers(0, 3))
@settings(max_examples=20)
def test_a_row_off_by_one_unit_in_the_last_place_is_another_row(d: int, seed: int) -> None:
    row = np.random.default_rng(seed).standard_normal(d)
    near = row.copy()
    near[-1] = np.nextafter(near[-1], np.inf)
    copies = Problem(np.array([row, near, row, 4.0 * row]), np.array([1.0, 1.0, 1.0, 4.0]))
    found = {group for group in find_duplicates(copies) if group.kind == "equal"}
    assert found == {Duplicate((0, 2), "equal", consistent=True)}
    whole = {group.rows for group in find_duplicates(copies) if group.kind == "proportional"}
    # in one dimension every row of one sign is a multiple of every other
    assert whole == ({(0, 1, 2, 3)} if d == 1 else {(0, 2, 3)})


def test_equal_rows_with_different_labels_conflict() -> None:
    problem = Problem([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]], [1.0, 1.0, -1.0])
    (group,) = find_duplicates(problem)
    assert group == Duplicate((0, 2), "equal", consistent=False)
    assert str(group) == "rows 0, 2 (counted from 0) are equal, with conflicting labels"


def test_labels_of_proportional_rows_must_grow_with_them() -> None:
    rows = [[1.0, 2.0], [3.0, 6.0]]
    assert find_duplicates(Problem(rows, [1.0, 3.0])) == (Duplicate((0, 1), "proportional", consistent=True),)
    assert find_duplicates(Problem(rows, [1.0, 1.0])) == (
        Duplicate((0, 1), "proportional", consistent=False),
    )
    two_outputs = Problem(rows, [[1.0, 2.0], [3.0, 7.0]])
    assert find_duplicates(two_outputs) == (Duplicate((0, 1), "proportional", consistent=False),)


def test_antipodal_rows_are_no_duplicates() -> None:
    assert find_duplicates(Problem([[1.0, 2.0], [-1.0, -2.0]], [1.0, 1.0])) == ()


def test_rows_at_the_ends_of_the_floating_range_are_compared_exactly() -> None:
    tiny, huge = 2.0**-1074, 2.0**1023
    problem = Problem([[tiny, tiny], [huge, huge], [huge, -huge]], [0.0, 0.0, 1.0])
    assert find_duplicates(problem) == (Duplicate((0, 1), "proportional", consistent=True),)


def test_many_rows_with_a_planted_copy() -> None:
    X = np.random.default_rng(0).standard_normal((5000, 20))
    X[4321] = X[17]
    found = find_duplicates(Problem(X, np.arange(5000.0)))
    assert found == (Duplicate((17, 4321), "equal", consistent=False),)


def test_one_sample_has_no_duplicate() -> None:
    assert find_duplicates(Problem([[1.0]], [1.0])) == ()
