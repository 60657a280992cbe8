"""A phase diagram says what its counts say: a contour, where they cannot tell, and where budget ran out."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shallow.figures import phase_diagram
from shallow.figures.phases import half_contour, phase_cells
from shallow.statistics import clopper_pearson

WIDTHS = np.geomspace(10, 1000, 9)
SCALES = np.geomspace(0.1, 10, 7)


def columns(seeds: int, *, spoiled: float = 0.0, steepness: float = 4.0) -> dict[str, Any]:
    """Runs that converge with logit p = steepness log(m / (100 tau))."""
    rng = np.random.default_rng(0)
    rows = [(m, tau, s) for m in WIDTHS for tau in SCALES for s in range(seeds)]
    m, tau, _ = (np.array(column) for column in zip(*rows))
    p = 1 / (1 + (100 * tau / m) ** steepness)
    met = rng.random(len(rows)) < p
    outcome = np.where(met, "CONVERGED", np.where(rng.random(len(rows)) < 0.5, "DIVERGED", "STATIONARY"))
    late = rng.random(len(rows)) < spoiled
    residual = np.where(met & ~late, 1e-4, 0.5)
    return {
        "m": m,
        "label_scale": tau,
        "outcome": np.where(late, "OUT_OF_BUDGET", outcome),
        "relative_residual": residual,
    }


@pytest.mark.parametrize("degree", [1, 2])
def test_the_contour_is_the_line_where_half_of_the_runs_converge(degree: int) -> None:
    contour = half_contour(phase_cells(columns(40)), degree=degree)
    assert len(contour) > 100
    error = np.log(contour[:, 0] / (100 * contour[:, 1]))
    # 63 cells of 40 runs of which about 1 in 5 is undetermined: the line is known to a few hundredths.
    assert np.sqrt(np.mean(error**2)) < 0.15


def test_cells_are_hatched_where_their_exact_interval_holds_one_half() -> None:
    cells = phase_cells(columns(20))
    assert cells.runs.sum() == 9 * 7 * 20
    hatched = cells.hatched
    assert 0 < hatched.sum() < hatched.size
    for row, column in np.ndindex(hatched.shape):
        low, high = clopper_pearson(int(cells.converged[row, column]), 20)
        assert hatched[row, column] == (low < 0.5 < high)


def test_with_fewer_than_six_seeds_nothing_is_hatched_and_the_picture_says_so(tmp_path: Path) -> None:
    # Of five runs even five successes leave 1/2 inside the interval, of six they do not.
    assert clopper_pearson(5, 5)[0] < 0.5 < clopper_pearson(6, 6)[0]
    few = phase_diagram(columns(5), tmp_path / "few")
    assert not few.hatched.any()
    assert any("fewer than 6 seeds" in note for note in few.notes)
    assert phase_diagram(columns(6), tmp_path / "enough").notes == ()


def test_cells_that_ran_out_of_budget_are_grey_and_say_nothing() -> None:
    cells = phase_cells(columns(20, spoiled=0.1))
    share = cells.undecided / cells.runs
    np.testing.assert_array_equal(cells.grey, share > 0.1)
    assert 0 < cells.grey.sum() < cells.grey.size
    np.testing.assert_array_equal(np.isnan(cells.probability), cells.grey)
    assert not (cells.hatched & cells.grey).any()


def test_no_contour_is_drawn_through_cells_that_say_nothing() -> None:
    cells = phase_cells(columns(20, spoiled=0.1))
    contour = half_contour(cells)
    assert len(contour) > 0
    for x, y in contour:
        row = int(np.argmin(np.abs(np.log(cells.y / y))))
        column = int(np.argmin(np.abs(np.log(cells.x / x))))
        assert not cells.grey[row, column]


def test_probability_leaves_out_what_ran_out_of_budget() -> None:
    data = {
        "m": [10.0] * 20,
        "label_scale": [1.0] * 20,
        "outcome": ["CONVERGED"] * 8 + ["DIVERGED"] * 6 + ["STATIONARY"] * 4 + ["OUT_OF_BUDGET"] * 2,
        # The last run met the goal in the end, whatever its label; the first diverging one only once did.
        "relative_residual": [1e-4] * 8 + [1e-4] + [9.0] * 5 + [0.5] * 5 + [1e-3],
    }
    cells = phase_cells(data)
    counts = [
        int(part[0, 0]) for part in (cells.converged, cells.diverged, cells.stationary, cells.undecided)
    ]
    assert counts == [9, 6, 4, 1]
    assert cells.probability[0, 0] == 9 / 19


def test_figure_and_numbers_are_written_the_same_each_time(tmp_path: Path) -> None:
    first = phase_diagram(columns(10), tmp_path / "a", labels=("$m$", r"$\tau$"), title="phases")
    second = phase_diagram(columns(10), tmp_path / "b", labels=("$m$", r"$\tau$"), title="phases")
    assert first.files[0].read_bytes() == second.files[0].read_bytes()
    rows = list(csv.DictReader(io.StringIO(first.files[1].read_text())))
    assert len(rows) == 63
    assert sum(int(row["converged"]) for row in rows) == int(first.converged.sum())


def test_where_all_went_one_way_there_is_no_contour(tmp_path: Path) -> None:
    data = columns(6)
    data |= {"outcome": np.full(len(data["m"]), "CONVERGED"), "relative_residual": np.zeros(len(data["m"]))}
    drawn = phase_diagram(data, tmp_path / "one")
    assert len(drawn.contour) == 0
    assert any("no 1/2 contour" in note for note in drawn.notes)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"m": None}, "the table has no column m"), ({"m": [0.0]}, "a number that is not positive")],
)
def test_a_table_that_cannot_be_drawn_is_refused(change: dict[str, Any], message: str) -> None:
    data = {"m": [1.0], "label_scale": [1.0], "outcome": ["CONVERGED"], "relative_residual": [0.0], **change}
    data = {name: values for name, values in data.items() if values is not None}
    with pytest.raises(ValueError, match=message):
        phase_cells(data)
