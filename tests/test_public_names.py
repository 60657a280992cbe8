"""What users may import is a list we keep; a change to it is a change they notice."""

from __future__ import annotations

import ast
from pathlib import Path

import shallow

PUBLIC = """
FixedRates placeholder
"""


def stub_names() -> set[str]:
    tree = ast.parse((Path(shallow.__file__).parent / "__init__.pyi").read_text())
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    declared = {
        node.target.id
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    return imported | declared


def test_the_stub_tells_type_checkers_the_same_names() -> None:
    assert stub_names() == set(shallow.__all__)


def test_every_public_name_can_be_imported() -> None:
    assert [name for name in shallow.__all__ if not hasattr(shallow, name)] == []
