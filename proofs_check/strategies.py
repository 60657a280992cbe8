"""Hypothesis strategies for property tests about shallow networks: networks, problems and rates.

Needs the package `hypothesis` (the extra ``test``). Each strategy reaches the corners on purpose: one
neuron, one sample, duplicate and antipodal rows, kinks met exactly, and scales far from one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from shallow.setting.network import Network
from shallow.setting.problem import Problem

__all__ = ["instances", "networks", "problems", "rates", "share_inside"]

_KINDS = ("generic", "duplicate", "antipodal", "axes")


def rates(*, smallest: float = 1e-6, largest: float = 1.0, zero: bool = False) -> st.SearchStrategy[float]:
    """Rates spread evenly over orders of magnitude; with ``zero``, a frozen layer among them.

    Raises
    ------
    ValueError
        Unless 0 < smallest <= largest < infinity.
    """
    if not 0 < smallest <= largest < math.inf:
        raise ValueError(f"rates run from {smallest} to {largest}; use 0 < smallest <= largest < infinity")
    low, high = math.log10(smallest), math.log10(largest)
    spread = st.floats(low, high).map(lambda power: min(max(10.0**power, smallest), largest))
    return st.one_of(st.just(0.0), spread) if zero else spread


@st.composite
def problems(
    draw: st.DrawFn,
    *,
    n: tuple[int, int] = (1, 8),
    d: tuple[int, int] = (1, 6),
    unit_rows: bool = False,
    signs: bool = False,
    distinct: bool = False,
    scale: tuple[float, float] = (0.1, 10.0),
) -> Problem:
    """Problems with n and d in closed ranges.

    Parameters
    ----------
    n, d : (int, int)
    unit_rows : bool
        Rows of norm 1; otherwise rows keep their Gaussian norms, times a common scale.
    signs : bool
        Labels -1 and +1; otherwise Gaussian labels, times a scale of their own.
    distinct : bool
        No duplicate, antipodal or axis-aligned rows.
    scale : (float, float)
        The range of both scales.
    """
    rows, columns = draw(st.integers(*n)), draw(st.integers(*d))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = "generic" if distinct else draw(st.sampled_from(_KINDS))
    X = _arrange(rng.standard_normal((rows, columns)), kind)
    if unit_rows:
        X = X / np.linalg.norm(X, axis=1, keepdims=True)
    else:
        X = X * draw(rates(smallest=scale[0], largest=scale[1]))
    y = rng.standard_normal(rows)
    y = np.where(y < 0, -1.0, 1.0) if signs else y * draw(rates(smallest=scale[0], largest=scale[1]))
    return Problem(X, y, name=f"{kind} rows")


def _arrange(X: np.ndarray[Any, np.dtype[np.float64]], kind: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    n, d = X.shape
    if kind == "axes":
        # Axis-aligned rows meet integer weights exactly at the kink.
        X = np.eye(d)[np.arange(n) % d] * np.where(np.arange(n) % (2 * d) < d, 1.0, -1.0)[:, None]
    elif kind in ("duplicate", "antipodal") and n > 1:
        X[-1] = X[0] if kind == "duplicate" else -X[0]
    return X


@st.composite
def networks(
    draw: st.DrawFn,
    *,
    d: int | None = None,
    m: tuple[int, int] = (1, 12),
    leaky: bool = True,
    smooth: bool = False,
    on_kinks: bool = True,
) -> Network:
    """Networks with m in a closed range, on d inputs (1 to 6 when d is not given).

    Parameters
    ----------
    d : int, optional
    m : (int, int)
    leaky, smooth : bool
        Whether some have a slope on the left, or a smoothed kink.
    on_kinks : bool
        Whether some have small integer weights, which axis-aligned rows meet exactly at the kink.
    """
    width = draw(st.integers(*m))
    inputs = draw(st.integers(1, 6)) if d is None else d
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    W = rng.standard_normal((width, inputs)) * draw(rates(smallest=0.01, largest=10.0))
    if on_kinks and draw(st.booleans()):
        W = rng.integers(-1, 2, (width, inputs)).astype(np.float64)
    a = rng.standard_normal(width)
    return Network(
        W,
        np.where(a < 0, -1.0, 1.0) if draw(st.booleans()) else a,
        scale=draw(st.sampled_from([1.0, width**-0.5, 1.0 / width])),
        slope=draw(st.sampled_from([0.0, 0.1, 0.5])) if leaky else 0.0,
        smoothing=draw(st.sampled_from([0.0, 0.1, 1.0])) if smooth else 0.0,
    )


@st.composite
def instances(draw: st.DrawFn, /, **options: Any) -> tuple[Network, Problem]:
    """A network and a problem on the same inputs; ``options`` go to :func:`problems`."""
    problem = draw(problems(**options))
    return draw(networks(d=problem.d)), problem


def share_inside(
    strategy: st.SearchStrategy[Any],
    inside: Callable[[Any], bool],
    *,
    examples: int = 200,
    at_least: float = 0.2,
) -> float:
    """The share of a strategy's examples that satisfy ``inside``, such as a statement's hypotheses.

    A property test whose examples mostly miss the hypotheses says little, so too small a share is an error.

    Raises
    ------
    AssertionError
        If the share is below ``at_least``; the message gives both.
    """
    from hypothesis import HealthCheck, Phase, given, settings

    seen: list[bool] = []

    @settings(
        max_examples=examples,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def look(example: Any) -> None:
        seen.append(bool(inside(example)))

    look()
    share = sum(seen) / len(seen)
    if share < at_least:
        raise AssertionError(
            f"only {share:.0%} of {len(seen)} examples are inside the hypotheses; {at_least:.0%} must be"
        )
    return share
