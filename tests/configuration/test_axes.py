"""A list is an axis, a scalar is fixed, and one configuration has one text."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shallow.configuration.axes import read_axes
from shallow.configuration.build import relative_residual, train_run
from shallow.configuration.canonical import canonical, rounded
from shallow.configuration.model import read_run
from shallow.training import Outcome


def values(entry: object, table: str = "problem", key: str = "label_scale") -> tuple[object, ...]:
    (axis,) = read_axes({table: {key: entry}}).axes
    return axis.values


def test_lists_are_axes_and_scalars_are_fixed() -> None:
    found = read_axes({"problem": {"n": 20, "d": [5, 10]}, "training": {"record": ["loss"], "at": [0, 5]}})
    assert [(axis.name, axis.values) for axis in found.axes] == [("d", (5, 10))]
    assert found.fixed == {"problem": {"n": 20}, "training": {"record": ["loss"], "at": [0, 5]}}
    assert found.faults == []


def test_short_forms_are_the_lists_they_stand_for() -> None:
    assert values({"geometric": [0.01, 100, 5]}) == values([0.01, 0.1, 1.0, 10.0, 100.0])
    assert values({"linear": [0, 0.3, 4]}) == values([0.0, 0.1, 0.2, 0.3])
    assert values({"geometric": [8, 1024, 8]}, "network", "m") == (8, 16, 32, 64, 128, 256, 512, 1024)


def test_a_rate_is_an_axis_by_its_number_or_as_a_whole() -> None:
    (axis,) = read_axes({"training": {"rate": {"kernel": [0.1, 0.5]}}}).axes
    assert (axis.name, axis.values) == ("rate.kernel", (0.1, 0.5))
    (axis,) = read_axes({"training": {"rate": [{"kernel": 0.5}, {"flow": 0.2}]}}).axes
    assert axis.labels == ('{"kernel": 0.5}', '{"flow": 0.2}')


@given(st.floats(-300, 300), st.integers(-3, 3))
def test_rounding_to_12_digits_forgets_the_last_bits_and_nothing_else(exponent: float, ulps: int) -> None:
    x = 10.0**exponent
    assert rounded(rounded(x)) == rounded(x)
    assert math.isclose(rounded(x), x, rel_tol=5.01e-12)
    moved = rounded(x)
    for _ in range(abs(ulps)):
        moved = math.nextafter(moved, math.inf if ulps > 0 else 0.0)
    assert rounded(moved) == rounded(x)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"geometrc": [1, 2, 3]}, "did you mean 'geometric'?"),
        ({"geometric": [1, 2]}, "write {geometric = [lo, hi, count]}"),
        ({"geometric": [0, 2, 3]}, "both ends must be positive"),
        ({"linear": [0, 1, 0]}, "count is a whole number from 1"),
        ({"linear": [0, 1, 2.5]}, "count is a whole number from 1"),
        ({"linear": [0, math.inf, 3]}, "both ends must be finite"),
        ({"linear": [0, "one", 3]}, "the three entries are numbers"),
        ([], "the list is empty"),
        ([1.0, 2.0, 1], "1 stands in the list more than once"),
        ([[1.0]], "not lists"),
    ],
)
def test_a_wrong_axis_is_named_with_its_path(entry: object, message: str) -> None:
    found = read_axes({"problem": {"label_scale": entry}})
    assert found.axes == []
    (fault,) = found.faults
    assert fault.startswith("problem.label_scale: ")
    assert message in fault


def test_one_configuration_has_one_text() -> None:
    tree = {"problem": {"label_scale": 0.1 + 0.2}, "network": {"m": 10}}
    same = {"network": {"m": 10.0}, "problem": {"label_scale": 0.3}, "seed": 7}
    other = {"problem": {"label_scale": 0.3}, "network": {"m": 11}}
    assert canonical(read_run(tree)) == canonical(read_run(same))
    assert canonical(read_run(tree)) != canonical(read_run(other))


def test_a_data_file_is_identified_by_its_content(tmp_path: Path) -> None:
    texts = {}
    for name, content in (("a", "1,0,1\n0,1,-1\n"), ("b", "1,0,1\n0,1,-1\n"), ("c", "1,0,1\n0,1,1\n")):
        path = tmp_path / f"{name}.csv"
        path.write_text(content)
        texts[name] = canonical(read_run({"problem": {"data": str(path)}}))
    assert texts["a"] == texts["b"] != texts["c"]
    assert set(json.loads(texts["a"])["problem"]) & {"n", "d", "inputs", "labels"} == set()


def test_unpaired_runs_share_nothing_and_paired_ones_share_their_inputs() -> None:
    def inputs(label_scale: float, independent: bool) -> list[float]:
        tree = {"problem": {"n": 3, "label_scale": label_scale}, "independent": independent}
        tree["training"] = {"steps": 0}
        return train_run(read_run(tree)).problem.X.ravel().tolist()

    assert inputs(0.1, False) == inputs(1.0, False)
    assert set(inputs(0.1, True)).isdisjoint(inputs(1.0, True))


@pytest.mark.parametrize(
    ("training", "outcome"),
    [
        ({"until": 1e-3, "steps": 3000}, Outcome.CONVERGED),
        ({"until": 1e-3, "time": 0.5, "steps": 3000}, Outcome.OUT_OF_BUDGET),
        ({"until": 1e-3, "steps": 20}, Outcome.OUT_OF_BUDGET),
        ({"until": 1e-3, "steps": 3000, "rate_W": 90.0, "rate_a": 90.0}, Outcome.DIVERGED),
        ({"until": 1e-3, "steps": 5, "rate_W": 0.0, "rate_a": 0.0}, Outcome.STATIONARY),
    ],
)
def test_goal_and_flow_time_decide_the_outcome(training: dict[str, object], outcome: Outcome) -> None:
    run = train_run(read_run({"problem": {"n": 5}, "network": {"m": 200}, "training": training}))
    assert run.outcome is outcome
    if outcome is Outcome.CONVERGED:
        assert relative_residual(run) <= 1e-3
        before = run.series["residual_norm"][-2] if run.steps[-2] == run.last_step - 1 else math.inf
        assert before > 1e-3 * run.series["residual_norm"][0]
    if "time" in training:
        longest = max(run.time[1:] - run.time[:-1])
        assert 0.5 <= run.time[-1] <= 0.5 + longest
