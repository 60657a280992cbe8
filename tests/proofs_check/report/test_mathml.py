"""Mathematics of statements reaches the page whole, or not at all."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs_check.report.mathml import TexError, mathml, prose
from proofs_check.report.symbols import BIG_OPERATORS, FUNCTIONS, LETTERS, LIMIT_FUNCTIONS, OPERATORS

_SPACE = "{http://www.w3.org/1998/Math/MathML}"

FORMULAS = (
    r"\|r_k\|^2 \le \left(1 - \tfrac{21}{64} s_0^2\right)^k \|r_0\|^2",
    r"m \ge \frac{512}{\pi} \, \frac{n^5 \|y - f_0\|^2}{\delta^2 \lambda_0^4}",
    r"\|y - u(k)\|_2 = \sqrt{\sum_{i=1}^{n} (1 - \eta\lambda_i)^{2k} (v_i^\top y)^2} \pm \epsilon",
    r"A(B) = \max_i \max\Big\{\sum_{r \in S} a_r(0)^2 : \sum_{r \in S} \mu_{ir}^2 \le B^2\Big\}",
    r"\mathbb{E}_{w \sim \mathcal{N}(0, I)}\, \phi'(w x)\, \phi'(w z) = \frac{\pi - \theta}{2\pi}",
    r"\langle w_k, x_i \rangle > 0 \quad \text{for all } i \le n",
    r"\limsup_{t \to \infty} \sqrt[3]{\sigma_3/\sigma_1} \leq \exp(-\eta_W t/4)",
    r"\hat f''(x) \ne -\bar{\lambda}_{\min}",
)


def _tree(markup: str) -> ElementTree.Element:
    return ElementTree.fromstring(markup)


@pytest.mark.parametrize("tex", FORMULAS)
def test_papers_formulas_become_well_formed_mathematics(tex: str) -> None:
    tree = _tree(mathml(tex))
    assert tree.tag == _SPACE + "math"
    assert tree.get("alttext") == tex
    assert "\\" not in "".join(tree.itertext())


@pytest.mark.parametrize(
    ("tag", "children"),
    [("mfrac", 2), ("msub", 2), ("msup", 2), ("msubsup", 3), ("munder", 2)],
)
def test_every_schema_has_its_number_of_children(tag: str, children: int) -> None:
    nodes = [node for tex in FORMULAS for node in _tree(mathml(tex)).iter(_SPACE + tag)]
    assert len(nodes) > 0
    assert {len(node) for node in nodes} == {children}


def test_a_fraction_keeps_numerator_over_denominator() -> None:
    (fraction,) = _tree(mathml(r"\frac{n^5}{\delta}")).iter(_SPACE + "mfrac")
    assert ["".join(part.itertext()) for part in fraction] == ["n5", "δ"]


def test_limits_stand_under_a_displayed_sum_and_beside_an_inline_one() -> None:
    assert len(list(_tree(mathml(r"\sum_i x_i")).iter(_SPACE + "munder"))) == 1
    assert len(list(_tree(mathml(r"\sum_i x_i", "inline")).iter(_SPACE + "munder"))) == 0


def test_a_prime_and_a_power_share_one_superscript() -> None:
    (power,) = _tree(mathml(r"f'^2")).iter(_SPACE + "msup")
    assert "".join(power.itertext()) == "f′2"


def test_a_minus_after_a_relation_is_a_sign() -> None:
    signs = [node for node in _tree(mathml("x = -y - z")).iter(_SPACE + "mo") if node.text == "−"]
    assert [node.get("form") for node in signs] == ["prefix", None]


def test_text_keeps_its_blanks_and_is_escaped() -> None:
    (text,) = _tree(mathml(r"x \text{ if a < b }")).iter(_SPACE + "mtext")
    assert text.text == "\u00a0if a < b\u00a0"


@pytest.mark.parametrize("name", sorted({*LETTERS, *OPERATORS, *BIG_OPERATORS, *LIMIT_FUNCTIONS, *FUNCTIONS}))
def test_every_name_of_the_subset_converts(name: str) -> None:
    # A name that the converter did not know would stay as text with its backslash, or raise.
    assert "\\" not in "".join(_tree(mathml(rf"x \{name} y")).itertext())


@pytest.mark.parametrize(
    ("tex", "piece"),
    [
        (r"\cfrac{1}{2}", r"\cfrac"),
        (r"\begin{cases}", r"\begin"),
        (r"\frac{1}", "an argument is missing"),
        (r"{x", "} is missing"),
        (r"x}", "an unexpected }"),
        (r"\left( x", r"\right is missing"),
        (r"x_1_2", "two subscripts"),
        (r"x^1^2", "two superscripts"),
        (r"x_", "an argument is missing"),
        (r"\mathbb{λ}", "has no λ"),
        (r"\text{x", "is not closed"),
        (r"\text x", "needs braces"),
        (r"x \ge 0 for every y", "write every as"),
        ("   ", "the formula is empty"),
        ("a $ b", "$ does not belong here"),
    ],
)
def test_what_is_outside_the_subset_is_named(tex: str, piece: str) -> None:
    with pytest.raises(TexError) as caught:
        mathml(tex)
    assert piece in str(caught.value)


def test_prose_holds_formulas_and_escapes_the_rest() -> None:
    html = prose("If a < b then $m \\ge n$ and $$\\sum_i r_i$$")
    assert html.startswith("If a &lt; b then <math")
    assert html.count("<math") == 2
    assert 'display="block"' in html


@pytest.mark.parametrize("text", ["$x", "$$x$", "a $x$ b $"])
def test_an_unpaired_dollar_is_an_error(text: str) -> None:
    with pytest.raises(TexError, match=r"closed|empty"):
        prose(text)


_atoms = st.sampled_from(["x", "y_i", "2", r"\lambda", r"\|r\|", r"\log n", r"\mathbb{E}", "-", r"\le"])
_formulas = st.recursive(
    _atoms,
    lambda inner: st.one_of(
        st.builds(r"\frac{{{}}}{{{}}}".format, inner, inner),
        st.builds(r"\sqrt{{{}}}".format, inner),
        st.builds("{{{}}}_{{{}}}".format, inner, inner),
        st.builds(r"\left({}\right)^{{{}}}".format, inner, inner),
        st.builds("{} {}".format, inner, inner),
    ),
    max_leaves=12,
)


@given(_formulas)
def test_any_nesting_of_the_subset_is_well_formed(tex: str) -> None:
    tree = _tree(mathml(tex))
    children = {len(node) for tag in ("mfrac", "msub", "msup") for node in tree.iter(_SPACE + tag)}
    assert tree.tag == _SPACE + "math"
    assert children <= {2}
