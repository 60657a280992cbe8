"""How the threads of one network keep together, and what a finished run of steps leaves in the books."""

from __future__ import annotations

from typing import Any

import numpy as np

from shallow.compute.jit import routine
from shallow.compute.vector_ir import arrive, peek, yield_processor

__all__ = ["aligned", "aligned_room", "at", "meet", "record"]

_PATIENCE = 4000  # looks at the gate before a waiting thread lets others run


@routine
def at(array: Any, place: Any) -> Any:
    """The address of the number at ``place`` of a contiguous array."""
    return array.ctypes.data + place * array.itemsize


@routine
def aligned(size: Any, like: Any) -> Any:
    """Zeros whose first is at the start of a cache line: a vector that straddles two is slow to load."""
    found = aligned_room(size, like)
    found[:] = 0
    return found


@routine
def aligned_room(size: Any, like: Any) -> Any:
    """As ``aligned``, with anything in it."""
    flat = np.empty(size + 64 // like.itemsize, like.dtype)
    skip = (-flat.ctypes.data % 64) // like.itemsize
    return flat[skip : skip + size]


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


@routine
def record(clock: Any, time: Any, last_factor: Any, factor: Any, b: Any, made: Any, diverged: Any) -> None:
    """Book the steps of member b; ``clock`` holds parity, steps made, and the step that diverged or -1."""
    for _ in range(made):  # added one by one, as every method does
        time[b] += factor[b]
    clock[b, 0] = (clock[b, 0] + made) % 2
    clock[b, 1] += made
    if made > 0:
        last_factor[b] = factor[b]
    if diverged:
        clock[b, 2] = clock[b, 1] + 1
