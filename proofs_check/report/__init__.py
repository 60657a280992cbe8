"""What a check leaves behind: ``results.json``, a page, a terminal table, a paper's figure and table."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proofs_check.report.directory import write
    from proofs_check.report.document import validate
    from proofs_check.report.paper import figure, table
    from proofs_check.report.terminal import show

__all__ = ["figure", "show", "table", "validate", "write"]

_HOMES = {
    "figure": "paper",
    "show": "terminal",
    "table": "paper",
    "validate": "document",
    "write": "directory",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
