"""Decide by evidence whether a statement holds: draw, judge, combine."""

from __future__ import annotations

from proofs_check.check.compare import Row, compare
from proofs_check.check.explain import Explanation, explain
from proofs_check.check.mutants import check_mutants, tightened
from proofs_check.check.replay import replay, save_case
from proofs_check.check.result import ClaimSummary, MutantResult, Result
from proofs_check.check.run import adjust, check, check_sweep

__all__ = [
    "ClaimSummary",
    "Explanation",
    "MutantResult",
    "Result",
    "Row",
    "adjust",
    "check",
    "check_mutants",
    "check_sweep",
    "compare",
    "explain",
    "replay",
    "save_case",
    "tightened",
]
