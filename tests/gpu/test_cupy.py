"""The literal formulas on a CUDA device agree with NumPy; not run where there is none."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

import shallow

pytestmark = pytest.mark.gpu


@pytest.fixture
def cupy() -> Any:
    return importlib.import_module("cupy")


def test_gradients_and_kernels_on_the_device_are_those_on_the_host(cupy: Any) -> None:
    rng = np.random.default_rng(0)
    W, a = rng.standard_normal((30, 6)), rng.standard_normal(30)
    X, y = rng.standard_normal((12, 6)), rng.standard_normal(12)
    host_net, host_problem = shallow.Network(W, a), shallow.Problem(X, y)
    net = shallow.Network(cupy.asarray(W), cupy.asarray(a))
    problem = shallow.Problem(cupy.asarray(X), cupy.asarray(y))
    # Products of length at most max(n, d, m) = 30, entries of size at most 30 * max^2.
    size = 30 * float(np.abs(W).max() * np.abs(X).max()) * float(np.abs(a).max())
    bound = 100 * 30 * np.finfo(float).eps * size
    for device, host in (
        (shallow.predict(net, problem.X), shallow.predict(host_net, X)),
        (shallow.gradient(net, problem).W, shallow.gradient(host_net, host_problem).W),
        (shallow.empirical_ntk(net, problem.X), shallow.empirical_ntk(host_net, X)),
        (shallow.ntk_gram(problem.X), shallow.ntk_gram(X)),
    ):
        assert isinstance(device, cupy.ndarray)
        scale = max(1.0, float(np.abs(host).max()))
        assert float(np.abs(device.get() - host).max()) <= bound * scale
