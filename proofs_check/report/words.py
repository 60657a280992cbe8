"""How verdicts, statuses and numbers are written, on the page and in the terminal alike.

Every verdict has a word, a symbol and (on the page) a pattern, so that none depends on colour.
"""

from __future__ import annotations

import math

from proofs_check.verdict import Evidence, HypothesisStatus, Outcome, Regime, Verdict

__all__ = [
    "EVIDENCE_MEANINGS",
    "OUTCOME_SYMBOLS",
    "REGIME_WORDS",
    "STATUS_SYMBOLS",
    "VERDICT_SYMBOLS",
    "number",
    "parts",
    "plural",
    "word",
]

VERDICT_SYMBOLS = {
    Verdict.HOLDS: "✓",
    Verdict.VIOLATED: "✗",
    Verdict.CONSISTENT: "≈",
    Verdict.UNDECIDED: "?",
    Verdict.NOT_APPLICABLE: "–",
    Verdict.VACUOUS: "∅",
}

STATUS_SYMBOLS = {
    HypothesisStatus.TRUE: "✓",
    HypothesisStatus.FALSE: "✗",
    HypothesisStatus.UP_TO_CONSTANT: "C?",
    HypothesisStatus.NOT_CHECKABLE: "…",
}

OUTCOME_SYMBOLS = {
    Outcome.HELD: "✓",
    Outcome.FAILED: "✗",
    Outcome.WITHIN_ERROR: "?",
    Outcome.TRIVIAL: "∅",
}

REGIME_WORDS = {
    Regime.LAZY: "lazy",
    Regime.BETWEEN: "between",
    Regime.NOT_LAZY: "not lazy",
    Regime.NO_RUN: "nothing trained",
}

EVIDENCE_MEANINGS = {
    Evidence.ENCLOSED: "ball arithmetic: the numbers are enclosed",
    Evidence.VERIFIED: "float64 with every rounding bounded",
    Evidence.NUMERIC: "float64 with its spread measured; never a proof",
    Evidence.STATISTICAL: "a decision from finitely many random trials, at 95 %",
}


def word(value: Verdict | Evidence) -> str:
    """The name as it is written: ``NOT_APPLICABLE`` becomes ``NOT APPLICABLE``."""
    return value.name.replace("_", " ")


def plural(count: int, noun: str) -> str:
    """``1 trial``, ``2 trials``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def parts(value: float | None, digits: int = 3) -> tuple[str, int | None]:
    """Mantissa and power of ten of a number; the power is None where it is written out.

    ``(3.1, 9)`` is to be read as 3.1 x 10^9. Absent and undefined numbers are ``("—", None)``.
    """
    if value is None or math.isnan(value):
        return "—", None
    if math.isinf(value):
        return ("∞" if value > 0 else "−∞"), None
    if value == 0:
        return "0", None
    sign = "−" if value < 0 else ""
    size = abs(float(value))
    if size == int(size) and size < 1e5:
        return f"{sign}{int(size)}", None
    mantissa, power = f"{size:.{digits - 1}e}".split("e")
    exponent = int(power)
    if -3 <= exponent < 5:
        decimals = max(digits - 1 - exponent, 0)
        return sign + _trimmed(f"{size:.{decimals}f}"), None
    return sign + _trimmed(mantissa), exponent


def _trimmed(digits: str) -> str:
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def number(value: float | None, digits: int = 3) -> str:
    """A number for plain text: ``0.262``, ``6676``, ``3.1e9``, and a dash where there is none."""
    mantissa, power = parts(value, digits)
    return mantissa if power is None else f"{mantissa}e{power}"
