"""Everybody has the same threads, and NumPy is not handicapped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.environment import blas, machine, machine_name, versions, wanted_environment

ROOT = Path(__file__).resolve().parents[2]


def test_an_exported_openblas_architecture_is_cleared() -> None:
    found = {"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_L2_SIZE": "512", "HOME": "/home/somebody"}
    wanted = wanted_environment(2, found)
    assert "OPENBLAS_CORETYPE" not in wanted
    assert "OPENBLAS_L2_SIZE" not in wanted
    assert wanted["HOME"] == "/home/somebody"


def test_all_libraries_have_the_same_threads() -> None:
    wanted = wanted_environment(3, {"OMP_NUM_THREADS": "1", "XLA_FLAGS": "--something"})
    threads = {name: value for name, value in wanted.items() if name.endswith("_THREADS")}
    assert set(threads.values()) == {"3"}
    assert {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"} <= set(threads)
    assert "XLA_FLAGS" not in wanted
    assert "multi_thread_eigen=false" in wanted_environment(1, {})["XLA_FLAGS"]


def test_a_fitting_environment_is_left_alone() -> None:
    once = wanted_environment(2, {"HOME": "/home/somebody", "OPENBLAS_CORETYPE": "Haswell"})
    assert wanted_environment(2, once) == once


def test_a_process_starts_itself_anew_before_it_loads_numpy() -> None:
    program = (
        "import sys; from benchmarks.environment import prepare; assert 'numpy' not in sys.modules; "
        "prepare(1); import os; print(os.environ.get('OPENBLAS_CORETYPE'), os.environ['NUMBA_NUM_THREADS'])"
    )
    environment = {"OPENBLAS_CORETYPE": "Haswell", "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["None", "1"]


def test_the_machine_and_its_blas_are_named() -> None:
    described = machine(2)
    assert described["threads"] == 2
    assert described["blas"] == blas()
    assert len(blas()) >= 1
    assert set(machine_name(described)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert machine_name({"processor": "Some (R) CPU @ 3 GHz", "cpus": 8}) == "some-r-cpu-3-ghz-8-cpus"


def test_versions_say_what_is_not_installed() -> None:
    found = versions()
    assert {"python", "numpy", "numba", "torch", "jax"} <= set(found)
    assert all(found.values())
