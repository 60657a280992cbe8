"""Randomness by purpose: nested, paired, and independent where it should be."""

from __future__ import annotations

import numpy as np
import pytest

from shallow.setting.streams import Streams


def draw(streams: Streams, *words: object, n: int = 1000, **parameters: object) -> np.ndarray:
    return streams.generator(*words, **parameters).standard_normal(n)


def test_a_stream_depends_on_seed_purpose_and_parameters_only() -> None:
    reference = draw(Streams(1), "W", d=3)
    assert np.array_equal(reference, draw(Streams(np.int64(1)), "W", d=3))
    others = [
        draw(Streams(2), "W", d=3),
        draw(Streams(1), "a", d=3),
        draw(Streams(1), "W", d=4),
        draw(Streams(1), "W"),
        draw(Streams(1, independent=("cell",)), "W", d=3),
    ]
    for other in others:
        assert abs(np.corrcoef(reference, other)[0, 1]) < 6 / np.sqrt(1000)


def test_the_order_of_parameters_does_not_matter() -> None:
    assert np.array_equal(draw(Streams(1), "W", d=3, k=2), draw(Streams(1), "W", k=2, d=3))


def test_draws_are_nested_in_the_number_of_rows() -> None:
    wide = Streams(5).generator("W", d=3).standard_normal((50, 3))
    for rows in (1, 7, 49):
        assert np.array_equal(Streams(5).generator("W", d=3).standard_normal((rows, 3)), wide[:rows])


def test_the_numbers_of_a_stream_are_fixed_for_ever() -> None:
    """A change here would silently change every figure and every recorded result."""
    assert Streams(0).generator("W", d=3).bit_generator.random_raw(2).tolist() == [
        15158781345996828752,
        1817308371531562543,
    ]


@pytest.mark.parametrize("seed", [-1, 1.0, True, "1", None])
def test_a_seed_is_a_non_negative_integer(seed: object) -> None:
    with pytest.raises(ValueError, match="non-negative integer"):
        Streams(seed)
