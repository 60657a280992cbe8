"""Input laws: norms, nesting, the chosen orthogonality ratio, clusters with flipped labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shallow.setting.inputs import (
    Gaussian,
    NearOrthogonal,
    NormalizedGaussian,
    Orthonormal,
    Sphere,
    TwoClusters,
    linear_clean_error,
    orthogonality_ratio,
)
from shallow.setting.streams import Streams
from shallow.statistics import clopper_pearson

EPS = np.finfo(np.float64).eps
NESTED = [Gaussian(), NormalizedGaussian(), Sphere(2.0), Orthonormal(), TwoClusters(3.0, flip=0.1)]


@pytest.mark.parametrize("law", NESTED, ids=lambda law: law.name)
def test_the_first_rows_do_not_depend_on_how_many_are_drawn(law: object) -> None:
    small, large = law.draw(3, 12, Streams(4)), law.draw(11, 12, Streams(4))
    assert small.shape == (3, 12)
    assert np.array_equal(small, large[:3])


def test_normalised_Gaussian_rows_are_the_same_draw_over_sqrt_d() -> None:
    X = Gaussian().draw(5, 9, Streams(1))
    assert np.array_equal(NormalizedGaussian().draw(5, 9, Streams(1)), X / 3.0)


@given(n=st.integers(1, 9), d=st.integers(1, 9), radius=st.floats(1e-150, 1e150))
@settings(max_examples=25)
def test_sphere_rows_have_the_radius(n: int, d: int, radius: float) -> None:
    X = Sphere(radius).draw(n, d, Streams(0)) / radius
    np.testing.assert_allclose(np.linalg.norm(X, axis=1), 1.0, rtol=EPS * (d + 4))


@given(n=st.integers(2, 12), extra=st.integers(0, 5), ratio=st.floats(1.0, 1e6), seed=st.integers(0, 3))
@settings(max_examples=40)
def test_near_orthogonal_rows_have_the_chosen_ratio(n: int, extra: int, ratio: float, seed: int) -> None:
    X = NearOrthogonal(ratio).draw(n, n + extra, Streams(seed))
    # the largest inner product is 1/(n ratio); the Gram matrix is off by a small multiple of n eps
    assert orthogonality_ratio(X) == pytest.approx(ratio, rel=64 * n * EPS * n * ratio)
    np.testing.assert_allclose(np.sum(X * X, axis=1), 1.0, rtol=64 * n * EPS)
    assert np.array_equal(X, NearOrthogonal(ratio).draw(n, n + extra, Streams(seed)))


def test_a_ratio_out_of_reach_names_the_smallest_one() -> None:
    with pytest.raises(ValueError, match="must exceed"):
        NearOrthogonal(0.01).draw(20, 30, Streams(0))


def test_an_infinite_ratio_gives_orthonormal_rows_and_one_row_has_no_pair() -> None:
    X = NearOrthogonal(math.inf).draw(4, 6, Streams(0))
    np.testing.assert_allclose(X @ X.T, np.eye(4), atol=64 * EPS)
    assert orthogonality_ratio(NearOrthogonal(5.0).draw(1, 3, Streams(0))) == math.inf


def test_more_near_orthogonal_rows_than_dimensions_are_refused() -> None:
    for law in (NearOrthogonal(2.0), Orthonormal()):
        with pytest.raises(ValueError, match="take n <= d"):
            law.draw(4, 3, Streams(0))


def test_the_orthogonality_ratio_by_hand() -> None:
    # norms 1 and 2, inner product 1/2: R_min^2 = 1, R^2 = 4, n = 2, so 1/(4 * 2 * 1/2)
    X = np.array([[1.0, 0.0], [0.5, math.sqrt(3.75)]])
    assert orthogonality_ratio(X) == pytest.approx(0.25, rel=8 * EPS)
    assert orthogonality_ratio(Orthonormal().draw(3, 3, Streams(0))) == math.inf
    assert orthogonality_ratio(np.array([[0.0, 0.0], [1.0, 0.0]])) == 0.0
    assert orthogonality_ratio(np.ones((2, 3))) == pytest.approx(0.5, rel=8 * EPS)
    assert orthogonality_ratio(1e-200 * X) == pytest.approx(0.25, rel=8 * EPS)
    assert orthogonality_ratio(1e200 * X) == pytest.approx(0.25, rel=8 * EPS)


def test_cluster_samples_are_paired_over_mean_norm_and_flip_probability() -> None:
    low = TwoClusters(1.0, flip=0.1).draw_problem(200, 5, Streams(3))
    high = TwoClusters(4.0, flip=0.3).draw_problem(200, 5, Streams(3))
    assert np.array_equal(low.clean_labels, high.clean_labels)
    assert np.all(high.flipped[low.flipped])
    noise_low = low.problem.X - low.clean_labels[:, None] * low.mean
    noise_high = high.problem.X - high.clean_labels[:, None] * high.mean
    np.testing.assert_allclose(noise_low, noise_high, atol=16 * EPS * 4)
    assert np.linalg.norm(high.mean) == pytest.approx(4.0, rel=8 * EPS)


def test_flips_have_the_declared_probability_and_test_samples_are_fresh() -> None:
    law = TwoClusters(2.0, flip=0.2)
    train, test = law.draw_problem(4000, 3, Streams(3)), law.test_sample(4000, 3, Streams(3))
    for sample in (train, test):
        low, high = clopper_pearson(int(np.count_nonzero(sample.flipped)), 4000, level=1 - 1e-6)
        assert low <= 0.2 <= high
    assert np.array_equal(train.mean, test.mean)
    assert not np.any(np.all(train.problem.X == test.problem.X, axis=1))


def test_the_clean_error_of_the_best_direction_is_the_normal_tail() -> None:
    law = TwoClusters(1.5, flip=0.4)
    test = law.test_sample(20_000, 4, Streams(8))
    errors = test.clean_errors(test.problem.X @ test.mean)
    exact = linear_clean_error(test.mean, test.mean)
    assert exact == pytest.approx(0.5 * math.erfc(1.5 / math.sqrt(2)), rel=16 * EPS)
    low, high = clopper_pearson(errors, 20_000, level=1 - 1e-6)
    assert low <= exact <= high


def test_a_prediction_of_zero_is_an_error_and_nan_is_refused() -> None:
    test = TwoClusters(1.5).test_sample(6, 4, Streams(8))
    assert test.clean_errors(np.zeros(6)) == 6
    assert test.clean_errors(test.clean_labels) == 0
    with pytest.raises(ValueError, match="NaN"):
        test.clean_errors(np.full(6, math.nan))
    with pytest.raises(ValueError, match="shape"):
        test.clean_errors(np.zeros((6, 1)))
    with pytest.raises(ValueError, match="not zero"):
        linear_clean_error(np.zeros(3), np.ones(3))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sphere(0.0), "radius"),
        (lambda: NearOrthogonal(math.nan), "ratio"),
        (lambda: TwoClusters(-1.0), "mean_norm"),
        (lambda: TwoClusters(1.0, flip=1.5), "probability"),
        (lambda: Gaussian().draw(0, 3, Streams(0)), "n is 0"),
        (lambda: Gaussian().draw(2, 0, Streams(0)), "d is 0"),
    ],
)
def test_laws_without_meaning_are_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
