"""Results come back in the order of the grid, whoever computes them."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import pytest

from shallow.sweep import execute


def test_the_order_is_the_grids() -> None:
    assert execute([3.0, 1.0, 2.0], math.sqrt) == [math.sqrt(3), 1.0, math.sqrt(2)]


def test_a_function_may_be_named() -> None:
    assert execute([4.0], "math:sqrt") == [2.0]


def test_another_executor_gives_the_same_results_in_the_same_order() -> None:
    grid = [float(i) for i in range(50)]
    with ThreadPoolExecutor(4) as pool:
        assert execute(grid, math.exp, pool.map) == execute(grid, math.exp)


@pytest.mark.parametrize("name", ["math", "math:nothing", "no_such_module:f", ":f"])
def test_a_name_that_leads_nowhere_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"names no function|cannot be imported"):
        execute([1.0], name)


def test_an_unknown_executor_is_refused() -> None:
    with pytest.raises(ValueError, match="use 'serial'"):
        execute([1.0], math.sqrt, "parallel")
