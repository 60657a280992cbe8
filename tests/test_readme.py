"""The README's examples run as they stand, in an empty directory."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import pytest

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = re.findall(r"^    ((?:proofs-check|shallow) .*)$", README, flags=re.MULTILINE)


def run_example(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.chdir(folder)
    script = folder / "example.py"
    script.write_text(source)
    return runpy.run_path(str(script), run_name="example")


def test_the_ten_lines_train_to_zero_and_the_certificate_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = run_example(EXAMPLES[0], tmp_path, monkeypatch)
    residual = names["run"].series["residual_norm"]  # type: ignore[attr-defined]
    assert residual[-1] < 1e-3 * residual[0]
    assert names["result"].verdict.name == "HOLDS"  # type: ignore[attr-defined]
    assert "HOLDS" in capsys.readouterr().out


def test_the_theorists_loop_ends_with_a_figure_and_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = run_example(EXAMPLES[1], tmp_path, monkeypatch)
    assert len(names["results"]) == 3  # type: ignore[arg-type]
    for written in ("travel.pdf", "travel.csv", "travel.tex", "travel.bib"):
        assert (tmp_path / written).stat().st_size > 0
    assert any(row.key == "certificates/cert-b-gd" for row in names["rows"])  # type: ignore[attr-defined]


def test_a_statement_of_ones_own_is_checked_in_under_thirty_lines_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_example(EXAMPLES[2], tmp_path, monkeypatch)
    assert capsys.readouterr().out.strip() == "Verdict.HOLDS"
    code = [line for line in EXAMPLES[2].splitlines() if line.strip()]
    assert len(code) < 35
    assert "._" not in EXAMPLES[2]


def test_a_network_is_certified_and_its_certificate_proved_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_example(EXAMPLES[3], tmp_path, monkeypatch)
    certified, decay, residual, again = capsys.readouterr().out.split()
    assert (certified, again) == ("True", "True")
    assert float(decay) > 0
    assert float(residual) > 0.01


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_exist_and_take_their_flags(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    from proofs_check.cli import main as proofs_check_main
    from shallow.cli import main as shallow_main

    program, verb, *_ = shlex.split(command)
    main = {"proofs-check": proofs_check_main, "shallow": shallow_main}[program]
    assert main([verb, "--help"]) == 0
    described = capsys.readouterr().out
    for flag in re.findall(r"--[a-zA-Z-]+", command):
        assert flag in described
