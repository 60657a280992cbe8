"""Tangent kernels as the device forms them, run on the host, against the literal formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import shallow
from shallow.compute import device_kernels, limit_kernel, tangent_kernel
from shallow.compute.device_kernels import arc_cosine_on_device, pattern_kernel_on_device, patterns_serve
from shallow.compute.methods.cuda_launch import launcher
from shallow.compute.methods.cuda_sources import NTK
from shallow.exact.arc_cosine import arc_cosine_kernel

pytestmark = pytest.mark.cxx

EPS = float(np.finfo(float).eps)


def drawn(n: int, d: int, m: int, seed: int = 0, dtype: str = "float64", **shape: float) -> Any:
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((m, d)).astype(dtype)
    a = (0.7 * rng.choice([-1.0, 1.0], m)).astype(dtype)
    return shallow.Network(W, a, m**-0.5, **shape), rng.standard_normal((n, d)).astype(dtype)


@pytest.fixture
def library(host_cupy: Any) -> Any:
    """The host in a device's place."""
    return lambda dtype: host_cupy


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("slope", [0.0, 0.3, -0.5])
def test_counted_patterns_are_the_literal_kernel(library: Any, seed: int, slope: float) -> None:
    n, d, m = (1, 1, 1) if seed == 0 else np.random.default_rng(seed).integers(1, 100, size=3)
    net, X = drawn(int(n), int(d), int(m), seed, slope=slope)
    for rates in ((1.0, 0.0), (0.7, 0.2)):
        ours = pattern_kernel_on_device(net, X, *rates, library=library)
        theirs = shallow.empirical_ntk(net, X, *rates)
        parts = shallow.empirical_ntk(net.replace(slope=abs(slope)), np.abs(X), *rates)
        size = max(float(np.abs(parts).max()), float(np.abs(theirs).max()))
        assert float(np.abs(ours - theirs).max()) <= 4 * (n + d + m + 10) * EPS * max(size, 1.0)
        assert ours.tobytes() == np.ascontiguousarray(ours.T).tobytes()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("m", [1, 31, 32, 33, 64, 1000])
def test_bits_are_packed_in_order_and_counted(host_cupy: Any, dtype: str, m: int) -> None:
    rng = np.random.default_rng(m)
    Z = rng.standard_normal((70, m)).astype(dtype)
    Z[3, ::2], Z[4], Z[5] = 0.0, -0.0, np.nan
    words = -(-m // 32)
    launch = launcher(host_cupy, NTK, dtype, 0)
    bits, ones = np.zeros((70, words), np.uint32), np.zeros(70, np.int32)
    launch("pack_signs", (-(-70 * words // 64),), (64,), Z, bits, np.int64(70), m, words)
    launch("count_bits", (2,), (64,), bits, ones, np.int64(70), words)
    unpacked = np.unpackbits(bits.view(np.uint8), axis=1, bitorder="little")
    assert np.array_equal(unpacked[:, :m], Z > 0)
    assert not unpacked[:, m:].any()
    assert np.array_equal(ones, (Z > 0).sum(axis=1))
    counts = np.ones((70, 70), dtype)
    launch("gate_kernel", (2, 2), (16, 16), bits, ones, counts, 70, words, 0.0, 0.0, 1.0)
    patterns = (Z > 0).astype(np.int64)
    assert np.array_equal(counts, patterns @ patterns.T)


def test_only_equal_outer_weights_are_counted() -> None:
    net, X = drawn(3, 4, 5)
    assert patterns_serve(net, X)
    assert not patterns_serve(net.replace(a=np.arange(1.0, 6.0)), X)
    assert not patterns_serve(net.replace(smoothing=0.1), X)
    assert not patterns_serve(net.replace(a=np.ones((5, 2))), X)
    assert not patterns_serve(net, X[:, :3])
    assert not patterns_serve(net, X.astype("float32"))
    assert not patterns_serve(net, X, -1.0, 0.0)
    assert not patterns_serve(net, X, 0.0, 0.0)


def test_the_fast_kernels_of_a_devices_arrays_are_the_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    net, X = drawn(6, 4, 5)
    for module in (limit_kernel, tangent_kernel):
        monkeypatch.setattr(module, "library_of", lambda array: "cupy")
    monkeypatch.setattr(device_kernels, "arc_cosine_on_device", lambda *given: ("arcs", *given[1:]))
    monkeypatch.setattr(tangent_kernel, "pattern_kernel_on_device", lambda *given: ("bits", *given[2:]))
    assert limit_kernel.ntk_gram(X, layer="second", slope=0.2) == ("arcs", 0.0, 1.0, 0.2)
    assert tangent_kernel.empirical_ntk(net, X, 0.5, 2) == ("bits", 0.5, 2.0)
    unequal = net.replace(a=np.arange(1.0, 6.0))
    assert np.array_equal(tangent_kernel.empirical_ntk(unequal, X), shallow.empirical_ntk(unequal, X))


def test_no_launch_depends_on_the_order_of_blocks_or_threads(library: Any, host_cupy_backwards: Any) -> None:
    net, X = drawn(90, 7, 70, slope=0.2)
    for form in (
        lambda device: pattern_kernel_on_device(net, X, 1.0, 0.5, library=device),
        lambda device: arc_cosine_on_device(X, 1.0, 1.0, library=device),
    ):
        forwards, backwards = form(library), form(lambda dtype: host_cupy_backwards)
        assert forwards.tobytes() == backwards.tobytes()


def hostile_rows() -> np.ndarray:
    """Duplicates, antipodes, pairs within 1e-8 and 1e-15 of both, a zero row, and rows of every scale."""
    rng = np.random.default_rng(0)
    base = rng.standard_normal((4, 7))
    near = [
        sign * base[0] * (1 + gap * rng.standard_normal(7)) for sign in (1, -1) for gap in (1e-3, 1e-8, 1e-15)
    ]
    scaled = [base[1] * scale for scale in (1e-300, -1e-160, 1e120, 5e-324)]
    return np.vstack([base, base[0], -base[0], 2 * base[1], -3 * base[1], np.zeros(7), *near, *scaled])


@pytest.mark.parametrize("layers", [(1.0, 0.0), (0.0, 1.0), (0.3, 1.7)])
@pytest.mark.parametrize("slope", [0.0, 0.4, -1.0])
def test_arc_cosines_keep_their_digits_at_every_angle_and_scale(
    library: Any, layers: tuple[float, float], slope: float
) -> None:
    X = hostile_rows()
    ours = arc_cosine_on_device(X, *layers, slope, library=library)
    theirs = arc_cosine_kernel(X, None, *layers, slope)
    if slope == 0.0 and 0.0 in layers:
        # No terms of opposite sign meet: relative to the entry itself (no x.z here is near 0).
        well = np.abs(theirs) > np.finfo(float).tiny / EPS
        assert float(np.abs(ours[well] / theirs[well] - 1).max()) <= 200 * EPS
        assert well.sum() >= len(X)
    diagonal = np.sqrt(np.diag(theirs))
    size = diagonal[:, None] * diagonal[None, :]
    assert (np.abs(ours - theirs) <= 100 * EPS * (np.abs(theirs) + size) + 1e-322).all()
    assert ours.tobytes() == np.ascontiguousarray(ours.T).tobytes()
    assert (ours[8] == 0).all()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n", [1, 15, 16, 17, 40])
def test_arc_cosines_of_ordinary_rows(library: Any, dtype: str, n: int) -> None:
    X = drawn(n, 9, 1, dtype=dtype)[1]
    ours = arc_cosine_on_device(X, 1.0, 1.0, library=library)
    theirs = arc_cosine_kernel(X.astype(float), None, 1.0, 1.0, 0.0)
    assert ours.dtype == X.dtype
    assert float(np.abs(ours - theirs).max()) <= 40 * float(np.finfo(dtype).eps) * float(
        np.diag(theirs).max()
    )


def test_a_kernel_beyond_the_range_is_refused(library: Any) -> None:
    with pytest.raises(ValueError, match="overflows float64; divide"), np.errstate(over="ignore"):
        arc_cosine_on_device(np.array([[1e200], [2e200]]), 1.0, 1.0, library=library)
