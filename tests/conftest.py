"""What the whole suite shares: a deterministic Hypothesis profile and the array namespaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import array_api_strict
import hypothesis
import numpy as np
import pytest

from shallow.setting.arrays import host, namespace

hypothesis.settings.register_profile("laboratory", derandomize=True, deadline=None, print_blob=False)
hypothesis.settings.load_profile("laboratory")


@dataclass(frozen=True)
class ArrayCase:
    """An array namespace with a device; ``device1`` refuses any NumPy call on its arrays, as a GPU would."""

    name: str
    xp: Any
    device: Any

    def asarray(self, values: Any) -> Any:
        """``values`` on this case's device."""
        return self.xp.asarray(np.asarray(values), device=self.device)

    def asnumpy(self, values: Any) -> Any:
        """Back to NumPy."""
        return host(values)


ARRAY_CASES = (
    ArrayCase("numpy", namespace(np.zeros(1)), "cpu"),
    ArrayCase("strict", array_api_strict, array_api_strict.Device("CPU_DEVICE")),
    ArrayCase("strict-device1", array_api_strict, array_api_strict.Device("device1")),
)


@pytest.fixture(params=ARRAY_CASES, ids=lambda case: case.name)
def xp_case(request: pytest.FixtureRequest) -> ArrayCase:
    """Each array namespace in turn."""
    return request.param
