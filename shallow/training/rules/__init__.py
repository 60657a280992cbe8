"""The rules: each is data plus `step()` in literal formulas."""

from __future__ import annotations

from shallow.training.rules.gradient_descent import GradientDescent

__all__ = ["RULES", "GradientDescent"]

RULES = {"gradient_descent": GradientDescent}
