"""Only the first layer trained, squared loss: as long as no gate flips the residual evolves by itself.

With a fixed and no decay a step is ``z_ki <- z_ki - p a_k sum_j s_kj r_j K_ji``, where p = h rate_W scale,
s_kj = phi'(z_kj), K = X X^T and r = f - y. If no gate flips, f moves by ``-p H r`` with
``H_ij = scale K_ij sum_k a_k^2 s_ki s_kj``, so a step costs n^2. Z is known when it is wanted: with
``G_kj = sum of s_kj(t) r_j(t)`` over the steps since some Z_b,

    Z = Z_b - p diag(a) G K,   C = C_b + p diag(a) G,   and G_kj = s_kj R_j, R = sum r(t), until kj flips.

*Why no flip is missed.* Let r(t) be the residuals as they were computed, s(t) the gates on the books, and
z(t) the exact numbers that the formula above makes of them. A step moves z_ki by p a_k <s_k r, K_i>, so by
the inequality of Cauchy and Schwarz and with g = max(1, |slope|), from one step c to a later one t,

    |z_ki(t) - z_ki(c)| <= p |a_k| g ||K_i|| (Q(t) - Q(c)),   Q(t) = sum of ||r|| over the steps before t.

At c an entry is computed with an error of at most

    e = 2 u ((n + 2 T + 16) p |a_k| g ||K_i|| Q + 4 |Z_b|),   T the steps since Z_b,

because a product of n terms errs by n u sum |G_kj| |K_ij| <= n u g Q ||K_i||, and a sum of T residuals by
T u sum |r_j|. So if the computed |z| exceeds e its sign is right, and stays right until Q has grown by
(|z| - e) / (p |a_k| g ||K_i||). The entry is *due* then and is computed again; while |z| <= e it is due at
every step. All norms and sums that make up Q and the reach are rounded up, all margins down. Entries that are
not watched have margins beyond the horizon, and before Q passes the horizon the stretch ends: Z, f, the gates
and H are computed afresh. Hence at every step each gate on the books is phi'(z), unless |z| <= 2 e. A flip
that is found moves f by ``scale a_k (new - old) z``, H by a row and a column, and G_kj goes on with the new
gate. Between two ends f follows the recursion, which errs by T (n + 4) u (p sum |H| |r| + |f|) at most.

A stretch that lasts less than 16 steps does not repay its start: then ordinary steps in Gram space are made,
32 first and twice as many each time it happens again, at most 512. All of this is decided by the state alone.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from shallow.compute import capabilities
from shallow.compute.case import Case, Frame, Machine
from shallow.compute.methods import gram_form, gram_routines
from shallow.compute.methods.frozen_routines import skip
from shallow.compute.methods.gram_form import GramMember, GramState
from shallow.compute.methods.gram_steps import frame_of, memory_of, unsafe_inputs
from shallow.compute.registers import unavailable
from shallow.compute.threads import one_blas_thread

__all__ = ["METHOD", "FrozenSteps"]

HostArray = np.ndarray[Any, Any]

_WORTH = 16  # steps that repay the start of a stretch
_PAUSE, _LONGEST_PAUSE = 32, 512  # ordinary steps after a stretch that did not repay
_LONGEST = 1000  # steps of a stretch, so that errors of f do not pile up
_WATCHED = 128.0  # how many residuals' lengths ahead entries are watched


@dataclass
class _Stretch:
    """A stretch under way; every array is written to, and all together are the method's memory."""

    f: HostArray
    H: HostArray  # (n, n)
    gate: HostArray  # (m, n), as are the next two
    past: HostArray  # G up to the last flip of an entry
    since: HostArray  # R at that flip
    R: HostArray  # (n,)
    books: HostArray  # Q, horizon, steps, entries watched
    pause: HostArray  # whether a stretch is under way, ordinary steps left, length of the last pause
    rows: HostArray  # the entries watched, up to m n / 8 of them
    columns: HostArray
    due: HostArray  # the Q at which each has to be looked at


@dataclass
class _State:
    gram: GramState
    stretches: list[_Stretch]


class FrozenSteps:
    """The method of frozen stretches; see :class:`shallow.compute.case.Method` for what it promises.

    It pays in the tail of a run, when few gates still flip, and loses before; so the plan never takes it by
    itself. Errors are those of :class:`shallow.compute.methods.gram_steps.GramSteps`, with T the steps of a
    stretch and Q g ||K_i|| in the place of its sums. Cost of a step in a stretch: 2 n^2 operations, 2 n for
    each entry that is due, and a look at those watched; of a start or end: 4 n^2 m. A frame costs 2 n^2 m.
    """

    name = "frozen"

    def refuses(self, case: Case) -> str | None:
        """Why this method cannot run the case, or None."""
        return unavailable() or capabilities.refuses(self.name, case) or unsafe_inputs(case)

    def cost(self, case: Case, machine: Machine, steps: int) -> float:
        """Predicted seconds for this many steps."""
        return capabilities.cost(self.name, case, machine, steps)

    def start(self, case: Case) -> _State:
        """A state at the case's own step; it reads the case's W for as long as it lives."""
        gram = gram_form.start(case)
        stretches = [_new_stretch(member) for member in gram.members]
        if case.memory is not None:
            for b, stretch in enumerate(stretches):
                for part in fields(_Stretch):
                    getattr(stretch, part.name)[...] = case.memory[f"stretch_{part.name}"][b]
        return _State(gram, stretches)

    def advance(self, state: _State, steps: int) -> _State:
        """The state ``steps`` steps later; the old one is recycled."""
        stretches = {id(member): stretch for member, stretch in zip(state.gram.members, state.stretches)}

        def run(member: GramMember, workers: int) -> None:
            stretch = stretches[id(member)]
            moving = [member.Z, member.C, member.a, *_parts(stretch).values()]
            gram_form.run_in_stretches(
                member, steps, moving, lambda count: _make(state.gram, member, stretch, count, workers)
            )

        gram_form.share_members(state.gram, steps, run)
        return state

    def snapshot(self, state: _State) -> Frame:
        """Where the batch stands."""
        members = [_standing(p, s) for p, s in zip(state.gram.members, state.stretches)]
        shown = GramState(**{**vars(state.gram), "members": members})
        Z = [gram_form.preactivations(member) for member in members]

        def memory() -> dict[str, HostArray]:
            parts = [_parts(stretch) for stretch in state.stretches]
            moved = {f"stretch_{name}": np.stack([part[name] for part in parts]) for name in parts[0]}
            return memory_of(state.gram.members) | moved

        return frame_of(shown, Z, memory)


def _new_stretch(member: GramMember) -> _Stretch:
    m, n = gram_form.preactivations(member).shape
    plane, room = (m, n), min(m * n, max(64, m * n // 8))
    return _Stretch(
        f=member.f,
        H=np.zeros((n, n)),
        gate=np.zeros(plane),
        past=np.zeros(plane),
        since=np.zeros(plane),
        R=np.zeros(n),
        books=np.zeros(4),
        pause=np.zeros(3, np.int64),
        rows=np.zeros(room, np.int64),
        columns=np.zeros(room, np.int64),
        due=np.zeros(room),
    )


def _parts(stretch: _Stretch) -> dict[str, HostArray]:
    return {part.name: getattr(stretch, part.name) for part in fields(_Stretch)}


def _make(
    state: GramState, member: GramMember, stretch: _Stretch, steps: int, workers: int
) -> tuple[int, bool]:
    """Up to ``steps`` steps: how many were sound, and whether the next one was not."""
    made = 0
    while made < steps:
        if stretch.pause[1] > 0:
            count, diverged = gram_form.make_steps(
                state, member, min(int(stretch.pause[1]), steps - made), workers
            )
            stretch.pause[1] -= count
            made += count
            if diverged:
                return made, True
        elif stretch.pause[0] == 0:
            _begin(state, member, stretch)
        else:
            count, end = _skip(state, member, stretch, steps - made)
            made += count
            if end == 2:
                return made, True
            if end == 1:
                _end(state, member, stretch)
    return made, False


def _begin(state: GramState, member: GramMember, stretch: _Stretch) -> None:
    """Gates, their kernel, and the entries that may flip within the horizon, from Z."""
    Z, K = gram_form.preactivations(member), _kernel(member)
    a, scale = member.a, float(state.scale)
    stretch.gate[...] = np.where(Z > 0, 1.0, float(state.slope))
    with one_blas_thread():
        stretch.H[...] = ((stretch.gate * (scale * a * a)[:, None]).T @ stretch.gate) * K
    for part in (stretch.past, stretch.since, stretch.R):
        part[...] = 0.0
    reach = _reach(state, member)
    moves = (a != 0)[:, None] & (reach > 0)
    span = np.where(moves, np.maximum(np.abs(a)[:, None] * reach, 2.0**-1000), 0.0)
    margins = np.full(Z.shape, np.inf)
    # A number |Z| < 2^-1000 may lose digits when it is divided; its margin is 0 then.
    np.divide(np.abs(Z) * (1 - 2.0**-45), span, out=margins, where=moves)
    margins[(np.abs(Z) < 2.0**-1000) & moves] = 0.0
    flat = margins.ravel()
    room = len(stretch.due)
    near = int((flat < _WATCHED * np.linalg.norm(member.f - member.y)).sum())
    count = min(max(near, 64), room)
    if count >= len(flat):
        chosen, horizon = np.arange(len(flat)), np.inf
    else:
        smallest = np.argpartition(flat, count)[: count + 1]
        horizon = float(flat[smallest].max())
        chosen = np.sort(smallest[flat[smallest] < horizon])
    stretch.rows[: len(chosen)], stretch.columns[: len(chosen)] = np.divmod(chosen, Z.shape[1])
    stretch.due[: len(chosen)] = flat[chosen]
    stretch.books[...] = 0.0, horizon, 0.0, len(chosen)
    stretch.pause[0] = 1


def _kernel(member: GramMember) -> HostArray:
    n = member.X.shape[0]
    return member.K[:n, :n]


def _reach(state: GramState, member: GramMember) -> HostArray:
    """``p g ||K_i||`` for every sample, rounded up."""
    n = member.X.shape[0]
    gain = max(1.0, abs(float(state.slope)))
    K, push = _kernel(member), abs(float(member.rates[0]))
    norms = (np.sqrt(np.square(K).sum(axis=1)) + np.sqrt(n) * 2.0**-510) * (1 + (n + 16) * 2.0**-52)
    moves = (push > 0) & np.any(K != 0, axis=1)
    return np.where(moves, np.maximum(push * gain * norms, 2.0**-1000), 0.0)


def _skip(state: GramState, member: GramMember, s: _Stretch, steps: int) -> tuple[int, int]:
    made, end = skip(
        member.f, member.y, gram_form.preactivations(member), member.a, _kernel(member), s.H, s.gate, s.past,
        s.since, s.R, _reach(state, member), s.books, s.rows, s.columns, s.due, float(member.rates[0]),
        float(state.scale), float(state.slope), member.limit, _LONGEST, steps,
    )  # fmt: skip
    return int(made), int(end)


def _end(state: GramState, member: GramMember, stretch: _Stretch) -> None:
    """Z, C and f as the stretch leaves them; ordinary steps follow if it was not worth its start."""
    _move(member, stretch, member.Z, member.C)
    sums = np.empty((state.chunks, member.Z.shape[1]))
    gram_routines.start_member(member.Z, member.a, member.f, state.scale, state.slope, sums)
    stretch.pause[0] = 0
    if stretch.books[2] >= _WORTH:
        stretch.pause[2] = 0
        return
    stretch.pause[2] = min(_LONGEST_PAUSE, max(_PAUSE, 2 * stretch.pause[2]))
    stretch.pause[1] = stretch.pause[2]


def _move(member: GramMember, stretch: _Stretch, Z: HostArray, C: HostArray) -> None:
    """Add the moves of a stretch to Z and C, (m, N) arrays."""
    n = member.X.shape[0]
    G = stretch.past + stretch.gate * (stretch.R - stretch.since)
    G *= (float(member.rates[0]) * member.a)[:, None]
    C[:, :n] += G
    with one_blas_thread():
        Z[:, :n] -= G @ _kernel(member)


def _standing(member: GramMember, stretch: _Stretch) -> GramMember:
    """The member with Z and C where it stands, which a stretch leaves for later."""
    if stretch.pause[0] == 0:
        return member
    Z, C = member.Z.copy(), member.C.copy()
    _move(member, stretch, Z, C)
    return GramMember(**{**vars(member), "Z": Z, "C": C})


METHOD = FrozenSteps()
