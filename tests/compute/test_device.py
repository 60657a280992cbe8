"""Without a CUDA device one sentence says so; with one, float32 products that are not float32 are refused."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import shallow
from shallow.compute import device
from shallow.training import GradientDescent, train


def made_up_cupy(available: bool) -> Any:
    runtime = SimpleNamespace(
        getDevice=lambda: 0,
        runtimeGetVersion=lambda: 12090,
        getDeviceProperties=lambda i: {
            "name": b"A device",
            "totalGlobalMem": 8 * 2**30,
            "major": 9,
            "minor": 0,
        },
    )
    return SimpleNamespace(
        __version__="0", cuda=SimpleNamespace(is_available=lambda: available, runtime=runtime)
    )


def tiny_run(**options: Any) -> Any:
    network = shallow.Network(np.ones((2, 2)), np.ones(2))
    return train(
        network, shallow.Problem(np.eye(2), np.ones(2)), GradientDescent(0.1, 0.1), steps=1, **options
    )


@pytest.mark.parametrize(
    ("spec", "library", "words"),
    [
        (None, None, "CuPy is not installed; install 'shallow-relu"),
        (object(), made_up_cupy(False), "finds no CUDA device; install"),
    ],
)
def test_without_a_device_the_request_for_one_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, spec: Any, library: Any, words: str
) -> None:
    monkeypatch.setattr(device.importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setitem(sys.modules, "cupy", library)
    with pytest.raises(RuntimeError, match=words) as caught:
        tiny_run(backend="cupy")
    assert "\n" not in str(caught.value)
    assert device.device_state()[0] is False


def test_a_broken_install_is_a_device_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "cupy", None)  # importing it raises ImportError
    usable, state = device.device_state()
    assert not usable
    assert state.startswith("CuPy does not import")


def test_a_device_without_cublas_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "cupy", made_up_cupy(True))
    monkeypatch.setitem(sys.modules, "cupy_backends.cuda.libs", None)
    assert device.device_state() == (False, "CuPy 0 finds no cuBLAS (pip install 'cupy-cuda12x[ctk]')")


def test_a_device_is_named_with_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "cupy", made_up_cupy(True))
    monkeypatch.setitem(sys.modules, "cupy_backends.cuda.libs", SimpleNamespace(cublas=None))
    assert device.device_state() == (True, "A device, 8 GiB, compute 9.0")
    assert device.device_versions("cupy") == {
        "cupy": "0",
        "cuda": "12090",
        "device": "A device, 8 GiB, compute 9.0",
    }
    assert device.device_versions("numpy") == {}


@pytest.mark.parametrize("sign", ["_tf32_by_settings", "_tf32_by_products"])
def test_tf32_is_refused_for_float32_unless_it_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, sign: str
) -> None:
    signs = {"_tf32_by_settings": None, "_tf32_by_products": None, sign: "as it seems"}
    for name, found in signs.items():
        monkeypatch.setattr(device, name, lambda found=found: found)
    device.require_full_products(np.dtype("float64"))
    with pytest.raises(RuntimeError, match=r"rounded to TF32 \(as it seems\); unset CUPY_TF32"):
        device.require_full_products(np.dtype("float32"))
    monkeypatch.setenv(device.ASK_FOR_TF32, "1")
    device.require_full_products(np.dtype("float32"))


def test_full_float32_products_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    for name in ("_tf32_by_settings", "_tf32_by_products"):
        monkeypatch.setattr(device, name, lambda name=name: asked.append(name))
    device.require_full_products(np.dtype("float32"))
    assert asked == ["_tf32_by_settings", "_tf32_by_products"]


class Rounding(np.ndarray):
    """Arrays whose products round their left factor to TF32's ten bits."""

    def __matmul__(self, other: Any) -> Any:
        kept = (np.asarray(self).view(np.int32) & ~np.int32(0x1FFF)).view(np.float32)
        return kept @ np.asarray(other)


class RoundingStacks(np.ndarray):
    """The same for stacked products alone."""

    def __matmul__(self, other: Any) -> Any:
        return self.view(Rounding) @ other if self.ndim == 3 else np.asarray(self) @ np.asarray(other)


@pytest.mark.parametrize(
    ("kind", "found"),
    [(np.ndarray, None), (Rounding, "seen in a product"), (RoundingStacks, "seen in stacked products")],
)
def test_tf32_shows_in_products(monkeypatch: pytest.MonkeyPatch, kind: Any, found: str | None) -> None:
    library = SimpleNamespace(
        full=lambda shape, value, dtype: np.full(shape, value, dtype).view(kind),
        eye=np.eye,
        stack=np.stack,
        float32=np.float32,
    )
    monkeypatch.setitem(sys.modules, "cupy", library)
    assert device._tf32_by_products() == found


@pytest.mark.parametrize(
    ("compute_type", "math_mode", "found"),
    [(1, 0, None), (7, 0, "CuPy's compute type"), (1, 3, "the math mode of cuBLAS")],
)
def test_tf32_shows_in_the_settings(
    monkeypatch: pytest.MonkeyPatch, compute_type: int, math_mode: int, found: str | None
) -> None:
    linalg = SimpleNamespace(get_compute_type=lambda dtype: compute_type, COMPUTE_TYPE_TF32=7)
    handle = SimpleNamespace(get_cublas_handle=lambda: 0)
    cublas = SimpleNamespace(getMathMode=lambda handle: math_mode)
    for name, module in (
        ("cupy", made_up_cupy(True)),
        ("cupy._core", SimpleNamespace(_routines_linalg=linalg)),
        ("cupy.cuda", SimpleNamespace(device=handle)),
        ("cupy_backends", SimpleNamespace()),
        ("cupy_backends.cuda", SimpleNamespace()),
        ("cupy_backends.cuda.libs", SimpleNamespace(cublas=cublas)),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    assert device._tf32_by_settings() == found
