"""NPZ files written whole or not at all, and read without pickle."""

from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["read_archive", "write_archive", "write_whole"]


def write_whole(path: str | Path, content: bytes) -> None:
    """Write ``content`` to ``path`` through a temporary file beside it, so no half file is ever seen."""
    target = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_archive(path: str | Path, *, kind: str, **fields: Any) -> None:
    """Write ``fields`` as an NPZ archive of the given kind, atomically and without pickle."""
    import io

    buffer = io.BytesIO()
    arrays = {name: np.asarray(value) for name, value in fields.items()}
    objects = [name for name, value in arrays.items() if value.dtype == object]
    if objects:
        raise TypeError(f"cannot save {', '.join(objects)}: only numbers and text go into an archive")
    np.savez_compressed(buffer, allow_pickle=False, kind=np.asarray(kind), **arrays)
    write_whole(path, buffer.getvalue())


def read_archive(
    path: str | Path, *, kind: str, required: tuple[str, ...]
) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of an NPZ file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is empty, no NPZ archive, of another kind, holds pickled objects, or lacks a
        required array.
    """
    source = Path(path)
    if not source.is_file():
        raise FileNotFoundError(f"{source}: no such file")
    if source.stat().st_size == 0:
        raise ValueError(f"{source} is empty (0 bytes); an NPZ archive with {', '.join(required)} is needed")
    with source.open("rb") as stream:
        if stream.read(6) == b"\x93NUMPY":
            raise ValueError(f"{source} is a single array (NPY); save an NPZ with {', '.join(required)}")
    if not zipfile.is_zipfile(source):
        raise ValueError(f"{source} is not a readable NPZ archive: it is no zip file, or was cut short")
    try:
        with source.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            fields = {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{source} is not a readable NPZ archive: {error}") from None
    except ValueError as error:
        if "allow_pickle" in str(error) or "pickled" in str(error):
            raise ValueError(
                f"{source} holds pickled objects, which are never loaded; save plain numbers"
            ) from None
        raise ValueError(f"{source} is not a readable NPZ archive: {error}") from None
    strays = [name for name, value in fields.items() if not isinstance(value, np.ndarray)]
    if strays:
        raise ValueError(
            f"{source} holds {', '.join(strays)}, which are no arrays; save an NPZ with numpy.savez"
        )
    found = str(fields.pop("kind", kind))
    if found != kind:
        raise ValueError(f"{source} holds a {found}, not a {kind}")
    missing = [name for name in required if name not in fields]
    if missing:
        raise ValueError(
            f"{source} lacks {', '.join(missing)}; it has {', '.join(sorted(fields)) or 'nothing'}"
        )
    return fields
