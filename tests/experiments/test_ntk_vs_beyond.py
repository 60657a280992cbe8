"""The (m, tau) diagrams can be made again, and say what the laws and the tangent model say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from experiments import ntk_vs_beyond as beyond
from shallow.figures.phases import half_contour, phase_cells

RUNS = beyond.read()
LAWS = beyond.read_laws()


def test_every_cell_has_twenty_seeds() -> None:
    cells = Counter((run.rate_ratio, run.m, run.label_scale) for run in RUNS)
    assert set(cells.values()) == {20}
    assert len(cells) == len(beyond.RATIOS) * len(beyond.WIDTHS) * len(beyond.SCALES)
    assert beyond.DATA.stat().st_size < 250_000


def test_where_a_law_holds_no_run_diverges_or_stands_still() -> None:
    spoken = 0
    for law, ratio, m, tau in LAWS:
        if law not in ("CERT-B", "CERT-B-GD", "CERT-F"):
            continue
        inside = [r for r in RUNS if (r.rate_ratio, r.m) == (ratio, m) and r.label_scale < 0.5 * tau]
        spoken += len(inside)
        assert {run.outcome for run in inside} <= {"CONVERGED", "OUT_OF_BUDGET"}, (law, ratio, m)
    assert spoken > 0


def test_small_labels_are_lazy_and_large_ones_are_not() -> None:
    cells: dict[tuple[int, float], list[float]] = {}
    for run in RUNS:
        if run.rate_ratio == 1.0:
            cells.setdefault((run.m, run.label_scale), []).append(run.tangent_distance)
    medians = {cell: float(np.median(values)) for cell, values in cells.items()}
    for m in beyond.WIDTHS:
        assert medians[m, beyond.SCALES[0]] < 0.05
        assert medians[m, beyond.SCALES[-1]] > 0.05
    assert medians[beyond.WIDTHS[0], 1.0] > 0.5 > 0.1 > medians[beyond.WIDTHS[-1], 1.0]


def test_half_of_the_trainings_converge_at_some_width_and_few_cells_are_grey() -> None:
    grey = 0
    for ratio in beyond.RATIOS:
        cells = phase_cells(beyond._columns([run for run in RUNS if run.rate_ratio == ratio]))
        grey += int(cells.grey.sum())
        assert len(half_contour(cells)) > 10, ratio
        assert np.nanmin(cells.probability) < 0.5 < np.nanmax(cells.probability)
    assert grey <= 0.15 * len(beyond.RATIOS) * len(beyond.WIDTHS) * len(beyond.SCALES)


def test_training_converges_beyond_every_law_whose_runs_these_are() -> None:
    reach = max(tau for law, _, _, tau in LAWS if law in ("CERT-B", "CERT-B-GD", "CERT-F"))
    beyond_all = [run for run in RUNS if run.label_scale > reach and run.outcome == "CONVERGED"]
    assert len(beyond_all) > 100


def test_figure_and_numbers_are_written(tmp_path: Path) -> None:
    written = beyond.draw(tmp_path / "deep")
    assert [path.name for path in written] == ["ntk_vs_beyond.pdf", "ntk_vs_beyond.png", "ntk_vs_beyond.csv"]
    assert len(written[2].read_text().splitlines()) == 1 + 3 * len(beyond.WIDTHS) * len(beyond.SCALES)


def test_changed_data_are_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def stored(cells: list[tuple[float, float]]) -> list[beyond.Run]:
        return [run for run in RUNS if (run.rate_ratio, run.label_scale) in cells]

    monkeypatch.setattr(beyond, "_train", stored)
    assert beyond.check() == []
    spoiled = tmp_path / "runs.csv"
    rows = beyond.DATA.read_text().splitlines()
    spoiled.write_text("\n".join(row.replace("CONVERGED", "DIVERGED") for row in rows) + "\n")
    assert len(beyond.check(spoiled)) == len(beyond._CHECKED)


@pytest.mark.slow
def test_the_committed_data_are_recomputed() -> None:
    assert beyond.check() == []
