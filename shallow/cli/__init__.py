"""The command line: ``shallow train | ntk | sweep | doctor``."""

from shallow.cli.app import main

__all__ = ["main"]
