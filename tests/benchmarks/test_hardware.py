"""The measured limits are rates of a machine."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks import hardware


@pytest.fixture(scope="module")
def measured() -> Iterator[hardware.Hardware]:
    patch = pytest.MonkeyPatch()
    patch.setattr(hardware, "_SECONDS", 0.002)  # the numbers are rough; here only their kind matters
    hardware.measure_hardware.cache_clear()
    yield hardware.measure_hardware(1)
    hardware.measure_hardware.cache_clear()
    patch.undo()


def test_every_rate_is_positive(measured: hardware.Hardware) -> None:
    rates = measured.asdict()
    assert len(rates) == 7
    assert all(np.isfinite(rate) and rate > 0 for rate in rates.values()), rates


def test_types_are_told_apart(measured: hardware.Hardware) -> None:
    assert measured.multiply_adds(np.float64) == measured.float64
    assert measured.multiply_adds(np.float32) == measured.float32
    assert measured.lookups(np.float32) == hardware.LOOKUP_GAIN * measured.float32


def test_a_rate_is_the_work_of_all_threads_over_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "_seconds", lambda jobs, times: [0.5 * times] * len(jobs))
    assert hardware._rate(lambda: lambda times: None, 10.0, 2) == 40.0
