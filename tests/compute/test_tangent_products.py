"""Products with the tangent kernel against the kernel itself."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shallow import Network, empirical_ntk
from shallow.compute import tangent_products
from shallow.compute.tangent_kernel import largest_tangent_eigenvalue, tangent_product


def draw(n: int, d: int, m: int, k: int, seed: int, **fields: float) -> tuple[Network, np.ndarray]:
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((m, k) if k else m)
    network = Network(rng.standard_normal((m, d)), a, m**-0.5).replace(**fields)
    return network, rng.standard_normal((n, d))


def bound(network: Network, X: np.ndarray, V: np.ndarray, rate_W: float, rate_a: float) -> np.ndarray:
    """Twice the error of sums of n, m, d terms in a row, ``length eps sum |terms|`` for each of them."""
    eps = float(np.finfo(network.W.dtype).eps)
    k = 1 if network.a.ndim == 1 else network.a.shape[1]
    gain = max(1.0, abs(network.slope))
    inputs, W = np.abs(X).astype(float), np.abs(network.W).astype(float)
    a = np.abs(network.a).astype(float).reshape(network.m, k)
    flat = np.abs(V).astype(float).reshape(len(X), k, -1)
    phi = gain * inputs @ W.T
    first = np.einsum("ij,op,jpq->ioq", inputs @ inputs.T, a.T @ a, flat) * gain**2
    second = np.einsum("ij,joq->ioq", phi @ phi.T, flat)
    terms = network.scale**2 * (rate_W * first + rate_a * second)
    return (2 * (len(X) + 2 * network.m + 3 * network.d + k + 16) * eps * terms).reshape(V.shape)


@settings(max_examples=60)
@given(
    n=st.integers(1, 40),
    d=st.integers(1, 6),
    m=st.integers(1, 200),
    k=st.integers(0, 3),
    q=st.integers(0, 3),
    slope=st.sampled_from([0.0, 0.1, 1.0, -0.5]),
    smoothing=st.sampled_from([0.0, 0.3]),
    rates=st.sampled_from([(1.0, 1.0), (1.0, 0.0), (0.0, 2.0), (0.0, 0.0)]),
    dtype=st.sampled_from([np.float64, np.float32]),
    seed=st.integers(0, 2**20),
)
def test_a_product_is_that_of_the_matrix(
    n: int, d: int, m: int, k: int, q: int, slope: float, smoothing: float, rates: tuple[float, float],
    dtype: type, seed: int,
) -> None:  # fmt: skip
    network, X = draw(n, d, m, k, seed, slope=slope, smoothing=smoothing)
    network, X = network.replace(W=network.W.astype(dtype), a=network.a.astype(dtype)), X.astype(dtype)
    shape = (n, *((k,) if k else ()), *((q,) if q else ()))
    V = np.random.default_rng(seed + 1).standard_normal(shape).astype(dtype)
    size = n * max(k, 1)
    H = empirical_ntk(network, X, *rates).reshape(size, size).astype(float)
    expected = (H @ V.reshape(size, -1).astype(float)).reshape(shape)
    product = tangent_product(network, X, V, *rates)
    assert product.shape == V.shape
    assert product.dtype == dtype
    assert np.all(np.abs(product - expected) <= bound(network, X, V, *rates))


def test_blocks_and_threads_change_nothing_but_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    network, X = draw(60, 4, 500, 0, 1)
    V = np.random.default_rng(2).standard_normal((60, 2))
    whole = tangent_product(network, X, V)
    monkeypatch.setattr(tangent_products, "_PANEL", 1)
    results = set()
    for workers in (1, 2, 3):
        monkeypatch.setattr(tangent_products, "threads", lambda workers=workers: workers)
        product = tangent_product(network, X, V)
        assert np.all(np.abs(product - whole) <= bound(network, X, V, 1.0, 1.0))
        results.add(product.tobytes())
    assert len(results) == 1


@pytest.mark.parametrize(("n", "k"), [(1, 0), (3, 0), (20, 3), (40, 0), (50, 2), (150, 0)])
def test_the_largest_eigenvalue_is_that_of_the_matrix(n: int, k: int) -> None:
    network, X = draw(n, 5, 300, k, n)
    H = empirical_ntk(network, X, 0.5, 2.0).reshape(n * max(k, 1), -1)
    value, residual = largest_tangent_eigenvalue(network, X, 0.5, 2.0, tolerance=1e-10)
    top = float(np.linalg.eigvalsh(H)[-1])
    rounding = 2 * (n + 2 * 300 + 40) * np.finfo(float).eps * n * float(np.max(np.abs(H))) * 8
    assert abs(value - top) <= residual + rounding
    assert residual <= 1e-9 * top


def test_a_network_of_type_float32_has_its_eigenvalue_in_float64() -> None:
    network, X = draw(80, 5, 300, 0, 3)
    narrow = network.replace(W=network.W.astype(np.float32), a=network.a.astype(np.float32))
    wide = narrow.replace(W=narrow.W.astype(np.float64), a=narrow.a.astype(np.float64))
    inputs = X.astype(np.float32)
    assert largest_tangent_eigenvalue(narrow, inputs) == largest_tangent_eigenvalue(
        wide, inputs.astype(float)
    )


def test_a_dead_network_has_the_eigenvalue_zero() -> None:
    X = np.abs(np.random.default_rng(4).standard_normal((50, 3)))
    network = Network(-np.ones((7, 3)), np.ones(7))
    assert largest_tangent_eigenvalue(network, X) == (0.0, 0.0)


def test_memory_does_not_grow_like_the_matrix() -> None:
    """H would take 1.2 GB, the pre-activations 50 MB."""
    network, X = draw(12000, 4, 500, 0, 5)
    V = np.ones(12000)
    tangent_product(network, X, V)
    tracemalloc.start()
    tangent_product(network, X, V)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    workers = tangent_products.threads()
    assert peak <= workers * 8 * (8 * tangent_products._PANEL) + 8 * V.nbytes + X.nbytes


def test_wrong_arguments_are_named() -> None:
    network, X = draw(5, 3, 7, 0, 6)
    good = np.ones(5)
    with pytest.raises(ValueError, match="V has shape"):
        tangent_product(network, X, np.ones(4))
    with pytest.raises(ValueError, match=r"V\[0\] is nan"):
        tangent_product(network, X, np.full(5, np.nan))
    with pytest.raises(ValueError, match="columns"):
        tangent_product(network, X[:, :2], good)
    with pytest.raises(TypeError, match="float32"):
        tangent_product(network, X.astype(np.float32), good)
    with pytest.raises(ValueError, match="negative"):
        tangent_product(network, X, good, -1.0)
    with pytest.raises(ValueError, match="tolerance"):
        largest_tangent_eigenvalue(network, X, tolerance=np.nan)
    with pytest.raises(ValueError, match="axes"):
        largest_tangent_eigenvalue(network, good)
