"""The device benchmark's own code, run on the host; without a device it says so and measures nothing."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import gpu


def test_without_a_device_nothing_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu, "device_state", lambda: (False, "CuPy is not installed"))
    assert gpu.main([]) == 0
    assert capsys.readouterr().out == "not run: no CUDA device here (CuPy is not installed)\n"


@pytest.mark.cxx
@pytest.mark.parametrize(
    "row",
    [
        gpu._descent_row(9, 5, 12, "float64"),
        gpu._descent_row(9, 5, 12, "float32", batch=3),
        gpu._pattern_row(20, 5, 40),
        gpu._arc_cosine_row(20, 5),
    ],
    ids=lambda row: row.name,
)
def test_a_row_is_right_timed_and_a_share_of_the_ceilings(host_cupy: Any, row: gpu.Row) -> None:
    made = gpu.measure_row(row, gpu.Ceilings(1e9, 2e9, 4e9), lambda dtype: host_cupy, quick=True, pause=0.0)
    assert "ours" not in made["reasons"], made["reasons"]
    peak = 2e9 if row.dtype == "float64" else 4e9
    assert made["share_of_product_peak"] == pytest.approx(row.operations / peak / made["seconds"], abs=1e-3)
    assert made["share_of_copy_peak"] == pytest.approx(row.bytes / 1e9 / made["seconds"], abs=1e-3)
    assert made["ratio_vs_torch"] is None


@pytest.mark.cxx
def test_ceilings_are_rates(host_cupy: Any) -> None:
    ceilings = gpu.measure_ceilings(host_cupy, 64, 1 << 12)
    assert min(ceilings.copy, ceilings.products("float64"), ceilings.products("float32")) > 1e6


def test_rows_have_names_of_their_own_and_work_to_do() -> None:
    assert len({row.name for row in gpu.ROWS}) == len(gpu.ROWS) == 7
    assert min(min(row.operations, row.bytes) for row in gpu.ROWS) > 1e8
