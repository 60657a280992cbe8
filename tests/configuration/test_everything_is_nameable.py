"""Every law, adversary, model, rule, schedule, loss and observable of the library has a name in the file."""

from __future__ import annotations

import inspect
import io
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

import shallow
from shallow import adversary, setting
from shallow.compute.case import Model as ModelKind
from shallow.configuration.build import start_of, streams_of, train_run
from shallow.configuration.catalogue import (
    FROM_RUN,
    INITIALIZATIONS,
    INPUTS,
    LABELS,
    LABELS_AGAINST,
    MODELS,
    RULES,
)
from shallow.configuration.fresh import test_problem_of
from shallow.configuration.model import NetworkModel, ProblemModel, RunModel, read_run
from shallow.observe import OBSERVABLES
from shallow.observe.table import _WITH_ARGUMENTS
from shallow.setting import inputs as laws_of_inputs
from shallow.setting import labels as laws_of_labels
from shallow.setting.initialization import Initialization
from shallow.setting.losses import LOSSES
from shallow.sweep.drive import run_sweep
from shallow.sweep.grid import grid_from
from shallow.sweep.key import cell_key
from shallow.sweep.table import read_table
from shallow.training.rules import RULES as ALL_RULES
from shallow.training.schedules import SCHEDULES

# Where a parameter of a law has another name in the file than in Python, for its table holds them all.
KEYS = {
    ("ntk_signs", "kappa"): "init_scale",
    ("balanced", "size"): "init_scale",
    ("power_law", "c_s"): "init_scale",
    ("NearOrthogonal", "ratio"): "orthogonality_ratio",
    ("Teacher", "m"): "teacher_width",
    ("Teacher", "slope"): "teacher_slope",
}


def public(module: Any, wanted: Any) -> dict[str, Any]:
    found = {name: getattr(module, name) for name in module.__all__}
    return {name: thing for name, thing in found.items() if wanted(thing)}


def keys_of(law: Any, table: type) -> None:
    """Every parameter of a law is a key of its table."""
    for parameter in inspect.signature(law).parameters:
        key = KEYS.get((law.__name__, parameter), parameter)
        assert key in table.model_fields, f"{law.__name__}({parameter}=...) has no key in the file"


def test_every_initialization_and_each_of_its_parameters() -> None:
    laws = public(
        setting, lambda f: inspect.isfunction(f) and f.__annotations__["return"] == "Initialization"
    )
    assert len(laws) >= 10
    assert {name.replace("_", "-") for name in laws} == {*INITIALIZATIONS, "doubled"}
    assert "doubled" in NetworkModel.model_fields
    for law in laws.values():
        if law is not setting.doubled:
            keys_of(law, NetworkModel)
    free = {"c_W": 2.0, "c_a": 3.0, "law_a": "signs", "rate_power": 0.5, "q": 0.25, "r": -0.5, "p": 1.0}
    law = INITIALIZATIONS["power-law"](NetworkModel(initialization="power-law", init_scale=5.0, **free))
    assert law == Initialization("power-law", c_s=5.0, **free)


def test_every_law_of_inputs_and_each_of_its_parameters() -> None:
    laws = public(laws_of_inputs, lambda c: inspect.isclass(c) and hasattr(c, "draw"))
    assert len(laws) >= 6
    assert {type(law(ProblemModel())) for law in INPUTS.values()} == set(laws.values())
    for law in laws.values():
        keys_of(law, ProblemModel)
    assert laws_of_inputs.Sphere(2.5) == INPUTS["sphere"](ProblemModel(radius=2.5))


def test_every_law_of_labels_and_each_of_its_parameters() -> None:
    laws = public(laws_of_labels, lambda c: inspect.isclass(c) and hasattr(c, "draw"))
    assert len(laws) >= 3
    drawn = [law(ProblemModel()) for law in LABELS.values() if law is not None]
    assert {type(draw.__self__) for draw in drawn if hasattr(draw, "__self__")} == set(laws.values())
    for law in laws.values():
        keys_of(law, ProblemModel)


def test_every_adversary(monkeypatch: pytest.MonkeyPatch) -> None:
    searches = {name: getattr(adversary, name) for name in adversary.__all__ if name != "SearchedLabels"}
    asked: set[str] = set()
    for name, function in searches.items():

        def watched(*given: Any, name: str = name, function: Any = function, **options: Any) -> Any:
            asked.add(name)
            return function(*given, **options)

        monkeypatch.setattr(adversary, name, watched)
    for name in [*LABELS, *LABELS_AGAINST]:
        if name != "clusters":
            start_of(run({"labels": name, "search_evaluations": 2}))
    assert asked == set(searches)
    moves = get_args(ProblemModel.model_fields["search_move"].annotation)
    assert set(moves) == set(adversary._MOVES)


def test_every_rule_schedule_loss_and_model() -> None:
    assert {name.replace("_", "-") for name in ALL_RULES} == set(RULES)
    rates = [{"rate_W": 0.1, "rate_a": 0.1}, *({"rate": {word: 0.5}} for word in ("kernel", "flow", "loss"))]
    schedules = {type(start_of(run({}, training=rate)).rule.schedule) for rate in rates}
    assert schedules == set(SCHEDULES.values())
    for loss in LOSSES:
        assert start_of(run({}, training={"loss": loss})).rule.loss == loss
    assert set(get_args(ModelKind)) == set(MODELS)
    started = {type(start_of(run({}, network={"model": name})).network) for name in MODELS}
    assert started == {shallow.Network, shallow.GatedModel, shallow.TangentModel}


def run(problem: Any, network: Any = None, training: Any = None, seed: int = 0) -> RunModel:
    tree = {"inputs": "sphere", "n": 5, "d": 4, **problem}
    return read_run(
        {
            "seed": seed,
            "problem": tree,
            "network": {"m": 6, **(network or {})},
            "training": {"steps": 12, **(training or {})},
        }
    )


@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_every_observable_is_recorded_or_refused_before_the_first_run(model: str, loss: str) -> None:
    names = [*OBSERVABLES, *_WITH_ARGUMENTS]
    assert set(FROM_RUN) == set(_WITH_ARGUMENTS)
    names += [f"sup_{name}" for name, entry in OBSERVABLES.items() if not entry.accumulates]
    names += [f"inf_{name}" for name, entry in OBSERVABLES.items() if not entry.accumulates]
    problem = {"inputs": "sphere", "labels": "teacher", "n": 5, "d": 4}
    kept, refused = [], []
    for name in names:
        tree = {"problem": problem, "network": {"m": 6, "model": model}}
        with suppress(ValueError):
            grid_from({**tree, "training": {"loss": loss, "record": [name]}})
            kept.append(name)
        if name not in kept:
            with pytest.raises(ValueError, match=f"a {model} model has none"):
                grid_from({**tree, "training": {"loss": loss, "record": [name]}})
            refused.append(name)
    assert (model == "network") == (refused == [])
    assert {"loss", "travel_W", "path_length", "stable_rank", "balance"} <= set(kept)
    done = train_run(run(problem, {"model": model}, {"loss": loss, "record": kept, "at": [0]}))
    assert set(done.series) == set(kept)


def test_a_field_that_came_later_keeps_old_identities() -> None:
    rich = {
        "problem": {
            "inputs": "two-clusters", "labels": "clusters", "mean_norm": 2.0, "flip": 0.1, "n": 7, "d": 3,
            "bias": 0.5,
        },
        "network": {
            "initialization": "power-law", "init_scale": 2.0, "p": 0.5, "q": 0.25, "r": -0.5, "m": 8,
            "slope": 0.1, "smoothing": 0.01, "doubled": True,
        },
        "training": {
            "rate_W": 0.1, "rate_a": 0.0, "loss": "logistic", "decay_W": 1e-3, "steps": 50, "until": 0.01,
            "time": 10.0, "record": ["kernel_gap", "sup_loss"], "at": [0, 5], "method": "numpy",
        },
    }  # fmt: skip
    assert cell_key(read_run({})) == "06a935328207362747954eac01936676"
    assert cell_key(read_run(rich)) == "8d2b5297803795e43980e23001abdce9"
    spelt = {"problem": {"radius": 1.0, "test_n": 1000}, "network": {"model": "network", "c_W": 1}}
    assert cell_key(read_run(spelt)) == cell_key(read_run({}))
    keys = {cell_key(run({}, network={"model": model})) for model in MODELS}
    keys |= {cell_key(run({"radius": 2.0})), cell_key(run({"labels": "searched"}))}
    assert len(keys) == len(MODELS) + 2


def test_labels_against_the_run_lie_where_they_should() -> None:
    def started(labels: str, **more: Any) -> Any:
        return start_of(run({"labels": labels, "label_scale": 0.5, **more}, training={"rate_ratio": 3.0}))

    plain = started("signs")
    _, vectors = np.linalg.eigh(shallow.empirical_ntk(plain.network, plain.problem.X, 3.0, 1.0))
    f = shallow.predict(plain.network, plain.problem.X)
    for name, column in (("worst-start", 0), ("best-start", -1)):
        against = started(name)
        assert against.network.equals(plain.network)
        off = against.problem.y - f
        assert np.linalg.norm(off) == pytest.approx(0.5 * 5**0.5, rel=1e-12)
        assert abs(off @ vectors[:, column]) == pytest.approx(np.linalg.norm(off), rel=1e-9)
    slow = adversary.slowness(plain.network, plain.problem.X, plain.rule, steps=12)
    for move in ("flip", "rotate"):
        found = started("searched", search_evaluations=20, search_move=move)
        assert found.problem.label_scale == pytest.approx(0.5, rel=1e-12)
        assert slow(found.problem.y) > slow(plain.problem.y)
        assert found.problem.equals(started("searched", search_evaluations=20, search_move=move).problem)


@pytest.mark.parametrize("inputs", ["gaussian", "sphere", "two-clusters"])
@pytest.mark.parametrize("bias", [0.0, 0.5])
def test_the_test_error_is_that_of_fresh_samples_of_the_same_teacher(inputs: str, bias: float) -> None:
    problem = {"inputs": inputs, "labels": "teacher", "label_scale": 2.0, "bias": bias, "test_n": 40}
    model = run(problem, training={"record": ["test_error"], "at": [0]})
    begun, done = start_of(model), train_run(model)
    streams, d = streams_of(model), model.problem.d
    test = test_problem_of(model, streams, begun.problem)
    assert (test.n, test.d) == (40, begun.problem.d)
    W = streams.generator("teacher W", d=d).standard_normal((5, d))
    a = streams.generator("teacher a").standard_normal(5)

    def teacher(X: Any) -> Any:
        return np.maximum(X[:, :d] @ W.T, 0.0) @ a

    factor = np.linalg.norm(begun.problem.y) / np.linalg.norm(teacher(begun.problem.X))
    np.testing.assert_allclose(test.y, factor * teacher(test.X), rtol=1e-9, atol=1e-12)
    for step, network in ((0, begun.network), (-1, done.network)):
        error = np.mean((shallow.predict(network, test.X) - test.y) ** 2)
        assert done.series["test_error"][step] == pytest.approx(error, rel=1e-12)
    larger = run({**problem, "n": 9})
    again = test_problem_of(larger, streams_of(larger), start_of(larger).problem)
    np.testing.assert_array_equal(again.X, test.X)
    rows = {row.tobytes() for row in np.asarray(start_of(larger).problem.X)}
    assert rows.isdisjoint({row.tobytes() for row in np.asarray(test.X)})


def test_runs_of_a_sweep_have_each_their_own_test_problem(tmp_path: Path) -> None:
    tree = {
        "seeds": 3,
        "problem": {"inputs": "two-clusters", "labels": "clusters", "mean_norm": 2.0, "n": 6, "d": 3},
        "network": {"m": 8, "model": ["network", "tangent"]},
        "training": {"steps": 6, "loss": "logistic", "record": ["test_error"], "at": [0]},
    }
    with pytest.raises(
        ValueError, match="test_error looks at a network's own gates; a tangent model has none"
    ):
        grid_from(tree)
    tree["network"] = {"m": 8}
    grid = grid_from(tree)
    assert run_sweep(grid, tmp_path, stream=io.StringIO()).failed == 0
    found = read_table(tmp_path).columns["test_error"].tolist()
    alone = [train_run(grid.cell(0).model_copy(update={"seed": seed})) for seed in range(3)]
    assert found == [run.series["test_error"][-1] for run in alone]
    tree["training"] = {"steps": 6, "record": ["loss"]}
    tree["network"] = {"m": 8, "model": ["network", "gated", "tangent"]}
    grid = grid_from(tree)
    assert run_sweep(grid, tmp_path / "models", stream=io.StringIO()).failed == 0
    found = read_table(tmp_path / "models").columns["loss"].tolist()
    models = [grid.cell(place).model_copy(update={"seed": seed}) for place in (1, 0, 2) for seed in range(3)]
    assert found == pytest.approx([train_run(m).series["loss"][-1] for m in models], rel=1e-9)
    assert len(set(found)) == 9


def test_the_test_error_on_a_file_and_where_there_is_none(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for name in ("train", "test"):
        shallow.Problem(rng.standard_normal((6, 3)), rng.standard_normal(6)).save(tmp_path / f"{name}.npz")
    training = {"steps": 5, "record": ["test_error"]}
    tree = {"problem": {"data": "train.npz", "test_data": "test.npz"}, "training": training}
    (model,) = grid_from(tree, folder=tmp_path).models()
    key = cell_key(model)
    done = train_run(model)
    test = shallow.Problem.load(tmp_path / "test.npz")
    f = shallow.predict(done.network, test.X)
    assert done.series["test_error"][-1] == pytest.approx(np.mean((f - test.y) ** 2), rel=1e-12)
    shallow.Problem(rng.standard_normal((6, 3)), rng.standard_normal(6)).save(tmp_path / "test.npz")
    assert cell_key(model) != key
    for problem, words in (
        ({"data": "train.npz"}, "needs a second one"),
        ({"data": "train.npz", "test_data": "none.npz"}, "no such file"),
        ({"labels": "worst"}, "'worst' has none"),
        ({"inputs": "orthonormal", "n": 3, "d": 3}, "'orthonormal' has none"),
    ):
        with pytest.raises(ValueError, match=words):
            grid_from({"problem": problem, "training": training}, folder=tmp_path)
