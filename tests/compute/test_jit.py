"""What is loaded when, what a first call says and keeps, and what a fork after threads can do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from shallow.compute import jit


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


def test_one_module_writes_instructions() -> None:
    root = Path(jit.__file__).parents[1]
    importers = [
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if re.search(r"^\s*(import|from) llvmlite\b", path.read_text(), re.MULTILINE)
    ]
    assert importers == ["compute/vector_ir.py"]


@pytest.mark.compiler
def test_compiled_code_lands_in_the_cache(tmp_path: Path) -> None:
    code = (
        "import numpy as np, shallow.compute.methods.loss_routines as r;"
        "c = np.zeros(2); r.coefficients(0, np.full(2, 7.0), np.ones(2), c); print(c.tolist())"
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


@pytest.mark.compiler
def test_numbas_own_settings_are_left_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    jit.cache_directory.cache_clear()
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    numba.config.reload_config()  # Numba rereads its environment at a compilation; do it now
    before = str(numba.config.CACHE_DIR)

    @jit.routine
    def same(x):  # type: ignore[no-untyped-def]
        return x

    assert same(1.5) == 1.5
    jit.cache_directory.cache_clear()
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
    from shallow.compute.methods import dense_routines

    rng = np.random.default_rng(depth)
    R = dense_routines.panel_width(dtype(0))
    A, B = rng.standard_normal((depth, R)).astype(dtype), rng.standard_normal((depth, columns)).astype(dtype)
    old, new, weights = (rng.standard_normal(s).astype(dtype) for s in ((columns, R), (columns, R), (R,)))
    dense_routines.product(A, B, old, new, weights, dtype(0.5), dtype(1))
    wide = [x.astype(np.longdouble) for x in (A, B, old, weights)]
    expected = wide[3] * (wide[1].T @ wide[0]) + 0.5 * wide[2]
    size = np.abs(wide[3]) * (np.abs(wide[1]).T @ np.abs(wide[0])) + 0.5 * np.abs(wide[2])
    assert np.all(np.abs(new - expected) <= (depth + 4) * np.finfo(dtype).eps * size)


TRAINING = """
import numpy as np, shallow
rng = np.random.default_rng(0)
network = shallow.Network(rng.standard_normal((50, 5)), rng.standard_normal(50))
problem = shallow.Problem(rng.standard_normal((30, 5)), rng.standard_normal(30))
run = shallow.train(network, problem, shallow.GradientDescent(0.01, 0.01), steps=5, method="numba")
"""


def in_a_process(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
    settings["PYTHONPATH"] = str(Path(jit.__file__).parents[2])
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env={**settings, **environment},
    )


@pytest.mark.slow
@pytest.mark.compiler
def test_compiling_is_said_once_and_a_warm_start_says_nothing_and_takes_no_3_s(tmp_path: Path) -> None:
    code = f"{TRAINING}\nimport time; print(time.process_time())"
    cold = in_a_process(code, NUMBA_CACHE_DIR=str(tmp_path))
    lines = cold.stderr.splitlines()
    assert len(lines) == 1, cold.stderr
    assert "compiling" in lines[0]
    assert str(tmp_path) in lines[0]
    warm = in_a_process(code, NUMBA_CACHE_DIR=str(tmp_path), OMP_NUM_THREADS="1")
    assert warm.stderr == ""
    assert float(warm.stdout) < 3.0  # of the processor, so the same on a busy machine


PATIENCE = """
import sys
import numba, numpy as np
from shallow.compute import jit
jit._PATIENCE = float(sys.argv[1])
from shallow.compute.methods import loss_routines
numba.njit(lambda x: x + 1)(1)
print("a stranger's function is compiled", file=sys.stderr, flush=True)
for kind in (np.float64, np.float32):
    loss_routines.coefficients(0, np.ones(2, kind), np.ones(2, kind), np.zeros(2, kind))
"""


@pytest.mark.compiler
@pytest.mark.parametrize(("patience", "lines"), [("0", 1), ("3600", 0)])
def test_only_a_long_compilation_of_ours_is_worth_a_word(tmp_path: Path, patience: str, lines: int) -> None:
    done = in_a_process(PATIENCE, patience, NUMBA_CACHE_DIR=str(tmp_path))
    stranger, *ours = done.stderr.splitlines()
    assert "stranger" in stranger
    assert ["compiling" in line for line in ours] == [True] * lines


FORK = """
import multiprocessing, threading, time
import numpy as np, shallow
from shallow.compute.methods import numba_steps, packing
numba_steps._WORTH_SHARING = packing._WORTH_MEETING = 0.0  # so that even this network is shared out

def outcome():
    rng = np.random.default_rng(0)
    network = shallow.Network(rng.standard_normal((700, 5)), rng.standard_normal(700))
    problem = shallow.Problem(rng.standard_normal((30, 5)), rng.standard_normal(30))
    rule = shallow.GradientDescent(0.001, 0.001)
    return shallow.train(network, problem, rule, steps=20, method="numba").network.W.tobytes()

def report(queue):
    queue.put(outcome())

here = outcome()
deadline = time.monotonic() + 60
while threading.active_count() > 1 and time.monotonic() < deadline:
    time.sleep(0.01)
assert threading.active_count() == 1, threading.enumerate()  # nobody waits for a run that is gone
context = multiprocessing.get_context("fork")
queue = context.SimpleQueue()
child = context.Process(target=report, args=(queue,))
child.start()
there = queue.get()
child.join()
assert child.exitcode == 0
print(here == there == outcome())
"""


@pytest.mark.compiler
def test_a_fork_after_a_training_on_two_threads_trains_to_the_same_bits() -> None:
    # BLAS has threads of its own, which Python counts and warns of
    done = in_a_process(FORK, NUMBA_NUM_THREADS="2", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    assert done.stdout == "True\n", done.stderr
