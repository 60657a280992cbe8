"""Arrays at the public boundary: read once, checked once, then read-only."""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np

__all__ = ["Array", "beside", "dtype_name", "host", "library_of", "namespace", "read_array", "require_finite"]

Array = Any  # an array of any namespace that follows the array API standard (NumPy, CuPy, array-api-strict)


def namespace(*arrays: Array) -> Any:
    """The array-API namespace that ``arrays`` share.

    Raises
    ------
    TypeError
        When the arrays come from different namespaces.
    """
    return array_api_compat.array_namespace(*arrays)


def library_of(array: Array) -> str:
    """The name of the library whose array this is: "numpy", "cupy", "array_api_strict", ..."""
    return type(array).__module__.partition(".")[0]


def dtype_name(array: Array) -> str:
    """The name of the array's floating type: "float64" or "float32"."""
    return str(array.dtype).rpartition(".")[2]


def beside(array: Array, other: Array) -> Array:
    """``array`` where ``other`` lives: itself when one library made both, else moved there."""
    if library_of(array) == library_of(other):
        return array
    if isinstance(other, np.ndarray):
        return host(array)
    return namespace(other).asarray(host(array), device=other.device)


def host(array: Array) -> np.ndarray[Any, Any]:
    """A NumPy view or copy of ``array``, moved to the CPU when it lives elsewhere."""
    if isinstance(array, np.ndarray):
        return array
    if array_api_compat.is_cupy_array(array):
        return np.asarray(array.get())
    try:
        return np.asarray(array)
    except (TypeError, RuntimeError, ValueError):
        home = namespace(array).__array_namespace_info__().default_device()
        return np.asarray(array_api_compat.to_device(array, home))


def read_array(value: Any, name: str, ndims: tuple[int, ...]) -> Array:
    """A read-only float copy of ``value`` with one of the given numbers of axes.

    Lists, integers and booleans become float64; float32 and float64 keep their type. NumPy results
    cannot be written to; arrays of other namespaces are copied.

    Raises
    ------
    TypeError
        For text, objects, complex numbers or a floating type other than float32 and float64.
    ValueError
        For a wrong number of axes, an empty axis, a NaN or an infinity (the message says where).
    """
    if array_api_compat.is_array_api_obj(value) and not isinstance(value, np.ndarray):
        xp = namespace(value)
        if value.dtype not in (xp.float32, xp.float64):
            raise TypeError(f"{name} has dtype {value.dtype}; use float32 or float64")
        array = xp.asarray(value, copy=True)
    else:
        array = _read_numpy(value, name)
    _require_shape(array, name, ndims)
    require_finite(array, name)
    if isinstance(array, np.ndarray):
        array.setflags(write=False)
    return array


def _read_numpy(value: Any, name: str) -> np.ndarray[Any, Any]:
    try:
        raw = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} is ragged: its rows do not have one length ({error})") from None
    if raw.dtype.kind in "biu":
        raw = raw.astype(np.float64)
    native = raw.dtype.newbyteorder("=")
    if native not in (np.float32, np.float64):
        raise TypeError(f"{name} has dtype {raw.dtype}; use float32 or float64 numbers")
    return np.array(raw, dtype=native, order="C", copy=True)


def _require_shape(array: Array, name: str, ndims: tuple[int, ...]) -> None:
    if array.ndim not in ndims:
        wanted = " or ".join(str(k) for k in ndims)
        raise ValueError(f"{name} has {array.ndim} axes (shape {tuple(array.shape)}); it needs {wanted}")
    if 0 in array.shape:
        raise ValueError(f"{name} is empty: its shape is {tuple(array.shape)}")


def require_finite(array: Array, name: str) -> None:
    """Raise ValueError naming the first entry of ``array`` that is NaN or infinite."""
    xp = namespace(array)
    if bool(xp.all(xp.isfinite(array))):
        return
    values = host(array)
    bad = np.argwhere(~np.isfinite(values))
    place = ", ".join(str(int(i)) for i in bad[0])
    more = f" ({len(bad)} such entries in all)" if len(bad) > 1 else ""
    raise ValueError(f"{name}[{place}] is {values[tuple(bad[0])]}{more}; every entry must be a finite number")
