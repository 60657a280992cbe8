"""The width law's data can be made again, are complete, and identify both exponents."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from experiments import width_law

RUNS = width_law.read()


def test_every_cell_has_twenty_seeds_and_every_pair_lies_between_d_and_d_squared() -> None:
    cells = Counter((run.n, run.d, run.m) for run in RUNS)
    assert set(cells) == {(n, d, m) for (n, d), widths in width_law.PAIRS.items() for m in widths}
    assert set(cells.values()) == {20}
    assert all(d <= n <= d * d for n, d in width_law.PAIRS)
    assert width_law.DATA.stat().st_size < 200_000


def test_the_widths_enclose_the_threshold_of_every_pair() -> None:
    for n, d in width_law.PAIRS:
        share = {
            m: sum(run.residual <= width_law.CONVERGED for run in RUNS if (run.n, run.d, run.m) == (n, d, m))
            / 20
            for m in width_law.PAIRS[n, d]
        }
        assert share[min(share)] < 0.5 < share[max(share)], (n, d, share)


def test_both_exponents_are_identified_and_grow_no_faster_than_the_certificates_need() -> None:
    fit = width_law.fits(RUNS)["residual"]
    assert 0 < fit.exponents["n"] < 2
    assert fit.exponents["d"] < 0
    assert fit.intervals["n"][1] < 2
    assert fit.intervals["n"][0] <= fit.exponents["n"] <= fit.intervals["n"][1]


def test_figure_and_numbers_are_written(tmp_path: Path) -> None:
    written = width_law.draw(tmp_path / "deep")
    assert [path.name for path in written] == ["width_law.pdf", "width_law.png", "width_law.csv"]
    assert len(written[2].read_text().splitlines()) == 1 + 3 * 2


def test_changed_data_are_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(width_law, "_pair", lambda n, d: [run for run in RUNS if (run.n, run.d) == (n, d)])
    assert width_law.check() == []
    spoiled = tmp_path / "width_law.csv"
    rows = width_law.DATA.read_text().splitlines()
    spoiled.write_text("\n".join(row for row in rows if not row.startswith("16,16,4,")) + "\n")
    assert width_law.check(spoiled) == ["n = 16, d = 16: 20 runs are not in width_law.csv"]
    spoiled.write_text("\n".join(re.sub(r"^(32,8,.*,).*", r"\g<1>0.5", row) for row in rows) + "\n")
    (line,) = width_law.check(spoiled)
    assert line.startswith("n = 32, d = 8: ")
    assert line.endswith(" of 120 runs ended otherwise")


@pytest.mark.slow
def test_the_committed_data_are_recomputed() -> None:
    assert width_law.check() == []
