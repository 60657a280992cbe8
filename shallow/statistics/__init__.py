"""Exact intervals, confidence sequences, exponent and threshold fits."""

from __future__ import annotations

from shallow.statistics.counts import CountFit, fit_counts
from shallow.statistics.exponents import ExponentFit, LimitFit, extrapolate, fit_exponents
from shallow.statistics.intervals import (
    clopper_pearson,
    confidence_sequence,
    excess_p_value,
    holm,
    lower_limit,
    trials_needed,
    upper_limit,
)
from shallow.statistics.thresholds import ThresholdFit, fit_threshold

__all__ = [
    "CountFit",
    "ExponentFit",
    "LimitFit",
    "ThresholdFit",
    "clopper_pearson",
    "confidence_sequence",
    "excess_p_value",
    "extrapolate",
    "fit_counts",
    "fit_exponents",
    "fit_threshold",
    "holm",
    "lower_limit",
    "trials_needed",
    "upper_limit",
]
