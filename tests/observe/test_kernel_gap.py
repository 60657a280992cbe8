"""The distance to the limit kernel, also for laws that look at the labels and for several outputs."""

from __future__ import annotations

import numpy as np
import pytest

from shallow import Problem, Streams, empirical_ntk, limit_kernel
from shallow.observe import Snapshot, kernel_gap
from shallow.setting import initialization as laws

EPS = float(np.finfo(np.float64).eps)


@pytest.mark.parametrize("law", [laws.ntk(), laws.oymak(), laws.balanced(0.5)], ids=lambda law: law.name)
@pytest.mark.parametrize("k", [None, 1, 3])
def test_the_gap_is_to_the_limit_of_each_output_and_zero_between_outputs(law, k):
    rng = np.random.default_rng(0)
    n = 4
    problem = Problem(rng.normal(size=(n, 3)), rng.normal(size=(n,) if k is None else (n, k)))
    net = law.draw(50, problem, Streams(1))
    now = Snapshot.of(net, problem)
    H = empirical_ntk(net, problem.X).reshape(n, k or 1, n, k or 1)
    limit = limit_kernel(law, problem.X, m=50, problem=problem)
    expected = np.zeros_like(H)
    for o in range(k or 1):
        expected[:, o, :, o] = limit
    by_hand = np.linalg.norm(H - expected) / np.linalg.norm(expected)
    assert kernel_gap(law).function(now, now) == pytest.approx(by_hand, rel=8 * H.size * EPS)
