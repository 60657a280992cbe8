"""``proofs-check certify``: what it prints, its exit codes, and its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from proofs_check.cli import main
from shallow.exact.gradient import predict
from shallow.setting.network import Network


@pytest.fixture
def files(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    X, W, a = rng.standard_normal((3, 4)), rng.standard_normal((12, 4)), rng.standard_normal(12)
    network = Network(W, a, scale=0.25)
    network.save(tmp_path / "W.npz")
    np.savez(tmp_path / "X.npz", X=X, y=predict(network, X) + 1e-4)
    np.savez(tmp_path / "far.npz", X=X, y=predict(network, X) + 1e4)
    return tmp_path


def run(files: Path, *extra: str, data: str = "X.npz") -> int:
    where = ("--data", str(files / data), "--weights", str(files / "W.npz"), "--rigour", "numeric")
    return main(["certify", *where, *extra])


def test_a_certificate_is_printed_and_written(files: Path, capsys: Any) -> None:
    assert run(files, "--out", str(files / "c.npz")) == 0
    told = capsys.readouterr().out
    assert "certified (NUMERIC, no proof" in told
    assert (files / "c.npz").is_file()


def test_json_has_radii_and_the_hash_of_data_and_weights(files: Path, capsys: Any) -> None:
    assert run(files, "--json", "--rate-a", "0.5") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["certified"]
    assert told["decay"] > 0
    assert len(told["radius_W"]) == 12
    assert len(told["fingerprint"]) == 64


def test_what_is_not_certified_says_why_and_is_not_written(files: Path, capsys: Any) -> None:
    assert run(files, "--out", str(files / "c.npz"), data="far.npz") == 0
    assert capsys.readouterr().out.startswith("not certified: ")
    assert not (files / "c.npz").exists()


def test_descent_takes_the_rates_as_steps(files: Path, capsys: Any) -> None:
    assert run(files, "--descent", "--rate-W", "0.01", "--rate-a", "0.01") == 0
    assert "gradient descent" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "--data"),
        (["--data", "nowhere.npz", "--weights", "W.npz"], "nowhere.npz"),
        (["--verify", "nowhere.npz"], "--verify"),
    ],
)
def test_mistakes_are_named_and_exit_2(arguments: list[str], word: str, capsys: Any) -> None:
    assert main(["certify", *arguments]) == 2
    assert word in capsys.readouterr().err


def test_a_written_certificate_is_proved_again_for_its_own_data_only(files: Path, capsys: Any) -> None:
    assert main(_verified(files)) == 0
    capsys.readouterr()
    assert main(["certify", "--verify", str(files / "c.npz"), "--data", str(files / "X.npz")]) == 0
    assert "certified (VERIFIED, proved)" in capsys.readouterr().out
    assert main(["certify", "--verify", str(files / "c.npz"), "--data", str(files / "far.npz")]) == 2
    assert "these are not the data" in capsys.readouterr().err


def _verified(files: Path) -> list[str]:
    where = ["--data", str(files / "X.npz"), "--weights", str(files / "W.npz")]
    return ["certify", *where, "--out", str(files / "c.npz")]
