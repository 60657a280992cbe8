"""What the whole suite shares: a deterministic Hypothesis profile, the array namespaces, what is not run."""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import array_api_strict
import hypothesis
import numpy as np
import pytest

from shallow.compute.jit import compiler_is_off
from shallow.setting.arrays import host, namespace

hypothesis.settings.register_profile("laboratory", derandomize=True, deadline=None, print_blob=False)
hypothesis.settings.load_profile("laboratory")


COMPILED = "compiled, not run"


@dataclass(frozen=True)
class ArrayCase:
    """An array namespace with a device; ``device1`` refuses any NumPy call on its arrays, as a GPU would."""

    name: str
    xp: Any
    device: Any

    def asarray(self, values: Any) -> Any:
        """``values`` on this case's device."""
        return self.xp.asarray(np.asarray(values), device=self.device)

    def asnumpy(self, values: Any) -> Any:
        """Back to NumPy."""
        return host(values)


ARRAY_CASES = (
    ArrayCase("numpy", namespace(np.zeros(1)), "cpu"),
    ArrayCase("strict", array_api_strict, array_api_strict.Device("CPU_DEVICE")),
    ArrayCase("strict-device1", array_api_strict, array_api_strict.Device("device1")),
)


@pytest.fixture(params=ARRAY_CASES, ids=lambda case: case.name)
def xp_case(request: pytest.FixtureRequest) -> ArrayCase:
    """Each array namespace in turn."""
    return request.param


def _has_cuda_device() -> bool:
    if importlib.util.find_spec("cupy") is None:
        return False
    import cupy

    return bool(cupy.cuda.is_available())


def find_nvrtc() -> str | None:
    """The CUDA compiler library: of the wheels that bring it, or of an installed toolkit."""
    spec = importlib.util.find_spec("nvidia")
    homes = [Path(home) for home in (spec.submodule_search_locations or [] if spec else [])]
    homes += [Path(os.environ[name]) for name in ("CUDA_PATH", "CUDA_HOME") if name in os.environ]
    for home in homes:
        for folder in ("cuda_nvrtc/lib", "cu13/lib", "lib64"):
            for library in sorted((home / folder).glob("libnvrtc.so.*")):
                return str(library)
    return ctypes.util.find_library("nvrtc")


@pytest.fixture(scope="session")
def nvrtc_library() -> Callable[[], str | None]:
    """Where the CUDA compiler library is."""
    return find_nvrtc


def _can_mount() -> bool:
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
        if subprocess.run(command, capture_output=True).returncode != 0:
            return False
        return subprocess.run(["umount", folder], capture_output=True).returncode == 0


def _has_slurm() -> bool:
    programs = ("slurmctld", "slurmd", "sbatch", "scancel")
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    found = all(shutil.which(name, path=f"{os.defpath}:/usr/sbin:/sbin") for name in programs)
    return root and found and importlib.util.find_spec("dask_jobqueue") is not None


def _has_avx2() -> bool:
    processor = Path("/proc/cpuinfo")
    return processor.exists() and " avx2 " in processor.read_text()


# A mark -> whether this machine has what it needs, and what that is. An absent requirement is "not run",
# counted and said aloud; it is never a pass, and no other kind of skip is accepted.
REQUIREMENTS: Mapping[str, tuple[Callable[[], bool], str]] = {
    "gpu": (_has_cuda_device, "a CUDA device and CuPy"),
    "tmpfs": (_can_mount, "root, to mount a small file system"),
    "slurm": (_has_slurm, "root, SLURM's daemons and dask-jobqueue"),
    "compiler": (lambda: not compiler_is_off(), "Numba's compiler, which NUMBA_DISABLE_JIT switches off"),
    "avx2": (_has_avx2, "Linux on a processor with AVX2"),
    "lock": (lambda: os.name == "posix", "a system with flock"),
    "mprotect": (lambda: os.name == "posix", "a system with mprotect"),
    "nvrtc": (
        lambda: find_nvrtc() is not None,
        "the CUDA compiler library: pip install 'shallow-relu[nvrtc]'",
    ),
    "cxx": (
        lambda: sys.platform == "linux" and shutil.which("g++") is not None,
        "g++ on Linux, to run the CUDA sources on the host",
    ),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what this machine cannot run."""
    absent = {mark: need for mark, (present, need) in REQUIREMENTS.items() if not present()}
    for item in items:
        for mark, need in absent.items():
            if item.get_closest_marker(mark):
                item.add_marker(pytest.mark.skip(reason=f"not run: needs {need}"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Pass on, also from a worker, which code a test compiles for a machine that is not at hand."""
    for mark in item.iter_markers("compiled_not_run"):
        item.user_properties.append((COMPILED, mark.args[0]))


def _reasons(terminal: Any) -> Counter[str]:
    reports = terminal.stats.get("skipped", [])
    return Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in reports)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many tests were not run, and why."""
    reasons = _reasons(terminalreporter)
    terminalreporter.section("not run")
    terminalreporter.write_line(f"tests not run on this machine: {sum(reasons.values())}")
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"  {count} x {reason}")
    passed = terminalreporter.stats.get("passed", [])
    kinds = Counter(what for report in passed for name, what in report.user_properties if name == COMPILED)
    for what, count in sorted(kinds.items()):
        terminalreporter.write_line(f"compiled, not run: {count} x code for {what}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A skip without a missing requirement hides a test: the session fails."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None:
        return
    if any(not reason.startswith("not run: ") for reason in _reasons(terminal)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
