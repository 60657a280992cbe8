"""The part of the page past the hypotheses: what becomes of each conclusion where one fails widely."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from proofs_check.check.result import Result
from proofs_check.report.conclusions import changed, conclusion_words, shortfalls
from proofs_check.report.markup import anchor, code, quantity, symbol, table, text
from proofs_check.report.section import claims_seen, regime_words
from proofs_check.statement import Hypothesis
from proofs_check.verdict import HypothesisStatus, Outcome

__all__ = ["past_the_hypotheses"]

_LEAD = (
    "The same statements far past a hypothesis, in settings where training still goes on: nothing here can "
    "confirm or contradict a theorem. OUTSIDE marks a conclusion that was seen without its hypotheses; where "
    "it failed in more trials than the statement allows, something like the hypothesis is needed."
)


def past_the_hypotheses(results: Sequence[Result]) -> str:
    """A table with one row a statement, and what was seen of each below it."""
    if not results:
        return ""
    rows = [_row(result) for result in results]
    header = ("Statement", "Changed", "What fails", "Regime", "Conclusion")
    listing = table("One row a statement, at the setting named in its second column", header, rows)
    details = "\n".join(filter(None, (_details(result) for result in results)))
    seen = f"<details><summary>What was seen in these runs</summary>\n{details}\n</details>"
    return f'<h2 id="beyond">Past the hypotheses</h2>\n<p>{_LEAD}</p>\n{listing}\n{seen}'


def _row(result: Result) -> tuple[str, ...]:
    outside = ' <span class="outside">OUTSIDE</span>' if result.outside else ""
    failing = [item.name for item in result.claims if item.outcome is Outcome.FAILED]
    which = f'<br><span class="keys">{"; ".join(text(name) for name in failing)}</span>' if failing else ""
    short = "<br>".join(_shortfall(item) for item in shortfalls(result)) or "nothing"
    return (
        f'<a href="#{anchor(result.key)}">{escape(result.key).replace("/", "/<wbr>")}</a>',
        code(changed(result).replace(" = ", "\u00a0=\u00a0")) or "nothing",
        short,
        text(regime_words(result)),
        f"{escape(conclusion_words(result))}{outside}{which}",
    )


def _shortfall(item: Hypothesis) -> str:
    if math.isnan(item.ratio):
        return f"{escape(item.name)}: {text(item.text)}"
    sense = {">=": "≥", "<=": "≤"}[item.sense]
    at_one = " at C = 1" if item.status is HypothesisStatus.UP_TO_CONSTANT else ""
    name = symbol(item.variable) if item.variable else escape(item.name)
    return (
        f"{name} {sense} {quantity(item.need)}{at_one}, have {quantity(item.have)} "
        f"(ratio {quantity(item.ratio)})"
    )


def _details(result: Result) -> str:
    if not result.claims:
        return ""
    seen = claims_seen(result, f"beyond-{anchor(result.key)}")
    replay = f"<pre>{escape(result.replay)}</pre>" if result.replay else ""
    summary = f"{escape(result.key)}: {escape(conclusion_words(result))}"
    return f"<details><summary>{summary}</summary>{seen}{replay}</details>"
