"""Gradient descent in compiled panels: small networks, and many at once.

Threads are Python's (the routines run without the GIL): members of a batch are shared out, or the chunks of
one large network. A member's sums never depend on the sharing, so its bits do not either; and no threading
library is left behind that would abort a forked child.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from shallow.compute import capabilities
from shallow.compute.case import Case, Frame, Machine
from shallow.compute.jit import threads
from shallow.compute.methods import numba_routines as routines
from shallow.compute.registers import unavailable

__all__ = ["METHOD", "NumbaSteps"]

HostArray = np.ndarray[Any, Any]

_WORTH_SHARING = 2e7  # operations of a step above which one network is shared out over threads


@dataclass
class _Member:
    """One network under way, packed; ``parity`` says which of the two generations is the present one."""

    W: HostArray  # (2, P, d, R)
    a: HostArray  # (2, P, R)
    Z: HostArray  # (P, n, R)
    X: HostArray  # (n, d)
    columns: HostArray  # (d, n), X transposed
    y: HostArray
    f: HostArray
    rates: HostArray  # what move_chunk wants
    factor: float
    limit: float
    step: int
    time: float
    parity: int = 0
    diverged: int = -1
    last_factor: float = 0.0


@dataclass
class _State:
    case: Case
    loss: int
    scale: Any
    slope: Any
    members: list[_Member]


class NumbaSteps:
    """The compiled method; see :class:`shallow.compute.case.Method` for what it promises.

    One output, no smoothing, constant pace. Against exact arithmetic a product errs by at most
    ``k eps sum |A| |B|`` with k its length (one chain of fused multiply-adds), and an output by
    ``m eps sum |a_k| |phi|`` more. Cost of a step: 4 n m d operations in the products.
    """

    name = "numba"

    def refuses(self, case: Case) -> str | None:
        """Why this method cannot run the case, or None."""
        return unavailable() or capabilities.refuses(self.name, case)

    def cost(self, case: Case, machine: Machine, steps: int) -> float:
        """Predicted seconds for this many steps."""
        return capabilities.cost(self.name, case, machine, steps)

    def start(self, case: Case) -> _State:
        """A state at the case's own step."""
        kind = case.dtype.type
        state = _State(case, routines.LOSS_CODES[case.loss], kind(case.scale), kind(case.slope), [])
        state.members.extend(_new_member(case, b) for b in range(case.batch))
        for member in state.members:
            sums = _empty_sums(member)
            for q, (first, last) in enumerate(_chunks(member)):
                routines.forward_chunk(
                    member.W[0], member.a[0], member.Z, member.columns, state.slope, first, last, sums[q]
                )
            routines.finish(sums, state.scale, member.f)
            if not routines.is_sound(member.f, member.y, member.limit, state.scale * 0):
                member.diverged = case.step
        return state

    def advance(self, state: _State, steps: int) -> _State:
        """The state ``steps`` steps later; the old one is recycled."""
        active = [member for member in state.members if member.diverged < 0]
        workers = threads()
        work = 4.0 * state.case.n * state.case.m * state.case.d
        if len(active) == 1 and workers > 1 and work > _WORTH_SHARING:
            _run_shared(state, active[0], steps, workers)
            return state
        if work * steps * len(active) < _WORTH_SHARING:
            workers = 1

        def run(members: Sequence[_Member]) -> None:
            for member in members:
                _run_alone(state, member, steps)

        with _pool(workers) as pool:
            _share_out(pool, run, active, workers)
        return state

    def snapshot(self, state: _State) -> Frame:
        """Where the batch stands."""
        members, m = state.members, state.case.m
        return Frame(
            step=np.array([p.step for p in members]),
            time=np.array([p.time for p in members]),
            factor=np.array([p.last_factor for p in members]),
            diverged=np.array([p.diverged for p in members]),
            W=np.stack([_unpacked(p.W[p.parity], m) for p in members]),
            a=np.stack([p.a[p.parity].reshape(-1)[:m] for p in members]),
            outputs=np.stack([p.f for p in members]),
            preactivations=np.stack([_unpacked(p.Z, m).T for p in members]),
        )


def _new_member(case: Case, b: int) -> _Member:
    X = np.ascontiguousarray(case.X[b if case.X.shape[0] > 1 else 0])
    kind = case.dtype.type
    R = int(routines.panel_width(kind(0)))
    P = -(-case.m // R)
    W, a = np.zeros((P * R, case.d), case.dtype), np.zeros(P * R, case.dtype)
    W[: case.m], a[: case.m] = case.W[b], case.a[b]
    packed = np.ascontiguousarray(W.reshape(P, R, case.d).transpose(0, 2, 1))
    factor = float(case.factor[b])
    rates = [
        factor * case.rate_W * case.scale,
        1.0 - factor * case.rate_W * case.decay_W,
        factor * case.rate_a * case.scale,
        1.0 - factor * case.rate_a * case.decay_a,
    ]
    return _Member(
        W=np.stack([packed, packed]),
        a=np.stack([a.reshape(P, R)] * 2),
        Z=np.zeros((P, case.n, R), case.dtype),
        X=X,
        columns=np.ascontiguousarray(X.T),
        y=np.ascontiguousarray(case.y[b if case.y.shape[0] > 1 else 0]),
        f=np.empty(case.n, case.dtype),
        rates=np.array(rates).astype(case.dtype),
        factor=factor,
        limit=float(case.limit[b]),
        step=case.step,
        time=float(case.time[b]),
    )


def _chunks(member: _Member) -> list[tuple[int, int]]:
    P = member.Z.shape[0]
    return [(first, min(P, first + routines.CHUNK)) for first in range(0, P, routines.CHUNK)]


def _empty_sums(member: _Member) -> HostArray:
    return np.empty((len(_chunks(member)), *member.Z.shape[1:]), member.Z.dtype)


def _unpacked(panels: HostArray, m: int) -> HostArray:
    """(P, k, R) panels as rows of neurons, (m, k)."""
    rows: HostArray = panels.transpose(0, 2, 1).reshape(-1, panels.shape[1])[:m]
    return rows


def _record(member: _Member, made: int, diverged: bool) -> None:
    for _ in range(made):  # added one by one, as every method does
        member.time += member.factor
    member.step += made
    member.parity = (member.parity + made) % 2
    if made:
        member.last_factor = member.factor
    if diverged:
        member.diverged = member.step + 1


def _run_alone(state: _State, member: _Member, steps: int) -> None:
    made, diverged = routines.run_member(
        member.W, member.a, member.Z, member.X, member.columns, member.y, member.f, state.loss,
        state.scale, state.slope, member.rates, member.limit, member.parity, steps,
    )  # fmt: skip
    _record(member, made, diverged)


def _run_shared(state: _State, member: _Member, steps: int, workers: int) -> None:
    """As ``run_member``, with the chunks of each step shared out over threads."""
    c, sums = np.empty_like(member.f), _empty_sums(member)
    numbered = list(enumerate(_chunks(member)))
    doubts = np.zeros(len(numbered), member.Z.dtype)
    with _pool(workers) as pool:
        for _ in range(steps):
            now, then = member.parity, 1 - member.parity
            before = member.f.copy()
            routines.coefficients(state.loss, member.f, member.y, c)

            def move(share: Sequence[tuple[int, tuple[int, int]]], now: int = now, then: int = then) -> None:
                back = np.empty(member.Z.shape[1:], member.Z.dtype)
                for q, (first, last) in share:
                    doubts[q] = routines.move_chunk(
                        member.W[now], member.W[then], member.a[now], member.a[then], member.Z, member.X,
                        member.columns, c, state.slope, member.rates, first, last, back, sums[q],
                    )  # fmt: skip

            _share_out(pool, move, numbered, workers)
            routines.finish(sums, state.scale, member.f)
            if routines.is_sound(member.f, member.y, member.limit, doubts.sum()):
                _record(member, 1, False)
                continue
            for q, (first, last) in numbered:
                routines.forward_chunk(
                    member.W[now], member.a[now], member.Z, member.columns, state.slope, first, last, sums[q]
                )
            member.f[:] = before
            _record(member, 0, True)
            return


def _pool(workers: int) -> ThreadPoolExecutor:
    """Threads beside the present one; none is started before it is given work."""
    return ThreadPoolExecutor(max(1, workers - 1))


def _share_out(pool: ThreadPoolExecutor, run: Callable[[Any], None], items: list[Any], workers: int) -> None:
    """``run`` on disjoint shares of ``items``: one here, the others in the pool."""
    shares = [items[w::workers] for w in range(workers)]
    pending = [pool.submit(run, share) for share in shares[1:] if share]
    run(shares[0])
    for task in pending:
        task.result()


METHOD = NumbaSteps()
