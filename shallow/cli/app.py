"""The application: which commands there are."""

from __future__ import annotations

from collections.abc import Sequence

import cyclopts

from shallow.cli.doctor import doctor
from shallow.cli.ntk import ntk
from shallow.cli.shell import run_app
from shallow.cli.sweep import sweep_app
from shallow.cli.train import train

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``shallow`` with the given arguments (the process's own by default); the exit code."""
    app = cyclopts.App(
        name="shallow",
        help="Exact training and kernels of depth-2 ReLU networks.",
        version_flags=["--version"],
    )
    for command in (train, ntk, doctor):
        app.command(command)
    app.command(sweep_app())
    return run_app(app, arguments)
