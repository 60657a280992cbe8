"""Label laws: the label scale is the root mean square, for every law."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shallow.setting.inputs import Gaussian
from shallow.setting.labels import GaussianLabels, RandomSigns, Teacher, with_label_scale
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

EPS = np.finfo(np.float64).eps
LAWS = [RandomSigns, GaussianLabels, lambda tau: Teacher(m=8, label_scale=tau)]


@pytest.mark.parametrize("law", LAWS, ids=["signs", "gaussian", "teacher"])
@given(n=st.integers(1, 40), tau=st.floats(1e-280, 1e280), seed=st.integers(0, 3))
@settings(max_examples=25)
def test_the_label_scale_is_the_root_mean_square(law: object, n: int, tau: float, seed: int) -> None:
    X = Gaussian().draw(n, 6, Streams(seed))
    y = law(tau).draw(X, Streams(seed))
    assert y.shape == (n,)
    assert Problem(X, y).label_scale == pytest.approx(tau, rel=4 * EPS * (n + 2))


@pytest.mark.parametrize("law", LAWS, ids=["signs", "gaussian", "teacher"])
def test_the_label_scale_changes_nothing_else(law: object) -> None:
    X = Gaussian().draw(7, 6, Streams(2))
    np.testing.assert_allclose(law(8.0).draw(X, Streams(1)), 8.0 * law(1.0).draw(X, Streams(1)), rtol=2 * EPS)


def test_signs_are_nested_and_Gaussian_labels_are_nested_up_to_their_common_factor() -> None:
    X = Gaussian().draw(30, 2, Streams(2))
    signs = RandomSigns().draw(X, Streams(1))
    assert np.array_equal(RandomSigns().draw(X[:9], Streams(1)), signs[:9])
    short, long = GaussianLabels().draw(X[:9], Streams(1)), GaussianLabels().draw(X, Streams(1))[:9]
    np.testing.assert_allclose(short / short[0], long / long[0], rtol=8 * EPS)


def test_a_teacher_is_homogeneous_in_the_inputs_and_depends_on_them() -> None:
    X = Gaussian().draw(9, 4, Streams(2))
    y = Teacher(m=3).draw(X, Streams(0))
    np.testing.assert_allclose(Teacher(m=3).draw(1e250 * X, Streams(0)), y, rtol=64 * EPS)
    assert not np.allclose(Teacher(m=3).draw(X[::-1], Streams(0)), y)


def test_a_dead_teacher_is_reported() -> None:
    with pytest.raises(ValueError, match="all labels drawn are 0"):
        Teacher(m=2).draw(np.zeros((3, 2)), Streams(0))
    assert np.array_equal(with_label_scale(np.zeros(3), 0.0), np.zeros(3))


@pytest.mark.parametrize("tau", [-1.0, math.nan, math.inf])
def test_a_label_scale_that_is_no_size_is_refused(tau: float) -> None:
    for law in LAWS:
        with pytest.raises(ValueError, match="label_scale"):
            law(tau)


def test_a_teacher_without_neurons_is_refused() -> None:
    with pytest.raises(ValueError, match="positive integer"):
        Teacher(m=0)
