"""The terminal's table, and what goes into a paper."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from proofs_check.check.result import Result
from proofs_check.report import figure, show, table
from proofs_check.report.terminal import plain_table
from proofs_check.report.words import number, parts
from proofs_check.verdict import Verdict


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_off_a_terminal_the_table_is_plain(results: Sequence[Result]) -> None:
    stream = io.StringIO()
    show(results, stream)
    text = stream.getvalue()
    assert "\x1b" not in text
    for result in results:
        assert text.count(f"\n{result.key}") == (1 if result.verdict is Verdict.HOLDS else 2)
    assert "m ≥ 3.1e9, you have 1000" in text
    assert "m ≥ ∞ at C = 1, you have 1000" in text


def test_on_a_terminal_every_row_is_there(results: Sequence[Result]) -> None:
    stream = _Terminal()
    show(results, stream)
    for verdict in Verdict:
        assert verdict.name.split("_")[0] in stream.getvalue()


def test_a_key_stays_whole_on_a_narrow_terminal(
    results: Sequence[Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setenv("COLUMNS", "80")
    stream = _Terminal()
    show(results, stream, beyond=results[1:2])
    lines = stream.getvalue().splitlines()
    for result in results:
        assert [line for line in lines if line.startswith(f"{result.key} ")] != []


def test_checks_past_the_hypotheses_are_a_table_at_the_end(results: Sequence[Result]) -> None:
    stream = io.StringIO()
    show(results, stream, beyond=results[1:2])
    last = stream.getvalue().splitlines()[-1]
    assert last.startswith("made2024/outside")
    assert last.endswith("✓ seen in 30 of 30 OUTSIDE")


def test_columns_are_aligned() -> None:
    lines = plain_table(("a", "b"), [("long", "1"), ("x", "2")]).splitlines()
    assert lines == ["a     b", "----  -", "long  1", "x     2"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "—"),
        (float("nan"), "—"),
        (float("inf"), "∞"),
        (0.0, "0"),
        (6676.0, "6676"),
        (0.2621, "0.262"),
        (0.5, "0.5"),
        (10.04, "10"),
        (3.1e9, "3.1e9"),
        (-2.5e-7, "−2.5e-7"),
        (99999.7, "1e5"),
        (0.99999, "1"),
        (5e-324, "4.94e-324"),
    ],
)
def test_numbers_are_written_for_a_reader(value: float | None, shown: str) -> None:
    assert number(value) == shown
    assert parts(value)[0] == shown.split("e")[0]


def test_the_papers_table_cites_every_source_once(results: Sequence[Result], tmp_path: Path) -> None:
    tex, bib = table(results, tmp_path / "table.tex")
    text = tex.read_text(encoding="utf-8")
    assert text.count(r"\cite{made2024up}") == len(results)
    assert bib.read_text(encoding="utf-8").count("@inproceedings") == 1
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.count("&") for line in rows} == {5}
    assert text.count("{") == text.count("}")
    assert "$n = 5, m = 1000$" in text


def test_a_sweep_becomes_a_figure_and_its_numbers(make_result: Callable[..., Result], tmp_path: Path) -> None:
    base = make_result()
    verdicts = [Verdict.NOT_APPLICABLE, Verdict.VACUOUS, Verdict.HOLDS]
    swept = [
        dataclasses.replace(
            base, parameters=dataclasses.replace(base.parameters, m=m), tightness=t, verdict=v
        )
        for m, t, v in zip((1000, 10, 100), (0.5, None, 0.3), verdicts)
    ]
    pdf, numbers = figure(swept, "m", tmp_path / "sweep")
    assert pdf.read_bytes().startswith(b"%PDF")
    rows = list(csv.DictReader(io.StringIO(numbers.read_text(encoding="utf-8"))))
    assert [(row["m"], row["verdict"], row["tightness"]) for row in rows] == [
        ("10.0", "VACUOUS", ""),
        ("100.0", "HOLDS", "0.3"),
        ("1000.0", "NOT_APPLICABLE", "0.5"),
    ]
    first = pdf.read_bytes()
    assert figure(swept, "m", tmp_path / "sweep")[0].read_bytes() == first


def test_a_figure_needs_one_statement_and_a_number(
    make_result: Callable[..., Result], results: Sequence[Result], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="one statement"):
        figure(results, "m", tmp_path / "sweep")
    with pytest.raises(ValueError, match="'width' is no number among the parameters"):
        figure([make_result()], "width", tmp_path / "sweep")
    with pytest.raises(ValueError, match="no results"):
        figure([], "m", tmp_path / "sweep")
    with pytest.raises(ValueError, match="no results"):
        table([], tmp_path / "table")
    assert list(tmp_path.iterdir()) == []
