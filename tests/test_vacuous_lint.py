"""The lint refuses tests that cannot fail, and lets honest ones pass."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[1] / "tools" / "vacuous_tests.py"
SPEC = importlib.util.spec_from_file_location("vacuous_tests", TOOL)
assert SPEC is not None
assert SPEC.loader is not None
LINT = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(LINT)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("def test_a():\n    1 == 2", "thrown away"),
        ("def test_a():\n    x = 1", "asserts nothing"),
        ("def test_a():\n    if True:\n        return\n    assert f()", "returns early"),
        ("def test_a():\n    assert True", "cannot fail"),
        ("def test_a():\n    assert (f() == 1, 'always true')", "cannot fail"),
        ("def test_a():\n    for x in []:\n        assert x", "empty literal"),
        ("def close(a, b):\n    return a == b\ndef test_a():\n    close(1, 2)", "asserts nothing"),
    ],
)
def test_a_test_that_cannot_fail_is_found(body: str, fault: str) -> None:
    assert any(fault in text for _, text in LINT.faults(ast.parse(body)))


@pytest.mark.parametrize(
    "body",
    [
        "def test_a():\n    assert f() == 1",
        "def test_a():\n    with pytest.raises(ValueError):\n        f()",
        "def test_a():\n    np.testing.assert_allclose(f(), 1)",
        "def same(a, b):\n    assert a == b\ndef test_a():\n    same(f(), 2)",
        "def test_a():\n    g = lambda: 1\n    def h():\n        return 2\n    assert h() != g()",
    ],
)
def test_an_honest_test_passes(body: str) -> None:
    assert list(LINT.faults(ast.parse(body))) == []
