"""The command line: ``proofs-check list | run | compare | explain``."""

from proofs_check.cli.app import main

__all__ = ["main"]
