"""One writer, whatever becomes of other writers and of the children they leave behind."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shallow.sweep import lock
from shallow.sweep.lock import one_writer

# A process that holds what it inherits until its standard input ends, as a child does before its exec.
_WAITING = "import sys; sys.stdin.read()"

# A writer that dies while such a child lives; the child reads the writer's own input.
_DYING = f"""
import os, pathlib, signal, subprocess, sys
from shallow.sweep.lock import one_writer
given = os.open
def remembered(path, *rest):
    global descriptor
    descriptor = given(path, *rest)
    return descriptor
os.open = remembered
with one_writer(pathlib.Path(sys.argv[1])):
    os.open = given
    subprocess.Popen([sys.executable, "-c", {_WAITING!r}], pass_fds=[descriptor])
    os.kill(os.getpid(), signal.SIGKILL)
"""


def _hold(path: Path, ready: Any, release: Any) -> None:
    with one_writer(path):
        ready.set()
        release.wait(300)


@pytest.mark.kill
def test_a_second_writer_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    path = tmp_path / "ledger.lock"
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(path, ready, release))
    holder.start()
    assert ready.wait(300)
    with pytest.raises(ValueError, match=rf"another sweep \(process {holder.pid} on "), one_writer(path):
        pass
    holder.kill()
    holder.join()
    with one_writer(path):
        assert path.read_text().startswith(f"process {os.getpid()} on ")


def test_a_lock_that_is_given_up_is_free_though_a_child_holds_a_copy_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "PATIENCE", 0.0)
    path, descriptors, given = tmp_path / "ledger.lock", [], os.open

    def remembered(*arguments: Any) -> int:
        descriptors.append(given(*arguments))
        return descriptors[-1]

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", remembered)
        with one_writer(path):
            patch.undo()
            command = [sys.executable, "-c", _WAITING]
            child = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=descriptors)
    assert len(descriptors) == 1
    with one_writer(path):
        assert child.poll() is None
        with pytest.raises(ValueError, match="another sweep"), one_writer(path):
            pass
    child.communicate()
    assert child.returncode == 0


@pytest.mark.kill
def test_a_killed_writers_child_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, waits = tmp_path / "ledger.lock", []
    command = [sys.executable, "-c", _DYING, str(path)]
    writer = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert writer.wait() < 0
    standard_input = writer.stdin
    assert standard_input is not None
    with monkeypatch.context() as patch:
        patch.setattr(lock, "PATIENCE", 0.0)
        with pytest.raises(ValueError, match=rf"process {writer.pid} on "), one_writer(path):
            pass

    def released(seconds: float) -> None:
        waits.append(seconds)
        standard_input.close()

    monkeypatch.setattr(lock, "PATIENCE", 300.0)
    monkeypatch.setattr(lock, "sleep", released)
    with one_writer(path):
        assert path.read_text().startswith(f"process {os.getpid()} on ")
    assert waits, "the child held the lock until its input ended"
