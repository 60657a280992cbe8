"""Data sets of one cell of the benign overfitting law: trained, and tested on fresh samples."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from proofs_check.statement import Hypothesis
from proofs_check.theorems.frei2022._clusters import ClusterInstance, assumptions, draw, in_span
from proofs_check.theorems.frei2022._clusters import Parameters as Cell
from shallow.exact.gradient import predict
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = [
    "Instance",
    "Parameters",
    "Summary",
    "data_sets",
    "grid",
    "hypotheses",
    "independent_counts",
    "trained",
]


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
    T: int = 2_500
    replicates: int = 12
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


def grid(p: Parameters) -> Sequence[Parameters]:
    """One cell for each value of ||mu||^2; ValueError for fewer than 3, which identify no slope."""
    if len(set(p.mean_squares)) < 3:
        raise ValueError(
            f"{len(set(p.mean_squares))} value(s) of ||mu||^2 identify no slope; give mean_squares at least 3"
        )
    return [dataclasses.replace(p, mean_squares=(value,)) for value in p.mean_squares]


def data_sets(p: Parameters, streams: Streams, problem: Problem | None) -> Instance:
    """The replicates of a cell, each with streams of its own."""
    shared = {f.name: getattr(p, f.name) for f in dataclasses.fields(Cell) if hasattr(p, f.name)}
    cell = Cell(**shared, mean_square=p.mean_squares[0])
    words = [(*streams.independent, f"data set {r}") for r in range(p.replicates)]
    return Instance(p, tuple(draw(cell, dataclasses.replace(streams, independent=w)) for w in words))


def hypotheses(case: Instance) -> Sequence[Hypothesis]:
    """(A1) to (A6) and the horizon, at C = 1."""
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


def trained(case: Instance) -> Summary:
    """Train every replicate to step T and count clean errors on fresh samples of its own law."""
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
    for one, (_, net, basis), run in zip(case.draws, turned, runs, strict=True):
        moved = (np.asarray(run.network.W) - np.asarray(net.W)) @ basis.T
        final = one.start.replace(W=np.asarray(one.start.W) + moved)
        data = one.sample.problem
        unfitted += int(np.sum(np.asarray(predict(final, data.X)) * np.asarray(data.y) <= 0))
        test = one.law.test_sample(case.cell.test_points, case.cell.p, one.streams)
        errors.append(test.clean_errors(predict(final, test.problem.X)))
    s = case.cell.n * case.cell.mean_squares[0] ** 2 / case.cell.p
    return Summary(s, tuple(errors), case.cell.test_points, unfitted)


def independent_counts(found: Sequence[Summary]) -> tuple[list[int], list[int]]:
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
