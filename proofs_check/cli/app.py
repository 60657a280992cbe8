"""The application: which commands there are."""

from __future__ import annotations

from collections.abc import Sequence

import cyclopts

from proofs_check.cli.certify import certify_command
from proofs_check.cli.compare import compare_command
from proofs_check.cli.explain import explain_command
from proofs_check.cli.list import list_command
from proofs_check.cli.run import run_command
from shallow.cli.shell import run_app

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``proofs-check`` with the given arguments (the process's own by default); the exit code.

    0: nothing is violated. 1: a statement is violated (an empirical finding aside). 2: a usage or input
    error, said in one message; nothing is left behind.
    """
    app = cyclopts.App(
        name="proofs-check",
        help="Check published statements about shallow networks against exact runs.",
        version_flags=["--version"],
    )
    app.command(list_command, name="list")
    app.command(run_command, name="run")
    app.command(compare_command, name="compare")
    app.command(explain_command, name="explain")
    app.command(certify_command, name="certify")
    return run_app(app, arguments)
