"""Refuse tests that cannot fail.

Checked in every test function: something is asserted (an ``assert``, ``raises``, ``warns``, a call whose name
begins with ``assert``); no comparison is computed and thrown away; no ``return`` ends the test early; no
assertion is a constant or stands only inside a loop over nothing but a literal empty collection.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ASSERTING = ("raises", "warns", "fail")


def faults(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and description of each fault in a test module."""
    asserting_helpers = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("test")
        and _asserts(node, frozenset())
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Compare):
            yield node.lineno, "a comparison whose result is thrown away"
        if isinstance(node, ast.Assert) and _is_constant_truth(node.test):
            yield node.lineno, "an assertion that cannot fail"
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            yield from _faults_of_test(node, frozenset(asserting_helpers))


def _faults_of_test(test: ast.FunctionDef, helpers: frozenset[str]) -> Iterator[tuple[int, str]]:
    if not _asserts(test, helpers):
        yield test.lineno, f"{test.name} asserts nothing"
    nested = {
        inner
        for node in ast.walk(test)
        if node is not test and isinstance(node, ast.FunctionDef | ast.Lambda)
        for inner in ast.walk(node)
    }
    for node in ast.walk(test):
        if isinstance(node, ast.Return) and node not in nested:
            yield node.lineno, f"{test.name} returns early"
        if isinstance(node, ast.For) and isinstance(node.iter, ast.List | ast.Tuple) and not node.iter.elts:
            yield node.lineno, f"{test.name} loops over an empty literal"


def _asserts(function: ast.FunctionDef, helpers: frozenset[str]) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = _name(node.func)
            if name.lstrip("_").startswith("assert") or name in ASSERTING or name in helpers:
                return True
    return False


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _is_constant_truth(test: ast.expr) -> bool:
    if isinstance(test, ast.Tuple):
        return bool(test.elts)
    return isinstance(test, ast.Constant) and bool(test.value)


def main(folders: list[str]) -> int:
    """Print every fault below the folders; 1 when there is one."""
    found = 0
    for folder in folders:
        for path in sorted(Path(folder).rglob("test_*.py")):
            for line, fault in faults(ast.parse(path.read_text(), str(path))):
                print(f"{path}:{line}: {fault}")
                found += 1
    print(f"vacuous-test lint: {found} fault{'s' if found != 1 else ''}")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["tests"]))
