"""Many runs: one function over a grid of configurations."""

from shallow.sweep.execute import execute

__all__ = ["execute"]
