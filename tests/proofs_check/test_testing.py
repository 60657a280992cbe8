"""assert_holds fails on everything but HOLDS, unless a verdict is allowed by name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from proofs_check import Statement, Verdict
from proofs_check.testing import assert_holds


def test_a_statement_that_holds_passes_and_comes_back(decay: Callable[..., Statement]) -> None:
    assert assert_holds(decay()).verdict is Verdict.HOLDS


def test_any_other_verdict_fails_with_reason_and_replay(decay: Callable[..., Statement]) -> None:
    with pytest.raises(AssertionError, match=r"VIOLATED, not HOLDS(.|\n)*replay"):
        assert_holds(decay(), set={"decay": 0.1})
    with pytest.raises(AssertionError, match=r"width: false, m >= 50"):
        assert_holds(decay(), set={"m": 1})


def test_a_verdict_is_allowed_by_name(decay: Callable[..., Statement]) -> None:
    for allowed in ("NOT_APPLICABLE", Verdict.NOT_APPLICABLE):
        assert assert_holds(decay(), set={"m": 1}, allow=[allowed]).outside
    with pytest.raises(ValueError, match="no verdict 'FINE'"):
        assert_holds(decay(), allow=["FINE"])
