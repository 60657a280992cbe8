"""The CUDA device that CuPy sees: whether there is one, and whether its float32 products are float32."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import numpy as np

__all__ = ["ASK_FOR_TF32", "device_state", "device_versions", "require_device", "require_full_products"]

ASK_FOR_TF32 = "SHALLOW_ALLOW_TF32"
"""The environment variable that, set to 1, asks for TF32; the versions of a run then say so."""

_TF32_MATH = 3  # CUBLAS_TF32_TENSOR_OP_MATH of cublasMath_t
_INSTALL = "install 'shallow-relu[gpu12]' (CUDA 12) or 'shallow-relu[gpu13]', or use backend='numpy'"


def device_state() -> tuple[bool, str]:
    """Whether CuPy can compute here, and in words what it found or why it cannot."""
    if importlib.util.find_spec("cupy") is None:
        return False, "CuPy is not installed"
    try:
        import cupy
    except Exception as error:  # a broken install can fail in many ways
        return False, f"CuPy does not import: {error}".splitlines()[0]
    if not cupy.cuda.is_available():
        return False, f"CuPy {cupy.__version__} finds no CUDA device"
    try:
        from cupy_backends.cuda.libs import cublas  # noqa: F401
    except ImportError:
        return False, f"CuPy {cupy.__version__} finds no cuBLAS (pip install 'cupy-cuda12x[ctk]')"
    runtime = cupy.cuda.runtime
    about = runtime.getDeviceProperties(runtime.getDevice())
    memory = about["totalGlobalMem"] / 2**30
    return True, f"{about['name'].decode()}, {memory:.0f} GiB, compute {about['major']}.{about['minor']}"


def require_device() -> Any:
    """CuPy's array-API namespace.

    Raises
    ------
    RuntimeError
        Where CuPy is missing or finds no device, saying which and what to do.
    """
    usable, state = device_state()
    if not usable:
        raise RuntimeError(f"backend 'cupy' needs CuPy and a CUDA device, and {state}; {_INSTALL}")
    import array_api_compat.cupy as xp

    return xp


def require_full_products(dtype: np.dtype[Any]) -> None:
    """Refuse a device whose float32 products would be rounded to TF32's ten bits, unless that was asked for.

    Three things are looked at: CuPy's own setting (its variable CUPY_TF32), the math mode of the cuBLAS
    handle, and two products whose exact results TF32 cannot hold, one single and one stacked.

    Raises
    ------
    RuntimeError
        When one of them is TF32 and SHALLOW_ALLOW_TF32 is not 1.
    """
    if dtype != np.float32 or tf32_is_asked_for():
        return
    found = _tf32_by_settings() or _tf32_by_products()
    if found:
        raise RuntimeError(
            f"float32 products on this device are rounded to TF32 ({found}); unset CUPY_TF32, train in "
            f"float64, or set {ASK_FOR_TF32}=1 to ask for it"
        )


def tf32_is_asked_for() -> bool:
    """Whether the environment asks for TF32."""
    return os.environ.get(ASK_FOR_TF32, "") == "1"


def _tf32_by_settings() -> str | None:
    from cupy._core import _routines_linalg as linalg
    from cupy.cuda import device
    from cupy_backends.cuda.libs import cublas

    if linalg.get_compute_type(np.dtype(np.float32)) == linalg.COMPUTE_TYPE_TF32:
        return "CuPy's compute type"
    if cublas.getMathMode(device.get_cublas_handle()) == _TF32_MATH:
        return "the math mode of cuBLAS"
    return None


def _tf32_by_products() -> str | None:
    """``A I`` is A to the bit in float32; TF32 would round the entries 1 + 2^-20 of A to 1."""
    import cupy

    size = 256
    A = cupy.full((2, size, size), 1 + 2.0**-20, dtype=cupy.float32)
    identity = cupy.stack([cupy.eye(size, dtype=cupy.float32)] * 2)
    for products, words in ((A[0] @ identity[0], "a product"), (A @ identity, "stacked products")):
        if not bool((products == A[0]).all()):
            return f"seen in {words}"
    return None


def device_versions(library: str) -> dict[str, str]:
    """What made the numbers of a run on arrays of this library: nothing more for NumPy's."""
    if library != "cupy":
        return {}
    import cupy

    asked = {"tf32": "allowed"} if tf32_is_asked_for() else {}
    return {
        "cupy": cupy.__version__,
        "cuda": str(cupy.cuda.runtime.runtimeGetVersion()),
        "device": device_state()[1],
    } | asked
