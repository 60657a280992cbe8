"""One BLAS thread, so that bits do not depend on how many there are."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager
from typing import Any

__all__ = ["one_blas_thread"]


@functools.cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def one_blas_thread() -> AbstractContextManager[Any]:
    """A context in which NumPy's BLAS uses one thread: OpenBLAS sums in another order with two."""
    limited: AbstractContextManager[Any] = _blas().limit(limits=1)
    return limited
