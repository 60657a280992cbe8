"""Importing the package is light, works from a place nobody can write to, and takes well under a second."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("numba", "scipy", "matplotlib", "cupy", "sympy", "pydantic", "cyclopts", "pandas", "distributed")


def modules_after(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(' '.join(sorted(m for m in sys.modules if '.' not in m)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement", ["import shallow", "import proofs_check", "from shallow import Network, Problem, predict"]
)
def test_an_import_loads_none_of_the_heavy_packages(statement: str) -> None:
    assert modules_after(statement) & set(HEAVY) == set()


def test_an_import_works_without_a_home_and_without_a_writable_place(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in ("HOME", "XDG_CACHE_HOME")}
    environment["HOME"] = "/nonexistent"
    code = "import shallow; print(shallow.predict(shallow.Network([[1.0]], [2.0]), [[3.0]]))"
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=tmp_path,
    )
    assert done.stdout.strip() == "[6.]"
