"""Words for what a check found: verdict, evidence, outside, regime."""

from __future__ import annotations

from enum import Enum, IntEnum

__all__ = ["Evidence", "HypothesisStatus", "Outcome", "Regime", "Verdict"]


class Verdict(Enum):
    """What the runs say about a statement; the value is the sentence shown to the reader."""

    HOLDS = "every hypothesis is true, the conclusion was seen, and the bound was not empty"
    VIOLATED = "every hypothesis is true and the conclusion failed by more than the numerical error"
    CONSISTENT = "a hypothesis is known only up to a constant, so a run cannot decide; nothing contradicts it"
    UNDECIDED = (
        "the slack is under the numerical error, there were too few trials, or the conclusion failed where "
        "an unspecified constant may excuse it"
    )
    NOT_APPLICABLE = "a hypothesis is false here"
    VACUOUS = "the conclusion was seen, but nothing in these runs could have contradicted it"


class Evidence(IntEnum):
    """How strong the arithmetic behind a verdict is; the weakest input wins, so compare with ``min``."""

    STATISTICAL = 0
    NUMERIC = 1
    VERIFIED = 2
    ENCLOSED = 3


class HypothesisStatus(Enum):
    """What is known of one hypothesis on one instance."""

    TRUE = "true"
    FALSE = "false"
    UP_TO_CONSTANT = "up to a constant"
    NOT_CHECKABLE = "not checkable"


class Outcome(Enum):
    """What became of one trial's conclusion."""

    HELD = "held"
    FAILED = "failed"
    WITHIN_ERROR = "within the numerical error"
    TRIVIAL = "trivial"


class Regime(Enum):
    """How far a run is from its tangent model: E = sup_t ||f_t - f_tangent,t|| / ||r_0||."""

    LAZY = "E < 0.1"
    BETWEEN = "0.1 <= E <= 0.5"
    NOT_LAZY = "E > 0.5"
    NO_RUN = "the statement trains nothing"
