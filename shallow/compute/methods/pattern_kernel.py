"""The tangent kernel of one network from its patterns, in blocks of neurons shared out over threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from shallow.compute.jit import threads
from shallow.compute.methods import pattern_routines as routines
from shallow.compute.methods.packing import aligned_zeros
from shallow.compute.methods.pattern_routines import ACTIVE_PANELS, GROUP, WORD
from shallow.compute.vector_ir import COUNT_ROWS, TILE

__all__ = ["pattern_kernel"]

HostArray = np.ndarray[Any, Any]
Share = Callable[[Callable[[Any], None], Sequence[Any]], None]

_BITS = 1 << 22  # bytes of the patterns of a block
_ROOM = 1 << 23  # bytes of the pre-activations of a block, where the second layer wants them
_LOOKED_UP = 4  # groups of neurons in a block where the second layer is left out and sums are looked up
_BAND = 64  # samples of a band of the kernel, about


@dataclass(frozen=True)
class _Job:
    """One kernel being made: what every block of neurons needs, and the sums so far."""

    X: HostArray  # (panels, d, R), samples side by side
    W: HostArray  # (m, d)
    a: HostArray  # (m,)
    slope: Any
    equal: bool  # all |a_k| that are not 0 are equal
    first_layer: bool
    second_layer: bool
    block: int  # groups of neurons in a block
    room: HostArray  # for a block's pre-activations, where the second layer wants them
    H: HostArray  # (n, n): the first layer's sums on and under the diagonal, the second layer's above
    squares: HostArray  # (n,): the second layer's diagonal

    @property
    def zero(self) -> Any:
        return self.slope - self.slope

    @property
    def groups(self) -> int:
        return -(-len(self.a) // GROUP)

    def numbers(self, scale: float, rate_W: float, rate_a: float) -> HostArray:
        """What :func:`finish_rows` wants: the weights of the layers, of no gate, of one and of both."""
        sizes, slope = np.abs(self.a[self.a != 0]).astype(np.float64), float(self.slope)
        weight = sizes[0] ** 2 if self.equal and sizes.size else 1.0  # what a bit in common counts for
        total = float(sizes.size) if self.equal else float(sizes @ sizes)
        gates = (slope * slope * total, slope * (1.0 - slope), (1.0 - slope) ** 2)
        return np.array([rate_W * scale**2 * weight, rate_a * scale**2, *gates])


def pattern_kernel(
    W: HostArray,
    a: HostArray,
    X: HostArray,
    scale: float,
    slope: float,
    rate_W: float,
    rate_a: float,
    workers: int | None = None,
) -> HostArray:
    """``rate_W H_W + rate_a H_a`` of a network with one output and no smoothing.

    The first layer needs ``sum_k a_k^2 s_ki s_kj`` with gates ``s = slope + (1 - slope) bit``. Where all
    |a_k| are equal (zeros apart) that is a count of common bits, exact; otherwise a product of bits with
    numbers, looked up. The second layer's ``sum_k phi(z_ki) phi(z_kj)`` is a sum over the neurons that are on
    at i, or at another slope than 0 a product in tiles. Each triangle of the result holds the sums of one
    layer, until the last pass joins them.

    Parameters
    ----------
    W : (m, d) array
    a : (m,) array
    X : (n, d) array
        All of one floating type, finite.
    scale, slope, rate_W, rate_a : float
        The rates not both zero.
    workers : int, optional
        Threads; the kernel's bits do not depend on it.

    Returns
    -------
    (n, n) array
        Bitwise symmetric. Memory beyond it: the samples once more, a block of at most about 8 MiB (or of
        GROUP neurons, where n is so large that this is more), and a few columns of n entries a thread.
    """
    job = _job(W, a, X, slope, rate_W != 0.0, rate_a != 0.0)
    numbers = job.numbers(scale, rate_W, rate_a)
    workers = threads() if workers is None else workers
    with ThreadPoolExecutor(max(1, workers - 1)) as pool:

        def share(run: Callable[[Any], None], items: Sequence[Any]) -> None:
            _share(pool, run, items, workers)

        for start in range(0, job.groups, job.block):
            _add_block(job, range(start, min(start + job.block, job.groups)), share)
        own = np.diag(job.H).astype(np.float64)

        def finish(band: tuple[int, int]) -> None:
            routines.finish_rows(job.X, job.H, own, job.squares, numbers, *band, job.zero)

        panels, _, R = job.X.shape
        share(finish, _bands(panels, R))
    return job.H


def _job(
    W: HostArray, a: HostArray, X: HostArray, slope: float, first_layer: bool, second_layer: bool
) -> _Job:
    n, kind = X.shape[0], X.dtype.type
    R = int(routines.width(kind(0)))
    samples = _panels(X, R)
    sizes = np.abs(a[a != 0])
    equal = bool(np.all(sizes == sizes[:1]))
    whole = _whole(len(samples)) * GROUP * R  # pre-activations of a group
    block = _BITS // (whole // 8) if equal else _LOOKED_UP
    if second_layer:
        block = _ROOM // (whole * X.itemsize)
    block = max(1, min(block, -(-len(a) // GROUP)))
    return _Job(
        X=samples,
        W=W,
        a=a,
        slope=kind(slope),
        equal=equal,
        first_layer=first_layer,
        second_layer=second_layer,
        block=block,
        room=aligned_zeros((block * whole if second_layer else 0,), X.dtype),
        H=np.zeros((n, n), X.dtype),
        squares=np.zeros(n, X.dtype),
    )


def _whole(panels: int) -> int:
    """Panels of samples, and of zeros up to a multiple of ACTIVE_PANELS."""
    return -(-panels // ACTIVE_PANELS) * ACTIVE_PANELS


def _add_block(job: _Job, groups: range, share: Share) -> None:
    """Add the sums over some groups of neurons."""
    panels, _, R = job.X.shape
    neurons = len(groups) * GROUP
    bits = np.empty((panels * (R // COUNT_ROWS), neurons // WORD, COUNT_ROWS), np.uint64)
    Z = None
    if job.second_layer:
        Z = job.room[: _whole(panels) * neurons * R].reshape(-1, neurons, R)
        Z[panels:] = 0
    a = np.zeros(neurons, job.a.dtype)
    part = job.a[groups.start * GROUP : groups.stop * GROUP]
    a[: len(part)] = part

    def forward(group: int) -> None:
        kept = np.empty((1, GROUP, R), job.X.dtype) if Z is None else Z
        W = _tiles(job.W[group * GROUP : (group + 1) * GROUP])
        routines.pattern_words(job.X, W, bits, kept, (group - groups.start) * GROUP, job.slope)

    share(forward, groups)
    if Z is not None:
        _multiply(job, bits, Z, share)
    if job.first_layer:
        (_count if job.equal else _look_up)(job, bits, a, share)


def _multiply(job: _Job, bits: HostArray, Z: HostArray, share: Share) -> None:
    """Add the second layer's sums: over the neurons that are on, where phi is 0 at the others."""
    panels, _, R = job.X.shape

    def tiles(band: tuple[int, int]) -> None:
        routines.gram_rows(Z[:panels], job.H, job.squares, *band, job.zero)

    def active(first: int) -> None:
        last = min(first + ACTIVE_PANELS, panels)
        routines.active_columns(bits, Z, job.H, job.squares, first, last, job.zero)

    if job.slope == 0:
        share(active, range(0, panels, ACTIVE_PANELS))
    else:
        share(tiles, _bands(panels, R))


def _count(job: _Job, bits: HostArray, a: HostArray, share: Share) -> None:
    """Add the numbers of neurons with a_k != 0 that are on at both samples."""
    if not np.all(a):
        bits &= np.packbits(a != 0, bitorder="little").view("<u8")[:, None]

    def count(panel: int) -> None:
        routines.count_rows(bits, job.H, panel)

    share(count, range(-(-job.H.shape[0] // COUNT_ROWS)))


def _look_up(job: _Job, bits: HostArray, a: HostArray, share: Share) -> None:
    """Add the sums of a_k^2 over the neurons that are on at both samples."""
    n, R = job.H.shape[0], job.X.shape[2]
    words = np.empty((-(-n // TILE), len(a) // R, TILE), f"u{R // 8}")
    weights, by_bytes = np.square(a), words.view(np.uint8).reshape(*words.shape, R // 8)

    def arrange(tile: int) -> None:
        routines.tile_words(bits, words, tile)

    def look_up(start: int) -> None:
        stop = min(n, start + _BAND)
        routines.lookup_rows(bits, by_bytes, weights, job.H, start, stop, job.zero)

    share(arrange, range(len(words)))
    share(look_up, range(0, n, _BAND))


def _bands(panels: int, R: int) -> list[tuple[int, int]]:
    """Panels in bands of about _BAND samples that are a whole number of tiles."""
    whole = TILE // math.gcd(TILE, R)
    width = whole * -(-_BAND // (whole * R))
    return [(first, min(first + width, panels)) for first in range(0, panels, width)]


def _panels(X: HostArray, R: int) -> HostArray:
    n, d = X.shape
    panels = -(-n // R)
    padded = np.zeros((panels * R, d), X.dtype)
    padded[:n] = X
    return np.ascontiguousarray(padded.reshape(panels, R, d).transpose(0, 2, 1))


def _tiles(W: HostArray) -> HostArray:
    """The weights of at most GROUP neurons as (tiles, d, TILE), with zeros up to a whole group."""
    padded = np.zeros((GROUP, W.shape[1]), W.dtype)
    padded[: len(W)] = W
    return np.ascontiguousarray(padded.reshape(GROUP // TILE, TILE, -1).transpose(0, 2, 1))


def _share(pool: ThreadPoolExecutor, run: Callable[[Any], None], items: Iterable[Any], workers: int) -> None:
    """``run`` on every item: each worker takes every ``workers``-th, the first of them here."""
    jobs = list(items)

    def take(worker: int) -> None:
        for item in jobs[worker::workers]:
            run(item)

    pending = [pool.submit(take, worker) for worker in range(1, min(workers, len(jobs)))]
    take(0)
    for task in pending:
        task.result()
