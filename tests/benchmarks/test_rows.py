"""The rows are those of the targets, their limits are positive, and a missing peer is a row, not an error."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from benchmarks import descent, kernels, neural_tangents, numpy_peer, peers, report, rows
from benchmarks.__main__ import main
from benchmarks.hardware import Hardware
from benchmarks.measure import Agreement, Contender, compete

NAMES = (
    "gd-f64-500x100x4000",
    "gd-f64-1000x200x2000",
    "gd-f64-50x20x200",
    "gd-f32-500x100x4000",
    "gd-batch-256x50x20x100",
    "gram-100x10000x1000",
    "gram-200x5000x500",
    "gram-1000x200x2000",
    "entk-1000x50x10000",
    "entk-general-1000x50x10000",
    "ntk-2000x100",
    "ntk-8000x200",
    "ntk-accuracy",
    "lmin-8000",
)
HARDWARE = Hardware(2.6e11, 5.2e11, 5.6e11, 11.2e11, 5.4e12, 7e10, 2)
SETTING = rows.Setting(2, True, HARDWARE)
RATIOS = ("ratio_vs_torch", "ratio_vs_jax", "ratio_vs_numpy")


def no_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str, threads: int = 0) -> Any:
        raise peers.Absent(f"not run: {name} cannot be imported")

    for module in (rows.torch_peer, rows.jax_peer):
        monkeypatch.setattr(module, "load", absent)


def quick_compete(comparison: rows.Comparison, rounds: int = 1) -> list[Any]:
    ticks = iter(float(tick) for tick in range(1000))
    return compete(
        comparison.contenders, comparison.check, rounds=rounds, clock=lambda: next(ticks), pause=0.0
    )


def test_the_rows_are_the_targets_by_name() -> None:
    assert tuple(rows.ROWS) == NAMES
    assert all(row.name == name for name, row in rows.ROWS.items())


def test_missing_peers_are_rows_that_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    no_peer(monkeypatch)
    row = rows.Row("gd-tiny", "a small one", rows._descent(6, 4, 8, np.float64, 4))
    comparison = row.build(SETTING)
    record = report.record_of(row, SETTING, comparison, quick_compete(comparison))
    assert record["ratio_vs_torch"] is None
    assert record["reasons"]["torch"].startswith("not run: torch")
    assert record["reasons"]["jax"].startswith("not run: jax")
    assert record["ratio_vs_numpy"] == 1.0
    assert record["ours_seconds"] > 0
    table = report.text(complete([record]))
    assert "not run: torch cannot be imported" in table


def test_without_its_environment_neural_tangents_is_absent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv(neural_tangents.INTERPRETER, str(tmp_path / "python"))
    neural_tangents.worker.cache_clear()
    with pytest.raises(peers.Absent, match="make bench-nt"):
        neural_tangents.worker()


def test_a_module_that_is_not_installed_is_absent() -> None:
    with pytest.raises(peers.Absent, match="not run: no_such_peer cannot be imported"):
        peers.load("no_such_peer")


def test_a_wrong_result_of_ours_is_told_and_fails_the_run() -> None:
    broken = Contender("shallow", "ours", "f()", start=lambda: None, run=lambda _: 2.0)
    right = Contender("NumPy", "numpy", "g()", start=lambda: None, run=lambda _: 1.0)
    comparison = rows.Comparison([broken, right], lambda found: Agreement(abs(found - 1), 1e-9), limit=1.0)
    record = report.record_of(
        rows.Row("x", "x", lambda setting: comparison), SETTING, comparison, quick_compete(comparison)
    )
    assert record["reasons"]["ours"].startswith("wrong: ")
    assert record["ours_seconds"] is None
    assert record["ratio_vs_numpy"] is None
    assert record["share_of_limit"] is None


def test_a_row_that_cannot_be_built_costs_that_row_alone() -> None:
    def build(setting: rows.Setting) -> rows.Comparison:
        raise TypeError("expected 8 arguments")

    made = report.measure_row(rows.Row("x", "x", build), SETTING)
    assert made["reasons"]["ours"] == "failed: TypeError: expected 8 arguments"
    assert made["ours_seconds"] is None
    assert "| x | failed |" in report.markdown(complete([made]))


def complete(records: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "rows": records,
        "machine": {
            "processor": "P", "cpus": 2, "threads": 2, "system": "S", "load_at_start": 0.0, "blas": ["b"],
        },
        "versions": {"numpy": "2"},
        "hardware": HARDWARE.asdict(),
    }  # fmt: skip


def record(name: str, seconds: float = 1.0) -> dict[str, Any]:
    ours = Contender("shallow", "ours", "f()", start=lambda: None, run=lambda _: 1.0)
    comparison = rows.Comparison([ours], limit=0.5, limit_words="half a second")
    timings = quick_compete(comparison)
    timings[0].seconds = [seconds]
    return report.record_of(rows.Row(name, "what", lambda setting: comparison), SETTING, comparison, timings)


def test_the_record_is_json_with_every_ratio_or_a_reason() -> None:
    made = record("gd-f64-50x20x200")
    again = json.loads(json.dumps(made, allow_nan=False))
    assert again["share_of_limit"] == 0.5
    missing = [name for name in RATIOS if again[name] is None]
    assert sorted(missing) == sorted(RATIOS)
    assert {name.removeprefix("ratio_vs_") for name in missing} <= set(again["reasons"])


def test_rows_measured_again_replace_the_old_and_keep_the_order() -> None:
    old = complete([record(NAMES[0], 1.0), record(NAMES[1], 1.0)])
    new = complete([record(NAMES[2], 2.0), record(NAMES[1], 2.0)])
    rows_ = report.merged(old, new, NAMES)["rows"]
    assert [row["name"] for row in rows_] == list(NAMES[:3])
    assert [row["ours_seconds"] for row in rows_] == [1.0, 2.0, 2.0]


def test_rendering_a_page_twice_changes_nothing_the_second_time(tmp_path: Any) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{report._START}\nold\n{report._END}\nafter\n")
    found = complete([record(NAMES[0])])
    assert report.render(page, [found])
    assert not report.render(page, [found])
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert f"| {NAMES[0]} | 1 s |" in text
    assert "old" not in text


def test_a_page_without_the_marks_is_refused(tmp_path: Any) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="has no lines"):
        report.render(page, [complete([record(NAMES[0])])])


@pytest.mark.parametrize("through", ["w", "gram"])
def test_the_oracles_agree_with_a_step_by_step_gradient(through: str) -> None:
    from shallow.exact.gradient import gradient
    from shallow.setting.network import Network
    from shallow.setting.problem import Problem

    n, d, m, steps = (6, 4, 9, 5) if through == "w" else (4, 30, 7, 25)
    data = descent.draw(n, d, m)
    network, problem = Network(data.W[0], data.a[0]), Problem(data.X, data.y[0])
    for _ in range(steps):
        g = gradient(network, problem)
        network = network.replace(W=network.W - data.rate_W * g.W, a=network.a - data.rate_a * g.a)
    agreed = descent.agreement(data, steps)((network.W[None], network.a[None]))
    assert agreed.holds, agreed
    wrong = descent.agreement(data, steps)((network.W[None] * 1.01, network.a[None]))
    assert not wrong.holds


@pytest.mark.parametrize("method", ["numpy", None])
def test_our_contender_and_numpys_make_the_oracles_steps(method: str | None) -> None:
    data = descent.draw(7, 3, 10, np.float64, batch=2)
    check = descent.agreement(data, 4)
    for contender in (descent.ours(data, 4, method), numpy_peer.descent(data, 4)):
        agreed = check(contender.result(contender.run(contender.start())))
        assert agreed.holds, (contender.name, agreed)


def test_a_followed_run_gives_the_weights_back() -> None:
    data = descent.draw(7, 3, 10)
    contender = descent.followed(data, 4, "numpy")
    assert descent.agreement(data, 4)(contender.run(contender.start())).holds


@pytest.mark.parametrize("layers", ["first", "both"])
def test_kernels_of_one_network_agree_with_the_oracle(layers: str) -> None:
    network, X = kernels.draw_network(9, 5, 40, np.float32, equal=layers == "first")
    check = kernels.empirical_agreement(network, X, layers)
    peer = numpy_peer.first_layer_kernel if layers == "first" else numpy_peer.general_kernel
    theirs = peer(np.array(network.W), np.array(network.a), X)
    ours = kernels.our_empirical(network, X, layers)
    for contender in (ours, theirs):
        agreed = check(contender.run(None))
        assert agreed.holds, (contender.name, agreed)
        assert not check(1.01 * contender.run(None)).holds


def test_infinite_width_kernels_agree_with_the_oracle() -> None:
    X = kernels.draw_inputs(20, 6)
    check = kernels.limit_agreement(X)
    for contender in (kernels.our_limit(X), numpy_peer.limit_kernel(X)):
        agreed = check(contender.run(None))
        assert agreed.holds, (contender.name, agreed)
        assert not check(contender.run(None) * 1.001).holds


def test_an_unknown_row_is_a_mistake_in_the_call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.environment.prepare", lambda threads: None)
    assert main(["--rows", "gd-f64-50x20x20"]) == 2
    assert "did you mean gd-f64-50x20x200?" in capsys.readouterr().err


def test_the_list_names_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    listed = [line.split(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == list(NAMES)


def test_the_committed_page_says_what_the_committed_records_say(tmp_path: Any) -> None:
    page, records = tmp_path / "performance.md", report.saved()
    page.write_text(report.PAGE.read_text())
    for name in report.PICTURES:
        if (report.PAGE.parent / name).exists():
            (tmp_path / name).touch()
    assert not (records and report.render(page, records)), "python -m benchmarks --render"
