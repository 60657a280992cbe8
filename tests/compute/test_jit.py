"""Where compiled code is kept, when nothing may be written, and what is not loaded."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from shallow.compute import jit


@pytest.fixture
def fresh_directory(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    jit.cache_directory.cache_clear()
    yield monkeypatch  # type: ignore[misc]
    jit.cache_directory.cache_clear()


def test_the_door_is_light() -> None:
    code = (
        "import sys, shallow, shallow.compute.jit; print('numba' in sys.modules or 'llvmlite' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


def test_no_other_module_imports_numba() -> None:
    root = Path(jit.__file__).parents[1]
    importers = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if re.search(r"^\s*(import|from) numba\b", path.read_text(), re.MULTILINE)
    }
    # Types and LLVM come from Numba too; decorators only from jit; doctor prints the version.
    assert importers <= {"compute/jit.py", "compute/vector_ir.py", "cli/doctor.py"}
    assert "njit" not in (root / "compute" / "vector_ir.py").read_text()


def test_the_cache_is_named_by_the_sources(tmp_path: Path, fresh_directory: pytest.MonkeyPatch) -> None:
    fresh_directory.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    directory = jit.cache_directory()
    assert directory is not None
    assert directory.is_relative_to(tmp_path)
    jit.cache_directory.cache_clear()
    source = jit._hash_of_sources()
    assert directory.name == source
    fresh_directory.setattr(jit, "_hash_of_sources", lambda: "another")
    moved = jit.cache_directory()
    assert moved is not None
    assert moved.name == "another"


@pytest.mark.compiler
def test_compiled_code_lands_in_the_cache(tmp_path: Path) -> None:
    code = (
        "import numpy as np, shallow.compute.methods.numba_routines as r;"
        "f = np.zeros(2); r.finish(np.ones((1, 2, 3)), 2.0, f); print(f.tolist())"
    )
    environment = {
        "NUMBA_CACHE_DIR": str(tmp_path),
        "PATH": "",
        "PYTHONPATH": str(Path(jit.__file__).parents[2]),
    }
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert shown.stdout.strip() == "[6.0, 6.0]"
    assert len(list(tmp_path.rglob("*.nbi"))) == 1


def test_with_no_place_to_write_it_compiles_and_says_so(
    tmp_path: Path, fresh_directory: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        fresh_directory.setenv(name, str(blocked))
    with caplog.at_level(logging.WARNING):
        assert jit.cache_directory() is None
        assert jit.cache_directory() is None

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
    fresh_directory.setattr(jit.Path, "home", staticmethod(homeless))
    assert jit.cache_directory() is None


@pytest.mark.compiler
def test_numbas_own_settings_are_left_as_they_were(
    tmp_path: Path, fresh_directory: pytest.MonkeyPatch
) -> None:
    import numba

    fresh_directory.delenv("NUMBA_CACHE_DIR", raising=False)
    fresh_directory.setenv("XDG_CACHE_HOME", str(tmp_path))
    numba.config.reload_config()  # Numba rereads its environment at a compilation; do it now
    before = str(numba.config.CACHE_DIR)

    @jit.routine
    def same(x):  # type: ignore[no-untyped-def]
        return x

    assert same(1.5) == 1.5
    assert str(numba.config.CACHE_DIR) == before
    assert len(list(tmp_path.rglob("*.nbi"))) == 1


@pytest.mark.parametrize(
    ("numba_threads", "omp_threads", "expected"),
    [("3", "2", 3), ("", "2", 2), ("none", "2", 2), ("0", "4", 4)],
)
def test_threads_follow_the_environment(
    numba_threads: str, omp_threads: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_NUM_THREADS", numba_threads)
    monkeypatch.setenv("OMP_NUM_THREADS", omp_threads)
    assert jit.threads() == expected
    monkeypatch.delenv("NUMBA_NUM_THREADS")
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert jit.threads() >= 1


@pytest.mark.compiler
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("depth", "columns"), [(1, 1), (7, 3), (5, 13), (300, 9)])
def test_a_panel_product_is_a_chain_of_fused_operations(dtype: type, depth: int, columns: int) -> None:
    from shallow.compute.methods import numba_routines

    rng = np.random.default_rng(depth)
    R = numba_routines.panel_width(dtype(0))
    A, B = rng.standard_normal((depth, R)).astype(dtype), rng.standard_normal((depth, columns)).astype(dtype)
    old, new, weights = (rng.standard_normal(s).astype(dtype) for s in ((columns, R), (columns, R), (R,)))
    numba_routines._product(A, B, old, new, weights, dtype(0.5), dtype(1))
    wide = [x.astype(np.longdouble) for x in (A, B, old, weights)]
    expected = wide[3] * (wide[1].T @ wide[0]) + 0.5 * wide[2]
    size = np.abs(wide[3]) * (np.abs(wide[1]).T @ np.abs(wide[0])) + 0.5 * np.abs(wide[2])
    assert np.all(np.abs(new - expected) <= (depth + 4) * np.finfo(dtype).eps * size)
