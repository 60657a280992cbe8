"""Where compiled code is kept, which old folders go, and what happens where nothing may be written."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shallow.compute import code_cache, jit

HASHES = [f"{number:016x}" for number in range(1, 8)]


@pytest.fixture
def fresh_directory(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    jit.cache_directory.cache_clear()
    yield monkeypatch  # type: ignore[misc]
    jit.cache_directory.cache_clear()


def test_the_cache_is_named_by_the_sources(tmp_path: Path, fresh_directory: pytest.MonkeyPatch) -> None:
    fresh_directory.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    directory = code_cache.cache_directory()
    assert directory is not None
    assert directory.is_relative_to(tmp_path)
    code_cache.cache_directory.cache_clear()
    source = code_cache._hash_of_sources()
    assert directory.name == source
    fresh_directory.setattr(code_cache, "_hash_of_sources", lambda: "another")
    moved = code_cache.cache_directory()
    assert moved is not None
    assert moved.name == "another"


def test_with_no_place_to_write_it_compiles_and_says_so(
    tmp_path: Path, fresh_directory: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        fresh_directory.setenv(name, str(blocked))
    with caplog.at_level(logging.WARNING):
        assert code_cache.cache_directory() is None
        assert code_cache.cache_directory() is None

    @jit.routine
    def twice(x):  # type: ignore[no-untyped-def]
        return x + x

    assert twice(21.0) == 42.0
    lines = [record.getMessage() for record in caplog.records if "compiled code" in record.getMessage()]
    assert len(lines) == 1
    assert "NUMBA_CACHE_DIR" in lines[0]


def test_a_user_without_a_home_is_not_an_error(fresh_directory: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("no home directory")

    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        fresh_directory.delenv(name, raising=False)
    fresh_directory.setattr(code_cache.Path, "home", staticmethod(homeless))
    assert code_cache.cache_directory() is None


def old_folder(root: Path, name: str, age: float) -> Path:
    """A folder of compiled code last used ``age`` seconds ago."""
    folder = root / "shallow-relu" / name
    (folder / "methods_abc").mkdir(parents=True)
    (folder / "methods_abc" / "routines.step-17.py311.nbi").write_text("index")
    (folder / "methods_abc" / "routines.step-17.py311.1.nbc").write_text("code")
    (folder / "methods_abc" / "routines.step-17.py311.1.nbc.tmp.0f").write_text("of a process that died")
    (folder / "in-use").write_text("")
    for path in (folder / "in-use", folder):
        os.utime(path, (time.time() - age,) * 2)
    return folder


@pytest.mark.lock
def test_a_new_version_keeps_the_two_folders_used_before_it(
    tmp_path: Path, fresh_directory: pytest.MonkeyPatch
) -> None:
    folders = [old_folder(tmp_path, name, age) for age, name in enumerate(HASHES, start=1)]
    fresh_directory.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    present = code_cache.cache_directory()
    assert present is not None
    assert sorted(present.parent.iterdir()) == sorted([present, *folders[:2]])


def test_a_version_that_is_there_already_deletes_nothing(
    tmp_path: Path, fresh_directory: pytest.MonkeyPatch
) -> None:
    for age, name in enumerate(HASHES):
        old_folder(tmp_path, name, age)
    fresh_directory.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    fresh_directory.setattr(code_cache, "_hash_of_sources", lambda: HASHES[-1])
    present = code_cache.cache_directory()
    assert present is not None
    assert len(list(present.parent.iterdir())) == len(HASHES)
    assert time.time() - (present / "in-use").stat().st_mtime < 60  # the oldest is now the last used


@pytest.mark.lock
def test_what_is_not_ours_is_never_deleted(tmp_path: Path, fresh_directory: pytest.MonkeyPatch) -> None:
    folders = [old_folder(tmp_path, name, age) for age, name in enumerate(HASHES, start=1)]
    folders[3].joinpath("methods_abc", "notes.txt").write_text("mine")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = tmp_path / "shallow-relu" / "fedcba9876543210"
    link.symlink_to(elsewhere, target_is_directory=True)
    folders[4].joinpath("methods_abc", "link").symlink_to(elsewhere, target_is_directory=True)
    for name in ("a-folder", "0123456789ABCDEF", "0123"):
        (tmp_path / "shallow-relu" / name).mkdir()
    (tmp_path / "shallow-relu" / "0123456789abcdef").write_text("a file")
    fresh_directory.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    present = code_cache.cache_directory()
    assert present is not None
    gone = {folder.name for folder in folders if not folder.exists()}
    assert gone == {HASHES[2], HASHES[5], HASHES[6]}
    left = {path.name for path in present.parent.iterdir()}
    assert {"a-folder", "0123456789ABCDEF", "0123", "0123456789abcdef", link.name} <= left
    assert elsewhere.exists()


HOLDER = """
import sys
from shallow.compute import code_cache
code_cache._hash_of_sources = lambda: sys.argv[1]
print(code_cache.cache_directory(), flush=True)
sys.stdin.read()
"""


@pytest.mark.lock
def test_a_folder_that_a_process_uses_stays_until_it_ends(
    tmp_path: Path, fresh_directory: pytest.MonkeyPatch
) -> None:
    held = old_folder(tmp_path, HASHES[-1], 0)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, HASHES[-1]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == str(held)
        os.utime(held / "in-use", (0, 0))
        for age, name in enumerate(HASHES[:-1], start=1):
            old_folder(tmp_path, name, age)
        fresh_directory.setenv("NUMBA_CACHE_DIR", str(tmp_path))
        present = code_cache.cache_directory()
        assert present is not None
        assert held.exists()
        assert not (held.parent / HASHES[-2]).exists()
        process.communicate("")
    code_cache._prune(present)
    assert not held.exists()


@pytest.mark.lock
def test_a_folder_deleted_before_it_could_be_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    folder = old_folder(tmp_path, HASHES[0], 0)
    real, calls = fcntl.flock, []

    def late(descriptor: int, operation: int) -> None:
        calls.append(operation)
        if len(calls) == 1:
            code_cache._delete_unless_in_use(folder)
            assert not folder.exists()
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    code_cache._hold(folder)
    assert (folder / "in-use").exists()
    assert calls == [fcntl.LOCK_SH, fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.LOCK_SH]


ROUTINE = """
import numpy as np, shallow
from shallow.compute.methods.loss_routines import coefficients
outputs = np.zeros(2)
coefficients(0, np.full(2, 7.0), np.ones(2), outputs)
print(outputs.tolist() == [6.0, 6.0])
"""
TRAINING = """
import numpy as np, shallow
rng = np.random.default_rng(0)
network = shallow.Network(rng.standard_normal((5, 2)), rng.standard_normal(5))
problem = shallow.Problem(rng.standard_normal((3, 2)), rng.standard_normal(3))
run = shallow.train(network, problem, shallow.GradientDescent(0.01, 0.01), steps=5, method="numba")
print(bool(np.all(np.isfinite(run.network.W))))
"""


READ_ONLY = """
for place in "$CHECKOUT" ~; do
    mount --bind "$place" "$place" && mount -o remount,ro,bind "$place" || exit 99
done
unset HOME
exec "$@"
"""


@pytest.mark.tmpfs
@pytest.mark.compiler
@pytest.mark.parametrize("code", [ROUTINE, pytest.param(TRAINING, marks=pytest.mark.slow)])
def test_a_read_only_install_without_a_home_runs_and_says_one_line(code: str) -> None:
    """The checkout and the home folder are mounted read-only, and HOME is not set."""
    checkout = str(Path(code_cache.__file__).parents[2])
    settings = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", READ_ONLY, "sh", sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={**settings, "CHECKOUT": checkout, "PYTHONPATH": checkout, "OMP_NUM_THREADS": "1"},
        cwd="/",
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert "NUMBA_CACHE_DIR" in lines[0]
