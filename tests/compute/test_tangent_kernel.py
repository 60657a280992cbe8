"""Kernels from patterns against the literal formula, within bounds derived from their sums."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shallow import Network, empirical_ntk
from shallow.compute import tangent_kernel
from shallow.compute.methods.pattern_kernel import pattern_kernel

SLOPES = (0.0, 0.1, 1.0, -0.5)


def draw(
    n: int, d: int, m: int, weights: str, seed: int, dtype: type, whole: bool
) -> tuple[Network, np.ndarray]:
    """A network and inputs; whole numbers make every pre-activation exact, and many of them zero."""
    rng = np.random.default_rng(seed)
    X, W = rng.standard_normal((n, d)), rng.standard_normal((m, d))
    if whole:
        X, W = np.round(X), np.round(W)
    a = rng.standard_normal(m)
    if weights != "general":
        a = np.where(a > 0, 0.75, -0.75)
    if weights == "zeros":
        a[rng.random(m) < 0.4] = 0.0
    X[n // 2] = X[0]
    X[-1] = -X[0]
    return Network(W.astype(dtype), a.astype(dtype), float(dtype(m**-0.5))), X.astype(dtype)


def fast(
    net: Network, X: np.ndarray, rate_W: float = 1.0, rate_a: float = 1.0, workers: int = 1
) -> np.ndarray:
    return pattern_kernel(net.W, net.a, X, net.scale, net.slope, rate_W, rate_a, workers)


def allowed(net: Network, X: np.ndarray, rate_W: float, rate_a: float) -> np.ndarray:
    """Twice the error of either form: sums of k terms err by at most ``k eps sum |terms|``.

    Splitting a gate in ``slope + (1 - slope) bit`` enlarges the terms by at most ``(|s| + |1 - s|)^2``.
    """
    eps = float(np.finfo(net.W.dtype).eps)
    X, W, a = (np.abs(v.astype(np.float64)) for v in (X, net.W, net.a))
    s = net.slope
    gates = (abs(s) + abs(1 - s)) ** 2 * np.sum(a * a)
    phi = max(1.0, abs(s)) * (X @ W.T)
    terms = rate_W * (X @ X.T) * gates + rate_a * phi @ phi.T
    return 2 * (net.m + 2 * net.d + 16) * eps * net.scale**2 * terms


@settings(max_examples=40)
@given(
    n=st.integers(1, 200),
    m=st.integers(1, 200),
    d=st.integers(1, 6),
    slope=st.sampled_from(SLOPES),
    weights=st.sampled_from(["equal", "zeros", "general"]),
    rates=st.sampled_from([(1.0, 1.0), (1.0, 0.0), (0.0, 2.0), (0.3, 0.7)]),
    dtype=st.sampled_from([np.float64, np.float32]),
    whole=st.booleans(),
    seed=st.integers(0, 2**20),
)
def test_the_kernel_is_that_of_the_literal_formula(
    n: int, m: int, d: int, slope: float, weights: str, rates: tuple[float, float], dtype: type, whole: bool,
    seed: int,
) -> None:  # fmt: skip
    net, X = draw(n, d, m, weights, seed, dtype, whole)
    net = net.replace(slope=slope)
    H = fast(net, X, *rates)
    assert H.dtype == dtype
    assert np.array_equal(H, H.T)
    assert np.all(np.abs(H.astype(float) - empirical_ntk(net, X, *rates)) <= allowed(net, X, *rates))


@settings(max_examples=30)
@given(
    n=st.integers(1, 120),
    m=st.integers(1, 1500),
    slope=st.sampled_from([0.0, 1.0, 0.5, -0.5]),
    dtype=st.sampled_from([np.float64, np.float32]),
    seed=st.integers(0, 2**20),
)
def test_equal_weights_are_counted_exactly(n: int, m: int, slope: float, dtype: type, seed: int) -> None:
    """With whole numbers nothing rounds, at dyadic slopes: the sums are integers."""
    rng = np.random.default_rng(seed)
    X, W = rng.integers(-3, 4, (n, 3)).astype(dtype), rng.integers(-3, 4, (m, 3)).astype(dtype)
    a = (2.0 * rng.integers(-1, 2, m)).astype(dtype)
    gates = np.where(X @ W.T > 0, 1.0, slope) * (a != 0)
    exact = 4.0 * (X @ X.T).astype(float) * (gates @ gates.T)
    assert np.array_equal(fast(Network(W, a, 1.0, slope), X, 1.0, 0.0), exact.astype(dtype))


@pytest.mark.parametrize("weights", ["equal", "general"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_bits_do_not_depend_on_the_threads(weights: str, dtype: type) -> None:
    net, X = draw(150, 5, 2000, weights, 3, dtype, False)
    one = fast(net, X, workers=1)
    for workers in (2, 3):
        assert fast(net, X, workers=workers).tobytes() == one.tobytes()


@pytest.mark.parametrize("weights", ["equal", "general"])
def test_blocks_of_neurons_add_up(weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from shallow.compute.methods import pattern_kernel as module

    net, X = draw(40, 5, 3000, weights, 4, np.float64, False)
    whole, counted = fast(net, X), fast(net, X, 1.0, 0.0)
    monkeypatch.setattr(module, "_BITS", 1)
    monkeypatch.setattr(module, "_ROOM", 1)
    assert np.all(np.abs(fast(net, X) - whole) <= allowed(net, X, 1.0, 1.0))
    assert np.array_equal(fast(net, X, 1.0, 0.0), counted) or weights != "equal"


def test_inputs_may_be_of_any_layout_and_stay_untouched() -> None:
    net, X = draw(300, 6, 4000, "general", 5, np.float64, False)
    there = tangent_kernel.empirical_ntk(net, X)
    wide = np.zeros((300, 12))
    wide[:, ::2] = X
    frozen = X.copy()
    frozen.setflags(write=False)
    for given_X in (np.asfortranarray(X), wide[:, ::2], frozen):
        assert tangent_kernel.empirical_ntk(net, given_X).tobytes() == there.tobytes()
    assert np.array_equal(frozen, X)


@pytest.mark.parametrize("n", [20, 400])
def test_what_the_literal_formula_refuses_is_refused(n: int) -> None:
    net, X = draw(n, 6, 2000, "general", 6, np.float64, False)
    bad = X.copy()
    bad[1, 2] = np.nan
    with pytest.raises(ValueError, match=r"X\[1, 2\] is nan"):
        tangent_kernel.empirical_ntk(net, bad)
    with pytest.raises(ValueError, match="columns"):
        tangent_kernel.empirical_ntk(net, X[:, :3])
    with pytest.raises(TypeError, match="floating type"):
        tangent_kernel.empirical_ntk(net, X.astype(np.float32))
    with pytest.raises(ValueError, match="negative"):
        tangent_kernel.empirical_ntk(net, X, -1.0)
    with pytest.raises(ValueError, match="finite"):
        tangent_kernel.empirical_ntk(net, X, 1.0, np.nan)
    assert np.array_equal(tangent_kernel.empirical_ntk(net, X, 0.0, 0.0), np.zeros((n, n)))


@pytest.mark.parametrize("case", ["outputs", "smoothing", "cross", "huge", "tiny", "overflowing"])
def test_every_other_case_is_the_literal_formula(case: str) -> None:
    net, X = draw(300, 6, 2000, "general", 7, np.float64, False)
    other = X[:7] if case == "cross" else None
    if case == "outputs":
        net = Network(net.W[:500], np.stack([net.a[:500]] * 2, axis=1))
    if case == "smoothing":
        net = net.replace(smoothing=0.1)
    if case == "huge":
        net = net.replace(a=1e160 * net.a)
    if case == "tiny":
        net = net.replace(a=1e-160 * net.a)
    if case == "overflowing":
        net, X = net.replace(W=1e200 * net.W), 1e150 * X
    with np.errstate(all="ignore"):
        literal = empirical_ntk(net, X, Z=other)
        assert np.array_equal(tangent_kernel.empirical_ntk(net, X, Z=other), literal, equal_nan=True)


@pytest.mark.parametrize(("weights", "rate_a"), [("equal", 0.0), ("general", 1.0)])
@pytest.mark.compiler
def test_memory_is_the_kernel_and_blocks(weights: str, rate_a: float) -> None:
    """The pre-activations alone would take 80 MB."""
    net, X = draw(500, 5, 20000, weights, 8, np.float64, False)
    tangent_kernel.empirical_ntk(net, X, 1.0, rate_a)
    tracemalloc.start()
    H = tangent_kernel.empirical_ntk(net, X, 1.0, rate_a)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= H.nbytes + (36 << 20)
