"""One writer to a ledger, by a lock that the kernel releases when its holder dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

__all__ = ["PATIENCE", "one_writer"]

PATIENCE = 1.0
"""Seconds to wait for a lock before refusing: a dead driver's child may be about to let go of it."""
_PAUSE = 0.02


@contextmanager
def one_writer(path: Path) -> Iterator[None]:
    """Hold ``path`` (a file of its own beside the ledger) locked.

    The descriptor is not inherited, so a worker that outlives this process does not keep the lock. But a
    child between its fork and its exec still has a copy of the descriptor, and the kernel keeps the lock
    until the last copy is closed. So it is unlocked, not merely closed; and a lock that is held is tried
    again for ``PATIENCE`` seconds, for its holder may have been killed while it had such a child.

    Raises
    ------
    ValueError
        If another process holds it; its process number is named.
    """
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        if not _locked(descriptor):
            holder = os.pread(descriptor, 100, 0).decode(errors="replace").strip() or "unknown"
            raise ValueError(
                f"{path.parent} is being written by another sweep ({holder}); wait for it, or stop it"
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {os.uname().nodename}\n".encode(), 0)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Lock it, trying for a while; whether that succeeded."""
    import fcntl

    deadline = monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if monotonic() >= deadline:
                return False
            sleep(_PAUSE)
        else:
            return True
