"""The page of methods shows the table that the plan goes by."""

from __future__ import annotations

from pathlib import Path

from shallow.compute.capabilities import CAPABILITIES, describe

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "methods.md").read_text()


def test_the_page_prints_the_table_of_capabilities() -> None:
    assert describe() in PAGE


def test_every_method_has_a_row() -> None:
    assert all(f"| {name} |" in PAGE for name in CAPABILITIES)
    assert len(CAPABILITIES) >= 2
