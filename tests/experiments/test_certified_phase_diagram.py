"""The certified phase diagram can be made again, and no proof in it is contradicted by its run."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from experiments import certified_phase_diagram as diagram
from experiments.__main__ import main
from experiments._certified_picture import by_cell, by_regime, distinct
from experiments._certified_problems import PROBLEMS
from experiments._certified_runs import CONVERGED, KINDS, Cell, Run, rounding
from shallow.setting.duplicates import find_duplicates
from shallow.setting.streams import Streams

RUNS = diagram.read()


def test_every_cell_has_its_seeds_and_the_data_stay_small() -> None:
    cells = by_cell(RUNS)
    assert list(cells) == list(diagram.CELLS)
    assert {tuple(run.seed for run in runs) for runs in cells.values()} == {diagram.SEEDS}
    assert len(diagram.SEEDS) >= 20
    assert sum(path.stat().st_size for path in diagram.DATA.parent.glob("*diabetes*")) < 10_000
    assert diagram.DATA.stat().st_size < 300_000


def test_no_proof_is_contradicted_by_its_run() -> None:
    proved = [run for run in RUNS if run.firing_step >= 0]
    assert len(proved) > 500
    assert {run.outcome for run in proved} <= {"converged", "out of budget"}
    assert all(run.residual <= run.firing for run in proved)
    closed = [run for run in RUNS if run.closed_forms]
    assert len(closed) >= 20
    assert {run.outcome for run in closed} <= {"converged", "out of budget"}
    assert max(run.residual for run in closed) < 0.5


def test_what_has_converged_is_below_the_floor_and_the_start_fires_at_one() -> None:
    ends = [run.residual for run in RUNS if run.outcome == "converged"]
    assert len(ends) > 500
    assert max(ends) <= CONVERGED
    starts = [run.firing for run in RUNS if run.firing_step == 0]
    assert len(starts) > 20
    assert np.allclose(starts, 1, rtol=0, atol=1e-6)  # f_0 is 0 up to rounding relative to y


def test_proof_reaches_beyond_the_tangent_regime_and_closed_forms_do_not() -> None:
    rows = {name: counts for name, _, counts, _ in by_regime(distinct(RUNS))}
    assert rows["NOT_LAZY"]["later"] > 50
    assert rows["NOT_LAZY"]["closed"] == rows["BETWEEN"]["closed"] == 0
    assert rows["LAZY"]["closed"] > 0
    assert sum(sum(counts.values()) for counts in rows.values()) == len(RUNS) - 2 * len(diagram.SEEDS)


def test_every_run_that_converged_was_proved_to() -> None:
    converged = [run for run in RUNS if run.outcome == "converged"]
    assert len(converged) > 900
    assert {run.kind for run in converged} <= {"closed", "start", "later"}


def test_real_data_are_what_the_titles_say() -> None:
    diabetes, digits = (PROBLEMS[name](1.0, Streams(0)) for name in ("diabetes", "digits"))
    assert (diabetes.n, diabetes.d, digits.n, digits.d) == (50, 10, 60, 16)
    for problem in (diabetes, digits):
        assert find_duplicates(problem) == ()
        assert np.allclose(np.linalg.norm(problem.X, axis=1), 1, rtol=0, atol=4 * np.finfo(float).eps)
        assert math.isclose(problem.label_scale, 1, rel_tol=1e-12)
    assert set(np.unique(digits.y)) == {-1.0, 1.0}


def test_kinds_are_ranked() -> None:
    run = Run(Cell("widths", 8, 1.0), 0, "", math.nan, -1, "stationary", 10, 0.5, 0.2)
    assert run.kind == "stationary"
    assert dataclasses.replace(run, outcome="out of budget").kind == "undecided"
    assert dataclasses.replace(run, firing=0.1, firing_step=5).kind == "later"
    assert dataclasses.replace(run, firing=1.0, firing_step=0).kind == "start"
    assert dataclasses.replace(run, firing=0.9, firing_step=2, closed_forms="CERT-F").kind == "closed"
    assert {stored.kind for stored in RUNS} <= set(KINDS)


def test_figure_and_numbers_are_written(tmp_path: Path) -> None:
    assert main(["certified_phase_diagram", "--out", str(tmp_path / "deep")]) == 0
    written = sorted(item.name for item in (tmp_path / "deep").iterdir())
    assert written == [f"certified_phase_diagram.{kind}" for kind in ("csv", "pdf", "png")]
    with (tmp_path / "deep" / "certified_phase_diagram.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(diagram.CELLS)
    assert {int(row["runs"]) for row in rows} == {len(diagram.SEEDS)}
    assert all(sum(int(row[kind]) for kind in KINDS) == int(row["runs"]) for row in rows)


def test_a_cell_is_recomputed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagram, "CHECKED", (Cell("widths", 16, 0.63), Cell("rates", 32, 10.0, 1.0, 0.1)))
    assert diagram.check() == []


@pytest.mark.slow
def test_the_committed_data_are_recomputed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["certified_phase_diagram", "--check"]) == 0
    assert "agree" in capsys.readouterr().out


def _stored(cells: Sequence[Cell], seeds: Sequence[int]) -> list[Run]:
    return [run for run in RUNS if run.cell in cells and run.seed in seeds]


@pytest.mark.parametrize(
    "name", ["firing", "residual", "distance", "firing_step", "outcome", "steps", "closed_forms"]
)
def test_a_changed_number_is_found(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagram, "compute", _stored)
    assert diagram.check() == []
    with diagram.DATA.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    kept = [run for run in _stored(diagram.CHECKED, diagram.CHECKED_SEEDS) if run.firing_step > 0]
    run = kept[0]
    place = RUNS.index(run)
    text = rows[place][name]
    changed = {"outcome": "diverged", "closed_forms": "CERT-B"}
    if name in ("firing", "residual", "distance"):
        changed[name] = repr(float(text) + 1.01 * rounding(run))
    rows[place][name] = changed.get(name) or str(int(text) + 1)
    spoiled = tmp_path / "spoiled.csv"
    with spoiled.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (difference,) = diagram.check(spoiled)
    assert f"{name} was" in difference
    assert f"m = {run.cell.m}" in difference


def test_a_lost_row_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagram, "compute", _stored)
    rows = diagram.DATA.read_text(encoding="utf-8").splitlines()
    short = tmp_path / "short.csv"
    short.write_text("\n".join(rows[:-1]) + "\n", encoding="utf-8")
    (difference,) = diagram.check(short)
    assert "digits" in difference
    assert "not in short.csv" in difference


def test_data_can_be_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagram, "compute", lambda: RUNS)
    again = diagram.make(tmp_path / "again.csv")
    assert again.read_bytes() == diagram.DATA.read_bytes()
