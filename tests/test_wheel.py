"""The wheel, installed alone in a fresh environment, runs the doctor and the README's first lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd=cwd, env=environment
    )


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, cwd=ROOT)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / "bin" / "python"
    pins = ROOT / "constraints.txt"
    installed = run(python, "-m", "pip", "install", "-q", wheel, "--constraint", pins, cwd=folder)
    if installed.returncode and "No matching distribution" in installed.stderr:
        pytest.skip("not run: the package index cannot be reached")
    assert installed.returncode == 0, installed.stderr
    return folder


@pytest.mark.slow
@pytest.mark.wheel
def test_the_doctor_is_content_with_the_bare_wheel(fresh: Path) -> None:
    done = run(fresh / "env" / "bin" / "shallow", "doctor", "--json", cwd=fresh)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert [check["name"] for check in report["checks"] if not check["passed"]] == []


@pytest.mark.slow
@pytest.mark.wheel
def test_a_statement_is_checked_with_the_bare_wheel(fresh: Path) -> None:
    done = run(
        fresh / "env" / "bin" / "proofs-check",
        "run",
        "certificates/cert-b-gd",
        "--out",
        "r",
        "--json",
        cwd=fresh,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["results"][0]["verdict"] == "HOLDS"
    assert (fresh / "r" / "index.html").stat().st_size > 1000


@pytest.mark.slow
@pytest.mark.wheel
def test_the_wheel_holds_both_packages_their_types_and_nothing_else(fresh: Path) -> None:
    import zipfile

    (wheel,) = fresh.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {"shallow", "proofs_check"} <= tops
    assert not tops & {"tests", "experiments", "tools", "benchmarks"}
    assert {"shallow/py.typed", "proofs_check/py.typed", "shallow/__init__.pyi"} <= set(names)
