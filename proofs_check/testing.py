"""One line for a test suite: this statement holds."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from proofs_check.check.compare import describe
from proofs_check.check.result import Result
from proofs_check.check.run import check
from proofs_check.statement import Statement
from proofs_check.verdict import HypothesisStatus, Verdict

__all__ = ["assert_holds"]


def assert_holds(statement: Statement, *, allow: Collection[Verdict | str] = (), **options: Any) -> Result:
    """Check ``statement`` and fail unless it HOLDS, or its verdict is allowed by name.

    Parameters
    ----------
    statement : Statement
    allow : collection of Verdict or str
        Further verdicts to accept, such as ``{"CONSISTENT"}``.
    **options
        For :func:`proofs_check.check`: size, seed, set, trials, problem, assume.

    Returns
    -------
    Result
        For further assertions.

    Raises
    ------
    AssertionError
        With the verdict, its reason, every hypothesis that is not true, and the lines that replay it.
    ValueError
        If ``allow`` names no verdict.
    """
    allowed = {Verdict.HOLDS, *(_verdict(item) for item in allow)}
    result = check(statement, **options)
    if result.verdict not in allowed:
        raise AssertionError(_account(result, allowed))
    return result


def _verdict(name: Verdict | str) -> Verdict:
    if isinstance(name, Verdict):
        return name
    if name not in Verdict.__members__:
        raise ValueError(f"allow: there is no verdict {name!r}; they are {', '.join(Verdict.__members__)}")
    return Verdict[name]


def _account(result: Result, allowed: Collection[Verdict]) -> str:
    wanted = " or ".join(sorted(item.name for item in allowed))
    lines = [f"{result.key} is {result.verdict.name}, not {wanted}: {result.reason}"]
    lines += [f"  {describe(item)}" for item in result.hypotheses if item.status is not HypothesisStatus.TRUE]
    return "\n".join([*lines, "replay:", result.replay])
