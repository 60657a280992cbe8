"""On a CUDA device: the literal formulas, training and tangent kernels against NumPy; not run without one."""

from __future__ import annotations

import importlib
import itertools
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import shallow
from shallow.compute.device import ASK_FOR_TF32, require_full_products
from shallow.compute.device_kernels import arc_cosine_on_device, pattern_kernel_on_device
from shallow.exact.arc_cosine import arc_cosine_kernel
from shallow.observe import OBSERVABLES
from shallow.setting.losses import LOSSES
from shallow.training import (
    Fixed,
    FlowScaled,
    GatedModel,
    GradientDescent,
    KernelScaled,
    LossScaled,
    TangentModel,
    train,
    train_many,
)

pytestmark = pytest.mark.gpu

SCHEDULES = (Fixed(), KernelScaled(0.5), FlowScaled(0.4), LossScaled(0.1))


@pytest.fixture
def cupy() -> Any:
    return importlib.import_module("cupy")


def drawn(
    n: int = 12,
    d: int = 6,
    m: int = 30,
    k: int | None = None,
    dtype: str = "float64",
    seed: int = 0,
    **shape: float,
) -> tuple[shallow.Network, shallow.Problem]:
    rng = np.random.default_rng(seed)
    outputs = () if k is None else (k,)
    W, a = rng.standard_normal((m, d)).astype(dtype), rng.standard_normal((m, *outputs)).astype(dtype)
    X, y = rng.standard_normal((n, d)).astype(dtype), rng.choice([-1.0, 1.0], (n, *outputs)).astype(dtype)
    return shallow.Network(W, a, m**-0.5, **shape), shallow.Problem(X, y)


def bound(network: shallow.Network, problem: shallow.Problem, steps: int) -> float:
    """Sums of n + m + d terms and 40 operations more a step, of numbers below (1 + |f|)^2 times the weights;
    a step stretches by at most 2."""
    eps = float(np.finfo(network.W.dtype).eps)
    size = max(float(np.abs(network.W).max()), float(np.abs(network.a).max()))
    reach = 1 + 2 * float(np.abs(shallow.predict(network, problem.X)).max())
    return 2 * (problem.n + network.m + network.d + 40) * steps * 2**steps * eps * size * reach**2


def test_gradients_and_kernels_on_the_device_are_those_on_the_host(cupy: Any) -> None:
    host_net, host_problem = drawn()
    W, a, X = host_net.W, host_net.a, host_problem.X
    net = host_net.replace(W=cupy.asarray(W), a=cupy.asarray(a))
    problem = shallow.Problem(cupy.asarray(X), cupy.asarray(host_problem.y))
    # Products of length at most max(n, d, m) = 30, entries of size at most 30 * max^2.
    size = 30 * float(np.abs(W).max() * np.abs(X).max()) * float(np.abs(a).max())
    allowed = 100 * 30 * np.finfo(float).eps * size
    for device, host in (
        (shallow.predict(net, problem.X), shallow.predict(host_net, X)),
        (shallow.gradient(net, problem).W, shallow.gradient(host_net, host_problem).W),
        (shallow.empirical_ntk(net, problem.X), shallow.empirical_ntk(host_net, X)),
        (shallow.ntk_gram(problem.X), shallow.ntk_gram(X)),
    ):
        assert isinstance(device, cupy.ndarray)
        scale = max(1.0, float(np.abs(host).max()))
        assert float(np.abs(device.get() - host).max()) <= allowed * scale


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_cell_trains_as_on_the_host(cupy: Any, loss: str, dtype: str) -> None:
    seen = set()
    for k, slope, smoothing, schedule in itertools.product((None, 3), (0.0, 0.3), (0.0, 0.25), SCHEDULES):
        network, problem = drawn(k=k, dtype=dtype, slope=slope, smoothing=smoothing)
        rule = GradientDescent(0.02, 0.03, decay_W=0.2, decay_a=0.1, loss=loss, schedule=schedule)
        ours = train(network, problem, rule, steps=3, backend="cupy")
        theirs = train(network, problem, rule, steps=3, method="numpy")
        assert isinstance(ours.network.W, cupy.ndarray)
        for p, q in ((ours.network.W, theirs.network.W), (ours.network.a, theirs.network.a)):
            assert float(np.abs(p.get().astype(float) - q).max()) <= bound(network, problem, 3)
        seen.add(ours.method)
    assert seen == {"cupy", "portable"}


@pytest.mark.parametrize("make", [TangentModel, GatedModel.of])
def test_the_other_models_train_on_the_device(cupy: Any, make: Any) -> None:
    network, problem = drawn()
    rule = GradientDescent(0.02, 0.02)
    ours = train(make(network), problem, rule, steps=5, backend="cupy")
    theirs = train(make(network), problem, rule, steps=5)
    assert ours.method == "portable"
    assert float(np.abs(ours.network.W.get() - theirs.network.W).max()) <= bound(network, problem, 5)


@pytest.mark.parametrize("method", ["cupy", "portable"])
def test_every_observable_reads_the_device(cupy: Any, method: str) -> None:
    network, problem = drawn()
    rule, names = GradientDescent(0.02, 0.02), list(OBSERVABLES)
    ours = train(network, problem, rule, steps=6, record=names, at=2, backend="cupy", method=method)
    theirs = train(network, problem, rule, steps=6, record=names, at=2)
    size = max(1.0, float(theirs.series["lambda_max"].max()))
    for name in names:
        p, q = ours.series[name], theirs.series[name]
        assert isinstance(p, np.ndarray)
        p, q = (np.abs(p), np.abs(q)) if name == "eigen_residual" else (p, q)
        np.testing.assert_allclose(p, q, rtol=1e-8, atol=1e-8 * size, err_msg=name)
    assert ours.versions["cupy"] == cupy.__version__
    assert "GiB" in ours.versions["device"]


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_batch_repeats_its_bits_and_a_member_that_diverges_stops_alone(shared: bool, dtype: str) -> None:
    pairs = [drawn(40, 17, 70, dtype=dtype, seed=seed) for seed in range(5)]
    networks = [network for network, _ in pairs]
    networks[2] = networks[2].replace(W=100 * networks[2].W, a=100 * networks[2].a)
    problems = [pairs[0][1]] * 5 if shared else [problem for _, problem in pairs]
    rule = GradientDescent(0.01, 0.01)
    first, again = (train_many(networks, problems, rule, steps=25, backend="cupy") for _ in range(2))
    theirs = train_many(networks, problems, rule, steps=25, method="numpy")
    for one, other, host_run in zip(first, again, theirs):
        assert one.network.W.get().tobytes() == other.network.W.get().tobytes()
        assert one.network.a.get().tobytes() == other.network.a.get().tobytes()
        assert one.outcome is host_run.outcome
    assert [run.outcome.name == "DIVERGED" for run in first] == [False, False, True, False, False]


def test_blocks_of_steps_have_the_bits_of_one_run(cupy: Any) -> None:
    network, problem = drawn(40, 17, 300)
    rule = GradientDescent(0.01, 0.01)
    whole = train(network, problem, rule, steps=20, backend="cupy")
    parts = train(train(network, problem, rule, steps=7, backend="cupy"), 13)
    assert parts.network.W.get().tobytes() == whole.network.W.get().tobytes()
    assert isinstance(parts.network.a, cupy.ndarray)


def test_a_saved_run_goes_on_here_or_there(tmp_path: Any) -> None:
    network, problem = drawn()
    run = train(network, problem, GradientDescent(0.02, 0.02), steps=3, backend="cupy")
    run.save(tmp_path / "run.npz")
    loaded = shallow.Trajectory.load(tmp_path / "run.npz")
    there, straight = train(loaded, 4, backend="cupy"), train(run, 4)
    assert there.network.W.get().tobytes() == straight.network.W.get().tobytes()


@pytest.mark.parametrize("slope", [0.0, 0.3])
@pytest.mark.parametrize("sizes", [(1, 1, 1), (64, 9, 32), (65, 9, 33), (200, 30, 1000)])
def test_counted_patterns_are_the_literal_kernel(
    cupy: Any, slope: float, sizes: tuple[int, int, int]
) -> None:
    network, problem = drawn(*sizes, slope=slope)
    network = network.replace(a=0.7 * np.sign(network.a))
    here = network.replace(W=cupy.asarray(network.W), a=cupy.asarray(network.a))
    ours = pattern_kernel_on_device(here, cupy.asarray(problem.X), 0.7, 0.2).get()
    theirs = shallow.empirical_ntk(network, problem.X, 0.7, 0.2)
    size = float(np.abs(shallow.empirical_ntk(network, np.abs(problem.X), 0.7, 0.2)).max())
    allowed = 8 * (sum(sizes) + 10) * np.finfo(float).eps * max(1.0, size, float(np.abs(theirs).max()))
    assert float(np.abs(ours - theirs).max()) <= allowed
    assert ours.tobytes() == np.ascontiguousarray(ours.T).tobytes()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("slope", [0.0, 0.4])
def test_arc_cosines_keep_their_digits_at_every_angle(cupy: Any, dtype: str, slope: float) -> None:
    rng = np.random.default_rng(0)
    base = rng.standard_normal((30, 7))
    gaps = [
        sign * base[:5] * (1 + gap * rng.standard_normal((5, 7))) for sign in (1, -1) for gap in (1e-3, 1e-7)
    ]
    X = np.vstack([base, -base[:3], base[:3], np.zeros((1, 7)), *gaps]).astype(dtype)
    for layers in ((1.0, 0.0), (0.0, 1.0), (0.3, 1.7)):
        ours = arc_cosine_on_device(cupy.asarray(X), *layers, slope).get().astype(float)
        theirs = arc_cosine_kernel(X.astype(float), None, *layers, slope)
        diagonal = np.sqrt(np.diag(theirs))
        allowed = 100 * float(np.finfo(dtype).eps) * (np.abs(theirs) + diagonal[:, None] * diagonal)
        assert (np.abs(ours - theirs) <= allowed).all()


def test_products_here_are_of_full_precision() -> None:
    assert require_full_products(np.dtype("float32")) is None
    assert require_full_products(np.dtype("float64")) is None


@pytest.mark.parametrize(("asked", "words"), [("0", "rounded to TF32"), ("1", "tf32 allowed")])
def test_tf32_is_refused_unless_asked_for(cupy: Any, asked: str, words: str) -> None:
    if int(cupy.cuda.Device().compute_capability) < 80:
        words = "tf32 allowed" if asked == "1" else "float32"  # no TF32 before Ampere: nothing to refuse
    code = (
        "import numpy as np, shallow\n"
        "net = shallow.Network(np.ones((4, 3), 'f4'), np.ones(4, 'f4'))\n"
        "data = shallow.Problem(np.ones((2, 3), 'f4'), np.ones(2, 'f4'))\n"
        "rule = shallow.GradientDescent(0.01, 0.01)\n"
        "run = shallow.train(net, data, rule, steps=1, backend='cupy')\n"
        "print('tf32', run.versions.get('tf32', 'never'), run.network.W.dtype)\n"
    )
    environment = {**os.environ, "CUPY_TF32": "1", ASK_FOR_TF32: asked}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert words in done.stdout + done.stderr
