"""The report's page: one HTML file that needs no script, no network and no colour."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import resources
from itertools import groupby

from proofs_check.check.result import Result
from proofs_check.report.beyond import past_the_hypotheses
from proofs_check.report.crosstable import COLUMNS, Cell, Reach, Seen, cross_table
from proofs_check.report.document import versions
from proofs_check.report.markup import anchor, badge, code, facts, status_mark, table, text
from proofs_check.report.section import regime_words, section, tightness_words
from proofs_check.report.words import EVIDENCE_MEANINGS, REGIME_WORDS, plural, word
from proofs_check.verdict import HypothesisStatus, Regime, Verdict

__all__ = ["page"]

_TITLE = "Statements on depth-2 ReLU networks, checked"
_LEAD = (
    "Each statement below, from a paper or derived here, is an executable object: an instance is drawn, "
    "every hypothesis is computed on it, the network is trained or the program solved, and the conclusion "
    "is compared with what was seen. A run never proves a theorem; it can contradict one, show that one "
    "says nothing at a given size, measure how tight it is, and show how far past its hypotheses its "
    "conclusion survives."
)
_REACH = (
    "Rows: what is known of a statement's hypotheses. Columns: how far the runs went from their tangent "
    "model. Entries: in how many trials the conclusion was seen (✓), failed (✗) or was not decided (?). "
    "The bottom row is where the theory is silent: a ✓ there is a conclusion seen without its hypotheses."
)
_BOTH_KINDS = (
    ' The settings of the verdicts above and those of <a href="#beyond">past the hypotheses</a> both count.'
)
_MEASURES = (
    (
        "E",
        "sup over t of ‖f<sub>t</sub> − f<sub>tangent,t</sub>‖ / ‖r<sub>0</sub>‖, the tangent model trained "
        "in lockstep; the thresholds 0.1 and 0.5 are ours",
    ),
    (
        "tightness",
        "bound divided by what was seen where they come closest; for a decay, the proved exponent divided by "
        "the one seen",
    ),
    ("ratio", "have/need for ≥ and need/have for ≤: at least 1 when the hypothesis is met"),
    ("non-trivial", "the bound gets ten times below (or above) what is known without the statement"),
)
_STATUS_MEANINGS = {
    HypothesisStatus.TRUE: "it was computed, and it is true of this instance",
    HypothesisStatus.FALSE: "it was computed, and it is false of this instance",
    HypothesisStatus.UP_TO_CONSTANT: "the source leaves a constant open; the number is its value at C = 1",
    HypothesisStatus.NOT_CHECKABLE: "it speaks of a law, which no finite set of numbers can settle",
}
_REGIME_MEANINGS = {
    Regime.LAZY: "E < 0.1: the run stays with its tangent model",
    Regime.BETWEEN: "0.1 ≤ E ≤ 0.5",
    Regime.NOT_LAZY: "E > 0.5: the run leaves its tangent model",
    Regime.NO_RUN: "the statement trains nothing",
}
_SEEN_SYMBOLS = {Seen.YES: "✓", Seen.NO: "✗", Seen.UNCLEAR: "?"}


def page(results: Sequence[Result], seed: int, beyond: Sequence[Result] = ()) -> str:
    """The page as text.

    Parameters
    ----------
    results : sequence of Result
        In the order to be shown; statements of one family should stand together.
    seed : int
    beyond : sequence of Result
        Checks at settings past the hypotheses, which the cross-table counts too.
    """
    style = resources.files("proofs_check.report").joinpath("style.css").read_text(encoding="utf-8")
    body = [
        _introduction(results, seed),
        _summary(results),
        _cross_table(results, beyond),
        _legend(),
        past_the_hypotheses(beyond),
        *_families(results),
        _footer(seed),
    ]
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{_TITLE}</title>",
            '<link rel="icon" href="data:,">',
            f"<style>\n{style}</style>\n</head>\n<body>",
            '<a class="skip" href="#summary">Skip to the verdicts</a>\n<main>',
            *body,
            "</main>\n</body>\n</html>\n",
        ]
    )


def _introduction(results: Sequence[Result], seed: int) -> str:
    counts = [(verdict, sum(r.verdict is verdict for r in results)) for verdict in Verdict]
    tally = ", ".join(f"{count} {word(verdict)}" for verdict, count in counts if count)
    trials = sum(result.trials for result in results)
    return (
        f"<h1>{_TITLE}</h1>\n<p class='lead'>{_LEAD}</p>\n"
        f"<p>{plural(len(results), 'statement')}, {plural(trials, 'trial')}, seed {seed}: {tally}.</p>"
    )


def _summary(results: Sequence[Result]) -> str:
    rows = [
        (
            f'<a href="#{anchor(r.key)}">{escape(r.key).replace("/", "/<wbr>")}</a>',
            badge(r.verdict) + (' <span class="outside">OUTSIDE</span>' if r.outside else ""),
            _reach_words(r),
            text(regime_words(r)),
            escape(tightness_words(r)),
            f'<span class="n">{r.held}/{r.inside or r.trials}</span>',
        )
        for r in results
    ]
    header = ("Statement", "Verdict", "Hypotheses", "Regime", "Tightness", "Held")
    return '<h2 id="summary">Verdicts</h2>\n' + table("One row a statement", header, rows)


def _reach_words(result: Result) -> str:
    counts = {status: sum(h.status is status for h in result.hypotheses) for status in HypothesisStatus}
    shown = [f"{count} {status.value}" for status, count in counts.items() if count]
    return escape(", ".join(shown) or "none")


def _cross_table(results: Sequence[Result], beyond: Sequence[Result]) -> str:
    cells = {(cell.reach, cell.regime): cell for cell in cross_table([*results, *beyond])}
    rows = [(row.value, *(_cell(cells.get((row, column))) for column in COLUMNS)) for row in Reach]
    header = ("Hypotheses", *(REGIME_WORDS[column] if column else "not measured" for column in COLUMNS))
    listing = table("Trials by hypotheses, regime and outcome", header, rows, kind="scroll")
    lead = _REACH + (_BOTH_KINDS if beyond else "")
    return f'<h2 id="reach">What the theory reaches, and what training does</h2>\n<p>{lead}</p>\n{listing}'


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return '<span class="empty" aria-label="none">·</span>'
    counts = " ".join(
        f'<span class="count">{_SEEN_SYMBOLS[seen]}&#8239;{count} {seen.value}</span>'
        for seen, count in cell.trials.items()
        if count
    )
    links = ", ".join(
        f'<a href="#{anchor(key)}">{escape(key).replace("/", "/<wbr>")}</a>' for key in cell.keys
    )
    return f'{counts or "no trial"}<br><span class="keys">{links}</span>'


def _legend() -> str:
    entries = [(badge(verdict), escape(verdict.value)) for verdict in Verdict]
    entries += [
        (
            '<span class="outside">OUTSIDE</span>',
            "the conclusion was seen, non-trivially, although a hypothesis failed; it speaks of the theorem",
        )
    ]
    entries += [(status_mark(status), escape(meaning)) for status, meaning in _STATUS_MEANINGS.items()]
    entries += [(REGIME_WORDS[regime], escape(meaning)) for regime, meaning in _REGIME_MEANINGS.items()]
    entries += [(word(evidence), escape(meaning)) for evidence, meaning in EVIDENCE_MEANINGS.items()]
    entries += _MEASURES
    return f'<details class="legend"><summary>Words and signs</summary>{facts(entries)}</details>'


def _families(results: Sequence[Result]) -> list[str]:
    found: list[str] = []
    for family, members in groupby(results, key=lambda result: result.statement.family):
        group = list(members)
        found.append(f'<h2 class="family">{escape(family)}</h2>')
        found.extend(section(result) for result in group)
    return found


def _footer(seed: int) -> str:
    shown = ", ".join(f"{name} {version}" for name, version in versions().items() if version)
    return (
        f"<footer><p>Made with {escape(shown)}; seed {seed}. The numbers behind this page are in "
        f"{code('results.json')} beside it.</p></footer>"
    )
