"""The commands: exit codes, one message for a mistake, one document for --json, nothing left behind."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from proofs_check import Statement
from proofs_check.cli import main, options, run
from proofs_check.report import validate


@pytest.fixture
def shelf(decay: Callable[..., Statement], monkeypatch: pytest.MonkeyPatch) -> dict[str, Statement]:
    """Three statements in place of the library's."""
    found = {
        item.key: item
        for item in (
            decay(),
            decay(key="toy/finding", kind="finding"),
            decay(key="other/own-law", accepts_data="no: it is about its own law", mutants=tuple),
        )
    }
    monkeypatch.setattr(options, "THEOREMS", found)
    return found


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["run", "toy/decay"], 0), (["run", "toy/decay", "--set", "decay=0.1"], 1),
     (["run", "toy/finding", "--set", "decay=0.1"], 0), (["run", "toy/decay", "--set", "m=1"], 0),
     (["run", "toy", "--set", "decay=0.1"], 1), (["list"], 0), (["explain", "toy/decay"], 0),
     (["compare", "--n", "7", "--m", "10"], 0)],
)  # fmt: skip
def test_the_exit_code_is_one_exactly_when_a_theorem_is_violated(arguments: list[str], code: int) -> None:
    assert main(arguments) == code


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize(
    ("arguments", "needles"),
    [(["run", "toy/decai"], ["KEY 'toy/decai'", "did you mean 'toy/decay'"]),
     (["run", "toy/decay", "--set", "width=3"], ["--set width", "toy/decay"]),
     (["run", "toy/decay", "--set", "m=much"], ["--set m=much", "number"]),
     (["run", "toy/decay", "--trials", "0"], ["--trials 0"]),
     (["run", "toy/decay", "--seed", "-1"], ["--seed -1"]),
     (["run", "toy/decay", "--assume", "luck"], ["--assume luck", "width"]),
     (["run", "toy/decay", "--data", "nowhere.npz"], ["--data nowhere.npz", "no such file"]),
     (["run", "toy/decay", "--rows", "unit"], ["--rows unit", "--data"]),
     (["explain", "toy/decay", "--set", "m"], ["--set m", "name=value"]),
     (["compare", "--set", "zeta=1"], ["--set zeta"])],
)  # fmt: skip
def test_a_mistake_is_one_line_that_names_it_and_exits_with_two(
    arguments: list[str], needles: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    last = captured.err.strip().splitlines()[-1]
    assert [needle for needle in needles if needle not in last] == []


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize(
    "arguments",
    [["list", "--json"], ["run", "--json"], ["run", "--json", "--set", "m=1"], ["compare", "--json"],
     ["explain", "toy/decay", "--json"]],
)  # fmt: skip
def test_json_is_one_document_without_nan(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main(arguments)

    def refuse(word: str) -> Any:
        raise AssertionError(f"{word} in JSON")

    found = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert found["schema"] == "proofs-check/1"
    assert "versions" in found


@pytest.mark.usefixtures("shelf")
def test_run_json_passes_the_schema_and_progress_goes_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["run", "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    validate(document)
    assert [item["key"] for item in document["results"]] == ["toy/decay", "toy/finding", "other/own-law"]
    assert [line.split(":")[0] for line in captured.err.splitlines()] == [
        "[1/3] toy/decay",
        "[2/3] toy/finding",
        "[3/3] other/own-law",
    ]


def test_settings_past_the_hypotheses_are_checked_when_nothing_else_was_asked_for(
    shelf: dict[str, Statement], capsys: pytest.CaptureFixture[str]
) -> None:
    statement = shelf["toy/decay"]
    quick = statement.presets["quick"]
    narrow = dataclasses.replace(quick, m=1, decay=0.1)
    shelf["toy/decay"] = dataclasses.replace(statement, presets={"quick": quick, "beyond": narrow})
    assert main(["run", "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    validate(document)
    assert [item["key"] for item in document["results"]] == list(shelf)
    (found,) = document["beyond"]
    assert (found["key"], found["size"], found["trials"]) == ("toy/decay", "beyond", 3)
    assert (found["verdict"], found["outside"], found["held"]) == ("NOT_APPLICABLE", False, 0)
    assert 'size="beyond"' in found["replay"]
    assert "[4/4] toy/decay, past its hypotheses: ✗ failed in 3 of 3" in captured.err
    for asked in (["toy/decay"], ["--set", "n=4"]):
        assert main(["run", *asked, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["beyond"] == []


@pytest.mark.usefixtures("shelf")
def test_a_report_appears_whole_with_its_cases_and_replaces_only_a_report(tmp_path: Path) -> None:
    out = tmp_path / "report"
    for _ in range(2):
        assert main(["run", "toy/decay", "--out", str(out)]) == 0
        assert sorted(path.name for path in out.iterdir()) == ["cases", "index.html", "results.json"]
        assert sorted(path.name for path in (out / "cases").iterdir()) == [
            "toy-decay-slow.npz",
            "toy-decay-tightened-1.25.npz",
        ]
        assert [path.name for path in tmp_path.iterdir()] == ["report"]


@pytest.mark.usefixtures("shelf")
def test_a_directory_that_is_no_report_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("precious")
    (tmp_path / "file").write_text("precious")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "results.json").write_text("{}")
    for name in ("thesis", "file", "foreign", "absent/report"):
        assert main(["run", "toy/decay", "--out", str(tmp_path / name)]) == 2
        assert "--out" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "foreign", "thesis"]
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "precious"


def test_own_data_gets_a_verdict_or_a_line_from_each_statement_and_duplicates_are_named(
    shelf: dict[str, Statement], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "my.npz"
    np.savez(path, X=np.array([[3.0, 0.0], [0.0, 2.0], [3.0, 0.0]]), y=np.array([1.0, -1.0, -1.0]))
    assert main(["run", "--data", str(path), "--rows", "unit", "--json"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [item["key"] for item in results] == list(shelf)
    assert [item["verdict"] for item in results] == ["HOLDS", "HOLDS", "NOT_APPLICABLE"]
    assert results[2]["reason"] == "it takes no data: it is about its own law"
    assert results[0]["parameters"]["n"] == 3
    assert len(results[0]["duplicates"]) == 1
    assert "conflicting" in results[0]["duplicates"][0]
    assert main(["run", "toy/decay", "--data", str(path), "--set", "n=9"]) == 2
    assert "takes n from your data" in capsys.readouterr().err


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04broken"])
def test_unreadable_data_names_the_file(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "my.npz"
    path.write_bytes(content)
    assert main(["run", "--data", str(path), "--out", str(tmp_path / "report")]) == 2
    assert str(path) in capsys.readouterr().err
    assert [item.name for item in tmp_path.iterdir()] == ["my.npz"]


@pytest.mark.parametrize(
    ("arguments", "code"), [(["list"], 0), (["run", "nobody/nothing"], 2), (["run", "--no-such-flag"], 2)]
)
def test_python_dash_m_gives_the_exit_code(arguments: list[str], code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "proofs_check", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def nulls(value: Any, path: str = "") -> list[str]:
    """Where a JSON value holds null without a reason in the nearest ``missing``."""
    found: list[str] = []
    if isinstance(value, dict):
        reasons = value.get("missing") or {}
        for name, item in value.items():
            if item is None and not (reasons if isinstance(reasons, str) else reasons.get(name)):
                found.append(f"{path}.{name}")
            found += nulls(item, f"{path}.{name}")
    if isinstance(value, list):
        for place, item in enumerate(value):
            found += [] if item is None else nulls(item, f"{path}[{place}]")
    return found


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize(
    "arguments", [["run", "--json"], ["compare", "--json"], ["run", "--json", "--set", "m=1"]]
)
def test_every_null_in_a_document_has_its_reason(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    document = json.loads(capsys.readouterr().out)
    document.pop("versions")
    document.pop("cross_table", None)
    assert nulls(document) == []


@pytest.mark.usefixtures("shelf")
def test_an_unknown_hypothesis_is_refused_before_anything_is_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[Statement] = []
    monkeypatch.setattr(run, "check", lambda statement, **options: ran.append(statement))
    assert main(["run", "toy", "--assume", "widht"]) == 2
    assert ran == []
    assert (
        "--assume widht: no statement here has that hypothesis; did you mean 'width'?"
        in capsys.readouterr().err
    )
