"""Gradient descent in Gram space: pre-activations evolve through X X^T, and W is recovered when it is read.

With K = X X^T, Z = W X^T, S the gates phi'(Z), both (m, n), and c = dL/df, a step on both layers reads

    Z <- keep_W Z - rate_W h scale diag(a) S diag(c) K,
    a <- keep_a a - rate_a h scale phi(Z) c,                       keep = 1 - h rate decay,

and the first layer is ``W_T = kept W_0 - C X`` with the coefficients

    C <- keep_W C + rate_W h scale diag(a) S diag(c)

and kept the product of the factors keep_W. This is gradient descent itself, no approximation, and d has left
the steps. For the ReLU S is binary and S (diag(c) K) a product by lookups; with a slope s it is
``(1 - s) [Z > 0] + s``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from shallow.compute import capabilities
from shallow.compute.case import Case, Frame, Machine
from shallow.compute.methods import gram_form
from shallow.compute.methods.gram_form import GramMember, GramState
from shallow.compute.registers import unavailable

__all__ = ["METHOD", "GramSteps", "frame_of", "memory_of", "stack", "unsafe_inputs"]

HostArray = np.ndarray[Any, Any]


class GramSteps:
    """The method of Gram space; see :class:`shallow.compute.case.Method` for what it promises.

    One output, no smoothing, constant pace. A frame's ``memory`` holds Z, C, kept and the W where the run
    began; a start without it begins at its own W.

    Error, with u the unit roundoff, g = |1 - slope| + |slope| and p = rate_W h scale |c|: the z_ki of a step
    is within

        u ((n + 10) |a_k| g sum_j p_j |K_ij| + 3 |z_ki|) + |a_k| g sum_j p_j E_ij,

    E_ij = (d + 1) u <|x_i|, |x_j|>, of the same step in exact arithmetic. So far does Z leave W X^T, at most,
    and the distances of the steps add up; the C of a step is within ``3 u |C|``, and a read W
    within ``(n + 2) u (|C| |X| + |kept W_0|)`` of the one that C and W_0 define.

    Cost: ``n^2 m / 4`` additions of table entries a step and two passes over (m, n) arrays; once 2 n^2 d
    for K and 2 n m d for Z, and that again when W is read. Memory: 2 m n numbers and
    the W where the run began.
    """

    name = "gram"

    def refuses(self, case: Case) -> str | None:
        """Why this method cannot run the case, or None."""
        return unavailable() or capabilities.refuses(self.name, case) or unsafe_inputs(case)

    def cost(self, case: Case, machine: Machine, steps: int) -> float:
        """Predicted seconds for this many steps."""
        return capabilities.cost(self.name, case, machine, steps)

    def start(self, case: Case) -> GramState:
        """A state at the case's own step; it reads the case's W for as long as it lives."""
        return gram_form.start(case)

    def advance(self, state: GramState, steps: int) -> GramState:
        """The state ``steps`` steps later; the old one is recycled."""

        def run(member: GramMember, workers: int) -> None:
            moving = (member.Z, member.C, member.a, member.f)
            gram_form.run_in_stretches(
                member, steps, moving, lambda count: gram_form.make_steps(state, member, count, workers)
            )

        gram_form.share_members(state, steps, run)
        return state

    def snapshot(self, state: GramState) -> Frame:
        """Where the batch stands."""
        members = state.members
        return frame_of(state, [gram_form.preactivations(p) for p in members], lambda: memory_of(members))


def frame_of(state: GramState, Z: list[HostArray], memory: Callable[[], Mapping[str, HostArray]]) -> Frame:
    """The frame of networks in Gram space whose pre-activations are ``Z``, each (m, n)."""
    members = state.members
    return Frame(
        step=np.array([p.step for p in members]),
        time=np.array([p.time for p in members]),
        factor=np.array([p.last_factor for p in members]),
        diverged=np.array([p.diverged for p in members]),
        W=lambda: stack([gram_form.recovered(state.crew, p) for p in members]),
        a=stack([p.a for p in members]),
        outputs=stack([p.f for p in members]),
        preactivations=stack([part.T for part in Z]),
        memory=memory,
    )


def memory_of(members: list[GramMember]) -> dict[str, HostArray]:
    """What :func:`gram_form.start` takes back."""
    n = members[0].X.shape[0]
    return {
        "W": stack([p.W for p in members]),
        "Z": np.stack([p.Z[:, :n] for p in members]),
        "C": np.stack([p.C[:, :n] for p in members]),
        "kept": np.array([p.kept for p in members]),
    }


def stack(arrays: list[HostArray]) -> HostArray:
    """The arrays along a new first axis; a view of a single one."""
    return arrays[0][None] if len(arrays) == 1 else np.stack(arrays)


def unsafe_inputs(case: Case) -> str | None:
    """Why X X^T would not hold what X holds, or None."""
    info = np.finfo(case.dtype)
    if not np.isfinite(case.X).all():
        return "an input is not finite"
    sizes = np.abs(case.X).max(axis=2).astype(np.longdouble)
    if case.d * np.max(sizes) ** 2 > info.max:
        return "the inputs are so large that X X^T overflows"
    small = sizes[(sizes > 0) & (sizes**2 < np.longdouble(info.tiny) / info.eps)]
    return "the inputs are so small that X X^T underflows" if small.size else None


METHOD = GramSteps()
