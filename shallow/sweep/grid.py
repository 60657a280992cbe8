"""A grid of runs from a TOML file: every fault at once, each with its path and what to write instead."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shallow.configuration.axes import Axis, AxisTree, read_axes, with_values
from shallow.configuration.build import initialization_of
from shallow.configuration.catalogue import needs_a_network
from shallow.configuration.fresh import no_test_set
from shallow.configuration.model import ProblemModel, RunModel, explain_faults

__all__ = ["Grid", "grid_from", "read_grid"]

_MOST_FAULTS = 30
_MOST_SEEDS = 10_000_000
_TOP = ("seeds", "independent", "problem", "network", "training")
_REPLACED_BY_DATA = ("inputs", "labels", "n", "d")


@dataclass(frozen=True)
class Grid:
    """Every combination of the axes, each with every seed. A cell is a combination; its place is its number.

    Parameters
    ----------
    fixed : mapping
        The keys that are no axes, as a tree.
    axes : tuple of Axis
        In the file's order; the last one varies fastest from place to place.
    seeds : tuple of int
    folder : Path
        What a relative data path is relative to.
    text : str
        The file as it was written.
    """

    fixed: Mapping[str, Any]
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]
    folder: Path
    text: str = ""

    @property
    def cells(self) -> int:
        """How many combinations there are."""
        return math.prod(len(axis.values) for axis in self.axes)

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return self.cells * len(self.seeds)

    def coordinates(self, place: int) -> tuple[int, ...]:
        """For each axis, which of its values the cell at ``place`` has."""
        indices = []
        for axis in reversed(self.axes):
            place, index = divmod(place, len(axis.values))
            indices.append(index)
        return tuple(reversed(indices))

    def cell(self, place: int) -> RunModel:
        """The configuration at ``place``, with seed 0.

        Raises
        ------
        pydantic.ValidationError
            If this combination of values is not possible.
        """
        return self._model([axis.values[i] for axis, i in zip(self.axes, self.coordinates(place))])

    def models(self) -> Iterator[RunModel]:
        """The configurations of all cells in the order of their places."""
        return (self.cell(place) for place in range(self.cells))

    def _model(self, values: list[Any]) -> RunModel:
        tree = with_values(self.fixed, {axis.path: value for axis, value in zip(self.axes, values)})
        for name in ("data", "test_data"):
            file = tree.get("problem", {}).get(name)
            if isinstance(file, str):
                tree["problem"][name] = (self.folder / file).resolve()
        return RunModel.model_validate(tree)


def read_grid(path: str | Path) -> Grid:
    """The grid that a TOML file describes.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        Naming every fault, each on a line with its path.
    """
    source = Path(path)
    if not source.is_file():
        raise FileNotFoundError(f"{source}: no such file")
    try:
        text = source.read_text(encoding="utf-8")
        tree = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{source} is not a TOML file: {error}") from None
    return grid_from(tree, folder=source.resolve().parent, text=text, source=str(source))


def grid_from(
    tree: Mapping[str, Any], *, folder: Path | None = None, text: str = "", source: str = "the grid"
) -> Grid:
    """The grid that a tree of tables describes, as :func:`read_grid` makes it from a file.

    Raises
    ------
    ValueError
        Naming every fault, each on a line with its path. Cost: one validation for each cell.
    """
    found = read_axes({key: value for key, value in tree.items() if key not in ("seeds", "seed")})
    seeds = _seeds(tree, found)
    found.faults.extend(_data_faults(tree))
    grid = Grid(found.fixed, tuple(found.axes), seeds, folder or Path.cwd(), text)
    if not _single_faults(grid, found):
        _faults_of_combinations(grid, found)
    if found.faults:
        faults = list(dict.fromkeys(found.faults))
        shown = [f"  {line}" for line in faults[:_MOST_FAULTS]]
        if len(faults) > _MOST_FAULTS:
            shown.append(f"  and {len(faults) - _MOST_FAULTS} more")
        raise ValueError("\n".join([f"{source} has {len(faults)} fault(s):", *shown]))
    return grid


def _seeds(tree: Mapping[str, Any], found: AxisTree) -> tuple[int, ...]:
    if "seed" in tree:
        found.faults.append("seed: unknown key; did you mean 'seeds'? seeds = 5 means the seeds 0 to 4")
    value = tree.get("seeds", 1)
    if isinstance(value, list):
        if value and all(_is_count(v, 0) for v in value) and len(set(value)) == len(value):
            return tuple(value)
        found.faults.append(f"seeds: {value} is no list of different whole numbers >= 0")
    elif _is_count(value, 1):
        return tuple(range(value))
    else:
        found.faults.append(
            f"seeds: {value!r} is no number of seeds; 5 means the seeds 0 to 4, and [3, 7] those two"
        )
    return (0,)


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= _MOST_SEEDS


def _data_faults(tree: Mapping[str, Any]) -> list[str]:
    problem = tree.get("problem")
    if not isinstance(problem, Mapping) or problem.get("data") is None:
        return []
    return [
        f"problem.{name}: a data file replaces inputs, labels, n and d; leave it out"
        for name in _REPLACED_BY_DATA
        if name in problem
    ]


def _single_faults(grid: Grid, found: AxisTree) -> bool:
    """Each value of each axis beside the first values of the others: the sum of the axes, not the product."""
    before = len(found.faults)
    first = [axis.values[0] for axis in grid.axes]
    base = _faults(grid, first)
    own = {".".join(axis.path) for axis in grid.axes}
    found.faults.extend(line for line in base if line.partition(":")[0] not in own)
    for place, axis in enumerate(grid.axes):
        for value in axis.values:
            lines = _faults(grid, [*first[:place], value, *first[place + 1 :]])
            path = ".".join(axis.path)
            found.faults.extend(
                f"{line} (in the list: {value!r})" for line in lines if line.startswith(path + ":")
            )
    return len(found.faults) > before


def _faults(grid: Grid, values: list[Any]) -> list[str]:
    try:
        grid._model(values)
    except ValidationError as error:
        return [_with_top_keys(line) for line in explain_faults(error).split("\n")]
    return []


def _with_top_keys(line: str) -> str:
    """A fault of the tree, where a key at the top is one of the file's."""
    path, _, rest = line.partition(":")
    if "." in path or not rest.startswith(" unknown key"):
        return line
    near = difflib.get_close_matches(path, _TOP, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(_TOP)}"
    return f"{path}: unknown key; {hint}"


def _faults_of_combinations(grid: Grid, found: AxisTree) -> None:
    for place in range(grid.cells):
        try:
            lines = _clashes(grid.cell(place))
        except ValidationError as error:
            lines = explain_faults(error).split("\n")
        if lines:
            where = ", ".join(f"{a.name} = {a.labels[i]}" for a, i in zip(grid.axes, grid.coordinates(place)))
            found.faults.extend(f"{line} (at {where})" if where else line for line in lines)
        if len(found.faults) > 10 * _MOST_FAULTS:
            break


def _clashes(model: RunModel) -> list[str]:
    """What the tables say against one another."""
    problem, lines = model.problem, []
    for name, file in (("data", problem.data), ("test_data", problem.test_data)):
        if file is not None and not file.is_file():
            lines.append(f"problem.{name}: {file}: no such file")
    if problem.data is None:
        lines += _clashes_of_laws(problem)
    if "test_error" in model.training.record and no_test_set(problem):
        lines.append(no_test_set(problem))
    kind = model.network.model
    for name in model.training.record:
        if kind != "network" and needs_a_network(name):
            lines.append(f"training.record: {name} looks at a network's own gates; a {kind} model has none")
    law = initialization_of(model.network)
    if law.law_a == "alternating" and model.network.m % 2:
        lines.append(f"network.m: {model.network.m} is odd; {law.name} has as many plus as minus neurons")
    return lines


def _clashes_of_laws(problem: ProblemModel) -> list[str]:
    lines = []
    if problem.labels == "clusters" and problem.inputs != "two-clusters":
        lines.append(f"problem.labels: 'clusters' belong to inputs 'two-clusters', not to {problem.inputs!r}")
    if problem.inputs in ("orthonormal", "near-orthogonal") and problem.n > problem.d:
        lines.append(f"problem.n: {problem.n} {problem.inputs} rows do not fit into d = {problem.d}")
    return lines
