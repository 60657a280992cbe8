"""Where threads meet inside compiled code; see :class:`shallow.compute.methods.shares.Crew` for the gate."""

from __future__ import annotations

from typing import Any

import numpy as np

from shallow.compute.jit import routine
from shallow.compute.methods.table_routines import at
from shallow.compute.vector_ir import arrive, peek, yield_processor

__all__ = ["all_will_come", "meet"]

_PATIENCE = 4000  # looks at the gate before a waiting thread lets others run


@routine
def all_will_come(shares: Any, gate: Any) -> Any:
    """Wait until that is known: False when they will not."""
    seen = np.zeros(1, np.int64)
    while shares > 1 and seen[0] == 0:
        yield_processor()
        peek(at(gate, 8), at(seen, 0))
    return seen[0] >= 0


@routine
def meet(gate: Any, target: Any, seen: Any) -> Any:
    """Wait until ``target`` have arrived at the gate; False when the meeting is called off (gate[8] < 0).

    A thread that waits long lets others run, so more threads than cores are slow but do not hang.
    """
    arrive(at(gate, 0))
    looks = 0
    while True:
        peek(at(gate, 0), at(seen, 0))
        if seen[0] >= target:
            return True
        looks += 1
        if looks > _PATIENCE:
            peek(at(gate, 8), at(seen, 0))
            if seen[0] < 0:
                return False
            yield_processor()
