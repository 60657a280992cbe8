"""The house: every module imports only from lower floors, and imports make no circle."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Ground first. A room is the longest listed prefix of a module's name.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("shallow.statistics",),
    ("shallow.setting",),
    ("shallow.exact",),
    ("shallow.compute",),
    ("shallow.observe",),
    ("shallow.training",),
    ("shallow.adversary",),
    ("shallow.configuration",),
    ("shallow.sweep",),
    ("shallow.figures", "shallow.cli"),
    ("proofs_check.verdict",),
    ("proofs_check.statement",),
    ("proofs_check.certificates",),
    ("proofs_check.check",),
    ("proofs_check.theorems", "proofs_check.strategies"),
    ("proofs_check.report", "proofs_check.testing"),
    ("proofs_check.cli",),
    ("experiments",),
)
# The façades name what lives behind them and import it when asked; they stand outside the floors.
FACADES = {"shallow", "proofs_check", "shallow.__main__", "proofs_check.__main__"}
FLOOR_OF = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    module_name(path): path
    for package in ("shallow", "proofs_check", "experiments")
    for path in sorted((ROOT / package).rglob("*.py"))
}


def room(module: str) -> str:
    found = [r for r in FLOOR_OF if module == r or module.startswith(r + ".")]
    assert found, f"{module} stands on no floor: give it a room in tests/test_house.py"
    return max(found, key=len)


def imports(module: str) -> set[str]:
    """Modules of this project that ``module`` imports, lazily or not, type-checking imports left out."""
    found: set[str] = set()
    package = MODULES[module].name == "__init__.py"
    for node in _runtime_nodes(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".") if package else module.split(".")[:-1]
                parents = parents[: len(parents) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                found.add(inner if inner in MODULES else base)
    return {name for name in found if name in MODULES and name != module}


def _runtime_nodes(tree: ast.AST) -> list[ast.AST]:
    nodes = []
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        nodes.append(child)
        nodes.extend(_runtime_nodes(child))
    return nodes


@pytest.mark.parametrize("module", sorted(set(MODULES) - FACADES))
def test_a_module_imports_only_from_its_own_floor_room_or_below(module: str) -> None:
    mine = room(module)
    for other in sorted(imports(module) - FACADES):
        theirs = room(other)
        allowed = theirs == mine or FLOOR_OF[theirs] < FLOOR_OF[mine]
        assert allowed, f"{module} ({mine}) imports {other} ({theirs}), which is not below it"


@pytest.mark.parametrize("module", sorted(set(MODULES) - FACADES))
def test_a_module_of_the_simulator_does_not_reach_through_the_facade(module: str) -> None:
    reached = imports(module) & {"shallow", "proofs_check"}
    if module.startswith("shallow."):
        assert "shallow" not in reached, f"{module} imports the façade `shallow`; import the module itself"
    assert "proofs_check" not in reached or module.startswith("experiments"), f"{module} imports its façade"


def test_imports_make_no_circle() -> None:
    graph = {module: imports(module) - FACADES for module in MODULES if module not in FACADES}
    # A package's __init__ re-exports its modules; a module importing its own package would be a circle.
    order = list(TopologicalSorter(graph).static_order())
    assert set(order) == set(graph)


def test_no_module_outgrows_its_room() -> None:
    lengths = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert max(lengths.values()) <= 600, max(lengths.items(), key=lambda item: item[1])
    assert lengths["shallow.compute.vector_ir"] <= 300
    assert all(length <= 150 for name, length in lengths.items() if _is_statement_file(name)), {
        name: length for name, length in lengths.items() if _is_statement_file(name) and length > 150
    }


def _is_statement_file(module: str) -> bool:
    parts = module.split(".")
    return parts[:2] == ["proofs_check", "theorems"] and len(parts) == 4 and not parts[3].startswith("_")
