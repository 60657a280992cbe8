"""What must never be certified, in hundreds of random variants: by the search, and by each proof on its own.

A proof is asked about proposals that fit a nearby instance, so that nothing but its own inequalities refuses.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from proofs_check import certify_descent, certify_flow
from proofs_check.certificates import enclosed, numeric, verified
from proofs_check.certificates.geometry import geometry_of
from proofs_check.certificates.instance import Instance
from proofs_check.certificates.proposal import Proposal, Stage
from proofs_check.certificates.search import Plan, search_flow
from shallow.setting.network import Network
from shallow.setting.problem import Problem

pytest.importorskip("flint", reason="balls need python-flint (extra `rigour`)")

Array = np.ndarray[Any, np.dtype[np.float64]]
Draw = Callable[..., Instance]
Propose = Callable[..., Proposal]
Build = Callable[[np.random.Generator, Draw], Instance]

PROOFS = {"numeric": numeric, "verified": verified, "enclosed": enclosed}
SMALL = (1e-2, 1e-6)


def outputs(X: Array, W: Array, a: Array, slope: float) -> Array:
    Z = W @ X.T
    return np.asarray(a @ np.where(Z > 0, Z, slope * Z) / np.sqrt(len(a)))


def near(instance: Instance, rng: np.random.Generator, **values: Any) -> Instance:
    """The instance with other inputs or weights, and labels near its own outputs again."""
    other = dataclasses.replace(instance, **values)
    noise = rng.normal(size=other.n)
    noise *= rng.choice(SMALL) / np.linalg.norm(noise)
    return dataclasses.replace(other, y=outputs(other.X, other.W, other.a, other.slope) + noise)


def with_row(instance: Instance, rng: np.random.Generator, row: Array) -> Instance:
    X = instance.X.copy()
    X[1] = row
    return near(instance, rng, X=X)


def with_label(instance: Instance, label: float) -> Instance:
    y = instance.y.copy()
    y[1] = label
    return dataclasses.replace(instance, y=y)


def equal_different(rng: np.random.Generator, drawn: Draw) -> Instance:
    instance = drawn(rng, 5, 4, 12)
    instance = with_row(instance, rng, instance.X[0])
    gap = rng.choice([np.nextafter(instance.y[0], np.inf) - instance.y[0], 1e-9, 2 * abs(instance.y[0])])
    return with_label(instance, instance.y[0] + gap)


def equal_equal(rng: np.random.Generator, drawn: Draw) -> Instance:
    instance = drawn(rng, 5, 4, 12)
    instance = with_row(instance, rng, instance.X[0])
    return with_label(instance, instance.y[0])


def proportional(rng: np.random.Generator, drawn: Draw) -> Instance:
    instance = drawn(rng, 5, 4, 12)
    return with_row(instance, rng, instance.X[0] * rng.choice([0.25, 2.0, 3.0, 1e-6, np.pi, 1e8]))


def proportional_consistent(rng: np.random.Generator, drawn: Draw) -> Instance:
    instance = proportional(rng, drawn)
    return with_label(instance, instance.y[0] * np.linalg.norm(instance.X[1]) / np.linalg.norm(instance.X[0]))


def zero_input(rng: np.random.Generator, drawn: Draw) -> Instance:
    instance = drawn(rng, 5, 4, 12)
    instance = with_row(instance, rng, np.zeros(4))
    return with_label(instance, float(rng.choice([0.0, 1e-9, 1.0])))


def last_bit(rng: np.random.Generator, drawn: Draw) -> Instance:
    """Two inputs that differ in the last bit of one entry."""
    instance = drawn(rng, 5, 4, 12)
    row = instance.X[0].copy()
    i = rng.integers(4)
    row[i] = np.nextafter(row[i], np.inf)
    instance = with_row(instance, rng, row)
    return with_label(instance, instance.y[0] + rng.choice([0.0, 1e-3]))


def nearly_equal(rng: np.random.Generator, drawn: Draw) -> Instance:
    """Two inputs 1e-9 to 1e-13 apart whose labels are further apart."""
    instance = drawn(rng, 5, 4, 12)
    row = instance.X[0] + 10.0 ** rng.uniform(-13, -9) * rng.normal(size=4)
    instance = with_row(instance, rng, row)
    return with_label(instance, instance.y[0] + rng.choice([-1e-3, 1e-3]))


def nearly_reflected(rng: np.random.Generator, drawn: Draw) -> Instance:
    """x and nearly -x where phi(z) = |z|."""
    instance = drawn(rng, 5, 4, 12, slope=-1.0)
    return with_row(instance, rng, -instance.X[0] + 10.0 ** rng.uniform(-13, -9) * rng.normal(size=4))


def reflected(rng: np.random.Generator, drawn: Draw) -> Instance:
    """x and -x where phi(z) = |z|: f(-x) = f(x) for every network."""
    instance = drawn(rng, 5, 4, 12, slope=-1.0)
    return with_row(instance, rng, -instance.X[0] * rng.choice([1.0, 2.0]))


def linear(rng: np.random.Generator, drawn: Draw) -> Instance:
    """No kink and more samples than dimensions."""
    return near(drawn(rng, 5, 4, 12, slope=1.0), rng)


def one_pattern(rng: np.random.Generator, drawn: Draw) -> Instance:
    """All neurons active on all samples, more samples than dimensions."""
    instance = drawn(rng, 5, 4, 12)
    return near(instance, rng, X=np.abs(instance.X) + 0.1, W=np.abs(instance.W) + 0.1)


def too_many(rng: np.random.Generator, drawn: Draw) -> Instance:
    """n > m d, and n <= m (d + 1)."""
    m, d = int(rng.integers(2, 4)), int(rng.integers(2, 4))
    slope = float(rng.choice([0.0, 0.1, -0.5]))
    return drawn(rng, int(rng.integers(m * d + 1, m * (d + 1) + 1)), d, m, slope=slope, residual=1e-6)


def too_many_by_far(rng: np.random.Generator, drawn: Draw) -> Instance:
    return drawn(rng, int(rng.integers(13, 16)), 3, 3, residual=rng.choice(SMALL))


def dead(rng: np.random.Generator, drawn: Draw) -> Instance:
    instance = drawn(rng, 4, 4, 6)
    return near(instance, rng, X=np.abs(instance.X) + 0.01, W=-np.abs(instance.W))


def dead_sample(rng: np.random.Generator, drawn: Draw) -> Instance:
    """One sample lies where no neuron is active."""
    instance = drawn(rng, 4, 4, 3)
    row = np.linalg.lstsq(instance.W, -rng.uniform(0.1, 1.0, 3))[0]
    return with_row(instance, rng, row)


def muted(rng: np.random.Generator, drawn: Draw) -> Instance:
    """Only the first layer is trained, and all outputs of the neurons are 0."""
    instance = drawn(rng, 4, 4, 6, rates=(1.0, 0.0))
    return near(instance, rng, a=np.zeros(6))


def muted_sample(rng: np.random.Generator, drawn: Draw) -> Instance:
    """Only the first layer is trained, and the only neuron active on one sample has a = 0."""
    instance = drawn(rng, 4, 4, 4, rates=(1.0, 0.0))
    row = np.linalg.solve(instance.W, np.array([1.0, -1.0, -1.0, -1.0]) * rng.uniform(0.1, 1.0, 4))
    a = instance.a.copy()
    a[0] = 0.0
    return with_row(dataclasses.replace(instance, a=a), rng, row)


def few_features(rng: np.random.Generator, drawn: Draw) -> Instance:
    """Only the second layer is trained, with fewer neurons than samples."""
    return drawn(rng, 7, 3, 6, rates=(0.0, 1.0), residual=rng.choice(SMALL))


SINGULAR: tuple[Build, ...] = (
    equal_different,
    equal_equal,
    proportional,
    proportional_consistent,
    zero_input,
    last_bit,
    nearly_equal,
    nearly_reflected,
    reflected,
    linear,
    one_pattern,
    too_many,
    too_many_by_far,
    dead,
    dead_sample,
    muted,
    muted_sample,
    few_features,
)


def borrowed(instance: Instance, rng: np.random.Generator) -> Proposal:
    """A proposal that asks for almost nothing: huge radii off the kinks, a tiny decay, few multipliers."""
    geometry = geometry_of(instance)
    moves, turns = instance.rate_W > 0, instance.rate_a > 0
    residual = geometry.residual_norm * (1 + 1e-6) + geometry.residual_error
    stages = []
    count = int(rng.integers(1, 4))
    for j in range(1, count + 1):
        radius = np.abs(geometry.Z) * rng.choice([0.999, 1e-3]) * moves + 0.0
        stages.append(
            Stage(
                end=residual * (1 - j / count),
                decay=float(10.0 ** rng.uniform(-30, -6)),
                radius=radius,
                uncertain=(geometry.Z == 0) & moves,
                radius_a=np.abs(instance.a) * 0.5 * turns,
                spread=1e-3 if moves and turns else 0.0,
                share=float(rng.uniform(0.01, 1.0)),
                multiplier=np.full(geometry.Z.shape, 1e-11),
                shifts=np.array([]),
            )
        )
    return Proposal(residual, tuple(stages))


@pytest.mark.parametrize("build", SINGULAR, ids=lambda build: build.__name__)
@pytest.mark.parametrize("certify", [certify_flow, certify_descent], ids=["flow", "descent"])
def test_a_singular_instance_is_not_certified(build: Build, certify: Any, drawn: Draw) -> None:
    for seed in range(12):
        instance = build(np.random.default_rng(seed), drawn)
        rates = (instance.rate_W, instance.rate_a)
        certificate = certify(instance.network, instance.problem, rates, "numeric")
        assert not certificate.certified
        assert certificate.reason
        assert certificate.decay == 0


@pytest.mark.parametrize("build", SINGULAR, ids=lambda build: build.__name__)
@pytest.mark.parametrize("arithmetic", PROOFS)
def test_no_proof_accepts_a_proposal_for_a_singular_instance(
    build: Build, arithmetic: str, drawn: Draw
) -> None:
    """Without the refusals before the search: proposals made up, and searched on the singular instance."""
    refused = 0
    for seed in range(6):
        rng = np.random.default_rng(100 + seed)
        instance = build(rng, drawn)
        proposals = [borrowed(instance, rng)]
        found = search_flow(geometry_of(instance), Plan(stages=3))
        if isinstance(found, Proposal):
            proposals.append(found)
        for proposal in proposals:
            if arithmetic == "numeric" and proposal.stages[0].decay < 1e-10:
                continue  # plain floats see no difference: NUMERIC is no proof
            finding = PROOFS[arithmetic].prove_flow(instance, proposal)
            assert not finding.proved
            assert finding.inequality
            refused += 1
    assert refused > 0 or arithmetic == "numeric"


def test_two_equal_inputs_with_opposite_labels_that_once_passed() -> None:
    """lambda_min(G) = 0 came out as -1e-15, and a negative decay satisfied every inequality."""
    rng = np.random.default_rng(1881)
    n, d, m = 5, 4, 6
    X = rng.normal(size=(n, d))
    X[1] = X[0]
    y = rng.normal(size=n)
    y[1] = -y[0]
    network, problem = Network(rng.normal(size=(m, d)), rng.normal(size=m), scale=1.0), Problem(X, y)
    for certify in (certify_flow, certify_descent):
        for rigour in PROOFS:
            certificate = certify(network, problem, (1.0, 0.0), rigour)
            assert not certificate.certified
            assert "conflicting labels" in certificate.reason


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (equal_different, "conflicting labels"),
        (equal_equal, "merge_equal_inputs"),
        (zero_input, "is 0"),
        (too_many, "exceeds"),
        (dead, "dead"),
        (dead_sample, "activates no neuron"),
        (few_features, "only the second layer"),
        (muted, "only the first layer"),
    ],
    ids=lambda value: getattr(value, "__name__", "words"),
)
def test_the_reason_names_what_is_wrong(build: Build, words: str, drawn: Draw) -> None:
    instance = build(np.random.default_rng(0), drawn)
    rates = (instance.rate_W, instance.rate_a)
    assert words in certify_flow(instance.network, instance.problem, rates, "numeric").reason


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("arithmetic", PROOFS)
def test_a_number_that_is_not_finite_is_refused_by_the_proof_itself(
    bad: float, arithmetic: str, drawn: Draw, flow_proposal: Propose, descent_proposal: Propose
) -> None:
    instance = drawn(np.random.default_rng(0), 4, 3, 8, rates=(0.05, 0.05), residual=1e-5)
    flow, descent = flow_proposal(instance), descent_proposal(instance)
    proofs = PROOFS[arithmetic]
    for name in ("X", "y", "W", "a"):
        for at in (0, -1):
            values = getattr(instance, name).copy()
            values.flat[at] = bad
            broken = dataclasses.replace(instance, **{name: values})
            with np.errstate(all="ignore"):
                assert not _proved(proofs.prove_flow, broken, flow)
                assert not _proved(proofs.prove_descent, broken, descent)
    for name in ("radius", "radius_a", "multiplier", "shifts"):
        values = getattr(flow.stages[1], name).copy()
        values.flat[0] = bad
        assert not proofs.prove_flow(instance, _with(flow, 1, **{name: values})).proved
    for name in ("end", "decay", "spread", "share"):
        assert not proofs.prove_flow(instance, _with(flow, 1, **{name: bad})).proved
    assert not proofs.prove_flow(instance, dataclasses.replace(flow, start=bad)).proved


def _proved(prove: Any, instance: Instance, proposal: Proposal) -> bool:
    """LAPACK refuses numbers that are not finite, which is a refusal too."""
    try:
        return bool(prove(instance, proposal).proved)
    except np.linalg.LinAlgError:
        return False


def _with(proposal: Proposal, at: int, **values: Any) -> Proposal:
    stages = list(proposal.stages)
    stages[at] = dataclasses.replace(stages[at], **values)
    return Proposal(proposal.start, tuple(stages))


WORSE: dict[str, Callable[[Stage], dict[str, Any]]] = {
    "a decay above lambda_min": lambda stage: {"decay": stage.decay * (1 + 1e-3)},
    "a decay of 0": lambda stage: {"decay": 0.0},
    "a negative decay": lambda stage: {"decay": -1e-15, "shifts": np.array([])},
    "smaller pair radii": lambda stage: {"radius": stage.radius * 0.8},
    "no pair radii": lambda stage: {"radius": stage.radius * 0},
    "negative pair radii": lambda stage: {"radius": -stage.radius},
    "smaller output radii": lambda stage: {"radius_a": stage.radius_a * 0.8},
    "negative output radii": lambda stage: {"radius_a": -stage.radius_a},
    "a smaller spread": lambda stage: {"spread": stage.spread * 0.8},
    "a negative spread": lambda stage: {"spread": -stage.spread},
    "a share of 0 with a spread": lambda stage: {"share": 0.0},
    "a share above 1": lambda stage: {"share": 1 + 1e-9},
    "no uncertain pairs": lambda stage: {"uncertain": np.zeros_like(stage.uncertain)},
    "multipliers of 0": lambda stage: {"multiplier": np.zeros_like(stage.radius)},
    "negative multipliers": lambda stage: {"multiplier": -np.ones_like(stage.radius)},
    "a shift at the decay": lambda stage: {"shifts": np.array([stage.decay])},
    "a negative shift": lambda stage: {"shifts": -stage.shifts},
    "an end below the next": lambda stage: {"end": 0.0},
    "the wrong shape": lambda stage: {"radius": stage.radius[:, :-1]},
    "single precision": lambda stage: {"radius": stage.radius.astype(np.float32)},
}


@pytest.mark.parametrize("arithmetic", PROOFS)
@pytest.mark.parametrize("what", WORSE)
def test_every_proposed_number_counts(
    what: str, arithmetic: str, drawn: Draw, flow_proposal: Propose
) -> None:
    """At a residual near the largest that closes, with pairs that may cross the kink."""
    certified = 0
    for seed in range(20):
        instance = drawn(np.random.default_rng(seed), 5, 3, 8, residual=2e-2)
        found = search_flow(geometry_of(instance), Plan(stages=4))
        if not isinstance(found, Proposal) or not np.any(found.stages[2].uncertain):
            continue
        worse = _with(found, 2, **WORSE[what](found.stages[2]))
        assert PROOFS[arithmetic].prove_flow(instance, found).proved
        assert not PROOFS[arithmetic].prove_flow(instance, worse).proved
        certified += 1
        if certified == 2:
            break
    assert certified == 2


@pytest.mark.parametrize("arithmetic", PROOFS)
def test_levels_have_to_span_from_the_residual_to_zero(
    arithmetic: str, drawn: Draw, flow_proposal: Propose
) -> None:
    instance = drawn(np.random.default_rng(1), 5, 3, 8)
    proposal = flow_proposal(instance, stages=3)
    prove = PROOFS[arithmetic].prove_flow
    first, second, last = proposal.stages
    assert prove(instance, proposal).proved
    for stages in ((), (first,), (first, second), (last, second, first), (first, first, last), (last, last)):
        assert not prove(instance, Proposal(proposal.start, stages)).proved
    below = geometry_of(instance).residual_norm * (1 - 1e-12)
    assert not prove(instance, dataclasses.replace(proposal, start=below)).proved


def largest_that_closes(instance: Instance, direction: Array, plan: Plan) -> tuple[float, float]:
    """Residual norms 1 % apart around the largest for which the search closes, along one direction."""

    def closes(residual: float) -> bool:
        moved = dataclasses.replace(instance, y=instance.y + residual * direction)
        return isinstance(search_flow(geometry_of(moved), plan), Proposal)

    low, high = 1e-8, 1e-8
    while closes(high):
        low, high = high, 2 * high
    while high > 1.01 * low:
        middle = np.sqrt(low * high)
        low, high = (middle, high) if closes(middle) else (low, middle)
    return low, high


def test_a_residual_just_above_the_largest_that_closes_is_refused(drawn: Draw) -> None:
    plan, refused = Plan(stages=2, attempts=20), 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        instance = drawn(rng, 4, 3, 10, residual=0.0)
        direction = rng.normal(size=4)
        direction /= np.linalg.norm(direction)
        low, high = largest_that_closes(instance, direction, plan)
        proposal = search_flow(
            geometry_of(dataclasses.replace(instance, y=instance.y + low * direction)), plan
        )
        assert isinstance(proposal, Proposal)
        above = dataclasses.replace(instance, y=instance.y + high * 1.01 * direction)
        certificate = certify_flow(above.network, above.problem, rigour="enclosed", plan=plan)
        assert not certificate.certified
        assert certificate.reason.split(":")[0] in ("spectrum", "travel")
        scaled = Proposal(
            proposal.start * high / low,
            tuple(dataclasses.replace(stage, end=stage.end * high / low) for stage in proposal.stages),
        )
        for proofs in (verified, enclosed):
            assert not proofs.prove_flow(above, proposal).proved
            assert not proofs.prove_flow(above, scaled).proved
        refused += 1
    assert refused == 8


def test_labels_that_no_certificate_was_found_for_are_not_certified_by_another_ones_proposal(
    drawn: Draw, flow_proposal: Propose
) -> None:
    """A proposal proves its own instance; for one with other weights it has to be proved again."""
    rng = np.random.default_rng(5)
    instance = drawn(rng, 5, 3, 10, residual=1e-4)
    proposal = flow_proposal(instance)
    for proofs in (verified, enclosed):
        assert proofs.prove_flow(instance, proposal).proved
    for _ in range(10):
        other = drawn(rng, 5, 3, 10, residual=1e-4)
        for proofs in (verified, enclosed):
            assert not proofs.prove_flow(other, proposal).proved
