"""A grid file: what it means, and every fault of it at once."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

import pytest

from shallow.sweep.grid import Grid, grid_from, read_grid
from shallow.sweep.key import cell_key, run_key

ISSUE = """
seeds = 5
[problem]
inputs = "gaussian"
labels = "signs"
n = 20
d = [5, 10]
label_scale = [0.1, 1.0]
[network]
initialization = "ntk"
m = [10, 40]
[training]
rule = "gradient-descent"
rate = {kernel = 0.5}     # or {flow = 0.2}, or rate_W and rate_a
rate_ratio = 1.0          # eta_W / eta_a
steps = 200
record = ["residual_norm"]
"""


def grid(text: str) -> Grid:
    return grid_from(tomllib.loads(text))


def test_the_grid_is_every_combination_in_the_files_order() -> None:
    made = grid(ISSUE)
    assert (made.cells, made.runs, made.seeds) == (8, 40, (0, 1, 2, 3, 4))
    found = [(m.problem.d, m.problem.label_scale, m.network.m) for m in made.models()]
    assert found == list(itertools.product([5, 10], [0.1, 1.0], [10, 40]))


def test_identity_is_the_configuration_and_not_its_place_or_spelling() -> None:
    keys = {cell_key(model) for model in grid(ISSUE).models()}
    turned = ISSUE.replace("[10, 40]", "{geometric = [10, 40, 2]}").replace("[0.1, 1.0]", "[1, 0.1]")
    assert len(keys) == 8
    assert {cell_key(model) for model in grid(turned).models()} == keys
    assert {cell_key(m) for m in grid(ISSUE.replace("steps = 200", "steps = 201")).models()}.isdisjoint(keys)
    assert len({run_key(key, seed) for key in keys for seed in range(5)}) == 40


def test_every_fault_is_named_at_once() -> None:
    text = """
    seeds = 0
    seed = 3
    problm = 1
    [problem]
    n = [20, -3]
    d = [5, 10, 5]
    inputs = ["gausian", "sphere"]
    flip = {geomtric = [1, 2, 3]}
    [network]
    m = [10, "lots"]
    widht = 3
    [training]
    rate = {kernel = [0.1, 0.5], flow = 0.2}
    record = ["residual_nrm"]
    rule = "gradient-decent"
    """
    with pytest.raises(ValueError) as caught:
        grid(text)
    said = str(caught.value)
    for part in (
        "problem.d: 5 stands in the list more than once", "did you mean 'geometric'?",
        "seed: unknown key; did you mean 'seeds'?", "seeds: 0 is no number of seeds", "network.widht:",
        "training.rule: 'gradient-decent'", "exactly one of kernel, flow and loss", "'residual_norm'?",
        "problm: unknown key; did you mean 'problem'?", "(in the list: -3)", "did you mean 'gaussian'?",
        "network.m: 'lots' is no number", "12 fault(s)",
    ):  # fmt: skip
        assert part in said, (part, said)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[network]\ndoubled = true\nm = [4, 5]",
            "m is 5; antisymmetric doubling needs an even width (at m = 5)",
        ),
        ('[problem]\nlabels = ["signs", "clusters"]', "problem.labels: 'clusters' belong to inputs"),
        ('[problem]\ninputs = "orthonormal"\nn = 8\nd = [8, 4]', "problem.n: 8 orthonormal rows do not fit"),
        ('[network]\ninitialization = "oymak"\nm = 7', "network.m: 7 is odd"),
        ("[training]\nsteps = [10, 100]\nat = [50]", "at asks for step 50, and the run ends at 10"),
        ('[problem]\ndata = "none.npz"', "problem.data:"),
        ('[problem]\ndata = "none.npz"\nn = 5', "problem.n: a data file replaces inputs, labels, n and d"),
        ("seeds = [1, 1]", "seeds: [1, 1] is no list of different whole numbers"),
        ("seeds = true", "seeds: True is no number of seeds"),
    ],
)
def test_faults_of_combinations_say_where(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        grid(text)
    assert message in str(caught.value)


def test_a_data_file_gives_the_problem_its_own_size(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("1,0,1\n0,1,-1\n1,1,1\n")
    file = tmp_path / "grid.toml"
    file.write_text('[problem]\ndata = "my.csv"\nlabel_scale = 1.0\n')
    (model,) = read_grid(file).models()
    assert model.problem.data == tmp_path / "my.csv"


@pytest.mark.parametrize("content", ["[problem\n", "\xff"])
def test_what_is_no_toml_is_said(tmp_path: Path, content: str) -> None:
    file = tmp_path / "grid.toml"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match="is not a TOML file"):
        read_grid(file)
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_grid(tmp_path / "other.toml")
