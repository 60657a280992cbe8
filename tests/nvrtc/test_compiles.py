"""Every CUDA source compiles for both floating types and every generation of devices, without a device."""

from __future__ import annotations

import re
from typing import Any

import pytest

from shallow.compute.methods.cuda_sources import SOURCES, STEPS, CudaSource, compile_options

pytestmark = pytest.mark.nvrtc

DTYPES = ("float64", "float32")
every_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)


@every_source
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_source_compiles_to_ptx_from_volta_to_hopper(nvrtc: Any, source: CudaSource, dtype: str) -> None:
    wanted = [number for number in (70, 80, 90) if number in nvrtc.architectures()]
    assert wanted[-2:] == [80, 90]  # compilers of CUDA 13 and later have left Volta behind
    for number in wanted:
        ptx = nvrtc(source.code, (*compile_options(dtype), f"--gpu-architecture=compute_{number}"))
        entries = re.findall(rb"\.entry (\w+)\(", ptx)
        assert sorted(entry.decode() for entry in entries) == sorted(source.functions)


@every_source
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("number", [80, 90])
def test_a_source_assembles_to_machine_code(nvrtc: Any, source: CudaSource, dtype: str, number: int) -> None:
    cubin = nvrtc(source.code, (*compile_options(dtype), f"--gpu-architecture=sm_{number}"))
    assert cubin.startswith(b"\x7fELF")
    assert all(f".text.{name}".encode() in cubin for name in source.functions)


@pytest.mark.parametrize("function", ["forward_partial", "pull_back"])
def test_the_passes_over_Z_are_of_one_precision(nvrtc: Any, function: str) -> None:
    ptx = nvrtc(STEPS.code, (*compile_options("float32"), "--gpu-architecture=compute_80")).decode()
    body = (
        ptx[ptx.index(f".entry {function}(") :]
        .partition(
            ".entry",
        )[2]
        .partition(".entry")[0]
    )
    assert ".f32" in body
    assert ".f64" not in body, "a double constant has slipped into the float routine"


@every_source
def test_no_source_uses_atomics_or_asks_for_fast_mathematics(source: CudaSource) -> None:
    assert "atomic" not in source.code
    assert "include" not in source.code
    assert all("fast" not in option for dtype in DTYPES for option in compile_options(dtype))


def test_a_slip_is_found_with_its_line(nvrtc: Any) -> None:
    with pytest.raises(AssertionError, match=r"source.cu\(3\): error"):
        nvrtc('extern "C" __global__ void f(float* x) {\n x[0] = 1\n}', ("--gpu-architecture=compute_80",))
