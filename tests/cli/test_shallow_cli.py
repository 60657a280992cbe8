"""The command ``shallow``: right answers, one clear message for a mistake, nothing left behind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import shallow
from shallow.cli import main
from shallow.compute.limit_kernel import method_of


def test_train_prints_one_document_and_saves_what_it_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run.npz"
    code = main(
        [
            "train",
            "--n",
            "5",
            "--d",
            "4",
            "--m",
            "30",
            "--steps",
            "50",
            "--seed",
            "2",
            "--out",
            str(out),
            "--json",
        ]
    )
    report = json.loads(capsys.readouterr().out)
    assert code == 0
    assert report["schema"] == "shallow-train/1"
    assert report["configuration"]["problem"]["n"] == 5
    saved = shallow.Trajectory.load(out)
    np.testing.assert_array_equal(saved.series["residual_norm"], report["series"]["residual_norm"])


def test_train_prints_a_table_that_ends_with_the_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--n", "3", "--d", "4", "--m", "20", "--steps", "20"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["step", "time", "residual_norm"]
    assert "after 20 steps" in lines[-1]


def test_a_rate_of_a_billion_diverges_and_says_when(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["train", "--rate-W", "1e9", "--rate-a", "1e9", "--steps", "50", "--json"])
    assert code == 0
    assert json.loads(capsys.readouterr().out)["outcome"] == "DIVERGED"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--rate-W", "-1", "--rate-a", "1"], "training.rate_W"),
        (["--n", "0"], "problem.n"),
        (["--label-scale", "nan"], "problem.label_scale"),
        (["--initialization", "ntkk"], "did you mean 'ntk'?"),
        (["--record", "residual_nrom"], "residual_norm"),
        (["--data", "nowhere.npz"], "nowhere.npz"),
        (["--out", "run.txt"], ".npz"),
        (["--method", "telepathy"], "telepathy"),
        (["--stepz", "3"], "steps"),
        (["--data", "my.npz", "--n", "4"], "--n 4 says how to draw data, and --data my.npz gives them"),
    ],
)
def test_a_mistake_gets_one_message_and_exit_code_2(
    flags: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", *flags]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert list(tmp_path.iterdir()) == []


def test_data_too_large_for_the_memory_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def greedy(*args: object, **options: object) -> None:
        raise MemoryError("Unable to allocate 26.8 GiB")

    monkeypatch.setattr("shallow.exact.ntk.ntk_gram", greedy)
    assert main(["ntk", "--n", "3"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "more memory than there is; take fewer rows" in captured.err
    assert "Traceback" not in captured.err


def test_ntk_reports_the_spectrum_of_the_users_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    X = np.eye(4)
    np.savez(tmp_path / "my.npz", X=X, y=np.ones(4))
    assert main(["ntk", "--data", str(tmp_path / "my.npz"), "--layer", "first", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    # Orthonormal rows: the first layer's kernel is I/2.
    assert report["lambda_min"] == pytest.approx(0.5, rel=1e-14)
    assert report["lambda_max"] == pytest.approx(0.5, rel=1e-14)
    assert report["duplicates"] == []


def test_ntk_says_by_which_code_it_came(capsys: pytest.CaptureFixture[str]) -> None:
    ways = []
    for n in ("6", "600"):
        assert main(["ntk", "--n", n, "--d", "5", "--layer", "second", "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        ways.append([report[key] for key in ("kernel_by", "lambda_min_by", "lambda_max_by")])
    compiled = method_of(np.ones((1, 1)))
    assert ways == [["exact", "LAPACK evr", "LAPACK evr"], [compiled, "LAPACK evr", "Lanczos"]]


def test_ntk_at_a_width_approaches_the_limit(capsys: pytest.CaptureFixture[str]) -> None:
    gaps = []
    for m in ("100", "40000"):
        assert main(["ntk", "--n", "6", "--d", "5", "--m", m, "--json"]) == 0
        gaps.append(json.loads(capsys.readouterr().out)["kernel_gap"])
    assert gaps[1] < gaps[0] / 5


def test_the_doctor_finds_everything_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {check["name"] for check in report["checks"] if check["passed"]} == {
        "gradient against differences", "training", "numba",
    }  # fmt: skip
    assert main(["doctor"]) == 0
    assert "FAILED" not in capsys.readouterr().out
