"""The infinite-width tangent kernel of NumPy arrays, fast: the values of ``shallow.exact.ntk.ntk_gram``."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np

from shallow.compute.jit import threads
from shallow.exact.ntk import Layer, read_gram
from shallow.exact.ntk import ntk_gram as exact_ntk_gram
from shallow.setting.arrays import Array, library_of

__all__ = ["method_of", "ntk_gram"]

HostArray = np.ndarray[Any, Any]

_WORTH_SHARING = 1 << 16  # entries of K above which threads are started


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows brought to largest entry in [1, 2) by powers of two, in both layouts, with their FIELDS."""

    panels: HostArray  # (P, d, R)
    of_panels: HostArray  # (P, FIELDS, R)
    blocks: HostArray  # (B, d, J)
    of_blocks: HostArray  # (B, FIELDS, J)
    logarithm: float  # of the largest norm, to base 2


def ntk_gram(
    X: Array,
    Z: Array | None = None,
    *,
    layer: Layer = "both",
    slope: float = 0.0,
    bias: float = 0.0,
    out: HostArray | None = None,
) -> Array:
    """The tangent kernel's mean over ``w ~ N(0, I)``; formulas in :func:`shallow.exact.ntk.ntk_gram`.

    ``layer="second"`` is the NNGP kernel, ``||x|| ||z|| (sin t + (pi - t) cos t) / (2 pi)`` for the ReLU.

    Parameters
    ----------
    X : (n, d) array
        Inputs, a row each; a zero row gives a zero row of the kernel.
    Z : (n', d) array, optional
        Other inputs, for the cross-kernel; X itself when left out.
    layer : {"both", "first", "second"}
        Which layer's weights move.
    slope : float
        phi' on the negative side.
    bias : float
        This constant is appended to every input.
    out : (n, n) or (n, n') NumPy array, optional
        Where to write, C-contiguous and of the inputs' type: fresh memory for a large kernel costs more than
        the kernel does.

    Returns
    -------
    (n, n) or (n, n') array
        In the inputs' type (float32 is computed in float64 and rounded once). Without Z it is bitwise
        symmetric, with the diagonal exact, and two equal rows have the diagonal's entry between them. The
        bits do not depend on the number of threads.

    Raises
    ------
    ValueError, TypeError
        If X or Z is not a finite matrix, they do not fit each other, the layer is unknown, an entry of
        the kernel exceeds the floating range, or ``out`` cannot hold the kernel.

    Notes
    -----
    The relative error is a few eps plus that of the product ``x.z``, however close the rows are to parallel
    or antipodal and whatever their scale. The product errs by at most ``(min(d, 128) + d / 128) eps / 2`` of
    ``||x|| ||z||``; above a cosine of 0.94 and below -1/2 it is replaced by the product of the norms and the
    angle's cosine, so that d hardly matters. Where terms of opposite sign meet (``x.z`` near 0, both layers
    at an obtuse angle, a leak) the error is relative to the terms.
    Cost: n n' d operations for the product (half of them without Z) and some 40 for the angles of a pair;
    memory: the result and four copies of the inputs. CuPy's arrays become the kernel on their device, in
    place over X X^T (without Z); other arrays that are not NumPy's, and machines for which
    nothing is compiled, are served by :mod:`shallow.exact.ntk`.
    """
    served = method_of(X, Z)
    if served == "device":
        from shallow.compute.device_kernels import arc_cosine_on_device

        _require_none(out)
        rows, _, first, second, leak = read_gram(X, None, layer, slope, bias)
        return arc_cosine_on_device(rows, first, second, leak)
    if served == "exact":
        kernel = exact_ntk_gram(X, Z, layer=layer, slope=slope, bias=bias)
        if out is None:
            return kernel
        room = _room(out, kernel.shape, kernel.dtype)
        room[:] = kernel
        return room
    rows, others, first, second, leak = read_gram(X, Z, layer, slope, bias)
    room = _room(out, (len(rows), len(rows if others is None else others)), rows.dtype)
    return _kernel(rows, others, first, second, leak, room)


def _room(out: HostArray | None, shape: tuple[int, ...], dtype: Any) -> HostArray:
    """``out``, or new memory for a kernel."""
    if out is None:
        return np.empty(shape, dtype)
    fits = isinstance(out, np.ndarray) and out.shape == shape and out.dtype == dtype
    if not (fits and out.flags.c_contiguous and out.flags.writeable):
        raise ValueError(
            f"out must be a writeable C-contiguous NumPy array of shape {shape} and type {np.dtype(dtype)}"
        )
    return out


def _require_none(out: HostArray | None) -> None:
    if out is not None:
        raise ValueError("out is for NumPy's arrays; on a device the kernel is made in place over X X^T")


def method_of(*inputs: Array | None) -> str:
    """``"compiled"``, ``"device"`` or ``"exact"``: which code serves these inputs on this machine."""
    if library_of(inputs[0]) == "cupy" and all(array is None for array in inputs[1:]):
        return "device"
    foreign = any(
        array_api_compat.is_array_api_obj(array) and not isinstance(array, np.ndarray) for array in inputs
    )
    if foreign:
        return "exact"
    from shallow.compute.registers import unavailable

    return "compiled" if unavailable() is None else "exact"


def _kernel(
    X: HostArray, Z: HostArray | None, first: float, second: float, slope: float, K: HostArray
) -> HostArray:
    from shallow.compute.methods import arc_cosine_routines as routines

    left = _packed(X)
    right = left if Z is None else _packed(Z)
    curve, weights = routines.shape(first, second, slope)
    rise = weights[0]
    fill = routines.fill_symmetric if Z is None else routines.fill_cross
    J = left.blocks.shape[2]

    def work(b: int) -> None:
        fill(right.panels, left.blocks[b], b * J, right.of_panels, left.of_blocks[b], curve, weights, K)

    with np.errstate(over="ignore"):
        _share_out(work, left.blocks.shape[0], K.size)
        if Z is None:
            _, _, squares, low, high = _flat(left.of_panels)[:, : len(X)]
            np.fill_diagonal(K, rise * squares * (low * high) * (high * low))
    # |K_ij| <= sqrt(K_ii K_jj): entries are looked at only where this allows an overflow.
    if left.logarithm + right.logarithm + math.log2(rise) >= np.finfo(X.dtype).maxexp - 1:
        _refuse_overflow(K)
    return K


def _share_out(work: Callable[[int], None], count: int, entries: int) -> None:
    """``work(b)`` for each block, the longest first."""
    workers = threads() if entries > _WORTH_SHARING else 1
    if workers == 1:
        for b in range(count):
            work(b)
        return
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(work, reversed(range(count))):
            pass


def _packed(X: HostArray) -> _Rows:
    from shallow.compute.methods import arc_cosine_routines as routines

    R, J, (n, d) = int(routines.panel_width()), routines.BLOCK, X.shape
    rows = math.lcm(R, J) * -(-n // math.lcm(R, J))
    X = np.ascontiguousarray(X, dtype=np.float64)
    top = np.zeros(rows)
    top[:n] = np.maximum(X.max(axis=1), -X.min(axis=1))
    exponents = np.where(top > 0, np.frexp(top)[1] - 1, 0)
    halves = exponents // 2, exponents - exponents // 2
    # Two factors, because 2^1074 (a subnormal row's) is no floating number.
    first, second = (np.ldexp(1.0, -half) for half in halves)
    panels, blocks = (np.empty((rows // width, d, width)) for width in (R, J))
    for groups in (panels, blocks):
        routines.regroup(X, first, second, groups)
    fields = np.empty((rows // R, routines.FIELDS, R))
    fields[:, 3], fields[:, 4] = (np.ldexp(1.0, half).reshape(-1, R) for half in halves)
    routines.measure(panels, fields)
    flat = _flat(fields)
    logarithm = np.max(np.where(top > 0, np.log2(np.maximum(flat[1], 1.0)) + exponents, -np.inf))
    return _Rows(panels, fields, blocks, _regrouped(flat, J), float(logarithm))


def _flat(groups: HostArray) -> HostArray:
    """Groups (g, k, width) of columns as one matrix (k, g width)."""
    return groups.transpose(1, 0, 2).reshape(groups.shape[1], -1)


def _regrouped(columns: HostArray, width: int) -> HostArray:
    """(k, rows) as groups (rows / width, k, width)."""
    return np.ascontiguousarray(columns.reshape(len(columns), -1, width).transpose(1, 0, 2))


def _refuse_overflow(K: HostArray) -> None:
    for row in K:
        if not np.isfinite(row).all():
            raise ValueError(f"the kernel overflows {K.dtype}; divide the inputs by their largest norm")
