"""The picture of a fit: its words, its open ends, and arrays that fit together."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from proofs_check import Claim, FitPoints, Outcome, Result
from proofs_check.check.result import ClaimSummary
from proofs_check.report.document import document
from proofs_check.report.fits import fit_picture
from proofs_check.report.section import section


def _fit(**changes: Any) -> FitPoints:
    line = np.linspace(1.0, 4.0, 5)
    fields: dict[str, Any] = {
        "x": [1.0, 2.0, 4.0],
        "y": [1.0, 0.5, 0.0],
        "y_low": [0.8, 0.4, 0.0],
        "y_high": [1.2, 0.6, 0.3],
        "line_x": line,
        "line_y": 1.0 / line,
        "line_low": 0.9 / line,
        "line_high": 1.1 / line,
        "reference": np.ones(5),
        "x_name": "$s^{1/2}$",
        "y_name": "clean error",
        "reference_name": "slope 0",
        "words": r"slope $-1.0 \times 10^{-3}$ & <more>",
        "log_y": True,
    }
    return FitPoints(**{**fields, **changes})


@pytest.mark.parametrize("log_x", [False, True])
def test_a_point_without_a_logarithm_is_an_arrow_and_everything_is_one_picture(log_x: bool) -> None:
    svg = fit_picture(_fit(log_x=log_x), "here")
    assert svg.startswith("<svg")
    assert svg.count("<title") == 1
    title = re.search(r"<title[^>]*>(.*?)</title>", svg)
    assert title is not None
    assert title.group(1) == "slope -1.0 x 10^-3 &amp; &lt;more&gt;"


def test_open_ends_and_infinite_bands_do_not_reach_the_axes() -> None:
    svg = fit_picture(_fit(y_high=[1.2, np.inf, 0.3], line_high=np.full(5, np.inf)), "open")
    assert "nan" not in svg
    assert "inf" not in svg


def test_a_fit_without_a_finite_number_still_has_a_picture() -> None:
    nothing = [np.nan] * 3
    svg = fit_picture(
        _fit(y=nothing, y_low=nothing, y_high=nothing, line_y=np.zeros(5), reference=np.zeros(5)), "none"
    )
    assert svg.startswith("<svg")


def test_arrays_of_two_lengths_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="y_low has shape"):
        _fit(y_low=[1.0])
    with pytest.raises(ValueError, match="reference has shape"):
        _fit(reference=[1.0])


def test_arrays_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        _fit().y[0] = 2.0


def test_a_fit_goes_from_the_claim_to_the_page_and_the_document(
    make_result: Callable[..., Result], summarized: Callable[[Claim, Outcome], ClaimSummary]
) -> None:
    claim = Claim.from_arrays("slope", -1.0, upper=0.0, numerical_error=0.1, fit=(_fit(), _fit()))
    summary = summarized(claim, Outcome.HELD)
    assert summary.claim.fit == claim.fit
    result = make_result(claims=(summary,))
    assert section(result).count("<svg") == 2
    (written,) = document([result], 0)["results"][0]["claims"]
    assert [item["y"] for item in written["fit"]] == [[1.0, 0.5, 0.0]] * 2
    assert document([make_result()], 0)["results"][0]["claims"][0]["fit"] == []
