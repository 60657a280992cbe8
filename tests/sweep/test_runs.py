"""A sweep makes each run once, as that run alone would be made, and does exactly what is missing."""

from __future__ import annotations

import csv
import io
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import shallow
from shallow.cli import main
from shallow.configuration.build import train_run
from shallow.configuration.model import read_run
from shallow.sweep.batches import Batch, Batches
from shallow.sweep.drive import outline, serial
from shallow.sweep.folder import Shard, merge
from shallow.sweep.grid import read_grid
from shallow.sweep.key import cell_key, numerics_version
from shallow.sweep.plan import cells_of
from shallow.sweep.record import Record
from shallow.sweep.table import read_series, read_table
from shallow.sweep.task import run_batch


class Shuffled:
    """An executor that makes single runs in a random order and stops after so many."""

    workers = 1

    def __init__(self, seed: int, stop: int | None = None) -> None:
        self.seed, self.stop, self.made = seed, stop, 0

    def __call__(self, batches: Batches, done: Any) -> None:
        singles = [part for batch in batches for part in _alone(batch)]
        random.Random(self.seed).shuffle(singles)
        for batch in singles[: self.stop]:
            done(batch, run_batch(batch))
            self.made += 1


def _alone(batch: Batch) -> list[Batch]:
    return [batch] if len(batch.runs) == 1 else [p for half in batch.halves() for p in _alone(half)]


def test_each_run_is_the_run_of_its_configuration_alone(desk: Any) -> None:
    file = desk.grid()
    summary = desk.sweep(file=file)
    assert (summary.runs, summary.made, summary.failed, summary.complete) == (24, 24, 0, True)
    found = {(where, seed): series for where, seed, series in read_series(desk.out())}
    assert len(found) == 24
    grid = read_grid(file)
    cells = cells_of(grid.models(), cell_key)
    for place, model in enumerate(grid.models()):
        training = model.training.model_copy(update={"method": cells[place].method})
        for seed in grid.seeds:
            run = train_run(model.model_copy(update={"seed": seed, "training": training}))
            series = found[grid.coordinates(place), seed]
            np.testing.assert_array_equal(series["steps"], run.steps)
            for name, values in run.series.items():
                np.testing.assert_array_equal(series[name], values)


def test_order_batches_shards_and_restarts_leave_no_trace(desk: Any) -> None:
    desk.sweep("whole")
    table = desk.table("whole")
    assert table.count("\n") == 25
    desk.sweep("shuffled", executor=Shuffled(1))
    assert desk.table("shuffled") == table
    for stop in (5, 1, 100):
        desk.sweep("restarted", executor=Shuffled(stop, stop))
    assert desk.table("restarted") == table
    for index in (1, 2, 3):
        summary = desk.sweep("shards", shard=Shard(index, 3))
        assert (summary.runs, summary.made) == (8, 8)
    assert desk.table("shards") == table
    assert merge(desk.out("shards"), numerics_version()) == 24
    assert merge(desk.out("shards"), numerics_version()) == 0
    for path in desk.out("shards").glob("ledger-*"):
        path.unlink()
    assert desk.table("shards") == table
    assert desk.sweep("shards").made == 0


def test_a_restart_makes_exactly_what_is_missing(desk: Any) -> None:
    first, second = Shuffled(3, 10), Shuffled(4)
    desk.sweep(executor=first)
    assert outline(desk.grid(), desk.out()).missing == 14
    assert desk.sweep(executor=second).before == 10
    assert (first.made, second.made) == (10, 14)


def test_a_larger_grid_keeps_what_is_there(desk: Any) -> None:
    desk.sweep()
    larger = desk.grid().read_text().replace("seeds = 3", "seeds = 4").replace("[6, 12]", "[6, 12, 24]")
    summary = desk.sweep(file=desk.grid(larger))
    assert (summary.runs, summary.before, summary.made) == (48, 24, 24)
    desk.sweep("fresh", file=desk.grid(larger))
    assert desk.table() == desk.table("fresh")


def test_a_run_that_cannot_be_made_is_recorded_and_its_neighbours_are_made(desk: Any) -> None:
    # A ratio far below 1 is refused by the law when it is drawn, and not before.
    text = (
        '[problem]\ninputs = "near-orthogonal"\nn = 4\nd = 8\northogonality_ratio = [1e-9, 10.0]\nseeds = 2'
    )
    text = "seeds = 2\n" + text.replace("\nseeds = 2", "\n[training]\nsteps = 5\n")
    file = desk.grid(text)
    assert desk.sweep(file=file).failed == 2
    columns = read_table(desk.out()).columns
    assert columns["outcome"].tolist() == ["FAILED", "FAILED", "OUT_OF_BUDGET", "OUT_OF_BUDGET"]
    assert all("orthogonality ratio" in error for error in columns["error"][:2].tolist())
    assert np.isnan(columns["residual_norm"][:2]).all()
    assert desk.sweep(file=file).made == 0
    again = desk.sweep(file=file, retry=True)
    assert (again.before, again.made, again.failed) == (2, 2, 2)


def test_a_data_file_that_changes_under_way_is_not_recorded_as_the_old_one(desk: Any) -> None:
    data = desk.folder / "my.csv"
    data.write_text("1,0,1\n0,1,-1\n")
    file = desk.grid('[problem]\ndata = "my.csv"\n[network]\nm = [4, 6]\n[training]\nsteps = 5\n')

    class Changing:
        workers = 1

        def __call__(self, batches: Batches, done: Any) -> None:
            data.write_text("1,0,1\n0,2,-1\n")
            serial(batches, done)

    desk.sweep(file=file, executor=Changing())
    assert all("has changed since" in error for error in read_table(desk.out()).columns["error"].tolist())
    assert desk.sweep(file=file).made == 2


def test_the_method_does_not_depend_on_the_batch_and_is_kept(desk: Any) -> None:
    cells = cells_of(read_grid(desk.grid()).models(), cell_key)
    assert len({cell.method for cell in cells}) == 1
    forced = cells_of(read_grid(desk.grid()).models(), cell_key, {cells[0].key: "numpy"})
    assert forced[0].method == "numpy"
    text = desk.grid().read_text().replace("at = 10", 'rate = {flow = 0.2}\nmethod = "numba"')
    file = desk.grid(text)
    with pytest.raises(ValueError, match="refuses"):
        outline(file)


def test_batches_are_made_one_at_a_time_and_cover_every_run_once(desk: Any) -> None:
    cells = cells_of(read_grid(desk.grid()).models(), cell_key)
    todo = [(cell, seed) for cell in cells for seed in range(1000)]
    batches = Batches(todo, workers=4)
    seen = [(key, seed) for batch in batches for key, _, seed in batch.runs]
    assert sorted(seen) == sorted((cell.key, seed) for cell, seed in todo)
    assert len(seen) == 8000
    fresh = Batches(todo, workers=4)
    first = next(fresh)
    fresh.learn(first, 2.0 * len(first.runs))
    assert len(next(fresh).runs) == 1, "runs of two seconds each go one to a batch"
    assert {c.shape for c in cells if c.key in {key for key, _, _ in first.runs}} == {first.shape}


def test_the_table_is_canonical_and_loads_as_frame_and_dataset(desk: Any) -> None:
    pytest.importorskip("pandas", reason="not run: needs pandas")
    desk.sweep()
    sweep = shallow.load_sweep(desk.out())
    rows = list(csv.DictReader(io.StringIO(desk.table())))
    order = [tuple(float(row[name]) for name in ("d", "label_scale", "m", "seed")) for row in rows]
    assert order == sorted(order)
    assert len(order) == 24
    assert {"seconds", "host"}.isdisjoint(rows[0])
    for name in rows[0]:
        kind = type(sweep.frame[name].tolist()[0])
        assert [kind(row[name]) for row in rows] == sweep.frame[name].tolist(), name
    dataset = sweep.dataset
    assert dataset.sizes == {"d": 2, "label_scale": 2, "m": 2, "seed": 3, "point": 4}
    cell = dataset.sel(d=5, label_scale=0.1, m=12, seed=2)
    row = next(
        r for r in rows if (r["d"], r["m"], r["seed"]) == ("5", "12", "2") and float(r["label_scale"]) < 1
    )
    assert float(cell["residual_norm"]) == float(row["residual_norm"])
    assert float(cell["trajectory_residual_norm"][-1]) == float(row["residual_norm"])
    assert cell["trajectory_step"].values.tolist() == [0, 10, 20, 30]


def test_parquet_and_netcdf_hold_the_same(desk: Any) -> None:
    pandas = pytest.importorskip("pandas", reason="not run: needs pandas")
    xarray = pytest.importorskip("xarray", reason="not run: needs xarray")
    desk.sweep()
    files = [desk.folder / name for name in ("t.csv", "t.parquet", "t.nc")]
    flags = ["--csv", str(files[0]), "--parquet", str(files[1]), "--netcdf", str(files[2])]
    assert main(["sweep", "export", str(desk.out()), *flags]) == 0
    assert files[0].read_text() == desk.table()
    frame = pandas.read_parquet(files[1])
    assert frame["residual_norm"].tolist() == shallow.load_sweep(desk.out()).frame["residual_norm"].tolist()
    with xarray.open_dataset(files[2], engine="h5netcdf") as dataset:
        assert dataset["trajectory_residual_norm"].shape == (2, 2, 2, 3, 4)
    assert main(["sweep", "export", str(desk.out()), "--csv", str(files[0]), "--timings"]) == 0
    assert files[0].read_text().splitlines()[0].endswith(",seconds,host")


def test_the_command_says_what_it_does(desk: Any, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = str(desk.grid()), str(desk.out())
    assert main(["sweep", file, "--dry-run"]) == 0
    said = capsys.readouterr().err
    assert "8 configurations, 24 runs, 24 to do: about " in said
    assert not desk.out().exists()
    assert main(["sweep", file, "--out", out, "--shard", "1/2"]) == 0
    assert main(["sweep", "status", out]) == 0
    assert "12 of 24 recorded, 12 missing" in capsys.readouterr().out
    assert main(["sweep", file, "--out", out]) == 0
    assert "24 of 24 runs (100 %)" in capsys.readouterr().err
    assert main(["sweep", "merge", out]) == 0
    assert main(["sweep", "status", out, "--json"]) == 0
    assert '"missing": 0' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep", "GRID"], "--out is missing"),
        (["sweep", "none.toml", "--dry-run"], "none.toml: no such file"),
        (["sweep", "GRID", "--dry-run", "--shard", "3/2"], "write i/N with i from 1 to N"),
        (["sweep", "GRID", "--out", "OUT", "--workers", "0"], "at least 1 is needed"),
        (["sweep", "GRID", "--out", "OUT", "--workers", "2", "--scheduler", "x"], "exclude each other"),
        (["sweep", "status", "OUT"], "holds no ledger"),
        (["sweep", "export", "OUT"], "give --csv FILE"),
        (["sweep", "export", "OUT", "--csv", "/none/t.csv"], "there is no folder /none"),
    ],
)
def test_a_wrong_command_is_one_sentence_and_leaves_nothing(
    desk: Any, arguments: Sequence[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"GRID": str(desk.grid()), "OUT": str(desk.out())}
    assert main([names.get(word, word) for word in arguments]) == 2
    assert message in capsys.readouterr().err
    assert not desk.out().exists()


def test_without_the_extra_serial_sweeps_work_and_workers_are_refused_in_one_sentence(desk: Any) -> None:
    file, out = desk.grid(), desk.out()
    code = f"""
import sys
for name in ("distributed", "dask", "pandas", "xarray", "pyarrow", "h5netcdf"):
    sys.modules[name] = None
from shallow.cli import main
assert main(["sweep", {str(file)!r}, "--out", {str(out)!r}]) == 0
assert main(["sweep", "export", {str(out)!r}, "--csv", {str(desk.folder / "t.csv")!r}]) == 0
assert main(["sweep", {str(file)!r}, "--out", {str(out)!r}, "--workers", "2"]) == 2
assert main(["sweep", "export", {str(out)!r}, "--parquet", {str(desk.folder / "t.parquet")!r}]) == 2
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "needs distributed, which is not installed: pip install 'shallow-relu[sweep]'" in done.stderr
    assert "--parquet needs pyarrow, which is not installed" in done.stderr
    assert (desk.folder / "t.csv").read_text() == desk.table()


def test_records_of_a_batch_stand_in_its_order(desk: Any) -> None:
    cells = cells_of(read_grid(desk.grid()).models(), cell_key)
    runs = [(cell.key, cell.configuration, seed) for seed in (2, 0) for cell in cells]
    records: list[Record] = run_batch(Batch(tuple(runs), cells[0].method))
    assert [(r.cell, r.seed) for r in records] == [(cell, seed) for cell, _, seed in runs]


def test_a_path_with_spaces_and_signs_is_a_path(tmp_path: Path, desk: Any) -> None:
    out = "résults ?x=1#2 %41"
    assert desk.sweep(out).complete
    assert desk.table(out).count("\n") == 25


def test_an_observable_that_needs_the_law_gets_the_runs_own(desk: Any) -> None:
    text = """
    seeds = 2
    [problem]
    n = 4
    d = 3
    [network]
    m = 8
    initialization = ["ntk", "lecun"]
    [training]
    steps = 4
    at = [0]
    record = ["kernel_gap"]
    """
    desk.sweep(file=desk.grid(text))
    found = read_table(desk.out()).columns
    for law, seed, gap in zip(*(found[name].tolist() for name in ("initialization", "seed", "kernel_gap"))):
        tree = {"problem": {"n": 4, "d": 3}, "network": {"m": 8, "initialization": law}, "seed": seed}
        training = {"steps": 4, "at": [0], "record": ["kernel_gap"], "method": found["method_used"][0]}
        alone = train_run(read_run(tree | {"training": training}))
        assert gap == alone.series["kernel_gap"][-1]
    assert len(set(found["kernel_gap"].tolist())) == 4
