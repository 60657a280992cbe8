"""``proofs-check certify --verify``: prove a file again, for the data and weights at hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from proofs_check.cli import main
from shallow.exact.gradient import predict
from shallow.setting.network import Network


@pytest.fixture
def files(tmp_path: Path, capsys: Any) -> Path:
    """X.npz, W.npz and a certificate c.npz of them."""
    rng = np.random.default_rng(0)
    X, W, a = rng.standard_normal((3, 4)), rng.standard_normal((12, 4)), rng.standard_normal(12)
    network = Network(W, a, scale=0.25)
    network.save(tmp_path / "W.npz")
    np.savez(tmp_path / "X.npz", X=X, y=predict(network, X) + 1e-4)
    where = ("--data", str(tmp_path / "X.npz"), "--weights", str(tmp_path / "W.npz"))
    assert main(["certify", *where, "--rigour", "verified", "--out", str(tmp_path / "c.npz")]) == 0
    capsys.readouterr()
    return tmp_path


def verify(files: Path, *extra: str) -> int:
    return main(["certify", "--verify", str(files / "c.npz"), *extra])


def test_a_file_is_proved_again_for_its_data_and_weights(files: Path, capsys: Any) -> None:
    assert verify(files, "--data", str(files / "X.npz"), "--weights", str(files / "W.npz")) == 0
    assert "certified (VERIFIED, proved)" in capsys.readouterr().out
    assert verify(files, "--json") == 0
    assert json.loads(capsys.readouterr().out)["certified"] is True


def test_weights_that_moved_by_one_bit_are_refused(files: Path, capsys: Any) -> None:
    network = Network.load(files / "W.npz")
    W = np.array(network.W)
    W[3, 1] = np.nextafter(W[3, 1], np.inf)
    network.replace(W=W).save(files / "later.npz")
    assert verify(files, "--weights", str(files / "later.npz")) == 2
    assert "these are not the weights" in capsys.readouterr().err


def test_other_data_are_refused(files: Path, capsys: Any) -> None:
    with np.load(files / "X.npz") as data:
        np.savez(files / "other.npz", X=data["X"], y=data["y"] + 1e-12)
    assert verify(files, "--data", str(files / "other.npz")) == 2
    assert "these are not the data" in capsys.readouterr().err


def test_a_changed_file_is_refused(files: Path, capsys: Any) -> None:
    with np.load(files / "c.npz") as archive:
        fields = {name: archive[name] for name in archive.files}
    fields["W"] = fields["W"] * (1 + 1e-15)
    np.savez(files / "c.npz", **fields)
    assert verify(files) == 2
    assert "was changed" in capsys.readouterr().err


def test_a_claim_that_cannot_be_proved_exits_1(files: Path, capsys: Any) -> None:
    with np.load(files / "c.npz") as archive:
        fields = {name: archive[name] for name in archive.files}
    fields["stage_decay"] = fields["stage_decay"] * 1.5
    np.savez(files / "c.npz", **fields)
    assert verify(files) == 1
    assert "could not be proved again" in capsys.readouterr().out


def test_a_missing_python_flint_is_one_sentence(
    files: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "flint", None)
    where = ("--data", str(files / "X.npz"), "--weights", str(files / "W.npz"))
    assert main(["certify", *where, "--rigour", "enclosed"]) == 2
    assert "pip install 'shallow-relu[rigour]'" in capsys.readouterr().err
