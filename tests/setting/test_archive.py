"""Archives appear whole or not at all, and nothing but plain arrays is read back."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from shallow.setting.archive import read_archive, write_archive, write_whole


def test_what_is_written_comes_back_bit_for_bit(tmp_path: Path) -> None:
    values = np.array([-0.0, 5e-324, 1e308, 1 / 3])
    write_archive(tmp_path / "x.npz", kind="thing", values=values, number=3, text="ä")
    fields = read_archive(tmp_path / "x.npz", kind="thing", required=("values",))
    assert fields["values"].tobytes() == values.tobytes()
    assert (int(fields["number"]), str(fields["text"])) == (3, "ä")


def test_objects_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="cannot save field"):
        write_archive(tmp_path / "x.npz", kind="thing", field=object())
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: object) -> None:
    target = tmp_path / "x.npz"
    write_whole(target, b"old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_whole(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_written_file_has_the_permissions_of_the_umask(tmp_path: Path) -> None:
    write_whole(tmp_path / "x", b"")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "plain").stat().st_mode


def truncated(path: Path) -> None:
    np.savez(path, values=np.arange(1000.0))
    path.write_bytes(path.read_bytes()[:500])


def corrupted(path: Path) -> None:
    np.savez(path, values=np.arange(1000.0))
    content = bytearray(path.read_bytes())
    content[2000] ^= 0xFF
    path.write_bytes(bytes(content))


def single(path: Path) -> None:
    with path.open("wb") as stream:
        np.save(stream, np.ones(3))


def other_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")


def pickled(path: Path) -> None:
    np.savez(path, values=np.array([{}]))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (truncated, "not a readable NPZ"),
        (corrupted, "not a readable NPZ"),
        (single, "single array"),
        (other_zip, "no arrays"),
        (pickled, "pickled"),
        (lambda path: path.write_bytes(b""), "0 bytes"),
        (lambda path: path.write_bytes(b"\x00" * 40), "not a readable NPZ"),
        (lambda path: np.savez(path, other=1), "lacks values; it has other"),
        (lambda path: write_archive(path, kind="song", values=1), "holds a song, not a thing"),
    ],
    ids=["truncated", "corrupted", "npy", "zip", "pickled", "empty", "zeros", "lacking", "kind"],
)
def test_anything_else_is_refused_in_one_sentence(tmp_path: Path, make: object, words: str) -> None:
    path = tmp_path / "x.npz"
    make(path)
    with pytest.raises(ValueError, match=words) as caught:
        read_archive(path, kind="thing", required=("values",))
    assert str(path) in str(caught.value)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_archive(tmp_path / "absent.npz", kind="thing", required=())
