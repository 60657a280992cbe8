"""The convergence figure can be made again, and its data say what the theorems say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments import EXPERIMENTS, convergence
from experiments.__main__ import main


def test_the_committed_data_are_recomputed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convergence", "--check"]) == 0
    assert "agree" in capsys.readouterr().out


def test_where_every_hypothesis_is_true_descent_keeps_its_bound() -> None:
    lines = {line.name: line for line in convergence.read()}
    applied = [line for line in lines.values() if line.kind == "CERT-B-GD" and line.applies]
    assert len(applied) >= 8
    for bound in applied:
        run = lines[bound.panel, bound.run, "trajectory"]
        assert np.all(run.values <= bound.values + run.tolerance)
        assert bound.values[-1] <= 0.1, "the bound says nothing by the end"


def test_some_runs_converge_beyond_every_hypothesis() -> None:
    lines = convergence.read()
    silent = {line.name[:2] for line in lines} - {
        line.name[:2] for line in lines if line.applies and line.kind != "trajectory"
    }
    ends = [line.values[-1] for line in lines if line.kind == "trajectory" and line.name[:2] in silent]
    assert len(ends) > 0
    assert max(ends) < 1e-5


def test_the_data_stay_small() -> None:
    assert convergence.DATA.stat().st_size < 500_000


def test_figure_and_numbers_are_written(tmp_path: Path) -> None:
    assert main(["convergence", "--out", str(tmp_path / "deep")]) == 0
    written = sorted(item.name for item in (tmp_path / "deep").iterdir())
    assert written == ["convergence.csv", "convergence.pdf", "convergence.png"]
    assert (tmp_path / "deep" / "convergence.pdf").read_bytes().startswith(b"%PDF")


def test_changed_data_are_noticed_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = convergence.read()
    monkeypatch.setattr(convergence, "compute", lambda: stored)
    rows = convergence.DATA.read_text(encoding="utf-8").splitlines()
    place = next(k for k, row in enumerate(rows) if "m = 16,trajectory" in row and ",3," in row)
    cells = rows[place].split(",")
    cells[-1] = repr(float(cells[-1]) * (1 + 1e-3))
    rows[place] = ",".join(cells)
    spoiled = tmp_path / "convergence.csv"
    spoiled.write_text("\n".join(rows) + "\n", encoding="utf-8")
    (difference,) = convergence.check(spoiled)
    assert "m = 16, trajectory: differs by" in difference
    kept = [row for row in rows if "m = 128,CERT" not in row]
    spoiled.write_text("\n".join(kept) + "\n", encoding="utf-8")
    assert len(convergence.check(spoiled)) == 3


def test_a_difference_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(convergence, "check", lambda: ["the panel differs"])
    assert main(["convergence", "--check"]) == 1
    assert "the panel differs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "hint"), [("convergance", "did you mean 'convergence'?"), ("phase", "there are convergence")]
)
def test_an_unknown_experiment_is_a_usage_error(
    name: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name]) == 2
    assert hint in capsys.readouterr().err


def test_no_name_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    shown = capsys.readouterr().err
    assert len(EXPERIMENTS) > 0
    for name, line in EXPERIMENTS.items():
        assert name in shown
        assert line in shown


def test_data_can_be_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = convergence.read()
    monkeypatch.setattr(convergence, "compute", lambda: stored)
    again = convergence.make(tmp_path / "again.csv")
    assert again.read_bytes() == convergence.DATA.read_bytes()
