"""Frei, Chatterji, Bartlett 2022, Theorem 1: noisy labels fitted, and a clean error that falls with n ||mu||^4/p."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.statement import Claim, Comparison, Constant, Grade, Hypothesis, Mutant, Point, Statement
from proofs_check.theorems.frei2022._clusters import ClusterInstance, assumptions, draw, in_span
from proofs_check.theorems.frei2022._clusters import Parameters as Cell
from proofs_check.theorems.frei2022._sources import fcb22
from shallow.exact.gradient import predict
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = ["STATEMENT", "Parameters"]


@dataclass(frozen=True)
class Parameters:
    """A cell's sizes, the values of ||mu||^2 to vary, data sets a cell, and test points a data set."""

    n: int = 8
    p: int = 240
    m: int = 8
    gamma: float = 0.5
    H: float = 2.0
    mean_squares: tuple[float, ...] = (4.0, 6.0, 9.0, 13.0, 19.0, 28.0)
    eta: float = 0.1
    delta: float = 0.2
    rate: float = 0.99
    start: float = 0.99
    T: int = 12_000
    replicates: int = 16
    test_points: int = 2_000


@dataclass(frozen=True, eq=False)
class Instance:
    """Independent data sets of one cell."""

    cell: Parameters
    draws: tuple[ClusterInstance, ...]


@dataclass(frozen=True)
class Summary:
    """s = n ||mu||^4/p, clean errors of each data set among its test points, and unfitted training labels."""

    s: float
    errors: tuple[int, ...]
    test_points: int
    unfitted: int


def _grid(p: Parameters) -> Sequence[Parameters]:
    if len(set(p.mean_squares)) < 3:
        raise ValueError(
            f"{len(set(p.mean_squares))} value(s) of ||mu||^2 identify no slope; give mean_squares at least 3"
        )
    return [dataclasses.replace(p, mean_squares=(value,)) for value in p.mean_squares]


def _instance(p: Parameters, streams: Streams, problem: Problem | None) -> Instance:
    shared = {f.name: getattr(p, f.name) for f in dataclasses.fields(Cell) if hasattr(p, f.name)}
    cell = Cell(**shared, mean_square=p.mean_squares[0])
    words = [(*streams.independent, f"data set {r}") for r in range(p.replicates)]
    return Instance(p, tuple(draw(cell, dataclasses.replace(streams, independent=w)) for w in words))


def _hypotheses(case: Instance) -> Sequence[Hypothesis]:
    first = case.draws[0]
    epsilon = 0.5 / case.cell.n
    need = math.log(2.0) / (first.parameters.mean_square * first.alpha * epsilon**2)
    return [
        *assumptions(first),
        Hypothesis.inequality(
            "horizon",
            r"T \geq C L(W^{(0)}) / (\|\mu\|^2 \alpha \epsilon^2), \epsilon < 1/(2n)",
            variable="T",
            have=case.cell.T,
            sense=">=",
            need=need,
            up_to_constant=True,
        ),
    ]


def _evidence(case: Instance) -> Summary:
    from shallow.training import GradientDescent, train_many

    turned = [in_span(one.sample.problem, one.start) for one in case.draws]
    rule = GradientDescent(rate_W=case.draws[0].alpha / case.cell.n, rate_a=0.0, loss="logistic")
    runs = train_many(
        [net for _, net, _ in turned],
        [data for data, _, _ in turned],
        rule,
        steps=case.cell.T,
        at=[case.cell.T],
    )
    errors, unfitted = [], 0
    for one, (data, net, basis), run in zip(case.draws, turned, runs, strict=True):
        unfitted += int(np.sum(np.asarray(predict(run.network, data.X)) * np.asarray(data.y) <= 0))
        moved = (np.asarray(run.network.W) - np.asarray(net.W)) @ basis.T
        trained = one.start.replace(W=np.asarray(one.start.W) + moved)
        test = one.law.test_sample(case.cell.test_points, case.cell.p, one.streams)
        errors.append(test.clean_errors(predict(trained, test.problem.X)))
    s = case.cell.n * case.cell.mean_squares[0] ** 2 / case.cell.p
    return Summary(s, tuple(errors), case.cell.test_points, unfitted)


def _independent_counts(found: Sequence[Summary]) -> tuple[list[int], list[int]]:
    """Errors and trials of each cell, reduced by how much the data sets of a cell differ beyond binomial."""
    excess = []
    for one in found:
        share = float(np.mean(one.errors)) / one.test_points
        variance = one.test_points * share * (1.0 - share)
        excess.append(max(1.0, float(np.var(one.errors, ddof=1)) / variance) if variance > 0 else math.nan)
    largest = float(np.nanmax([1.0, *excess]))  # a cell without errors does not show its own
    factors = [largest if math.isnan(value) else value for value in excess]
    trials = [
        max(1, round(len(one.errors) * one.test_points / f)) for one, f in zip(found, factors, strict=True)
    ]
    errors = [min(t, round(sum(one.errors) / f)) for one, f, t in zip(found, factors, trials, strict=True)]
    return errors, trials


def _law(p: Parameters, points: Sequence[Point]) -> Sequence[Claim]:
    from shallow.statistics import fit_counts

    found = [point.summaries[0] for point in points]
    errors, trials = _independent_counts(found)
    # The error of a linear rule is Q(sqrt(s)) to first order, so its logarithm is nearly straight in sqrt(s).
    fit = fit_counts([math.sqrt(one.s) for one in found], errors, trials)
    return [
        Claim.from_arrays(
            "slope of log clean error in s^(1/2), s = n||mu||^4/p",
            fit.slope,
            upper=0.0,
            numerical_error=fit.interval[1] - fit.slope,
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


def _mutants() -> Sequence[Mutant]:
    small = Parameters(T=4_000, replicates=8, mean_squares=(4.0, 9.0, 16.0, 28.0))
    flipped = dataclasses.replace(STATEMENT, key=f"{STATEMENT.key}~A4", mutants=tuple)
    low = dataclasses.replace(STATEMENT, key=f"{STATEMENT.key}~A2", mutants=tuple)
    return [
        Mutant(
            "A4 dropped: eta = 0.85",
            "most labels are flipped, so the clean error rises with s",
            flipped,
            dataclasses.replace(small, eta=0.85),
        ),
        Mutant(
            "A2 dropped: p = 6 for n = 24",
            "in few dimensions noisy labels cannot be fitted",
            low,
            dataclasses.replace(small, n=24, p=6, eta=0.2, mean_squares=(4.0, 9.0, 16.0)),
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
            T=150_000,
            replicates=48,
        ),
    },
    instance=_instance,
    hypotheses=_hypotheses,
    evidence=_evidence,
    grid=_grid,
    law=_law,
    accepts_data="no: the clean error needs the law of the two clusters, and s = n||mu||^4/p must vary",
    constants=[Constant("C", "large enough, in (A1) to (A6), the horizon and the exponent; not given")],
    mutants=_mutants,
    notes=(
        "With C unspecified only the fall of the clean error with s can be tested; s varies through ||mu||.",
        "Counts are reduced by the spread between data sets, so that the interval speaks of new data sets.",
        "The horizon at C = 1 is far beyond T; the labels are fitted and the error settled long before it.",
    ),
)
