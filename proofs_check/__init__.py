"""Statements about shallow networks as executable objects, and what runs say of them.

``import proofs_check`` loads neither Numba, SciPy nor Matplotlib.
"""

from __future__ import annotations

from proofs_check.certificates import (
    Certificate,
    certify_descent,
    certify_flow,
    certify_initial,
    verify_certificate,
)
from proofs_check.certificates.claimed import proves_lambda_min_at_least
from proofs_check.certificates.eigenvalue import lambda_min_bracket, lambda_min_lower_bound
from proofs_check.check import (
    ClaimSummary,
    MutantResult,
    Result,
    check,
    check_mutants,
    check_sweep,
    compare,
    explain,
    replay,
    tightened,
)
from proofs_check.statement import (
    Claim,
    Comparison,
    Constant,
    FitPoints,
    Grade,
    Hypothesis,
    Mutant,
    Point,
    Probability,
    Quantifier,
    Requirement,
    Source,
    Statement,
)
from proofs_check.theorems import THEOREMS
from proofs_check.verdict import Evidence, HypothesisStatus, Outcome, Regime, Verdict

__all__ = [
    "THEOREMS",
    "Certificate",
    "Claim",
    "ClaimSummary",
    "Comparison",
    "Constant",
    "Evidence",
    "FitPoints",
    "Grade",
    "Hypothesis",
    "HypothesisStatus",
    "Mutant",
    "MutantResult",
    "Outcome",
    "Point",
    "Probability",
    "Quantifier",
    "Regime",
    "Requirement",
    "Result",
    "Source",
    "Statement",
    "Verdict",
    "certify_descent",
    "certify_flow",
    "certify_initial",
    "check",
    "check_mutants",
    "check_sweep",
    "compare",
    "explain",
    "lambda_min_bracket",
    "lambda_min_lower_bound",
    "proves_lambda_min_at_least",
    "replay",
    "tightened",
    "verify_certificate",
]
