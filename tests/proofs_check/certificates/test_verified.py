"""VERIFIED proves what NUMERIC finds with next to no loss, and refuses what is bent, singular or NaN."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from proofs_check.certificates import numeric, rounded_bounds, rounded_steps, verified
from proofs_check.certificates.eigenvalue import positive_definite
from proofs_check.certificates.geometry import geometry_of
from proofs_check.certificates.instance import Instance
from proofs_check.certificates.proposal import INEQUALITIES, Proposal, Stage
from proofs_check.certificates.search import Plan, search_flow
from proofs_check.certificates.search_descent import search_descent

FLOWS = (
    {"n": 6, "d": 4, "m": 12, "residual": 1e-2},
    {"n": 6, "d": 4, "m": 12, "residual": 1e-2, "slope": 0.1},
    {"n": 6, "d": 4, "m": 12, "residual": 1e-2, "slope": -0.3},
    {"n": 6, "d": 4, "m": 12, "residual": 5e-3, "rates": (1.0, 0.0)},
    {"n": 6, "d": 4, "m": 12, "residual": 1e-2, "rates": (0.0, 1.0)},
    {"n": 6, "d": 4, "m": 12, "residual": 5e-3, "rates": (1.0, 0.01)},
    {"n": 6, "d": 4, "m": 12, "residual": 5e-3, "rates": (0.01, 1.0)},
    {"n": 5, "d": 9, "m": 8, "residual": 1e-2},
    {"n": 1, "d": 1, "m": 1, "residual": 1e-3},
    {"n": 1, "d": 3, "m": 2, "residual": 1e-3},
    {"n": 20, "d": 10, "m": 300, "residual": 5e-2},
)


def draw(
    rng: np.random.Generator,
    n: int,
    d: int,
    m: int,
    *,
    residual: float,
    slope: float = 0.0,
    rates: tuple[float, float] = (1.0, 1.0),
) -> Instance:
    """A Gaussian instance whose labels are its outputs moved by a vector of norm ``residual``."""
    X, W = rng.standard_normal((n, d)) / np.sqrt(d), rng.standard_normal((m, d))
    a, scale = rng.choice([-1.0, 1.0], m) * rng.uniform(0.5, 1.5, m), float(1 / np.sqrt(m))
    Z, noise = W @ X.T, rng.standard_normal(n)
    y = scale * (a @ np.where(Z > 0, Z, slope * Z)) + residual * noise / np.linalg.norm(noise)
    return Instance(X, y, W, a, scale, slope, *rates)


def alive(**sizes: Any) -> Instance:
    """The first draw with an active neuron on every sample."""
    for seed in range(50):
        one = draw(np.random.default_rng(seed), **sizes)
        if np.all(np.any(one.W @ one.X.T > 0, axis=0)):
            return one
    raise AssertionError("no draw has an active neuron on every sample")


def found_by(search: Any, one: Instance, **plan: Any) -> Proposal:
    found = search(geometry_of(one), Plan(**plan))
    assert isinstance(found, Proposal), found
    return found


def bent(proposal: Proposal, j: int = 0, **changes: Any) -> Proposal:
    stages = list(proposal.stages)
    stages[j] = dataclasses.replace(stages[j], **changes)
    return Proposal(proposal.start, tuple(stages))


@pytest.fixture(scope="module")
def small() -> tuple[Instance, Proposal]:
    """A certifiable instance with several stages and uncertain pairs, and what the search proposes."""
    one = alive(n=6, d=4, m=20, residual=0.04)
    proposal = found_by(search_flow, one, stages=4)
    assert np.any(proposal.stages[-1].uncertain)
    return one, proposal


@pytest.mark.parametrize("sizes", FLOWS, ids=str)
def test_what_numeric_finds_for_the_flow_is_proved(sizes: dict[str, Any]) -> None:
    one = alive(**sizes)
    for shifts in ((0.45, 0.75), ()):
        proposal = found_by(search_flow, one, shifts=shifts, stages=3)
        expected, found = numeric.prove_flow(one, proposal), verified.prove_flow(one, proposal)
        assert expected.proved
        assert found.proved, found
        assert found.decay == expected.decay
        assert expected.path * (1 - 1e-12) <= found.path <= expected.path * (1 + 1e-9)


@pytest.mark.parametrize("sizes", FLOWS[:-1], ids=str)
def test_what_numeric_finds_for_steps_is_proved(sizes: dict[str, Any]) -> None:
    rates = tuple(0.02 * rate for rate in sizes.get("rates", (1.0, 1.0)))
    one = alive(**{**sizes, "rates": rates, "residual": 1e-4})
    proposal = found_by(search_descent, one, stages=2)
    expected, found = numeric.prove_descent(one, proposal), verified.prove_descent(one, proposal)
    assert expected.proved
    assert found.proved, found
    assert found.decay == expected.decay
    assert found.path == np.inf


def largest(one: Callable[[float], Instance], prove: Any, search: Any, slack: float) -> float:
    """The largest residual, to one per cent, that a search and a proof close."""
    low, high = 1e-6, 10.0
    while high > 1.01 * low:
        middle = float(np.sqrt(low * high))
        found = search(geometry_of(one(middle)), Plan(stages=4, slack=slack))
        closes = isinstance(found, Proposal) and prove(one(middle), found).proved
        low, high = (middle, high) if closes else (low, middle)
    return low


@pytest.mark.parametrize("rates", [(1.0, 1.0), (1.0, 0.0), (0.01, 1.0)])
def test_verified_fires_within_five_per_cent_of_numeric(rates: tuple[float, float]) -> None:
    def one(residual: float) -> Instance:
        return draw(np.random.default_rng(4), 8, 5, 40, residual=residual, rates=rates)

    plain = largest(one, numeric.prove_flow, search_flow, 1e-6)
    assert plain > 1e-3
    assert largest(one, verified.prove_flow, search_flow, 1e-6) >= 0.95 * plain


def test_verified_steps_fire_within_five_per_cent_of_numeric() -> None:
    def one(residual: float) -> Instance:
        return draw(np.random.default_rng(4), 6, 5, 30, residual=residual, rates=(0.05, 0.05))

    plain = largest(one, numeric.prove_descent, search_descent, 1e-6)
    assert plain > 1e-4
    assert largest(one, verified.prove_descent, search_descent, 1e-6) >= 0.95 * plain


BENT: dict[str, tuple[str, Callable[[Stage], dict[str, Any]]]] = {
    "a radius below zero": ("numbers", lambda s: {"radius": s.radius - 2 * np.max(s.radius)}),
    "a multiplier of zero": ("numbers", lambda s: {"multiplier": 0 * s.multiplier}),
    "a decay of zero": ("numbers", lambda s: {"decay": 0.0, "shifts": np.zeros(0)}),
    "a shift at the decay": ("numbers", lambda s: {"shifts": np.array([s.decay])}),
    "a share above one": ("numbers", lambda s: {"share": 1.5}),
    "a spread for free": ("numbers", lambda s: {"share": 0.0}),
    "no uncertain pair": ("separation", lambda s: {"uncertain": np.zeros_like(s.uncertain)}),
    "too fast a decay": ("spectrum", lambda s: {"decay": 1.01 * s.decay}),
    "a large multiplier": ("spectrum", lambda s: {"multiplier": np.full_like(s.radius, 1e6)}),
    "short radii": ("travel", lambda s: {"radius": s.radius * 0.1}),
    "short outputs": ("output", lambda s: {"radius_a": s.radius_a * 0.1}),
    "a short spread": ("features", lambda s: {"spread": s.spread * 0.1}),
    "poor shifts": ("travel", lambda s: {"shifts": np.array([1e-9 * s.decay])}),
}


@pytest.mark.parametrize("name", BENT)
def test_a_bent_number_is_refused_by_its_own_inequality(small: tuple[Instance, Proposal], name: str) -> None:
    one, proposal = small
    inequality, change = BENT[name]
    assert verified.prove_flow(one, proposal).proved
    last = len(proposal.stages) - 1
    found = verified.prove_flow(one, bent(proposal, last, **change(proposal.stages[last])))
    assert not found.proved
    assert (found.inequality, found.stage) == (inequality, last + 1)
    assert found.inequality in INEQUALITIES
    assert found.factor > 1
    assert found.decay == 0
    assert found.path == np.inf


def test_levels_start_at_the_residual_and_fall_to_zero(small: tuple[Instance, Proposal]) -> None:
    one, proposal = small
    exact = geometry_of(one).residual_norm
    for start in (exact * (1 - 1e-12), 0.5 * exact, 0.0, -1.0, np.nan, np.inf):
        assert verified.prove_flow(one, Proposal(start, proposal.stages)).inequality == "levels"
    for stages in ((), proposal.stages[:-1], proposal.stages[::-1], proposal.stages * 2):
        assert verified.prove_flow(one, Proposal(proposal.start, stages)).inequality == "levels"


def test_a_pair_on_its_kink_has_to_be_uncertain(small: tuple[Instance, Proposal]) -> None:
    one, proposal = small
    W = one.W.copy()
    W[0] -= (W[0] @ one.X[0]) / (one.X[0] @ one.X[0]) * one.X[0]
    on_kink = dataclasses.replace(one, W=W)
    stage = proposal.stages[0]
    uncertain, radius = stage.uncertain.copy(), stage.radius.copy()
    uncertain[0, 0], radius[0, 0] = False, 0.0
    still = bent(Proposal(1e6, proposal.stages), uncertain=uncertain, radius=radius)
    assert verified.prove_flow(on_kink, still).inequality == "separation"


@pytest.mark.parametrize("where", ["X", "y", "W", "a", "scale", "slope", "rate_W", "rate_a"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_a_number_is_never_certified(
    small: tuple[Instance, Proposal], where: str, bad: float
) -> None:
    one, proposal = small
    value = getattr(one, where)
    if isinstance(value, float):
        broken = dataclasses.replace(one, **{where: bad})
    else:
        array = value.copy()
        array.flat[0] = bad
        broken = dataclasses.replace(one, **{where: array})
    assert not verified.prove_flow(broken, proposal).proved
    assert not verified.prove_descent(broken, proposal).proved


@pytest.mark.parametrize("name", ["radius", "radius_a", "multiplier", "shifts", "spread", "share", "decay"])
def test_a_proposal_with_nan_is_never_certified(small: tuple[Instance, Proposal], name: str) -> None:
    one, proposal = small
    value = getattr(proposal.stages[0], name)
    broken = (
        np.nan
        if isinstance(value, float)
        else np.where(np.arange(value.size).reshape(value.shape) == 0, np.nan, value)
    )
    assert verified.prove_flow(one, bent(proposal, **{name: broken})).inequality == "numbers"


def singular(rng: np.random.Generator, kind: str) -> Instance:
    """An instance whose tangent kernel is singular, whatever the weights, with a tiny residual."""
    n, d, m = (7, 2, 3) if kind == "too few neurons" else (5, 4, 6)
    X, W, a = rng.standard_normal((n, d)), rng.standard_normal((m, d)), rng.standard_normal(m)
    if kind in ("equal", "opposite labels"):
        X[1] = X[0]
    if kind == "proportional":
        X[1] = 3 * X[0]
    if kind == "zero":
        X[1] = 0.0
    if kind == "dead":
        X, W = np.abs(X), -np.abs(W)
    scale = 1 / np.sqrt(m)
    y = scale * (a @ np.maximum(W @ X.T, 0)) + 1e-6 * rng.standard_normal(n)
    if kind == "opposite labels":
        y[1] = -y[0]
    rates = [(1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (1.0, 100.0)][int(rng.integers(4))]
    return Instance(X, y, W, a, float(scale), 0.0, *rates)


@pytest.mark.parametrize(
    "kind", ["equal", "opposite labels", "proportional", "zero", "dead", "too few neurons"]
)
def test_a_singular_tangent_kernel_is_refused_in_every_variant(kind: str) -> None:
    """With the smallest region there is and any decay, and with whatever a search proposes."""
    for seed in range(50):
        one = singular(np.random.default_rng(seed), kind)
        m, n = one.m, one.n
        start = 2 * geometry_of(one).residual_norm + 1e-300
        found = search_flow(geometry_of(one), Plan(stages=1))
        proposals = [Proposal(start, found.stages)] if isinstance(found, Proposal) else []
        for decay in (1e-300, 1e-30, 1e-17, 1e-15):
            radius = np.full((m, n), 1e-12 if one.rate_W > 0 else 0.0)
            alpha = np.full(m, 1e-12 if one.rate_a > 0 else 0.0)
            uncertain = np.abs(one.W @ one.X.T) <= 1e-9
            stage = Stage(0.0, decay, radius, uncertain, alpha, 0.0, 0.0, np.ones((m, n)), np.zeros(0))
            proposals.append(Proposal(start, (stage,)))
        for proposal in proposals:
            assert verified.prove_flow(one, proposal).inequality in ("spectrum", "separation")


def test_scales_without_reason_end_in_a_refusal_and_no_warning() -> None:
    one = alive(n=5, d=3, m=8, residual=1e-3)
    proposal = found_by(search_flow, one, stages=2)
    for factor in (5e-324, 1e-300, 1e-150, 1e150, 1e300):
        for name in ("X", "W", "a"):
            other = dataclasses.replace(one, **{name: getattr(one, name) * factor})
            assert not verified.prove_flow(other, proposal).proved
            assert not verified.prove_descent(other, proposal).proved


def test_powers_of_two_change_nothing_but_the_units() -> None:
    """W -> c W, a -> c a, y -> c^2 y takes each proof to a proof."""
    one = alive(n=6, d=4, m=12, residual=1e-2)
    proposal = found_by(search_flow, one, stages=2)
    for c in (2.0**-20, 2.0**20):
        scaled = dataclasses.replace(one, W=one.W * c, a=one.a * c, y=one.y * c * c)
        stages = tuple(
            dataclasses.replace(
                stage,
                end=stage.end * c * c,
                decay=stage.decay * c * c,
                radius=stage.radius * c,
                radius_a=stage.radius_a * c,
                spread=stage.spread * c,
                shifts=stage.shifts * c * c,
            )
            for stage in proposal.stages
        )
        assert verified.prove_flow(scaled, Proposal(proposal.start * c * c, stages)).proved


def test_a_broken_decomposition_only_refuses(
    small: tuple[Instance, Proposal], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, proposal = small

    def fails(_: Any) -> Any:
        raise np.linalg.LinAlgError

    for wrong in (
        fails,
        lambda M: (np.ones(len(M)), np.eye(len(M))),
        lambda M: (np.full(len(M), np.nan), np.full(M.shape, np.nan)),
    ):
        monkeypatch.setattr(np.linalg, "eigh", wrong)
        assert not verified.prove_flow(one, proposal).proved


PLANTED: dict[str, tuple[Any, str, Any]] = {
    "positive definiteness taken for granted": (verified, "positive_definite", lambda M: True),
    "separation not checked": (verified, "_failed_separation", lambda *a: None),
    "features not checked": (verified, "_failed_features", lambda *a: None),
    "alpha forgotten in the drift": (
        verified,
        "_steps",
        lambda rounded, stage, rows: (rounded.step_W * np.abs(rounded.instance.a[rows]))[:, None],
    ),
    "alpha forgotten in the weights": (
        verified,
        "weights_between",
        lambda rounded, radius: rounded_steps.weights_between(rounded, 0 * radius),
    ),
    "uncertain pairs taken for certain": (
        verified,
        "gates_of",
        lambda rounded, uncertain: rounded_bounds.gates_of(rounded, np.zeros_like(uncertain)),
    ),
}


EDGES: dict[str, Callable[[Stage, float], dict[str, Any]]] = {
    "decay": lambda stage, part: {"decay": stage.decay / part},
    "radius": lambda stage, part: {"radius": stage.radius * part},
    "radius_a": lambda stage, part: {"radius_a": stage.radius_a * part},
    "spread": lambda stage, part: {"spread": stage.spread * part},
    "uncertain": lambda stage, part: {"uncertain": stage.uncertain & (part == 1)},
}


@pytest.fixture(scope="module")
def false_ones(small: tuple[Instance, Proposal]) -> list[Proposal]:
    """Proposals a thousandth beyond what is proved, one number of the last stage at a time."""
    one, proposal = small
    last = len(proposal.stages) - 1

    def moved(change: Callable[[Stage, float], dict[str, Any]], part: float) -> Proposal:
        return bent(proposal, last, **change(proposal.stages[last], part))

    found = []
    for change in EDGES.values():
        low, high = 0.1, 1.0
        while high - low > 1e-4:
            middle = (low + high) / 2
            proves = verified.prove_flow(one, moved(change, middle)).proved
            low, high = (low, middle) if proves else (middle, high)
        found.append(moved(change, high - 1e-3))
    return found


def accepted(one: Instance, proposals: list[Proposal]) -> int:
    return sum(verified.prove_flow(one, proposal).proved for proposal in proposals)


@pytest.mark.parametrize("name", PLANTED)
def test_each_planted_error_accepts_a_false_proposal(
    small: tuple[Instance, Proposal],
    false_ones: list[Proposal],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert accepted(small[0], false_ones) == 0
    monkeypatch.setattr(*PLANTED[name])
    assert accepted(small[0], false_ones) > 0


def test_a_hundred_samples_and_five_hundred_neurons_within_ten_seconds() -> None:
    one = alive(n=100, d=20, m=500, residual=0.02)
    proposal = found_by(search_flow, one, stages=2)
    begin = time.perf_counter()
    assert verified.prove_flow(one, proposal).proved
    assert time.perf_counter() - begin < 10


def test_positive_definiteness_is_the_only_way_to_a_spectrum() -> None:
    assert verified.positive_definite is positive_definite
