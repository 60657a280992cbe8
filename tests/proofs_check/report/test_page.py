"""The page stands alone, says everything in words, and links to everything it names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from proofs_check.check.result import Result
from proofs_check.report.page import page
from proofs_check.statement import Claim, Comparison
from proofs_check.verdict import Outcome, Verdict

_VOID = {"meta", "link", "br", "wbr", "img", "hr", "input"}


class _Reader(HTMLParser):
    """Collects elements and text, and insists that every element is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def having(self, name: str) -> list[str]:
        return [str(attributes[name]) for _, attributes in self.elements if attributes.get(name)]


@pytest.fixture(scope="module")
def text(results: Sequence[Result]) -> str:
    return page(results, seed=3)


@pytest.fixture(scope="module")
def read(text: str) -> _Reader:
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader


def test_every_element_is_closed(read: _Reader) -> None:
    assert read.open == []
    assert len(read.elements) > 100


def test_nothing_is_fetched_and_nothing_is_run(text: str, read: _Reader) -> None:
    assert "script" not in {tag for tag, _ in read.elements}
    sources = read.having("src") + read.having("href") + read.having("xlink:href")
    assert {source[0] for source in sources if not source.startswith("data:,")} == {"#"}
    assert "@import" not in text
    assert "url(http" not in text


def test_ids_are_unique_and_every_link_arrives(read: _Reader) -> None:
    ids = Counter(read.having("id"))
    assert [name for name, count in ids.items() if count > 1] == []
    links = {link[1:] for link in read.having("href") if link.startswith("#")}
    assert len(links) > 0
    assert links <= set(ids)


def test_it_speaks_to_a_screen_reader_and_a_phone(read: _Reader) -> None:
    assert read.elements[0] == ("html", {"lang": "en"})
    assert "width=device-width, initial-scale=1" in read.having("content")
    pictures = [attributes for tag, attributes in read.elements if tag == "svg"]
    assert len(pictures) == 5
    assert {(p["role"], bool(p["aria-labelledby"])) for p in pictures} == {("img", True)}
    assert {attributes["scope"] for tag, attributes in read.elements if tag == "th"} == {"row", "col"}
    headings = [int(tag[1]) for tag, _ in read.elements if re.fullmatch(r"h[1-6]", tag)]
    assert max(after - before for before, after in pairwise(headings)) == 1


def test_verdicts_are_written_out(read: _Reader) -> None:
    words = " ".join(read.words)
    for verdict in Verdict:
        assert verdict.name.replace("_", " ") in words


def test_statement_source_grade_and_numbers_are_shown(text: str, read: _Reader) -> None:
    words = " ".join("".join(read.words).split())
    for needed in (
        "Up and Other (2024)",
        "arXiv:2401.00001",
        "derived and proved here, with explicit constants; not the paper's text",
        "unspecified in the source",
        "its constant is open",
        "1 of 1 refuted",
        "held in 25 of 30 with every hypothesis true; 30 trials in all",
        "held in 30 of 30 with no hypothesis false",
        "failed",
        "OUTSIDE",
    ):
        assert needed in words or needed in text
    assert "3.1&#8239;×&#8239;10<sup>9</sup>" in text
    assert text.count("<math") >= 12


def test_text_of_statements_cannot_become_markup(text: str) -> None:
    assert "<nothing>" not in text
    assert "<made up>" not in text
    assert "&lt;nothing&gt;" in text


def test_no_number_is_written_as_a_computer_would(read: _Reader) -> None:
    words = " ".join(read.words)
    assert re.search(r"\b(nan|NaN|inf|None|array)\b", words) is None


def test_the_same_results_give_the_same_bytes(results: Sequence[Result], text: str) -> None:
    assert page(results, seed=3) == text


def test_a_page_of_forty_statements_stays_small(make_result: Callable[..., Result]) -> None:
    one, two = (len(page([make_result(f"a/{k}") for k in range(count)], seed=0)) for count in (1, 3))
    assert one + 39 * (two - one) / 2 < 3e6


@pytest.mark.parametrize(
    "claim",
    [
        Claim("one number", [0], [1.0], [2.0], [float("inf")], 0.0, 0.0, Comparison.LOWER),
        Claim(
            "infinite", [0, 1, 2, 3], [1, float("inf"), 2, 3], float("-inf"), 1.5, 1.0, 0.0, Comparison.UPPER
        ),
        Claim("not a number", [0], [float("nan")], float("-inf"), 1.0, 1.0, 0.0, Comparison.UPPER),
        Claim("zeros", range(5), [0] * 5, float("-inf"), [0] * 5, 1.0, 0.0, Comparison.UPPER, log_scale=True),
        Claim("huge", range(5), [1e300] * 5, 1e-300, 1e300, 1.0, 0.0, Comparison.TWO_SIDED, log_scale=True),
        Claim("equal", range(9), [1.0] * 9, 1.0, 1.0, float("nan"), 1e-9, Comparison.EQUAL),
        Claim("one place", [3] * 5, [1.0] * 5, 0.0, 2.0, float("nan"), 0.0, Comparison.TWO_SIDED),
        Claim("long", range(1, 5000), [1.0] * 4999, 0.0, 2.0, float("nan"), 0.0, Comparison.TWO_SIDED),
    ],
    ids=lambda claim: claim.name,
)
def test_any_claim_can_be_drawn(
    make_result: Callable[..., Result], summarized: Callable[..., object], claim: Claim
) -> None:
    text = page([make_result(claims=(summarized(claim, Outcome.HELD),))], seed=0)
    assert text.count("<svg") == 1
    assert len(text) < 200_000


def test_one_number_that_equals_another_needs_no_picture(
    make_result: Callable[..., Result], summarized: Callable[..., object]
) -> None:
    equal = Claim("the same", [0], [2.5], 2.5, 2.5, float("nan"), 1e-9, Comparison.EQUAL)
    text = page([make_result(claims=(summarized(equal, Outcome.HELD),))], seed=0)
    assert text.count("<svg") == 0
    assert '= <span class="n">2.5</span>' in text


def test_a_claim_without_indices_is_said_to_be_empty(
    make_result: Callable[..., Result], summarized: Callable[..., object]
) -> None:
    nothing = Claim("none", [], [], [], [], [], [], Comparison.UPPER)
    text = page([make_result(claims=(summarized(nothing, Outcome.TRIVIAL),))], seed=0)
    assert text.count("<svg") == 0
    assert ">none</th>" in text
