"""A claimed bound of a smallest eigenvalue is proved only if exact rational arithmetic agrees."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from proofs_check import lambda_min_lower_bound, proves_lambda_min_at_least
from proofs_check.certificates import claimed
from shallow import ntk_gram
from tests.proofs_check.certificates.test_eigenvalue import cases, distance, exactly, matrix


@pytest.mark.parametrize("block", [1, 2, 256])
def test_a_proved_claim_is_true_and_one_well_below_the_eigenvalue_is_proved(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claimed, "_BLOCK", block)
    proved = 0
    for kind, H in cases(20):
        lower = lambda_min_lower_bound(H)
        away = float(distance(H))
        for s in (lower - 4 * away, lower - away / 8, lower, lower + away / 64, lower + away, 2.0, 0.0):
            if proves_lambda_min_at_least(H, s):
                assert exactly(H, Fraction(s))[0], (kind, s, H)
                proved += 1
        assert proves_lambda_min_at_least(H, lower - 4 * away - 1e-320), (kind, H)
    assert proved > 300


@pytest.mark.parametrize("n", [1, 2, 255, 257, 700])
def test_the_kernel_of_spread_inputs_has_its_eigenvalue_proved_to_six_digits(n: int) -> None:
    H = ntk_gram(np.random.default_rng(n).standard_normal((n, 40)))
    smallest = float(np.linalg.eigvalsh(H)[0])
    assert proves_lambda_min_at_least(H, (1 - 1e-6) * smallest)
    assert not proves_lambda_min_at_least(H, (1 + 1e-6) * smallest)


def test_duplicate_inputs_are_never_proved_positive() -> None:
    X = np.random.default_rng(0).standard_normal((300, 40))
    X[290] = X[3]
    H = ntk_gram(X)
    assert not proves_lambda_min_at_least(H, 0.0)
    assert proves_lambda_min_at_least(H, -1e-6)


def test_one_number_is_compared() -> None:
    assert proves_lambda_min_at_least([[3.5]], 3.5)
    assert not proves_lambda_min_at_least([[3.5]], np.nextafter(3.5, 4))


def test_float32_and_frozen_fortran_matrices_are_taken_as_they_are() -> None:
    H = ntk_gram(np.random.default_rng(1).standard_normal((300, 50)).astype(np.float32))
    before = H.copy()
    frozen = np.asfortranarray(H.astype(np.float64))
    frozen.setflags(write=False)
    smallest = float(np.linalg.eigvalsh(frozen)[0])
    for given in (H, frozen):
        assert proves_lambda_min_at_least(given, 0.999 * smallest)
        assert not proves_lambda_min_at_least(given, 1.001 * smallest)
    assert np.array_equal(H, before)


def test_a_poor_factor_leaves_a_true_claim_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    H = np.eye(4) * 2
    assert proves_lambda_min_at_least(H, 1.0)
    for factor in (np.zeros((4, 4)), np.eye(4) * 2, np.full((4, 4), np.nan), np.full((4, 4), np.inf)):
        monkeypatch.setattr("scipy.linalg.lapack.dpotrf", lambda *_, factor=factor, **__: (factor, 0))
        assert not proves_lambda_min_at_least(H, 1.0)


@pytest.mark.parametrize("missing", [("shift",), ("bound",), ("shift", "bound")])
def test_without_shift_and_bound_a_singular_matrix_passes(missing: tuple[str, ...], monkeypatch: Any) -> None:
    """Planted errors: each of them protects, and the bare Cholesky factor is no proof."""
    if "shift" in missing:
        monkeypatch.setattr(claimed, "down", lambda x: x)
        monkeypatch.setattr(claimed, "gamma", lambda n: 2.0**-1000)
        monkeypatch.setattr(claimed, "UNIT", 0.0)
    if "bound" in missing:
        monkeypatch.setattr(claimed, "_norm_up", lambda x: 0.0)
        monkeypatch.setattr(claimed, "_square_up", lambda x: 0.0)
    wrong = 0
    for kind in ("duplicate", "singular"):
        for seed in range(150):
            H = matrix(kind, np.random.default_rng(seed))
            least = np.finfo(float).tiny
            wrong += proves_lambda_min_at_least(H, least) and not exactly(H, Fraction(least))[0]
    assert (wrong > 0) == (missing == ("shift", "bound"))


@pytest.mark.parametrize(
    ("H", "s", "message"),
    [
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), 0.0, "must be finite"),
        (np.array([[1.0, 0.1], [0.2, 1.0]]), 0.0, "exactly symmetric"),
        (np.ones((2, 3)), 0.0, "square"),
        (np.eye(2), np.nan, "claimed bound"),
        (np.eye(2), np.inf, "claimed bound"),
    ],
)
def test_what_cannot_be_claimed_is_refused(H: Any, s: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        proves_lambda_min_at_least(H, s)


def test_memory_is_one_more_matrix_and_blocks() -> None:
    H = ntk_gram(np.random.default_rng(2).standard_normal((2000, 20)))
    tracemalloc.start()
    assert proves_lambda_min_at_least(H, 0.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= H.nbytes + 8 * 8 * 256 * 2000
