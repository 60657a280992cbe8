"""Oymak and Soltanolkotabi 2020, ReLU: training the first layer, width n^4/d^3 suffices on the sphere."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from proofs_check.statement import Claim, Constant, Grade, Hypothesis, Mutant, Point, Requirement, Statement
from proofs_check.theorems.oymak2020._cells import Instance, Parameters, draw, successes
from proofs_check.theorems.oymak2020._picture import picture, rays
from proofs_check.theorems.oymak2020._sources import OYMAK2020

__all__ = ["STATEMENT"]


def _grid(p: Parameters) -> Sequence[Parameters]:
    from shallow.statistics.grids import read_grid

    read_grid(rays(p.sizes), len(p.sizes))
    return [dataclasses.replace(p, sizes=(size,), widths=(width,)) for size in p.sizes for width in p.widths]


def _hypotheses(case: Instance) -> Sequence[Hypothesis]:
    n, d = case.draws[0].problem.n, case.draws[0].problem.d
    return [
        Hypothesis.inequality("many samples", r"n \geq d", variable="n", have=n, sense=">=", need=d),
        Hypothesis.inequality("not too many", r"n \leq d^2", variable="n", have=n, sense="<=", need=d * d),
        Hypothesis.inequality(
            "width",
            r"m \geq C n \|X\|^6 / \lambda(X)^4",
            variable="m",
            have=case.m,
            sense=">=",
            need=max(one.width_needed for one in case.draws),
            up_to_constant=True,
        ),
    ]


def _law(p: Parameters, points: Sequence[Point], power: tuple[float, float] = (4.0, -3.0)) -> Sequence[Claim]:
    """m*(n, d) over n^a d^b, with ``power`` = (a, b), must not grow along either edge of d <= n <= d^2."""
    from shallow.statistics import fit_threshold

    cells = [point.summaries[0] for point in points]
    fit = fit_threshold(
        rays([(cell.n, cell.d) for cell in cells]),
        [cell.m for cell in cells],
        [cell.successes for cell in cells],
        [cell.trials for cell in cells],
    )
    a, b = power
    names, allowed = ("d^2/n", "n/d"), (a + b, 2.0 * a + b)
    errors = [max(abs(end - fit.exponents[name]) for end in fit.intervals[name]) for name in names]
    return [
        Claim.from_arrays(
            f"growth of m* n^{-a:g} d^{-b:g} along n = d, and along n = d^2",
            [fit.exponents[name] - bound for name, bound in zip(names, allowed, strict=True)],
            upper=0.0,
            index=[1.0, 2.0],
            index_name="log n / log d along the ray",
            numerical_error=errors,
            fit=tuple(picture(cells, fit, name, bound) for name, bound in zip(names, allowed, strict=True)),
        )
    ]


def _requirement(case: Instance) -> Requirement:
    return Requirement(
        width=case.draws[0].width_needed,
        width_up_to_constant=True,
        note="C n ||X||^6 / lambda(X)^4 at C = 1, for unit rows; the decay's constant is not given either",
    )


def _mutants() -> Sequence[Mutant]:
    small = dataclasses.replace(
        STATEMENT,
        key=f"{STATEMENT.key}~n/d^3",
        mutants=tuple,
        law=lambda p, points: _law(p, points, power=(1.0, -3.0)),
    )
    return [
        Mutant(
            "width n/d^3 suffices",
            "m d parameters cannot fit n > m d labels, and n/d^3 is far below n/d",
            small,
            Parameters(replicates=6),
        )
    ]


STATEMENT = Statement(
    key="oymak2020/relu-width",
    title="Width n^4/d^3 suffices for the first layer of a ReLU network on the sphere",
    kind="scaling",
    family="oymak2020",
    source=OYMAK2020,
    grade=Grade.RECALL_MEDIUM,
    mathematics=(
        r"$\|x_i\| = 1$, half of $a$ is $+\|y\|/\sqrt{m n}$ and half $-\|y\|/\sqrt{m n}$, fixed; $W_0 \sim "
        r"\mathcal{N}(0, 1)$. "
        r"If $m \ge C n \|X\|^6 / \lambda(X)^4$, then "
        r"$$\|r_t\| \le \left(1 - \frac{c \bar\eta \lambda(X)}{\|X\|^2}\right)^t \|r_0\|.$$ "
        r"On the sphere with $d \le n \le d^2$ the width is of order $n^4/d^3$, so the threshold "
        r"$m^*(n, d) \sim n^a d^b$ has $a + b \le 1$ and $2a + b \le 5$."
    ),
    symbols={
        r"\lambda(X)": "smallest eigenvalue of the limit kernel of the first layer",
        r"\|X\|": "spectral norm",
        r"\bar\eta": "the step over n/(||y||^2 ||X||^2), at most 1",
        "m^*": "width at which half the runs reach the target within the promised time",
    },
    presets={
        "quick": Parameters(),
        "full": Parameters(
            sizes=(
                *((8, 4), (12, 6), (16, 8), (24, 12), (18, 6), (27, 9), (36, 12), (54, 18)),
                *((32, 8), (48, 12), (64, 16), (96, 24), (50, 10), (75, 15), (100, 20)),
            ),
            widths=(1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0),
            replicates=24,
        ),
    },
    instance=draw,
    hypotheses=_hypotheses,
    evidence=successes,
    grid=_grid,
    law=_law,
    accepts_data="no: it is a law over growing n and d; compare shows the width it asks for on given data",
    constants=[
        Constant("C", "in the width; not given"),
        Constant("c", "in the decay; not given, and 1/4 in the time a run is granted"),
    ],
    requirement=_requirement,
    mutants=_mutants,
    notes=(
        "Recalled; the order n ||X||^6/lambda^4 was re-derived from the pattern-flip argument and agrees.",
        "The threshold is bounded from above only; parameter counting suggests m* d of order n.",
    ),
)
