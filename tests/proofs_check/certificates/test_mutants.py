"""Plausible errors planted in the proof, each caught by a check that the proof itself passes.

A check states something that holds of every correct proof: lower bounds lie below the tangent kernel at
points and gates of the region, constants cover every displacement, some instances and proposals are refused.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from proofs_check.certificates import (
    balls,
    checks,
    enclosed,
    enclosed_bounds,
    enclosed_constants,
    enclosed_steps,
    numeric,
)
from proofs_check.certificates.geometry import features_spread, gates_of, geometry_of
from proofs_check.certificates.instance import Instance
from proofs_check.certificates.proposal import Proposal, Stage
from proofs_check.certificates.search import Plan
from proofs_check.certificates.search_descent import search_descent

pytest.importorskip("flint", reason="balls need python-flint (extra `rigour`)")

Array = np.ndarray[Any, np.dtype[np.float64]]
Patch = pytest.MonkeyPatch
Setting = Any  # the fixtures of conftest: drawn, flow_proposal, descent_proposal


def relu(Z: Array, slope: float) -> Array:
    return np.where(Z > 0, Z, slope * Z)


def stage_of(instance: Instance, rng: np.random.Generator, **values: Any) -> Stage:
    """A region with random uncertain pairs, half the weights of a and most of the features."""
    Z = instance.W @ instance.X.T
    uncertain = rng.random(Z.shape) < 0.4
    features = np.linalg.norm(instance.scale * relu(Z, instance.slope), 2)
    fields: dict[str, Any] = {
        "end": 0.0,
        "decay": 1.0 - 1e-9,
        "radius": np.where(uncertain, 1.5, 0.5) * np.abs(Z),
        "uncertain": uncertain,
        "radius_a": 0.5 * np.abs(instance.a),
        "spread": 0.9 * float(features),
        "share": 0.5,
        "multiplier": rng.uniform(0.1, 1.0, Z.shape),
        "shifts": np.array([0.5]),
    }
    return Stage(**(fields | values))


def regions(setting: Setting, count: int = 4) -> list[tuple[Instance, Stage, np.random.Generator]]:
    """Few neurons, so that the bounds are nearly attained; the scale is 0.1."""
    out = []
    for seed, slope in itertools.product(range(count), (0.0, -0.5, 0.1, 1.5)):
        rng = np.random.default_rng(seed)
        instance = dataclasses.replace(setting.drawn(rng, 4, 3, 2, slope=slope), scale=0.1)
        out.append((instance, stage_of(instance, rng), rng))
    return out


def gates_at_random(instance: Instance, stage: Stage, rng: np.random.Generator) -> Array:
    ends = np.where(rng.random(stage.uncertain.shape) < 0.5, 1.0, instance.slope)
    present = np.where(instance.W @ instance.X.T > 0, 1.0, instance.slope)
    return np.where(stage.uncertain, ends, present)


def kernel_lies_above_its_bound(setting: Setting) -> None:
    """G(D, a', F') >= M for gates, outputs and features of the region."""
    smallest = math.inf
    for instance, stage, rng in regions(setting):
        for spread, share in ((stage.spread, 0.5), (0.0, 0.0)):
            region = dataclasses.replace(stage, spread=spread, share=share)
            with balls.precision():
                quantities = enclosed.quantities_of(instance)
                gates = enclosed._gates(quantities, region)
                M = balls.midpoints(enclosed._flow_matrix(quantities, gates, region))
            F = instance.scale * relu(instance.W @ instance.X.T, instance.slope).T
            F = F * (1 - spread / np.linalg.norm(F, 2)) if spread else F
            K, size = instance.X @ instance.X.T, np.abs(M).max() + 1e-3
            for _ in range(24):
                D = gates_at_random(instance, region, rng)
                a = np.abs(instance.a) - region.radius_a * rng.integers(0, 2, instance.m)
                first = instance.rate_W * instance.scale**2 * K * ((D * a[:, None] ** 2).T @ D)
                G = first + instance.rate_a * F @ F.T
                smallest = min(smallest, float(np.linalg.eigvalsh(G - M)[0]) / size)
    assert smallest >= -1e-9


def prices_cover_every_push(setting: Setting) -> None:
    """With M = I and v along b, |dz_ki/dt| and |da_k/dt| attain their prices; they never exceed them."""
    worst = 0.0
    for instance, stage, rng in regions(setting):
        n = instance.n
        with balls.precision():
            quantities = enclosed.quantities_of(instance)
            gates = enclosed._gates(quantities, stage)
            kernel = enclosed.kernel_of(balls.balls(np.eye(n)), stage.decay, stage.shifts)
            ranges = enclosed.ranges_of(quantities, balls.balls(stage.radius))
            pair = balls.midpoints(enclosed._pair_prices(quantities, gates, stage, kernel))
            output = balls.midpoints(enclosed._output_prices(quantities, ranges, kernel))
        K, Z = instance.X @ instance.X.T, instance.W @ instance.X.T
        a = np.abs(instance.a) + stage.radius_a
        for _ in range(24):
            D = gates_at_random(instance, stage, rng)
            b = np.linalg.norm(D[:, :, None] * K, axis=1) * instance.rate_W * instance.scale * a[:, None]
            moved = relu(Z + stage.radius * rng.choice([-1, 1], Z.shape), instance.slope)
            c = np.linalg.norm(moved, axis=1) * instance.rate_a * instance.scale
            worst = max(worst, float(np.max(b / pair)), float(np.max(c / output)))
    assert 0.9 < worst <= 1 + 1e-9


def features_stay_within_the_spread(setting: Setting) -> None:
    """||F' - F|| is covered by the pairs' radii, and by |s| L ||X|| ||W' - W||."""
    worst = 0.0
    for instance, stage, rng in regions(setting):
        with balls.precision():
            quantities = enclosed.quantities_of(instance)
            spread = float(enclosed.ranges_of(quantities, balls.balls(stage.radius)).spread)
            cap = float(quantities.scale * quantities.lipschitz * quantities.spectral)
        Z = instance.W @ instance.X.T
        for _ in range(24):
            other = Z + stage.radius * rng.choice([-1, 1], Z.shape)
            change = instance.scale * (relu(other, instance.slope) - relu(Z, instance.slope))
            worst = max(worst, float(np.linalg.norm(change)) / spread)
        W = instance.W - 1e3 * np.outer(np.ones(instance.m), np.linalg.svd(instance.X)[2][0])
        change = instance.scale * (relu(W @ instance.X.T, instance.slope) - relu(Z, instance.slope))
        worst = max(worst, float(np.linalg.norm(change)) / (cap * float(np.linalg.norm(W - instance.W))))
    assert 0.5 < worst <= 1 + 1e-9


def the_norm_of_the_data_is_the_spectral_one(setting: Setting) -> None:
    """To 9 digits: a larger bound would be valid and cost certificates."""
    instance = setting.drawn(np.random.default_rng(0), 6, 4, 3)
    with balls.precision():
        found = float(enclosed.quantities_of(instance).spectral)
    assert found == pytest.approx(float(np.linalg.norm(instance.X, 2)), rel=1e-9)


def exactly_on_the_boundary_is_uncertain(setting: Setting) -> None:
    """|z| = rho, exactly, outside U."""
    one = np.ones((1, 1))
    instance = Instance(one, np.array([0.5]), one, np.ones(1), 1.0, 0.0, 1.0, 0.0)
    stage = stage_of(instance, np.random.default_rng(0), decay=0.9, spread=0.0, share=0.0, end=0.0)
    stage = dataclasses.replace(stage, radius_a=np.zeros(1), uncertain=np.zeros((1, 1), dtype=bool))
    inside = dataclasses.replace(stage, radius=one * (1 - 1e-9))
    edge = dataclasses.replace(stage, radius=one)
    assert enclosed.prove_flow(instance, Proposal(0.51, (inside,))).proved
    assert enclosed.prove_flow(instance, Proposal(0.51, (edge,))).inequality == "separation"


def antipodal_samples_on_one_kink_are_certified(setting: Setting) -> None:
    """K_UU = [[1, -1], [-1, 1]] is singular there, and the instance is a good one."""
    rng = np.random.default_rng(0)
    instance = setting.drawn(rng, 4, 3, 12)
    X, W = instance.X.copy(), instance.W.copy()
    X[1] = -X[0]
    W[0] -= X[0] * (W[0] @ X[0]) / (X[0] @ X[0])
    instance = setting.labelled(rng, X, W, instance.a, residual=1e-5)
    proposal = setting.flow_proposal(instance)
    assert np.all(proposal.stages[0].uncertain[0, :2])
    assert enclosed.prove_flow(instance, proposal).proved


def what_was_paid_counts(setting: Setting) -> None:
    """Half the radii of the whole path are too little, and more than the last of four stages needs."""
    instance = setting.drawn(np.random.default_rng(0), 5, 3, 8, residual=1e-3)
    proposal = setting.flow_proposal(instance, stages=4)
    last = proposal.stages[-1]
    assert enclosed.prove_flow(instance, proposal).proved
    less = dataclasses.replace(last, radius=last.radius * 0.5, radius_a=last.radius_a * 0.5)
    assert not enclosed.prove_flow(instance, Proposal(proposal.start, (*proposal.stages[:-1], less))).proved


def roots_and_floats_are_rounded_outward(setting: Setting) -> None:
    """Upper bounds bound balls that are wide, and balls that no float holds."""
    from flint import arb

    with balls.precision():
        wide = np.array([arb(2.0, 1.0)], dtype=object)
        assert balls.root_up(wide)[0] >= arb(3.0).sqrt().lower()
        for number in range(3, 40):
            assert arb(balls.up(arb(1) / number)) >= arb(1) / number


def a_matrix_is_definite_only_with_all_its_points(setting: Setting) -> None:
    """[[1, x], [x, 1]] for all x within 2 of 0 holds singular matrices."""
    from flint import arb

    with balls.precision():
        wide = np.array([[arb(1), arb(0, 2)], [arb(0, 2), arb(1)]], dtype=object)
        assert not balls.positive_definite(wide)
        assert balls.positive_definite(balls.balls(np.eye(2)))


def labels_that_are_no_numbers_are_refused(setting: Setting) -> None:
    """Nothing but the residual depends on the labels."""
    instance = setting.drawn(np.random.default_rng(0), 5, 3, 8, residual=1e-4)
    proposal = setting.flow_proposal(instance)
    broken = dataclasses.replace(instance, y=np.where(np.arange(5) == 2, np.nan, instance.y))
    assert enclosed.prove_flow(instance, proposal).proved
    assert not enclosed.prove_flow(broken, proposal).proved


def a_negative_decay_is_refused(setting: Setting) -> None:
    """It would pass: lambda_min(G) = 0 exceeds it, and every needed radius is negative."""
    rng = np.random.default_rng(1)
    instance = setting.drawn(rng, 4, 3, 12, rates=(1.0, 0.0))
    X = instance.X.copy()
    X[1] = X[0]
    instance = dataclasses.replace(instance, X=X)
    Z = instance.W @ X.T
    radius = np.full(Z.shape, 1e-12)
    stage = Stage(0.0, -1e-9, radius, radius > 1, np.zeros(12), 0.0, 0.0, np.ones(Z.shape), np.array([]))
    residual = geometry_of(instance).residual_norm * 2
    assert not enclosed.prove_flow(instance, Proposal(residual, (stage,))).proved


def stepping(setting: Setting) -> tuple[Instance, Proposal]:
    """A certified descent in several stages with pairs that may cross the kink."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        instance = setting.drawn(rng, 5, 3, 8, rates=(0.05, 0.05), residual=1e-2)
        proposal = search_descent(geometry_of(instance), Plan())
        several = isinstance(proposal, Proposal) and len(proposal.stages) > 1
        if several and np.any(proposal.stages[-1].uncertain):
            assert enclosed.prove_descent(instance, proposal).proved
            return instance, proposal
    raise LookupError("no such instance")


def a_step_needs_large_multipliers(setting: Setting) -> None:
    """The flow may use any multiplier, a step may not."""
    instance, proposal = stepping(setting)
    last = proposal.stages[-1]
    smaller = dataclasses.replace(last, multiplier=last.multiplier * 0.5)
    finding = enclosed.prove_descent(instance, Proposal(proposal.start, (*proposal.stages[:-1], smaller)))
    assert finding.inequality == "multiplier"


def a_step_may_overshoot_its_stage(setting: Setting) -> None:
    """Radii of the first stage that hold its path but not half of one more step."""
    instance, proposal = stepping(setting)
    geometry, first = geometry_of(instance), proposal.stages[0]
    gates = gates_of(geometry, first.uncertain)
    bound = numeric.step_bound(geometry, gates, first.radius_a, first.spread, proposal.start)
    spectrum = numeric.spectrum_of(
        numeric.descent_matrix(
            geometry, gates, bound, first.multiplier, first.split, first.spread, first.share
        )
    )
    middle, half, _ = features_spread(geometry, first.radius)
    prices = numeric.step_prices(geometry, gates, first, spectrum, middle, half)
    paid = prices[0] * (proposal.start - first.end)
    radius = paid + prices[2] * proposal.start * 0.5
    assert np.all(radius < first.radius)
    less = dataclasses.replace(first, radius=radius)
    finding = enclosed.prove_descent(instance, Proposal(proposal.start, (less, *proposal.stages[1:])))
    assert finding.inequality == "travel"


def steps_are_as_long_as_they_may_be(setting: Setting) -> None:
    """L' covers the largest eigenvalue over the region, the second layer, and what both layers do at once."""
    worst = 0.0
    for instance, stage, rng in regions(setting):
        stepped = dataclasses.replace(stage, split=1.0)
        residual = 3.0
        with balls.precision():
            quantities = enclosed.quantities_of(instance)
            gates = enclosed._gates(quantities, stepped)
            length = float(enclosed_steps.step_bound(quantities, gates, stepped, residual).length)
        K = instance.X @ instance.X.T
        a = np.abs(instance.a) + stage.radius_a
        F = instance.scale * relu(instance.W @ instance.X.T, instance.slope)
        second = (np.linalg.norm(F, 2) + stage.spread) ** 2
        lipschitz = max(1.0, abs(instance.slope))
        both = instance.scale * lipschitz * np.linalg.norm(instance.X, 2) * residual
        for _ in range(24):
            D = gates_at_random(instance, stage, rng)
            first = instance.scale**2 * np.linalg.norm(K * ((D * a[:, None] ** 2).T @ D), 2)
            worst = max(worst, float(first + second + both) / length)
    assert 0.9 < worst <= 1 + 1e-9


def a_last_bit_changes_the_hash(setting: Setting) -> None:
    """Of any weight."""
    instance = setting.drawn(np.random.default_rng(0), 3, 2, 4)
    for k in range(instance.W.size):
        W = instance.W.copy()
        W.flat[k] = np.nextafter(W.flat[k], np.inf)
        assert dataclasses.replace(instance, W=W).fingerprint() != instance.fingerprint()


def without_alpha(function: Any) -> Any:
    """The function on a stage whose alpha_k are 0."""

    def planted(*arguments: Any) -> Any:
        return function(
            *(
                dataclasses.replace(value, radius_a=0 * value.radius_a) if isinstance(value, Stage) else value
                for value in arguments
            )
        )

    return planted


def planted_boundary(quantities: Any, stage: Stage, j: int) -> Any:
    sizes, radii = abs(quantities.Z[~stage.uncertain]), balls.balls(stage.radius[~stage.uncertain])
    return enclosed._failed(sizes >= radii, radii, sizes, "separation", j)


def planted_schur(lam_in_A: bool, lam_in_B: bool, eliminated: bool = True) -> Any:
    def planted(quantities: Any, gates: Any, multiplier: Any, k: int) -> Any:
        U = np.flatnonzero(gates.uncertain[k])
        rows, zero = np.arange(len(U)), balls.ball(0.0)
        A = quantities.K[np.ix_(U, U)]
        A[rows, rows] += multiplier[U] if lam_in_A else zero
        B = quantities.K[U] * gates.certain[k]
        half = (balls.ball(1.0) + quantities.instance.slope) / 2
        B[rows, U] -= multiplier[U] * half if lam_in_B else zero
        return B, balls.solution(A, B) if eliminated else B * zero

    return planted


def planted_quantities(**changes: Callable[[Any], Any]) -> Any:
    original = enclosed_bounds.quantities_of

    def planted(instance: Instance) -> Any:
        found = original(instance)
        return dataclasses.replace(found, **{name: change(found) for name, change in changes.items()})

    return planted


def planted_levels(residual_norm: float, proposal: Proposal) -> Any:
    """NaN < x is false, so a NaN passes."""
    return (
        checks.missed(0, "levels", residual_norm, proposal.start) if proposal.start < residual_norm else None
    )


def forgetful(quantities: Any, stage: Stage, paid: Any, before: float, j: int) -> Any:
    nothing = dataclasses.replace(paid, pair=0 * paid.pair, output=0 * paid.output, path=0 * paid.path)
    return FLOW_STAGE(quantities, stage, nothing, before, j)


def closed_gates(quantities: Any, uncertain: Any) -> Any:
    """The negative side taken for inactive."""
    relu_only = dataclasses.replace(quantities.instance, slope=0.0)
    return enclosed_bounds.gates_of(dataclasses.replace(quantities, instance=relu_only), uncertain)


def decided(gates: Any) -> Any:
    return dataclasses.replace(gates, theta=gates.theta * 0)


def short_fingerprint(instance: Instance) -> str:
    return hashlib.sha256(instance.W.astype(np.float32).tobytes()).hexdigest()


FLOW_STAGE = enclosed._flow_stage
FIRST = enclosed_bounds.first_layer
SECOND = enclosed_bounds.second_layer
PAIRS = enclosed_constants._pair_squares
STEPS = enclosed_steps.step_bound

MUTANTS: dict[str, tuple[tuple[Any, str, Any], Callable[[Setting], None]]] = {
    "Frobenius for the spectral norm": (
        (enclosed_bounds, "largest_eigenvalue_up", lambda A: np.trace(A)),
        the_norm_of_the_data_is_the_spectral_one,
    ),
    "alpha_k forgotten in the kernel": (
        (enclosed, "_flow_matrix", without_alpha(enclosed._flow_matrix)),
        kernel_lies_above_its_bound,
    ),
    "alpha_k forgotten in the drift": (
        (enclosed, "_reach_W", without_alpha(enclosed._reach_W)),
        prices_cover_every_push,
    ),
    "an uncertain set without its boundary": (
        (enclosed, "_failed_separation", planted_boundary),
        exactly_on_the_boundary_is_uncertain,
    ),
    "Schur without the pseudo-inverse": (
        (enclosed_bounds, "_eliminated", planted_schur(False, False)),
        antipodal_samples_on_one_kink_are_certified,
    ),
    "certain samples alone, without the Schur complement": (
        (enclosed_bounds, "_eliminated", planted_schur(True, True, False)),
        kernel_lies_above_its_bound,
    ),
    "a multiplier in the inverse and not beside it": (
        (enclosed_bounds, "_eliminated", planted_schur(True, False)),
        kernel_lies_above_its_bound,
    ),
    "a multiplier beside the inverse and not in it": (
        (enclosed_bounds, "_eliminated", planted_schur(False, True)),
        antipodal_samples_on_one_kink_are_certified,
    ),
    "roots rounded down": (
        (balls, "root_up", lambda A: balls._each(A, lambda x: x.lower().sqrt().lower())),
        roots_and_floats_are_rounded_outward,
    ),
    "floats rounded to nearest": (
        (balls, "up", lambda x: float(x.upper())),
        roots_and_floats_are_rounded_outward,
    ),
    "definiteness of the midpoints": (
        (balls, "positive_definite", lambda A: bool(np.linalg.eigvalsh(balls.midpoints(A))[0] > 0)),
        a_matrix_is_definite_only_with_all_its_points,
    ),
    "e forgotten in Lemma 7": (
        (enclosed, "second_layer", lambda q, stage: SECOND(q, dataclasses.replace(stage, spread=0.0))),
        kernel_lies_above_its_bound,
    ),
    "a scale that is not squared": (
        (enclosed, "quantities_of", planted_quantities(second=lambda q: q.second / q.scale)),
        kernel_lies_above_its_bound,
    ),
    "the negative side taken for inactive": (
        (enclosed, "gates_of", closed_gates),
        kernel_lies_above_its_bound,
    ),
    "uncertain gates at their middle in the constants": (
        (enclosed_constants, "_pair_squares", lambda q, g, N, A, k: PAIRS(q, decided(g), N, A, k)),
        prices_cover_every_push,
    ),
    "M^-1 for (M - nu I)^-1": (
        (enclosed_constants, "shifted", lambda A, shift: A.copy()),
        prices_cover_every_push,
    ),
    "a spread without the steeper side": (
        (enclosed_bounds.Quantities, "lipschitz", 1.0),
        features_stay_within_the_spread,
    ),
    "half the spread of the features": (
        (
            enclosed,
            "ranges_of",
            lambda q, radius: dataclasses.replace(
                enclosed_bounds.ranges_of(q, radius), spread=enclosed_bounds.ranges_of(q, radius).spread / 2
            ),
        ),
        features_stay_within_the_spread,
    ),
    "what earlier stages paid is forgotten": ((enclosed, "_flow_stage", forgetful), what_was_paid_counts),
    "a comparison that NaN passes": (
        (enclosed, "failed_levels", planted_levels),
        labels_that_are_no_numbers_are_refused,
    ),
    "numbers taken as they come": (
        (enclosed, "failed_numbers", lambda *_: None),
        a_negative_decay_is_refused,
    ),
    "steps with any multiplier": (
        (enclosed, "failed_step", lambda *_: None),
        a_step_needs_large_multipliers,
    ),
    "steps that end exactly at their stage": (
        (enclosed, "pair_reach", lambda q, g: 0 * enclosed_constants.pair_reach(q, g)),
        a_step_may_overshoot_its_stage,
    ),
    "steps of the layers one at a time": (
        (enclosed_steps, "step_bound", lambda q, g, stage, _: STEPS(q, g, stage, 0.0)),
        steps_are_as_long_as_they_may_be,
    ),
    "steps between decided gates": (
        (enclosed_steps, "step_bound", lambda q, g, stage, r: STEPS(q, decided(g), stage, r)),
        steps_are_as_long_as_they_may_be,
    ),
    "a hash of rounded weights": ((Instance, "fingerprint", short_fingerprint), a_last_bit_changes_the_hash),
}

CHECKS = dict.fromkeys(check for _, check in MUTANTS.values())


@pytest.fixture(name="setting", scope="module")
def _setting(drawn: Any, labelled: Any, flow_proposal: Any, descent_proposal: Any) -> Setting:
    @dataclasses.dataclass(frozen=True)
    class World:
        drawn: Any
        labelled: Any
        flow_proposal: Any
        descent_proposal: Any

    return World(drawn, labelled, flow_proposal, descent_proposal)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_proof_passes(check: Callable[[Setting], None], setting: Setting) -> None:
    assert check(setting) is None


@pytest.mark.parametrize("name", MUTANTS)
def test_the_error_is_caught(name: str, setting: Setting, monkeypatch: Patch) -> None:
    (place, attribute, error), check = MUTANTS[name]
    monkeypatch.setattr(place, attribute, error)
    with pytest.raises(AssertionError):
        check(setting)
