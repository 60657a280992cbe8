"""A report appears whole, and never at the cost of somebody's files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from proofs_check.check.result import Result
from proofs_check.report import directory as directory_module
from proofs_check.report import validate, write


def test_page_and_numbers_stand_side_by_side(results: Sequence[Result], tmp_path: Path) -> None:
    page = write(results, tmp_path / "deep" / "report", seed=1)
    assert sorted(item.name for item in page.parent.iterdir()) == ["index.html", "results.json"]
    assert [item.name for item in page.parent.parent.iterdir()] == ["report"]
    validate(json.loads((page.parent / "results.json").read_text(encoding="utf-8")))


def test_a_second_report_replaces_the_first(results: Sequence[Result], tmp_path: Path) -> None:
    write(results, tmp_path / "report", seed=1)
    write(results[:1], tmp_path / "report", seed=2)
    assert json.loads((tmp_path / "report" / "results.json").read_text(encoding="utf-8"))["seed"] == 2


def test_foreign_files_are_left_alone(results: Sequence[Result], tmp_path: Path) -> None:
    thesis = tmp_path / "thesis.tex"
    thesis.write_text("years of work")
    with pytest.raises(FileExistsError, match=r"thesis\.tex"):
        write(results, tmp_path, seed=1)
    assert [item.name for item in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_no_directory(results: Sequence[Result], tmp_path: Path) -> None:
    target = tmp_path / "report"
    target.write_text("")
    with pytest.raises(FileExistsError, match="is a file"):
        write(results, target, seed=1)


def test_no_results_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no results"):
        write([], tmp_path / "report", seed=1)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_older_report(
    results: Sequence[Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = write(results, tmp_path / "report", seed=1)
    before = page.read_bytes()

    def fail(*_: object) -> str:
        raise OSError("the disk is full")

    monkeypatch.setattr(directory_module, "page", fail)
    with pytest.raises(OSError, match="disk is full"):
        write(results, tmp_path / "report", seed=2)
    assert page.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["report"]
