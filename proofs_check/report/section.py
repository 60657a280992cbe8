"""One statement's part of the page."""

from __future__ import annotations

import math
from html import escape
from typing import Any

from proofs_check.check.result import ClaimSummary, Result, parameter_values
from proofs_check.report.crosstable import Reach, reach
from proofs_check.report.fits import fit_picture
from proofs_check.report.markup import (
    ABSENT,
    anchor,
    badge,
    code,
    facts,
    formula,
    quantity,
    status_mark,
    symbol,
    table,
    text,
)
from proofs_check.report.pictures import caption, picture
from proofs_check.report.words import EVIDENCE_MEANINGS, REGIME_WORDS, number, plural, word
from proofs_check.statement import Comparison, Hypothesis
from proofs_check.verdict import HypothesisStatus, Outcome, Regime

__all__ = ["claims_seen", "regime_words", "section", "tightness_words"]

_MOST_PICTURES = 4


def section(result: Result) -> str:
    """The statement, what was assumed, what was seen, and how to repeat it."""
    name = anchor(result.key)
    inside = [
        _heading(result, name),
        _mathematics(result),
        _finding(result),
        _hypotheses(result),
        _observed(result, name),
        _mutants(result),
        _replay(result),
    ]
    body = "\n".join(filter(None, inside))
    return f'<section id="{name}" aria-labelledby="{name}-heading">\n{body}\n</section>'


def regime_words(result: Result) -> str:
    """The regime with the number it was read from."""
    if result.regime is None:
        return "not measured"
    if result.regime is Regime.NO_RUN:
        return REGIME_WORDS[result.regime]
    measured = f" (E\u00a0=\u00a0{number(result.regime_value)})" if result.regime_value is not None else ""
    return REGIME_WORDS[result.regime] + measured


def tightness_words(result: Result) -> str:
    """Tightness with what it is a ratio of."""
    if result.tightness is None:
        return "—"
    decays = [claim.comparison is Comparison.DECAY for claim in result.claims if claim.tightness is not None]
    return f"{number(result.tightness)} ({'proved/seen decay' if decays and decays[0] else 'bound/seen'})"


def _heading(result: Result, name: str) -> str:
    statement = result.statement
    outside = ' <span class="outside">OUTSIDE</span>' if result.outside else ""
    return (
        f'<header><h3 id="{name}-heading"><a href="#{name}">{text(statement.title)}</a></h3>'
        f'<p class="key">{code(result.key)} · {escape(result.kind)}</p>'
        f'<p class="verdict">{badge(result.verdict)}{outside}</p>'
        f'<p class="reason">{text(result.reason)}</p></header>'
    )


def _mathematics(result: Result) -> str:
    statement = result.statement
    source = statement.source
    where = f", arXiv:{escape(source.arxiv)}" if source.arxiv else ""
    who = f"{escape(source.authors)} ({source.year})."
    entries = [
        ("Source", f"{who} <cite>{escape(source.title)}</cite>. {escape(source.item)}{where}"),
        ("How sure we are of its text", f"<strong>{escape(statement.grade.value)}</strong>"),
    ]
    if statement.constants:
        entries.append(("Constants", "; ".join(_constant(item) for item in statement.constants)))
    if statement.witness:
        entries.append(("Why no setting makes it hold", text(statement.witness)))
    for note in dict.fromkeys((*statement.notes, *result.notes)):
        entries.append(("Note", text(note)))
    symbols = [(symbol(name), text(what)) for name, what in statement.symbols.items()]
    listing = f"<details><summary>Symbols</summary>{facts(symbols, 'symbols')}</details>" if symbols else ""
    return (
        f"{formula(statement.mathematics, parameter_values(result.parameters))}\n{listing}\n{facts(entries)}"
    )


def _constant(item: Any) -> str:
    value = quantity(item.value) if item.specified else "<em>unspecified in the source</em>"
    return f"{symbol(item.symbol)} ({text(item.meaning)}): {value}"


def _finding(result: Result) -> str:
    entries = [
        ("Trials", _trials(result)),
        ("Regime", text(regime_words(result))),
        ("Tightness", escape(tightness_words(result))),
        ("Evidence", f"{word(result.evidence)}: {escape(EVIDENCE_MEANINGS[result.evidence])}"),
        ("Non-trivial indices evaluated", quantity(float(result.evaluated))),
    ]
    if result.detectable is not None and math.isfinite(result.detectable):
        entries.append(
            ("Smallest tightening this check would notice", f"a factor {quantity(result.detectable)}")
        )
    if result.statement.probability is not None:
        entries.append(("Probability", _probability(result)))
    if result.data:
        entries.append(("Data", escape(result.data)))
    entries += [("Duplicate rows", escape(item)) for item in result.duplicates]
    if result.assumed:
        entries.append(("Assumed by name", ", ".join(code(item) for item in result.assumed)))
    return facts(entries)


def _trials(result: Result) -> str:
    counted = result.inside or result.trials
    which = "run"
    if result.inside:
        met = reach(item.status for item in result.hypotheses) is Reach.MET
        which = "with every hypothesis true" if met else "with no hypothesis false"
    exploratory = " (exploratory: the number of trials was overridden)" if result.exploratory else ""
    return f"held in {result.held} of {counted} {which}; {plural(result.trials, 'trial')} in all{exploratory}"


def _probability(result: Result) -> str:
    stated = result.statement.probability
    delta = stated.delta.get(result.size, math.nan) if stated else math.nan
    over = " and ".join(sorted(stated.over)) if stated else ""
    chance = ""
    if result.p_violation is not None:
        adjusted = (
            f", {number(result.p_adjusted)} after Holm's correction" if result.p_adjusted is not None else ""
        )
        chance = f"; chance of as many failures if it is true: {number(result.p_violation)}{adjusted}"
    return f"at least 1 − {number(delta)} over {escape(over)}{escape(chance)}"


def _hypotheses(result: Result) -> str:
    if not result.hypotheses:
        return "<p>No hypotheses.</p>"
    rows = [_hypothesis_row(item, item.name in result.assumed) for item in result.hypotheses]
    header = ("Hypothesis", "Status", "What is required", "Have", "Need", "Ratio")
    return "<h4>Hypotheses</h4>" + table(f"Hypotheses of {result.key}", header, rows)


def _hypothesis_row(item: Hypothesis, assumed: bool) -> tuple[str, ...]:
    status = status_mark(item.status) + (" (assumed)" if assumed else "")
    name = symbol(item.variable) if item.variable else ""
    sense = {">=": "≥", "<=": "≤"}[item.sense]
    at_one = " at C = 1" if item.status is HypothesisStatus.UP_TO_CONSTANT else ""
    have = f"{name} = {quantity(item.have)}" if not math.isnan(item.have) else ABSENT
    need = f"{sense} {quantity(item.need)}{at_one}" if not math.isnan(item.need) else ABSENT
    return (escape(item.name), status, text(item.text), have, need, quantity(item.ratio))


def _observed(result: Result, name: str) -> str:
    if not result.claims:
        return "<p>Nothing was observed: no claim was evaluated.</p>"
    return f"<h4>What was seen</h4>{claims_seen(result, name)}"


def claims_seen(result: Result, name: str) -> str:
    """The pictures of the first few claims and a table of all; ``name`` is unique on the page."""
    # What failed is always shown; of the rest, the first few.
    worth = [i for i in range(len(result.claims)) if _is_worth_a_picture(result.claims[i])]
    ranked = sorted(worth, key=lambda i: (result.claims[i].outcome is not Outcome.FAILED, i))
    figures = "".join(_figure(result.claims[i], f"{name}-{i}") for i in sorted(ranked[:_MOST_PICTURES]))
    header = ("Claim", "Outcome", "Seen", "Claimed", "Non-trivial indices", "Tightness", "Speaks of")
    listing = table(f"Claims of {result.key}", header, [_claim_row(item) for item in result.claims])
    return f'<div class="pictures">{figures}</div>{listing}'


def _is_worth_a_picture(claim: ClaimSummary) -> bool:
    """A fit, or numbers: nothing to see in none, and no more in one that equals another."""
    return bool(claim.fit) or bool(claim.index.size > (1 if claim.comparison is Comparison.EQUAL else 0))


def _figure(claim: ClaimSummary, name: str) -> str:
    if claim.fit:
        return "".join(
            f"<figure>{fit_picture(fit, f'{name}-{k}')}<figcaption>{text(fit.words)}</figcaption></figure>"
            for k, fit in enumerate(claim.fit)
        )
    return f"<figure>{picture(claim, name)}<figcaption>{text(caption(claim))}</figcaption></figure>"


def _claim_row(item: ClaimSummary) -> tuple[str, ...]:
    seen = claimed = ABSENT
    if item.index.size:
        place = -1 if item.least_slack is None else item.least_slack
        seen, claimed = quantity(float(item.observed[place])), _bounds(item, place)
    return (
        text(item.name),
        escape(item.outcome.value),
        seen,
        claimed,
        quantity(float(item.evaluated)),
        quantity(item.tightness),
        escape(item.quantifier.value),
    )


def _bounds(item: ClaimSummary, place: int) -> str:
    lower, upper = float(item.lower[place]), float(item.upper[place])
    if item.comparison is Comparison.EQUAL:
        return f"= {quantity(upper)}"
    sides = [f"≥ {quantity(lower)}"] if math.isfinite(lower) else []
    sides += [f"≤ {quantity(upper)}"] if math.isfinite(upper) else []
    return ", ".join(sides) or ABSENT


def _mutants(result: Result) -> str:
    if not result.mutants:
        return ""
    refuted = sum(mutant.refuted for mutant in result.mutants)
    words = {
        True: '<span class="status">✓ refuted</span>',
        False: '<span class="status false">✗ not refuted</span>',
    }
    rows = [(text(m.name), words[m.refuted], text(m.why_false), text(m.reason)) for m in result.mutants]
    header = ("False relative", "Refuted", "Why it is false", "What its check said")
    listing = table(f"Mutants of {result.key}", header, rows)
    summary = f"False relatives of this statement: {refuted} of {len(result.mutants)} refuted"
    return f"<details><summary>{summary}</summary>{listing}</details>"


def _replay(result: Result) -> str:
    values = parameter_values(result.parameters)
    set_to = ", ".join(f"{name} = {_value(value)}" for name, value in values.items())
    shown = (
        f"<p class='parameters'>Parameters ({escape(result.size)}): {escape(set_to)}</p>" if set_to else ""
    )
    replay = f"<pre>{escape(result.replay)}</pre>" if result.replay else ""
    return f"<details><summary>Repeat it</summary>{shown}{replay}</details>"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return number(value)
    if isinstance(value, tuple | list):
        return "(" + ", ".join(_value(item) for item in value) + ")"
    return str(value)
