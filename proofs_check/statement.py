"""A published (or a user's own) statement as an object that can be drawn, checked and shown.

A :class:`Statement` is a frozen record of plain functions. Nothing registers itself: the library's own
statements stand in the literal table :data:`proofs_check.THEOREMS`, and ``check`` takes any other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

import numpy as np

from proofs_check.verdict import Evidence, HypothesisStatus
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = [
    "Claim",
    "Comparison",
    "Constant",
    "FitPoints",
    "Grade",
    "Hypothesis",
    "Mutant",
    "Point",
    "Probability",
    "Quantifier",
    "Requirement",
    "Source",
    "Statement",
]


class Grade(Enum):
    """How sure we are of a statement's text; shown to every reader, never upgraded silently."""

    READ = "read in the source"
    RECALL_HIGH = "recalled, high confidence; not read in the source"
    RECALL_MEDIUM = "recalled, medium confidence; not read in the source"
    RECALL_LOW = "recalled, low confidence; not read in the source"
    DERIVED = "derived and proved here, with explicit constants; not the paper's text"
    FROM_PROOF = "taken from the proof, not from the statement"
    OWN = "a user's own statement"


class Comparison(Enum):
    """The shape of a claim; it decides what counts as holding and how tightness is measured."""

    EQUAL = "equal"
    UPPER = "upper"
    LOWER = "lower"
    TWO_SIDED = "two-sided"
    DECAY = "decay"
    LIMIT = "limit"
    THRESHOLD = "threshold"
    FINDING = "finding"


class Quantifier(Enum):
    """For which objects the observed numbers speak."""

    INSTANCE = "this instance"
    SEARCHED = "for all, searched"
    PROVED = "for all, proved"


@dataclass(frozen=True)
class Source:
    """Where a statement comes from. ``bibtex`` is the entry itself, ready for a paper's bibliography."""

    authors: str
    title: str
    year: int
    item: str
    arxiv: str = ""
    bibtex: str = ""

    def __str__(self) -> str:
        where = f", arXiv:{self.arxiv}" if self.arxiv else ""
        return f"{self.authors} ({self.year}), {self.item}{where}"


@dataclass(frozen=True)
class Constant:
    """A constant of the statement: its value, or None when the source leaves it unspecified."""

    symbol: str
    meaning: str
    value: float | None = None

    @property
    def specified(self) -> bool:
        """Whether the source gives a number."""
        return self.value is not None


@dataclass(frozen=True)
class Hypothesis:
    """One hypothesis on one instance, as an inequality between two sides where it is one.

    Parameters
    ----------
    name : str
        Short and stable, such as ``"width"``; ``--assume NAME`` names it.
    text : str
        What is required, in words and symbols.
    status : HypothesisStatus
    variable : str
        The variable it constrains, such as ``"m"``.
    have, need : float
        What the instance has of that variable and what would be required; NaN where it is no inequality.
    sense : ">=" or "<="
        Which side must be larger.
    """

    name: str
    text: str
    status: HypothesisStatus
    variable: str = ""
    have: float = math.nan
    need: float = math.nan
    sense: Literal[">=", "<="] = ">="

    @property
    def ratio(self) -> float:
        """have/need for ``>=``, need/have for ``<=``: at least 1 when met, NaN where it is no inequality."""
        top, bottom = (self.have, self.need) if self.sense == ">=" else (self.need, self.have)
        if math.isnan(top) or math.isnan(bottom):
            return math.nan
        if bottom == 0:
            return math.inf if top >= 0 else -math.inf
        return top / bottom

    @staticmethod
    def inequality(
        name: str,
        text: str,
        *,
        variable: str,
        have: float,
        sense: Literal[">=", "<="],
        need: float,
        up_to_constant: bool = False,
    ) -> Hypothesis:
        """A hypothesis ``have >= need`` or ``have <= need``; NaN on either side counts as false.

        With ``up_to_constant`` the source leaves a constant open: ``need`` is its value at C = 1 and the
        status is UP_TO_CONSTANT whatever the ratio, because no number can decide it.
        """
        met = have >= need if sense == ">=" else have <= need
        status = HypothesisStatus.TRUE if met else HypothesisStatus.FALSE
        if up_to_constant:
            status = HypothesisStatus.UP_TO_CONSTANT
        return Hypothesis(name, text, status, variable, float(have), float(need), sense)

    @staticmethod
    def fact(name: str, text: str, holds: bool, variable: str = "") -> Hypothesis:
        """A hypothesis that is simply true or false of the instance."""
        return Hypothesis(name, text, HypothesisStatus.TRUE if holds else HypothesisStatus.FALSE, variable)

    @staticmethod
    def not_checkable(name: str, text: str, variable: str = "") -> Hypothesis:
        """A hypothesis on a law, which no finite set of numbers can settle.

        It is for a user's own data: a statement that drew its instance from the law itself reports
        ``Hypothesis.fact(name, text, True)``. It counts as met only when it is assumed by name.
        """
        return Hypothesis(name, text, HypothesisStatus.NOT_CHECKABLE, variable)


def _series(values: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    array = np.array(np.atleast_1d(np.asarray(values, dtype=np.float64)), copy=True)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class FitPoints:
    """The picture of a fit: points with their intervals, the fitted line with its own, and the law beside it.

    Parameters
    ----------
    x, y : arrays of one length
        The points that were fitted.
    y_low, y_high : arrays of that length
        An interval of each point; an end that is not finite (or 0 on a logarithmic axis) is open.
    line_x, line_y : arrays of one length
        The fitted line over the fitted range, and as far as it was extrapolated.
    line_low, line_high : arrays of that length
        The ends of the fit's interval, drawn as a band about the line.
    reference : array of that length
        What the law says at ``line_x``: its slope through the middle of the points, or its limit.
    x_name, y_name, reference_name : str
        Plain text, for the axes and the legend.
    words : str
        The fit in one sentence: the estimate, its interval and the fitted range.
    log_x, log_y : bool
        Whether an axis is logarithmic.
    """

    x: Any
    y: Any
    y_low: Any
    y_high: Any
    line_x: Any
    line_y: Any
    line_low: Any
    line_high: Any
    reference: Any
    x_name: str
    y_name: str
    reference_name: str
    words: str
    log_x: bool = False
    log_y: bool = False

    def __post_init__(self) -> None:
        for first, others in (
            ("x", ("y", "y_low", "y_high")),
            ("line_x", ("line_y", "line_low", "line_high", "reference")),
        ):
            size = np.atleast_1d(getattr(self, first)).size
            for name in (first, *others):
                values = _series(getattr(self, name))
                if values.shape != (size,):
                    raise ValueError(
                        f"a fit's {name} has shape {values.shape}, its {first} has {size} entries"
                    )
                object.__setattr__(self, name, values)


@dataclass(frozen=True, eq=False)
class Claim:
    """Observed numbers beside the bounds the statement puts on them.

    A statement gives its conclusion first: the first claim that has a tightness gives the statement's.

    All arrays are one-dimensional and of one length. The statement says ``lower <= observed <= upper`` at
    every index; an absent side is -inf or +inf. For EQUAL, lower = upper.

    Parameters
    ----------
    name : str
    index : array
        Where the claim is evaluated: steps, times, sample numbers. The statement leaves out indices at
        which equality holds by construction (the start of a trajectory) and those at which a residual is
        under the rounding floor (1e-12 of its start).
    observed, lower, upper : arrays
    trivial : float or array
        The value that would be known without the statement (for a residual norm: its start). A claim counts
        as non-trivial where its bound is at least ten times below (upper) or above (lower) that value; NaN
        means that any bound is informative, as for equalities and facts that could simply be false.
    numerical_error : float or array
        A bound on, or measurement of, the numerical error of ``observed`` against its bounds, absolute, in
        the unit of ``observed``. A claim that comes closer to its bound than this is decided neither way;
        for EQUAL it is the tolerance within which the two sides count as equal.
    comparison : Comparison
    quantifier : Quantifier
    index_name, unit : str
        For the picture's axes.
    log_scale : bool
        Whether the picture's value axis is logarithmic.
    fit : tuple of FitPoints
        For a claim about fitted numbers: the fits behind them, which are drawn in its place.
    """

    name: str
    index: Any
    observed: Any
    lower: Any
    upper: Any
    trivial: Any
    numerical_error: Any
    comparison: Comparison
    quantifier: Quantifier = Quantifier.INSTANCE
    index_name: str = "index"
    unit: str = ""
    log_scale: bool = False
    fit: tuple[FitPoints, ...] = ()

    def __post_init__(self) -> None:
        index = _series(self.index)
        object.__setattr__(self, "index", index)
        for name in ("observed", "lower", "upper", "trivial", "numerical_error"):
            values = _series(getattr(self, name))
            if values.shape != index.shape:
                if values.shape != (1,):
                    raise ValueError(
                        f"claim {self.name!r}: {name} has {values.size} entries, its index {index.size}"
                    )
                values = _series(np.full(index.shape, values[0]))
            object.__setattr__(self, name, values)

    @staticmethod
    def from_arrays(
        name: str,
        observed: Any,
        *,
        lower: Any = -math.inf,
        upper: Any = math.inf,
        index: Any = None,
        trivial: Any = math.nan,
        numerical_error: Any = 0.0,
        comparison: Comparison | None = None,
        quantifier: Quantifier = Quantifier.INSTANCE,
        index_name: str = "index",
        unit: str = "",
        log_scale: bool = False,
        fit: tuple[FitPoints, ...] = (),
    ) -> Claim:
        """A claim from observed numbers and bounds; its comparison follows from the sides given."""
        values = np.atleast_1d(np.asarray(observed, dtype=np.float64))
        if comparison is None:
            has_lower = bool(np.any(np.isfinite(np.asarray(lower))))
            has_upper = bool(np.any(np.isfinite(np.asarray(upper))))
            if not has_lower and not has_upper:
                raise ValueError(f"claim {name!r} has no bound: give lower, upper or both")
            comparison = Comparison.UPPER
            if has_lower:
                comparison = Comparison.TWO_SIDED if has_upper else Comparison.LOWER
        return Claim(
            name=name,
            index=np.arange(values.size) if index is None else index,
            observed=values,
            lower=lower,
            upper=upper,
            trivial=trivial,
            numerical_error=numerical_error,
            comparison=comparison,
            quantifier=quantifier,
            index_name=index_name,
            unit=unit,
            log_scale=log_scale,
            fit=fit,
        )


@dataclass(frozen=True)
class Probability:
    """That a conclusion has probability at least 1 - delta over named randomness, and the trials that decide.

    ``trials`` is fixed in the file so that zero failures decide at 95 %: 30 for delta = 0.1, 299 for 0.01.
    """

    delta: Mapping[str, float]
    over: frozenset[Literal["init", "data", "labels"]]
    trials: Mapping[str, int]


@dataclass(frozen=True)
class Requirement:
    """What ``compare`` shows of a statement on an instance without training anything."""

    width: float = math.nan
    width_up_to_constant: bool = False
    step: float = math.nan
    decay: float = math.nan
    note: str = ""


@dataclass(frozen=True)
class Mutant:
    """A false relative of the statement, which the check must refute on the given witness.

    ``statement`` is the false statement in full; ``parameters`` is the witness at which it fails.
    """

    name: str
    why_false: str
    statement: Statement
    parameters: Any
    trials: int = 1


@dataclass(frozen=True, eq=False)
class Point:
    """One cell of a scaling statement's grid: its parameters and the summaries of its trials."""

    parameters: Any
    summaries: tuple[Any, ...]


def _no_hypotheses_along(instance: Any, evidence: Any) -> Sequence[Hypothesis]:
    return ()


def _no_mutants() -> Sequence[Mutant]:
    return ()


def _nothing(instance: Any) -> Any:
    return None


@dataclass(frozen=True, eq=False)
class Statement:
    """A statement that can be checked.

    Parameters
    ----------
    key : str
        ``author+year/item``, such as ``"du2019/theorem-4.1"``.
    title : str
    kind : str
        ``"theorem"``, ``"lemma"``, ``"certificate"``, ``"scaling"`` or ``"finding"``.
    family : str
        The group it is listed under, such as ``"du2019"``.
    source : Source
    grade : Grade
        How sure we are of the text.
    mathematics : str
        Hypotheses and conclusion in TeX mathematics (the subset that matplotlib and our MathML writer share).
        ``{name}`` fields are filled with parameter values by ``explain KEY --set``.
    symbols : mapping from symbol to meaning
    presets : mapping
        ``{"quick": parameters, "full": parameters}``: frozen dataclass instances of one type. A third,
        ``"beyond"``, lies far past a hypothesis while training still goes on: a report shows what becomes
        of the conclusion there.
    instance : (parameters, streams, problem | None) -> instance
        What the statement speaks of. ``problem`` is the user's own data. It need not be a network.
    hypotheses : (instance) -> sequence of Hypothesis
        Before anything is trained.
    evidence : (instance) -> anything
        Train, solve, or return None.
    hypotheses_along : (instance, evidence) -> sequence of Hypothesis
    claims : (instance, evidence) -> sequence of Claim
        For a statement without a grid.
    grid : (parameters) -> sequence of parameters, or None
        For a statement about scaling: the cells. ``evidence`` is then a summary per instance,
    law : (parameters, points) -> sequence of Claim
        and this fits the law to them. A grid that does not identify every exponent raises ValueError.
    run : (instance, evidence) -> Trajectory | None
        The training behind the evidence, for the regime and the picture; None when nothing is trained.
    accepts_data : "yes", "subsampled", or "no: <reason>"
    constants : sequence of Constant
    probability : Probability | None
    requirement : (instance) -> Requirement, or None
        The row of ``compare``.
    mutants : () -> sequence of Mutant
        A function, so that witnesses are built only when asked for.
    numeric : Evidence
        The strongest arithmetic its evidence uses; a statistical claim lowers it.
    witness : str
        Why there is no setting in which all hypotheses are TRUE and it HOLDS; empty when there is one.
    """

    key: str
    title: str
    kind: Literal["theorem", "lemma", "certificate", "scaling", "finding"]
    family: str
    source: Source
    grade: Grade
    mathematics: str
    symbols: Mapping[str, str]
    presets: Mapping[str, Any]
    instance: Callable[[Any, Streams, Problem | None], Any]
    hypotheses: Callable[[Any], Sequence[Hypothesis]]
    claims: Callable[[Any, Any], Sequence[Claim]] | None = None
    evidence: Callable[[Any], Any] = _nothing
    hypotheses_along: Callable[[Any, Any], Sequence[Hypothesis]] = _no_hypotheses_along
    grid: Callable[[Any], Sequence[Any]] | None = None
    law: Callable[[Any, Sequence[Point]], Sequence[Claim]] | None = None
    run: Callable[[Any, Any], Any] | None = None
    accepts_data: str = "yes"
    constants: Sequence[Constant] = ()
    probability: Probability | None = None
    requirement: Callable[[Any], Requirement] | None = None
    mutants: Callable[[], Sequence[Mutant]] = _no_mutants
    numeric: Evidence = Evidence.NUMERIC
    witness: str = ""
    notes: Sequence[str] = field(default=())

    @property
    def gathers_evidence(self) -> bool:
        """Whether it trains or solves anything beyond drawing its instance."""
        return self.evidence is not _nothing

    def __post_init__(self) -> None:
        if (self.grid is None) != (self.law is None):
            raise ValueError(f"{self.key}: a scaling statement needs both grid and law")
        if (self.claims is None) == (self.law is None):
            raise ValueError(f"{self.key}: give claims, or grid and law, and not both")
        if "quick" not in self.presets:
            raise ValueError(f"{self.key}: presets lack 'quick'")
        for name, parameters in self.presets.items():
            if type(parameters) is not type(self.presets["quick"]):
                raise ValueError(f"{self.key}: preset {name!r} is of another type than 'quick'")
