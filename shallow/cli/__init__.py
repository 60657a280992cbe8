"""The command line: ``shallow train | ntk | doctor``."""

from shallow.cli.app import main

__all__ = ["main"]
