"""Scaling measures what it draws: every point, its memory, and limits that grow as the work does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import hardware, plan, scaling
from benchmarks.scaling_pictures import draw

HARDWARE = hardware.Hardware(2.6e11, 5.2e11, 5.6e11, 11.2e11, 5.4e12, 7e10, 2)


@pytest.fixture(autouse=True)
def quick_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "measure_hardware", lambda threads: HARDWARE)
    monkeypatch.setattr(scaling, "_TRIAL", 1e-3)
    monkeypatch.setattr(scaling, "_ROUNDS", 1)


def test_every_panel_has_its_sizes_and_all_the_threads() -> None:
    found = list(scaling.points(3))
    assert {point.threads for point in found} == {1, 2, 3}
    for grows, sizes in scaling.STEPS.items():
        wanted = (1, 2, 3) if grows == "threads" else sizes
        assert tuple(p.size for p in found if (p.work, p.grows) == ("step", grows)) == wanted
    for (work, grows), sizes in scaling.KERNELS.items():
        assert tuple(p.size for p in found if (p.work, p.grows) == (work, grows)) == sizes


@pytest.mark.parametrize("work", ["step", "empirical", "limit"])
@pytest.mark.parametrize("contender", ["shallow", "numpy"])
def test_a_point_has_time_and_memory(work: str, contender: str) -> None:
    point = scaling.Point(work, "n", n=30, d=4, m=0 if work == "limit" else 20, batch=1, threads=1)
    found = scaling.measure_point(replace(point, contender=contender))
    assert found.seconds > 0
    assert found.bytes >= 0 or np.isnan(found.bytes)
    assert found.limit_seconds > 0
    assert found.limit_bytes > 0


def test_peak_memory_sees_what_was_held_and_given_back() -> None:
    before = scaling._resident(reset=True)
    held = np.ones(1 << 22)
    del held
    peak = scaling._resident(peak=True) - before
    assert np.isnan(peak) or 0.9 * 2**25 < peak < 3 * 2**25


def test_the_limits_grow_as_the_work() -> None:
    small = scaling.Point("step", "n", n=100, d=50, m=1000, batch=1, threads=2)
    twice = replace(small, n=200)
    (t, _), (tt, _) = scaling._limits(small, HARDWARE), scaling._limits(twice, HARDWARE)
    assert tt == 2 * t


def test_numbers_survive_the_file_and_make_both_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaling, "RESULTS", tmp_path / "scaling.csv")
    made = [
        replace(point, contender=name, seconds=1e-3 * point.size, bytes=1e6, limit_seconds=1e-4,
                limit_bytes=1e5)
        for point in scaling.points(2)
        for name in scaling.CONTENDERS[point.work]
    ]  # fmt: skip
    scaling._write(made)
    read = scaling._read()
    assert [(p.work, p.grows, p.size, p.contender) for p in read] == [
        (p.work, p.grows, p.size, p.contender) for p in made
    ]
    draw(read, scaling.STEPS, scaling.KERNELS, tmp_path)
    pictures = {path.name: path.stat().st_size for path in tmp_path.glob("*.png")}
    assert set(pictures) == {"scaling_steps.png", "scaling_kernels.png"}
    assert min(pictures.values()) > 10_000


def test_a_contender_that_is_absent_leaves_no_points(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks import peers, torch_peer

    def absent(name: str, threads: int = 0) -> None:
        raise peers.Absent(f"not run: {name}")

    monkeypatch.setattr(torch_peer, "load", absent)
    monkeypatch.setattr(scaling.environment, "prepare", lambda threads: None)
    assert scaling._work("torch", 1, 1) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "not run: torch" in told.err


def test_the_plan_is_held_against_what_is_measured() -> None:
    found = plan.measured_case(plan.SHAPES[0], 1, trial=1e-3, rounds=1)
    assert found["ratio"] >= 1.0
    assert found["ratio"] == found["seconds"][found["choice"]] / min(found["seconds"].values())
    assert set(found["predicted"]) == set(found["seconds"])
    assert {"numpy", found["choice"]} <= set(found["seconds"])


def test_the_grid_has_frozen_layers_both_types_and_batches() -> None:
    names = [str(shape) for shape in plan.SHAPES]
    assert len(set(names)) == len(names)
    for word in ("f64", "f32", "batch", "rate_a=0.0", "rate_W=0.0", "slope=0.1", "logistic"):
        assert any(word in name for name in names), word
