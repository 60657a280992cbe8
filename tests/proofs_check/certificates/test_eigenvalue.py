"""Bounds of smallest eigenvalues are bounds in exact rational arithmetic, and close ones."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from proofs_check.certificates import eigenvalue
from proofs_check.certificates.eigenvalue import (
    lambda_max_upper_bound,
    lambda_min_bracket,
    lambda_min_lower_bound,
    positive_definite,
    shifted,
)

KINDS = ("generic", "duplicate", "near duplicate", "antipodal", "graded", "scaled", "indefinite", "singular")


def exactly(H: Any, shift: Fraction = Fraction(0)) -> tuple[bool, bool]:
    """Whether H - shift I is (positive semidefinite, positive definite), by exact elimination."""
    M = [[Fraction(float(v)) for v in row] for row in H]
    n, definite = len(M), True
    for i in range(n):
        M[i][i] -= shift
    for k in range(n):
        pivot = M[k][k]
        if pivot < 0:
            return False, False
        if pivot == 0:
            definite = False
            if any(M[k][j] != 0 for j in range(k + 1, n)):
                return False, False
            continue
        for i in range(k + 1, n):
            if M[i][k] != 0:
                ratio = M[i][k] / pivot
                for j in range(k + 1, n):
                    M[i][j] -= ratio * M[k][j]
    return True, definite


def matrix(kind: str, rng: np.random.Generator) -> Any:
    """A symmetric matrix of a hostile kind, up to 6 by 6."""
    n = int(rng.integers(2, 7))
    X = rng.standard_normal((n, int(rng.integers(n, n + 3))))
    if kind == "duplicate":
        X[-1] = X[0]
    if kind == "near duplicate":
        X[-1] = X[0] + 10.0 ** rng.integers(-12, -5) * rng.standard_normal(X.shape[1])
    if kind == "antipodal":
        X[-1] = -X[0] * (1 + 2.0**-52 * rng.integers(0, 3))
    if kind == "singular":
        X = X[:, : n - 1]
    H = X @ X.T
    H = (H + H.T) / 2
    if kind == "graded":
        D = 10.0 ** rng.uniform(-75, 75, n)
        H = D[:, None] * H * D
        H = (H + H.T) / 2
    if kind == "scaled":
        H = H * float(rng.choice([1e-320, 1e-310, 1e-150, 1e150, 1e300]))
    if kind == "indefinite":
        H = H - np.eye(n) * rng.standard_normal() * 3
    return H


def cases(number: int) -> Iterator[tuple[str, Any]]:
    for seed in range(number):
        for kind in KINDS:
            yield kind, matrix(kind, np.random.default_rng([seed, KINDS.index(kind)]))


def distance(H: Any) -> Fraction:
    n = len(H)
    largest = Fraction(float(np.max(np.abs(H))))
    return max(64 * (n + 4) ** 2 * largest / 2**53, Fraction(1, 2**1060))


def test_bounds_hold_exactly_and_within_the_stated_distance() -> None:
    checked = 0
    for kind, H in cases(40):
        lower, upper = lambda_min_bracket(H)
        assert exactly(H, Fraction(lower))[0], (kind, H)
        assert not exactly(H, Fraction(upper))[1], (kind, H)
        assert not exactly(H, Fraction(lower) + distance(H))[1], (kind, H)
        assert lambda_min_lower_bound(H) == lower
        checked += 1
    assert checked == 320


def test_a_matrix_called_positive_definite_is_so_exactly() -> None:
    found = 0
    for kind, H in cases(60):
        if positive_definite(H):
            assert exactly(H)[1], (kind, H)
            found += 1
    assert found > 200


@pytest.mark.parametrize("steps", [-3, -1, 0, 1, 3])
def test_no_matrix_at_the_edge_of_singularity_is_called_positive_definite(steps: int) -> None:
    """[[a, b], [b, c]] with c a few floats from b^2/a, where the exact sign is known."""
    rng = np.random.default_rng(5)
    for _ in range(100):
        a, b = np.abs(rng.standard_normal(2)) * 10.0 ** rng.integers(-140, 140)
        c = b * b / a
        for _ in range(abs(steps)):
            c = np.nextafter(c, np.sign(steps) * np.inf)
        H = np.array([[a, b], [b, c]])
        assert exactly(H)[1] or not positive_definite(H)


def test_a_graded_matrix_keeps_its_relative_accuracy() -> None:
    rng = np.random.default_rng(6)
    for _ in range(20):
        D = 2.0 ** rng.integers(-200, 200, 5)
        X = rng.standard_normal((5, 9))
        H = D[:, None] * (X @ X.T) * D
        H = (H + H.T) / 2
        lower = lambda_min_lower_bound(H)
        assert lower > 0
        assert exactly(H, Fraction(lower))[0]
        assert not exactly(H, Fraction(lower) * (1 + Fraction(1, 100)))[1]


def test_diagonal_and_one_by_one_matrices() -> None:
    assert lambda_min_bracket([[3.5]]) == (3.5, 3.5)
    assert lambda_min_bracket(np.array([[-2]])) == (-2.0, -2.0)
    lower, upper = lambda_min_bracket(np.diag([1e-150, 1.0, 1e150]))
    assert lower <= 1e-150 <= upper
    assert upper - lower <= 1e-160
    assert lambda_min_lower_bound(np.zeros((3, 3))) <= 0


def test_the_largest_eigenvalue_is_bounded_above() -> None:
    for kind, H in cases(10):
        upper = lambda_max_upper_bound(H)
        assert exactly(-H, Fraction(-upper))[0], (kind, H)
        assert not exactly(-H, Fraction(-upper) + distance(H))[1], (kind, H)


def test_a_moderate_gram_matrix_is_bounded_as_closely_as_stated() -> None:
    X = np.random.default_rng(7).standard_normal((300, 320))
    H = X @ X.T
    H = (H + H.T) / 2
    lower, upper = lambda_min_bracket(H)
    assert 0 < lower <= upper
    assert upper - lower <= 2 * float(distance(H))


def test_a_positive_definite_matrix_with_a_poor_factor_is_only_undecided(monkeypatch: Any) -> None:
    H = np.eye(4) * 2
    assert positive_definite(H)
    for factor in (np.zeros((4, 4)), np.eye(4), np.full((4, 4), np.nan), np.full((4, 4), np.inf)):
        monkeypatch.setattr(np.linalg, "cholesky", lambda _, factor=factor: factor)
        assert not positive_definite(H)


def test_a_subtracted_shift_never_leaves_too_much() -> None:
    A = np.array([[1.0, 0.5], [0.5, 1e-17]])
    out = shifted(A, np.array([1e-20, 1e-40]))
    for i, shift in enumerate((1e-20, 1e-40)):
        assert Fraction(float(out[i, i])) <= Fraction(float(A[i, i])) - Fraction(shift)
    assert out[0, 1] == A[0, 1]


@pytest.mark.parametrize(
    ("H", "message"),
    [
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), "must be finite"),
        (np.array([[np.inf]]), "must be finite"),
        (np.array([[1.0, 0.1], [0.2, 1.0]]), "exactly symmetric"),
        (np.ones((2, 3)), "square"),
        (np.ones((0, 0)), "square"),
        (np.ones(3), "square"),
        (np.eye(2, dtype=complex), "real numbers"),
        (np.eye(2, dtype=bool), "real numbers"),
        (np.array([[2**53 + 1]]), "2\\^53"),
    ],
)
def test_what_is_no_symmetric_matrix_of_floats_is_refused(H: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lambda_min_lower_bound(H)


def test_nan_is_never_positive_definite() -> None:
    for bad in (np.nan, np.inf, -np.inf):
        for i, j in ((0, 0), (0, 1)):
            H = np.eye(3) * 5
            H[i, j] = H[j, i] = bad
            assert not positive_definite(H)


def test_a_bound_survives_a_failing_eigenvalue_routine(monkeypatch: Any) -> None:
    def fails(_: Any) -> Any:
        raise np.linalg.LinAlgError

    monkeypatch.setattr(np.linalg, "eigvalsh", fails)
    H = np.array([[2.0, 1.0], [1.0, 2.0]])
    assert 0.99 < lambda_min_lower_bound(H) <= 1


def test_a_wrong_eigenvalue_routine_cannot_make_a_wrong_bound(monkeypatch: Any) -> None:
    for guess in (1e300, 5.0, 1.0001, np.nan, np.inf, -1.0):
        monkeypatch.setattr(np.linalg, "eigvalsh", lambda A, guess=guess: np.full(len(A), guess))
        assert lambda_min_lower_bound(np.array([[2.0, 1.0], [1.0, 2.0]])) <= 1


PLANTED = {
    "almost no shift": ("_shift",),
    "no residual": ("_residual_up",),
    "a bare Cholesky factor": ("_shift", "_residual_up"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_shift_and_residual_each_protect_and_without_both_a_singular_matrix_passes(
    name: str, monkeypatch: Any
) -> None:
    for target in PLANTED[name]:
        monkeypatch.setattr(eigenvalue, target, lambda *_: 2.0**-1000)
    monkeypatch.setattr(eigenvalue, "ETA", 0.0)
    if "_residual_up" in PLANTED[name]:
        monkeypatch.setattr(eigenvalue, "_residual_up", lambda *_: 0.0)
    wrong = 0
    for kind in ("duplicate", "singular"):
        for seed in range(150):
            H = matrix(kind, np.random.default_rng(seed))
            wrong += positive_definite(H) and not exactly(H)[1]
    assert (wrong > 0) == (name == "a bare Cholesky factor")
