"""The proof in balls: it agrees with plain and with verified floats, and its bounds are true and close."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs_check import certify_flow
from proofs_check.certificates import enclosed, numeric, verified
from proofs_check.certificates import enclosed_bounds as bounds
from proofs_check.certificates import enclosed_constants as constants
from proofs_check.certificates.balls import balls, midpoints, precision
from proofs_check.certificates.bounds import first_layer
from proofs_check.certificates.geometry import gates_of, geometry_of
from proofs_check.certificates.instance import Instance
from proofs_check.certificates.numeric import _weights
from proofs_check.certificates.proposal import Proposal
from proofs_check.certificates.search import Plan, search_flow
from proofs_check.verdict import Evidence
from shallow.setting.network import Network
from shallow.setting.problem import Problem

pytest.importorskip("flint", reason="balls need python-flint (extra `rigour`)")

Draw = Callable[..., Instance]
Propose = Callable[..., Proposal]

FAMILIES = {
    "generic": (5, 3, 8, 0.0, (1.0, 1.0)),
    "more inputs than samples": (4, 6, 5, 0.0, (1.0, 1.0)),
    "a dead neuron": (4, 6, 12, 0.0, (1.0, 1.0)),
    "leaky": (5, 3, 8, 0.1, (1.0, 0.1)),
    "negative slope": (5, 3, 8, -0.5, (1.0, 1.0)),
    "absolute value": (4, 3, 8, -1.0, (1.0, 1.0)),
    "steeper below": (4, 3, 8, 1.5, (1.0, 1.0)),
    "first layer only": (5, 3, 20, 0.0, (1.0, 0.0)),
    "second layer only": (5, 3, 20, 0.0, (0.0, 1.0)),
    "unequal rates": (5, 3, 12, 0.0, (0.01, 1.0)),
    "one sample": (1, 2, 1, 0.0, (1.0, 1.0)),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("theorem", ["flow", "descent"])
def test_the_three_arithmetics_agree(
    family: str, theorem: str, drawn: Draw, flow_proposal: Propose, descent_proposal: Propose
) -> None:
    n, d, m, slope, rates = FAMILIES[family]
    step = 0.05 if theorem == "descent" else 1.0
    for seed in range(2):
        rng = np.random.default_rng(seed)
        instance = drawn(rng, n, d, m, slope=slope, rates=(rates[0] * step, rates[1] * step), residual=1e-4)
        if family in ("a dead neuron", "one sample"):
            W = instance.W.copy()
            W[0] = np.linalg.lstsq(instance.X, np.full(n, 1.0 if n == 1 else -1.0))[0]
            instance = dataclasses.replace(instance, W=W)
            output = geometry_of(dataclasses.replace(instance, y=np.zeros(n))).residual
            instance = dataclasses.replace(instance, y=output + 1e-4 / np.sqrt(n))
        proposal = (flow_proposal if theorem == "flow" else descent_proposal)(instance)
        findings = [
            getattr(arithmetic, f"prove_{theorem}")(instance, proposal)
            for arithmetic in (numeric, verified, enclosed)
        ]
        assert [finding.proved for finding in findings] == [True] * 3
        assert {finding.decay for finding in findings} == {min(stage.decay for stage in proposal.stages)}
        if theorem == "flow":
            assert findings[2].path == pytest.approx(findings[0].path, rel=1e-12)
            assert findings[1].path >= findings[2].path


@pytest.mark.parametrize("slope", [0.0, 0.1, -0.5])
def test_the_bound_of_the_tangent_kernel_is_the_plain_one_to_rounding(slope: float, drawn: Draw) -> None:
    rng = np.random.default_rng(3)
    instance = drawn(rng, 6, 4, 9, slope=slope)
    geometry = geometry_of(instance)
    uncertain = rng.random((9, 6)) < 0.3
    multiplier = rng.uniform(1e-8, 1.0, (9, 6))
    alpha = rng.uniform(0, 0.7, 9)
    plain = first_layer(geometry, gates_of(geometry, uncertain), _weights(instance, -alpha), multiplier)
    with precision():
        quantities = bounds.quantities_of(instance)
        used = np.abs(instance.a) > alpha
        weights = balls(_weights(instance, -alpha))
        gates = bounds.gates_of(quantities, uncertain)
        found = midpoints(bounds.first_layer(quantities, gates, weights, used, balls(multiplier)))
    np.testing.assert_allclose(found, plain, rtol=0, atol=1e-9 * np.abs(plain).max())


def rational(number: float) -> Any:
    from flint import fmpq

    return fmpq(*float(number).as_integer_ratio())


def exact_first_layer(instance: Instance, uncertain: Any, weights: Any, multiplier: Any) -> Any:
    """sum_k weights_k N_k in rational numbers, as Fractions (n, n)."""
    from flint import fmpq, fmpq_mat

    n, slope = instance.n, rational(instance.slope)
    X = fmpq_mat(n, instance.d, [rational(x) for x in instance.X.ravel()])
    K, total = X * X.transpose(), fmpq_mat(n, n)
    for k in range(instance.m):
        z = X * fmpq_mat(instance.d, 1, [rational(w) for w in instance.W[k]])
        U = [i for i in range(n) if uncertain[k, i]]
        lam = [rational(x) for x in multiplier[k]]
        delta = [fmpq(0) if i in U else (fmpq(1) if z[i, 0] > 0 else slope) for i in range(n)]
        N = fmpq_mat(n, n, [delta[i] * K[i, j] * delta[j] for i in range(n) for j in range(n)])
        if U:
            A = fmpq_mat(len(U), len(U), [K[i, j] + (lam[i] if i == j else 0) for i in U for j in U])
            rows = [
                K[i, j] * delta[j] - (lam[i] * (1 + slope) / 2 if i == j else 0) for i in U for j in range(n)
            ]
            B = fmpq_mat(len(U), n, rows)
            N -= B.transpose() * A.solve(B)
        for i in U:
            N[i, i] += slope * lam[i]
        total += N * rational(weights[k])
    entries = [Fraction(int(x.p), int(x.q)) for x in total.entries()]
    return np.array(entries, dtype=object).reshape(n, n)


@pytest.mark.parametrize("slope", [0.0, 0.125, -0.5, 1.5])
def test_the_bound_of_the_tangent_kernel_encloses_the_rational_one(slope: float, drawn: Draw) -> None:
    """Radii are below 1e-25; one sample is the other's antipode, so that some K_UU are singular."""
    rng = np.random.default_rng(4)
    instance = drawn(rng, 5, 3, 4, slope=slope)
    X = instance.X.copy()
    X[1] = -X[0]
    instance = dataclasses.replace(instance, X=X)
    uncertain = rng.random((4, 5)) < 0.5
    uncertain[0, :2] = True
    multiplier, weights = rng.uniform(1e-8, 1.0, (4, 5)), rng.uniform(0.1, 1.0, 4)
    exact = exact_first_layer(instance, uncertain, weights, multiplier)
    with precision():
        quantities = bounds.quantities_of(instance)
        gates = bounds.gates_of(quantities, uncertain)
        found = bounds.first_layer(quantities, gates, balls(weights), weights > 0, balls(multiplier))
        for at in np.ndindex(exact.shape):
            middle, radius = (_fraction(part) for part in (found[at].mid(), found[at].rad()))
            assert abs(exact[at] - middle) <= radius <= Fraction(1, 10**25)


def _fraction(point: Any) -> Fraction:
    mantissa, exponent = point.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


@given(seed=st.integers(0, 10**6), slope=st.sampled_from([0.0, 0.1, -0.5, 1.5]), wide=st.booleans())
@settings(max_examples=20)
def test_path_constants_hold_for_every_gate_and_direction(
    seed: int, slope: float, wide: bool, drawn: Draw
) -> None:
    """|b.v| <= kappa v^T M v for unit v, where b = D K e_i with any gates D on the uncertain samples."""
    rng = np.random.default_rng(seed)
    n, m, d = 5, 2, 7 if wide else 2
    instance = drawn(rng, n, d, m, slope=slope)
    uncertain = rng.random((m, n)) < 0.5
    root = rng.normal(size=(n, n))
    M = root @ root.T + 0.1 * np.eye(n)
    decay = float(np.linalg.eigvalsh(M)[0]) * (1 - 1e-9)
    with precision():
        quantities = bounds.quantities_of(instance)
        gates = bounds.gates_of(quantities, uncertain)
        kernel = constants.kernel_of(balls(M), decay, decay * np.array([0.3, 0.6, 0.9]))
        crude = constants.kernel_of(balls(M), decay, np.array([]))
        sharp = midpoints(constants.pair_constants(quantities, gates, kernel))
        rough = midpoints(constants.pair_constants(quantities, gates, crude))
    K = instance.X @ instance.X.T
    present = np.where(instance.W @ instance.X.T > 0, 1.0, slope)
    for _ in range(20):
        D = np.where(uncertain, slope + (1 - slope) * rng.integers(0, 2, (m, n)), present)
        b = D[:, None, :] * K[None, :, :]
        for v in (*rng.normal(size=(3, n)), *np.linalg.solve(M, b[0].T + 1e-9 * rng.normal(size=(n, n))).T):
            unit = v / np.linalg.norm(v)
            pushed, paid = np.abs(b @ unit), unit @ M @ unit
            assert np.all(pushed <= sharp * paid * (1 + 1e-12))
            assert np.all(pushed <= rough * paid * (1 + 1e-12))


def test_a_certificate_says_that_it_is_enclosed(drawn: Draw) -> None:
    instance = drawn(np.random.default_rng(0), 5, 3, 8)
    certificate = certify_flow(instance.network, instance.problem, rigour="enclosed")
    assert certificate.certified
    assert certificate.evidence is Evidence.ENCLOSED


def test_without_python_flint_one_sentence_says_what_to_install(
    drawn: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = drawn(np.random.default_rng(0), 3, 3, 8)
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(ValueError, match=r"pip install 'shallow-relu\[rigour\]'"):
        certify_flow(instance.network, instance.problem, rigour="enclosed")


@given(seed=st.integers(0, 10**6), slack=st.sampled_from([1e-16, 1e-14, 1e-12, 1e-10, 1e-8]))
@settings(max_examples=20)
def test_balls_prove_what_verified_floats_prove_and_little_more(
    seed: int, slack: float, drawn: Draw, flow_proposal: Propose
) -> None:
    """With a slack of 1e-8 both prove; below it, VERIFIED may refuse, and never proves what balls refuse."""
    instance = drawn(np.random.default_rng(seed), 5, 3, 8, residual=1e-5)
    proposal = flow_proposal(instance, slack=slack)
    exact, rounded = enclosed.prove_flow(instance, proposal), verified.prove_flow(instance, proposal)
    assert exact.proved or not rounded.proved
    assert rounded.proved or slack < 1e-8


@pytest.mark.parametrize(
    ("size_X", "size_W", "size_a"),
    [(1e-60, 1e60, 1.0), (1e60, 1e-60, 1.0), (1e-150, 1.0, 1.0), (1e-20, 1e-20, 1e40), (1.0, 1.0, 1e-300)],
)
def test_where_floats_underflow_balls_refuse_or_prove_by_themselves(
    size_X: float, size_W: float, size_a: float, drawn: Draw
) -> None:
    """What is certified is proved again at twice the scale: f(2 X) = 2 f(X), an exact change of all floats.

    With X, y twice as large and rates divided by 4, every product that matters is the same number.
    """
    base = drawn(np.random.default_rng(0), 4, 3, 8)
    X, W, a = base.X * size_X, base.W * size_W, base.a * size_a
    y = base.scale * (a @ np.maximum(W @ X.T, 0.0)) * (1 + 1e-5)
    verdicts = []
    for factor in (1.0, 2.0):
        network, problem = Network(W, a, scale=base.scale), Problem(X * factor, y * factor)
        found = certify_flow(network, problem, (factor**-2, factor**-2), rigour="enclosed")
        assert found.certified or found.reason
        verdicts.append(found.certified)
    assert verdicts[0] == verdicts[1]


def worsened(proposal: Proposal, what: str, loss: float) -> Proposal:
    """One stage's claim made stronger by the relative ``loss``."""
    (stage,) = proposal.stages
    if what == "start":
        return dataclasses.replace(proposal, start=proposal.start * (1 - loss))
    value = getattr(stage, what)
    return Proposal(
        proposal.start,
        (dataclasses.replace(stage, **{what: value * (1 + loss if what == "decay" else 1 - loss)}),),
    )


def largest_loss(prove: Any, instance: Instance, proposal: Proposal, what: str) -> float:
    """How much stronger a claim is still proved, to 1e-10."""
    low, high = 0.0, 1.0
    assert prove(instance, worsened(proposal, what, low)).proved
    while high - low > 1e-10:
        middle = (low + high) / 2
        low, high = (
            (middle, high) if prove(instance, worsened(proposal, what, middle)).proved else (low, middle)
        )
    return low


@pytest.mark.parametrize("what", ["start", "decay", "radius", "radius_a", "spread"])
def test_every_inequality_is_decided_within_the_margin_of_verified_floats(what: str, drawn: Draw) -> None:
    """Each claim is pushed to the point where a proof gives up: balls last, verified floats 1e-8 before."""
    instance = drawn(np.random.default_rng(0), 4, 3, 5, residual=1e-4)
    found = search_flow(geometry_of(instance), Plan(stages=1, slack=1e-2))
    assert isinstance(found, Proposal)
    losses = [
        largest_loss(arithmetic.prove_flow, instance, found, what)
        for arithmetic in (numeric, verified, enclosed)
    ]
    plain, rounded, exact = losses
    assert rounded <= exact + 1e-10
    assert exact - rounded <= 1e-8
    assert abs(plain - exact) <= 1e-8


@pytest.mark.slow
def test_a_hundred_samples_and_five_hundred_neurons_take_less_than_five_minutes(
    drawn: Draw, flow_proposal: Propose
) -> None:
    instance = drawn(np.random.default_rng(0), 100, 20, 500, residual=0.05)
    proposal = flow_proposal(instance)
    begin = time.process_time()
    assert enclosed.prove_flow(instance, proposal).proved
    assert time.process_time() - begin < 300
