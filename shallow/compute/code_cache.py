"""Where compiled code is kept: a folder a version of the sources, of which a few are kept.

A process that uses a folder holds a lock on it, so that no other one tidies it away; the kernel lets the lock
go when the process ends, however it ends.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import re
import shutil
import tempfile
from pathlib import Path

__all__ = ["cache_directory"]

_LOG = logging.getLogger(__name__)
_KEPT = 3  # folders, the present one included
_LOCK = "in-use"


@functools.cache
def cache_directory() -> Path | None:
    """A folder named by the hash of the sources in ``shallow/compute``, locked against being deleted.

    Numba checks only the file of the routine itself, and would go on with the old code after a helper or
    a constant in another file has changed; a new hash is a new folder, and making one deletes the folders
    of older sources but for the last two used. Places tried: NUMBA_CACHE_DIR, XDG_CACHE_HOME, the user's
    ``.cache``. None, with one line in the log, when none can be written.
    """
    for place in _places():
        directory = place / "shallow-relu" / _hash_of_sources()
        is_new = not directory.exists()
        if _is_writable(directory):
            _hold(directory)
            if is_new:
                _prune(directory)
            return directory
    _LOG.warning("no place for compiled code can be written, so it is compiled anew; set NUMBA_CACHE_DIR")
    return None


def _places() -> list[Path]:
    named = [os.environ.get(name) for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")]
    places = [Path(place) for place in named if place]
    try:
        places.append(Path.home() / ".cache")
    except RuntimeError:  # no home at all
        _LOG.debug("this user has no home directory")
    return places


def _is_writable(directory: Path) -> bool:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return True
    except OSError:
        return False


def _hash_of_sources() -> str:
    digest = hashlib.blake2b(digest_size=8)
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _hold(directory: Path) -> None:
    """Mark the folder as used now, and as in use until this process ends (its descriptor stays open)."""
    if os.name != "posix":
        return
    import fcntl

    try:
        while True:
            directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if _is_still_there(descriptor, directory / _LOCK):
                os.utime(descriptor)
                return
            os.close(descriptor)  # deleted between our opening and our locking it
    except OSError as error:
        _LOG.debug("%s is used without a lock: %s", directory, error)


def _is_still_there(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _prune(present: Path) -> None:
    """Delete the folders beside ``present`` that are ours, but for the last used and those in use."""
    if os.name != "posix":
        return
    others = [path for path in present.parent.iterdir() if path != present and _is_ours(path)]
    for directory in sorted(others, key=_last_use, reverse=True)[_KEPT - 1 :]:
        _delete_unless_in_use(directory)


def _is_ours(path: Path) -> bool:
    """Whether this is a folder of compiled code with nothing else in it."""
    if path.is_symlink() or not path.is_dir() or not re.fullmatch("[0-9a-f]{16}", path.name):
        return False
    files = (file for file in path.rglob("*") if not file.is_dir() or file.is_symlink())
    return all(file.name == _LOCK or re.search(r"\.nb[ic](\.tmp\.|$)", file.name) for file in files)


def _last_use(directory: Path) -> float:
    lock = directory / _LOCK
    try:
        return (lock if lock.exists() else directory).stat().st_mtime
    except FileNotFoundError:  # another process was faster
        return 0.0


def _delete_unless_in_use(directory: Path) -> None:
    import fcntl

    try:
        descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        _LOG.debug("%s is not ours to delete: %s", directory, error)
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(directory)
    except OSError as error:  # in use, or just taken into use
        _LOG.debug("%s stays: %s", directory, error)
    finally:
        os.close(descriptor)
