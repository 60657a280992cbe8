"""Frei, Chatterji, Bartlett 2022, Theorem 1: noisy labels are fitted, and the clean error falls with s."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from proofs_check.statement import (
    Claim,
    Comparison,
    Constant,
    Grade,
    Mutant,
    Point,
    Statement,
)
from proofs_check.theorems.frei2022._clean_error import (
    Parameters,
    data_sets,
    grid,
    hypotheses,
    independent_counts,
    trained,
)
from proofs_check.theorems.frei2022._pictures import fall_of
from proofs_check.theorems.frei2022._sources import fcb22

__all__ = ["STATEMENT"]


def _law(p: Parameters, points: Sequence[Point]) -> Sequence[Claim]:
    from shallow.statistics import fit_counts

    found = [point.summaries[0] for point in points]
    errors, trials = independent_counts(found)
    # The error of a linear rule is Q(sqrt(s)) to first order, so its logarithm is nearly straight in sqrt(s).
    fit = fit_counts([math.sqrt(one.s) for one in found], errors, trials)
    return [
        Claim.from_arrays(
            "slope of log clean error in s^(1/2), s = n||mu||^4/p",
            fit.slope,
            upper=0.0,
            numerical_error=max(abs(end - fit.slope) for end in fit.interval),
            fit=(fall_of(found, errors, trials, fit),),
        ),
        Claim.from_arrays(
            "training labels not fitted, flipped ones included",
            [one.unfitted for one in found],
            lower=0.0,
            upper=0.0,
            index=[one.s for one in found],
            index_name="s = n||mu||^4/p",
            trivial=p.eta * p.n * p.replicates,
            comparison=Comparison.EQUAL,
        ),
    ]


def _flat_law(p: Parameters, points: Sequence[Point]) -> Sequence[Claim]:
    """The same with the inequality turned round: the clean error does not fall."""
    slope, fitted = _law(p, points)
    return [
        dataclasses.replace(slope, lower=slope.upper, upper=math.inf, comparison=Comparison.LOWER),
        fitted,
    ]


def _mutants() -> Sequence[Mutant]:
    few = Parameters(replicates=6, mean_squares=(4.0, 9.0, 16.0), T=1_500)
    flat = dataclasses.replace(STATEMENT, key=f"{STATEMENT.key}~flat", mutants=tuple, law=_flat_law)
    low = dataclasses.replace(STATEMENT, key=f"{STATEMENT.key}~A2", mutants=tuple)
    return [
        Mutant(
            "the clean error does not fall with s",
            "mu is common to all samples and adds up, noise is not and does not",
            flat,
            Parameters(T=500),
        ),
        Mutant(
            "A2 dropped: p = 6 for n = 24",
            "in few dimensions noisy labels cannot be fitted",
            low,
            dataclasses.replace(few, n=24, p=6, eta=0.2),
        ),
    ]


STATEMENT = Statement(
    key="frei2022/benign-overfitting",
    title="Benign overfitting: noisy labels are fitted and the clean error falls with n ||mu||^4/p",
    kind="scaling",
    family="frei2022",
    source=fcb22("Theorem 1"),
    grade=Grade.READ,
    mathematics=(
        r"$x = z + \tilde y \mu$ in $\mathbb{R}^p$, labels flipped with probability $\eta$. Under (A1) to "
        r"(A6) and "
        r"$$T \ge \frac{C L(W^{(0)})}{\|\mu\|^2 \alpha \epsilon^2},$$ "
        r"with probability at least $1 - 2\delta$ every training label is fitted and "
        r"$$\mathbb{P}(y \ne \operatorname{sign} f(x)) \le \eta + 2 \exp\left(-\frac{n \|\mu\|^4}{C "
        r"p}\right).$$"
    ),
    symbols={
        r"\mu": "mean of the positive cluster",
        r"\eta": "probability that a label is flipped",
        r"\alpha": "step on the mean logistic loss",
        "C": "large enough; not given",
    },
    presets={
        "quick": Parameters(),
        "full": Parameters(
            n=16,
            p=1_150,
            m=32,
            mean_squares=(5.0, 8.0, 13.0, 20.0, 32.0, 50.0, 70.0),
            T=20_000,
            replicates=24,
        ),
    },
    instance=data_sets,
    hypotheses=hypotheses,
    evidence=trained,
    grid=grid,
    law=_law,
    accepts_data="no: the clean error needs the law of the clusters, and their mean must vary",
    constants=[Constant("C", "large enough, in (A1) to (A6), the horizon and the exponent; not given")],
    mutants=_mutants,
    notes=(
        "With C unspecified only the fall of the clean error with s can be tested; s varies through ||mu||.",
        "Counts are reduced by the spread between data sets, so that the interval speaks of new data sets.",
        "The horizon at C = 1 is far beyond T; the labels are fitted and the error settled long before it.",
    ),
)
