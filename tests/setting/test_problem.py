"""The noun problem: its label scale, its bias column, its way to disk."""

from __future__ import annotations

import math
from pathlib import Path

import array_api_strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shallow.setting.problem import Problem

EPS = np.finfo(np.float64).eps


@given(st.lists(st.floats(0.5, 1.0), min_size=1, max_size=20), st.integers(-1020, 1020))
@settings(max_examples=40)
def test_the_label_scale_is_the_root_mean_square_at_any_size(y: list[float], exponent: int) -> None:
    exact = math.sqrt(math.fsum(value * value for value in y) / len(y))
    scaled = [math.ldexp(value, exponent) for value in y]
    got = Problem(np.ones((len(y), 1)), scaled).label_scale
    assert got == pytest.approx(math.ldexp(exact, exponent), rel=EPS * (len(y) + 4))


def test_labels_of_zero_have_scale_zero() -> None:
    assert Problem([[1.0]], [0.0]).label_scale == 0.0


def test_a_bias_is_a_constant_input() -> None:
    problem = Problem([[1, 2], [3, 4]], [0, 1]).with_bias(0.5)
    assert problem.X.tolist() == [[1.0, 2.0, 0.5], [3.0, 4.0, 0.5]]
    assert (problem.n, problem.d) == (2, 3)
    strict = Problem(array_api_strict.ones((2, 1)), array_api_strict.ones(2)).with_bias()
    assert np.asarray(strict.X).tolist() == [[1.0, 1.0], [1.0, 1.0]]


@pytest.mark.parametrize(
    ("X", "y", "error", "words"),
    [
        ([[1.0], [2.0]], [1.0], ValueError, "2 samples"),
        ([[1.0]], [math.nan], ValueError, r"y\[0\] is nan"),
        (np.ones((1, 1)), np.ones(1, dtype=np.float32), TypeError, "one floating type"),
        ([1.0], [1.0], ValueError, "X has 1 axes"),
        ([[1.0]], [[[1.0]]], ValueError, "y has 3 axes"),
    ],
)
def test_fields_that_do_not_fit_are_refused(X: object, y: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Problem(X, y)


def test_a_problem_survives_the_disk(tmp_path: Path) -> None:
    problem = Problem(np.ones((2, 3), dtype=np.float32), np.ones((2, 2), dtype=np.float32), name="mine, ä")
    problem.save(tmp_path / "p.npz")
    back = Problem.load(tmp_path / "p.npz")
    assert back.equals(problem)
    assert back.name == problem.name
    assert not back.equals(problem.replace(y=2 * problem.y))
    assert not back.equals(None)
