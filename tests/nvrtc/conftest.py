"""The CUDA sources without a device: compiled by NVRTC, and run on the host as the C++ that they also are."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from shallow.compute.methods.cuda_sources import SOURCES, CudaSource, compile_options

HERE = Path(__file__).resolve().parent


class Compiler:
    """NVRTC through its C interface: needs the compiler library alone, no CuPy and no device."""

    def __init__(self, library: str) -> None:
        self._lib = ctypes.CDLL(library)

    def __call__(self, code: str, options: tuple[str, ...]) -> bytes:
        """PTX for ``compute_XX``, a cubin for ``sm_XX``; a failure shows the compiler's log."""
        program = ctypes.c_void_p()
        self._ask("nvrtcCreateProgram", ctypes.byref(program), code.encode(), b"source.cu", 0, None, None)
        given = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
        try:
            failed = self._lib.nvrtcCompileProgram(program, len(options), given)
            assert failed == 0, self._text("nvrtcGetProgramLog", program).decode()
            native = any(option.startswith("--gpu-architecture=sm_") for option in options)
            return self._text("nvrtcGetCUBIN" if native else "nvrtcGetPTX", program)
        finally:
            self._ask("nvrtcDestroyProgram", ctypes.byref(program))

    def architectures(self) -> list[int]:
        """The compute capabilities it compiles for, times ten."""
        count = ctypes.c_int()
        self._ask("nvrtcGetNumSupportedArchs", ctypes.byref(count))
        found = (ctypes.c_int * count.value)()
        self._ask("nvrtcGetSupportedArchs", found)
        return list(found)

    def _ask(self, name: str, *arguments: Any) -> None:
        result = getattr(self._lib, name)(*arguments)
        assert result == 0, f"{name} returned {result}"

    def _text(self, name: str, program: ctypes.c_void_p) -> bytes:
        size = ctypes.c_size_t()
        self._ask(name + "Size", program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        self._ask(name, program, buffer)
        return buffer.raw


@pytest.fixture(scope="session")
def nvrtc(nvrtc_library: Callable[[], str | None]) -> Compiler:
    """The compiler on this machine; only tests marked nvrtc may ask for it."""
    library = nvrtc_library()
    assert library is not None
    return Compiler(library)


def _host_source(source: CudaSource) -> str:
    """The source between the host's meaning of CUDA's words and an entry for each of its functions."""
    found = re.findall(r'extern "C" __global__ void (\w+)\((.*?)\)\s*\{', source.code, flags=re.DOTALL)
    assert tuple(name for name, _ in found) == source.functions
    entries = []
    for name, parameters in found:
        names = ", ".join(re.findall(r"(\w+)\s*(?:,|$)", parameters.strip()))
        entries.append(
            f'extern "C" void run_{name}(const unsigned* shape, int backwards, {parameters}) {{\n'
            f"    host_cuda::run(shape, backwards, [&] {{ {name}({names}); }});\n}}\n"
        )
    return f'#include "{HERE / "host_cuda.hpp"}"\n{source.code}\n' + "\n".join(entries)


class HostModule:
    """What CuPy's RawModule is to a device: functions launched over a grid, with NumPy's arrays."""

    def __init__(self, library: ctypes.CDLL, backwards: bool = False) -> None:
        self._library, self.backwards = library, backwards

    def get_function(self, name: str) -> Callable[..., None]:
        """``function(grid, block, arguments)``."""
        entry = getattr(self._library, f"run_{name}")

        def launch(grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple[Any, ...]) -> None:
            sides = [*grid, 1, 1][:3] + [*block, 1, 1][:3]
            assert min(sides) >= 1
            assert np.prod(sides[3:]) <= 1024, "no device has larger blocks"
            assert max(sides[1:3]) <= 65535, "nor larger second and third sides of a grid"
            entry((ctypes.c_uint * 6)(*sides), int(self.backwards), *(_passed(value) for value in arguments))

        return launch


_C_TYPES = {"i4": ctypes.c_int, "i8": ctypes.c_longlong, "f4": ctypes.c_float, "f8": ctypes.c_double}


def _passed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        assert value.flags.c_contiguous
        return ctypes.c_void_p(value.ctypes.data)
    if value.dtype == np.uint64:
        return ctypes.c_void_p(int(value))
    return _C_TYPES[value.dtype.str[1:]](value.item())


@pytest.fixture(scope="session")
def host_module(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., HostModule]:
    """``host_module(source, dtype, backwards=False)``: a CUDA source compiled for the host."""
    folder = tmp_path_factory.mktemp("host_cuda")
    built: dict[tuple[str, str], ctypes.CDLL] = {}

    def make(source: CudaSource, dtype: str, backwards: bool = False) -> HostModule:
        key = (source.name, dtype)
        if key not in built:
            text, out = folder / f"{source.name}_{dtype}.cpp", folder / f"{source.name}_{dtype}.so"
            text.write_text(_host_source(source))
            options = [option for option in compile_options(np.dtype(dtype)) if option.startswith("-D")]
            compiler = shutil.which("g++")
            assert compiler is not None
            command = [compiler, "-std=c++14", "-O1", "-shared", "-fPIC", *options, str(text), "-o", str(out)]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            built[key] = ctypes.CDLL(str(out))
        return HostModule(built[key], backwards)

    return make


class HostCupy:
    """NumPy under CuPy's name, with RawModule on the host: runs the device methods' own code."""

    def __init__(self, make: Callable[..., HostModule], backwards: bool = False) -> None:
        self._make, self._backwards = make, backwards
        self.cuda = SimpleNamespace(
            runtime=SimpleNamespace(getDevice=lambda: 0, deviceSynchronize=lambda: None)
        )

    def RawModule(self, code: str, options: tuple[str, ...]) -> HostModule:
        """The module of the source with this code."""
        source = next(source for source in SOURCES if source.code == code)
        dtype = "float64" if "-DREAL=double" in options else "float32"
        return self._make(source, dtype, self._backwards)

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


@pytest.fixture(scope="session")
def host_cupy(host_module: Callable[..., HostModule]) -> HostCupy:
    """CuPy as far as the device methods use it, on the host."""
    return HostCupy(host_module)


@pytest.fixture(scope="session")
def host_cupy_backwards(host_module: Callable[..., HostModule]) -> HostCupy:
    """The same with blocks, and threads between two barriers, in the opposite order."""
    return HostCupy(host_module, backwards=True)
