"""Figures that can be made again: one file a figure, with its data and its check. Run from a checkout."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["EXPERIMENTS"]

EXPERIMENTS: Mapping[str, str] = MappingProxyType(
    {
        "convergence": "loss against steps with the bounds that apply, over widths and initialisation scales",
        "initialization_scale": "how travel changes with width over the phase plane of Luo et al.",
        "ntk_vs_beyond": "outcome over (m, tau) at three rate ratios, and where laws say it must converge",
        "width_law": "the width at which half of the trainings converge, over n and d varied independently",
        "certified_phase_diagram": "how far proof reaches over width, label scale, rates and on real data",
    }
)
"""Name -> one line; the module of that name below this package has ``make``, ``check`` and ``draw``."""
