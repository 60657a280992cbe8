"""Mathematics in plain characters is set better without changing what it says."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs_check.report.asciimath import typeset, unicode


@pytest.mark.parametrize(
    ("plain", "html"),
    [
        ("||w_r - w_r(0)|| <= 4 sqrt(n)", "‖w<sub>r</sub> − w<sub>r</sub>(0)‖ ≤ 4 √(n)"),
        ("m = Omega(n^7/lambda0^4)", "m = Ω(n<sup>7</sup>/λ<sub>0</sub><sup>4</sup>)"),
        ("lambda_min(H) >= 0.5", "λ<sub>min</sub>(H) ≥ 0.5"),
        ("label_scale is 3.1e-09", "label_scale is 3.1&#8239;×&#8239;10<sup>−9</sup>"),
        ("eta_W, m^{-1/2}, x^(k)", "η<sub>W</sub>, m<sup>−1/2</sup>, x<sup>k</sup>"),
        ("sqrt(E_W^2) + ||X||^2", "√(E<sub>W</sub><sup>2</sup>) + ‖X‖<sup>2</sup>"),
        (r"\nu e^{\delta_0} \leq 1", "ν e<sup>δ<sub>0</sub></sup> ≤ 1"),
        ("a < b & c", "a &lt; b &amp; c"),
        ("the meta data of beta versions", "the meta data of β versions"),
    ],
)
def test_what_a_reader_expects(plain: str, html: str) -> None:
    assert typeset(plain) == html


@given(st.text(alphabet="ab_^<>&|()e1-+ {}='\"", max_size=30))
def test_no_text_becomes_markup_of_its_own(plain: str) -> None:
    tags = set(re.findall(r"<[^>]*>", typeset(plain)))
    assert tags <= {"<sub>", "</sub>", "<sup>", "</sup>"}
    assert typeset(plain).count("<sub>") == typeset(plain).count("</sub>")


def test_an_axis_keeps_its_scripts_as_typed() -> None:
    assert unicode("||H(0) - H^infty|| <= lambda_min & more") == "‖H(0) − H^∞‖ ≤ λ_min & more"
