"""Each rounded piece of a VERIFIED proof bounds the exact rational number it stands for, and closely."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from proofs_check.certificates import constants, rounded_bounds, rounded_constants
from proofs_check.certificates.geometry import gates_of as plain_gates
from proofs_check.certificates.geometry import geometry_of
from proofs_check.certificates.instance import Instance
from proofs_check.certificates.rounded import at_least, outer_shift, phi_range, rate_up, rounded_of
from proofs_check.certificates.rounded_bounds import features_gram, first_layer, gates_of, second_layer
from proofs_check.certificates.rounded_constants import (
    factor_of,
    inverses_of,
    output_kappa,
    pair_kappa,
    pair_reach,
)
from proofs_check.certificates.rounded_steps import weights_between

KINDS = ("generic", "duplicate", "near duplicate", "antipodal", "scaled", "wide", "kinks")
ALL = slice(None)


def exact(A: Any) -> Any:
    return np.vectorize(lambda v: Fraction(float(v)), otypes=[object])(A)


def semidefinite(M: Any) -> bool:
    """Exact elimination on a rational matrix."""
    rows = [list(row) for row in M]
    n = len(rows)
    for k in range(n):
        pivot = rows[k][k]
        if pivot < 0 or (pivot == 0 and any(rows[k][j] != 0 for j in range(k + 1, n))):
            return False
        for i in range(k + 1, n):
            if pivot != 0 and rows[i][k] != 0:
                ratio = rows[i][k] / pivot
                for j in range(k + 1, n):
                    rows[i][j] -= ratio * rows[k][j]
    return True


def solve(M: Any, B: Any) -> Any:
    """M^{-1} B by exact elimination without pivoting, for definite M."""
    n = len(M)
    T = np.concatenate([M, B], axis=1)
    for k in range(n):
        T[k] = T[k] / T[k, k]
        for i in range(n):
            if i != k:
                T[i] = T[i] - T[i, k] * T[k]
    return T[:, n:]


def instance(kind: str, seed: int, *, slope: float = 0.0, n: int = 4, m: int = 3) -> Instance:
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    d = n + 3 if kind == "wide" else int(rng.integers(1, n + 1))
    X = rng.standard_normal((n, d))
    if kind == "duplicate":
        X[-1] = X[0]
    if kind == "near duplicate":
        X[-1] = X[0] + 1e-9 * rng.standard_normal(d)
    if kind == "antipodal":
        X[-1] = -X[0] * (1 + 2.0**-51)
    if kind == "scaled":
        X *= 10.0 ** rng.integers(-30, 30, (n, 1))
    W, a = rng.standard_normal((m, d)), rng.standard_normal(m)
    if kind == "kinks":
        W[0] = 0.0
    return Instance(X, rng.standard_normal(n), W, a, 0.5773502691896258, slope, 0.7, 1.3)


def exact_phi(Z: Any, slope: float) -> Any:
    return np.where(Z > 0, Z, Fraction(slope) * Z)


def cases(number: int) -> list[tuple[str, int, float]]:
    return [(kind, seed, (0.0, 0.1, -0.5, 1.7)[seed % 4]) for kind in KINDS for seed in range(number)]


def test_products_residual_and_norms_enclose_the_exact_ones() -> None:
    checked = 0
    for kind, seed, slope in cases(8):
        one = instance(kind, seed, slope=slope)
        rounded = rounded_of(one)
        X, W, a, y = exact(one.X), exact(one.W), exact(one.a), exact(one.y)
        Z, K = W @ X.T, X @ X.T
        low, high = rounded.z_range(ALL)
        assert np.all((exact(low) <= Z) & (exact(high) >= Z)), kind
        assert np.all(exact(rounded.K_up) >= np.abs(K)), kind
        rates = Fraction(rounded.rate_K) * np.outer(exact(rounded.norms), exact(rounded.norms))
        assert np.all(np.abs(exact(rounded.K) - K) <= rates), kind
        r = Fraction(one.scale) * (a @ exact_phi(Z, slope)) - y
        assert Fraction(rounded.residual_norm) ** 2 >= r @ r, kind
        assert Fraction(rounded.residual_norm) ** 2 <= (r @ r) * Fraction(1001, 1000), kind
        assert semidefinite(Fraction(rounded.spectral) ** 2 * exact(np.eye(one.n)) - K), kind
        assert np.all(exact(rounded.norms) ** 2 >= np.diag(K)), kind
        checked += 1
    assert checked == 8 * len(KINDS)


def test_the_residual_bound_grows_by_its_own_rounding_only() -> None:
    """The bound of ||r|| when f and y cancel to the last digits."""
    rng = np.random.default_rng(11)
    X, W, a = rng.standard_normal((6, 3)), rng.standard_normal((40, 3)), rng.standard_normal(40)
    f = 0.5 * (a @ np.maximum(W @ X.T, 0))
    one = Instance(X, f, W, a, 0.5, 0.0, 1.0, 1.0)
    r = Fraction(1, 2) * (exact(a) @ exact_phi(exact(W) @ exact(X).T, 0.0)) - exact(f)
    bound = Fraction(rounded_of(one).residual_norm)
    assert r @ r <= bound**2
    assert bound <= 1e-11


def test_the_first_layer_is_bounded_below_for_every_gate() -> None:
    """sum_k A_k D_k K D_k - M_f is positive semidefinite in exact arithmetic, for drawn gates."""
    checked = 0
    for kind, seed, slope in cases(8):
        one = instance(kind, seed, slope=slope)
        rounded, rng = rounded_of(one), np.random.default_rng(seed)
        uncertain = rng.random((one.m, one.n)) < 0.4
        if kind in ("duplicate", "near duplicate", "antipodal"):
            uncertain[:, [0, -1]] = True
        gates = gates_of(rounded, uncertain)
        size = float(np.max(np.abs(rounded.K)))
        multiplier = size * 10.0 ** rng.uniform(-10, 1, (one.m, one.n))
        weights = weights_between(rounded, np.abs(rng.standard_normal(one.m)) * 0.3)[0]
        M = first_layer(rounded, gates, weights, multiplier).assembled()
        K = exact(one.X) @ exact(one.X).T
        for _ in range(3):
            drawn = np.array(
                [[Fraction(int(v), 4) for v in row] for row in rng.integers(0, 5, uncertain.shape)]
            )
            between = Fraction(slope) + drawn * (1 - Fraction(slope))
            D = np.where(uncertain, between, exact(gates.certain(ALL)))
            G = sum(Fraction(float(w)) * np.outer(row, row) * K for w, row in zip(weights, D))
            assert semidefinite(G - exact(M)), (kind, seed)
            checked += 1
    assert checked == 3 * 8 * len(KINDS)


@pytest.mark.parametrize("piece", ["shift", "residual"])
def test_without_its_error_terms_the_first_layer_would_not_be_a_bound(
    piece: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if piece == "shift":
        monkeypatch.setattr(rounded_bounds.Lower, "assembled", lambda self: self.matrix)
    else:
        monkeypatch.setattr(np.linalg, "solve", lambda A, B: 0 * B)
        monkeypatch.setattr(rounded_bounds, "outer_shift", lambda alpha, beta: 0 * alpha)
    wrong = 0
    for seed in range(40):
        one = instance("duplicate", seed)
        rounded = rounded_of(one)
        uncertain = np.zeros((one.m, one.n), dtype=bool)
        uncertain[:, [0, -1]] = True
        gates = gates_of(rounded, uncertain)
        weights = weights_between(rounded, np.zeros(one.m))[0]
        M = first_layer(rounded, gates, weights, np.full((one.m, one.n), 0.1)).assembled()
        K = exact(one.X) @ exact(one.X).T
        for u in (0, Fraction(1, 2), 1):
            D = np.where(uncertain, u, exact(gates.certain(ALL)))
            G = sum(Fraction(float(w)) * np.outer(row, row) * K for w, row in zip(weights, D))
            wrong += not semidefinite(G - exact(M))
    assert wrong > 0


def test_an_exactly_singular_system_only_loses_the_bound() -> None:
    one = instance("duplicate", 0)
    rounded = rounded_of(one)
    gates = gates_of(rounded, np.ones((one.m, one.n), dtype=bool))
    with np.errstate(all="ignore"):
        M = first_layer(rounded, gates, np.ones(one.m), np.full((one.m, one.n), 5e-324)).assembled()
    assert not np.all(np.linalg.eigvalsh(np.nan_to_num(M, nan=-1e300, posinf=-1e300, neginf=-1e300)) > 0)


def test_features_are_bounded_on_both_sides() -> None:
    for kind, seed, slope in cases(5):
        one = instance(kind, seed, slope=slope)
        rounded = rounded_of(one)
        found = features_gram(rounded)
        F = exact_phi(exact(one.W) @ exact(one.X).T, slope)
        shift = np.diag(exact(found.shift))
        assert semidefinite(F.T @ F - exact(found.matrix) + shift), (kind, seed)
        assert semidefinite(exact(found.matrix) + shift - F.T @ F), (kind, seed)
        sizes = np.outer(exact(found.size), exact(found.size))
        assert np.all(np.abs(exact(found.matrix)) <= sizes), (kind, seed)


def test_the_second_layer_is_bounded_below_within_its_spread() -> None:
    rng = np.random.default_rng(3)
    for kind, seed, slope in cases(4):
        one = instance(kind, seed, slope=slope)
        rounded = rounded_of(one)
        spread = float(10.0 ** rng.uniform(-6, 1))
        share = float(rng.choice([0.01, 0.3, 1.0]))
        M = second_layer(rounded, features_gram(rounded), spread, share).assembled()
        F = Fraction(one.scale) * exact_phi(exact(one.W) @ exact(one.X).T, slope)
        for _ in range(3):
            move = exact(rng.standard_normal(F.shape))
            length = Fraction(float(np.sqrt(float((move * move).sum()))) * 1.000001)
            moved = F + move * (Fraction(spread) / length)
            assert semidefinite(Fraction(one.rate_a) * (moved.T @ moved) - exact(M)), (kind, seed)


def test_a_still_second_layer_keeps_all_but_its_rounding() -> None:
    one = instance("generic", 1, n=3, m=6)
    rounded = rounded_of(one)
    M = second_layer(rounded, features_gram(rounded), 0.0, 0.0).assembled()
    plain = one.rate_a * one.scale**2 * np.maximum(one.W @ one.X.T, 0).T @ np.maximum(one.W @ one.X.T, 0)
    assert np.max(np.abs(M - plain)) <= 1e-12 * np.max(plain)


def test_sums_over_more_neurons_than_a_block_are_bounded() -> None:
    one = instance("generic", 2, slope=0.1, n=3, m=600)
    rounded = rounded_of(one)
    Z = exact(one.W) @ exact(one.X).T
    F, K = exact_phi(Z, one.slope), exact(one.X) @ exact(one.X).T
    found = features_gram(rounded)
    assert semidefinite(F.T @ F - exact(found.matrix) + np.diag(exact(found.shift)))
    gates = gates_of(rounded, np.zeros((one.m, one.n), dtype=bool))
    weights = weights_between(rounded, np.zeros(one.m))[0]
    M = exact(first_layer(rounded, gates, weights, np.ones((one.m, one.n))).assembled())
    D = exact(gates.certain(ALL))
    G = (D.T * exact(weights)) @ D * K
    assert semidefinite(G - M)
    assert semidefinite(M - G * (1 - Fraction(1, 10**10)) + Fraction(1, 10**9) * exact(np.eye(3)))


def test_weights_are_rounded_outward() -> None:
    for seed in range(30):
        one = instance("scaled", seed)
        alpha = np.abs(np.random.default_rng(seed).standard_normal(one.m))
        low, high = weights_between(rounded_of(one), alpha)
        a, radius = np.abs(exact(one.a)), exact(alpha)
        factor = Fraction(one.rate_W) * Fraction(one.scale) ** 2
        left = np.where(a > radius, a - radius, Fraction(0))
        assert np.all(exact(low) <= factor * left**2)
        assert np.all(exact(high) >= factor * (a + radius) ** 2)
        assert np.all(low >= 0)


def definite(rng: np.random.Generator, n: int, condition: float) -> Any:
    V = np.linalg.qr(rng.standard_normal((n, n)))[0]
    M = (V * np.geomspace(1, 1 / condition, n)) @ V.T
    return (M + M.T) / 2


def test_inverses_dominate_the_exact_inverse_and_hardly_exceed_it() -> None:
    """Y/(1 - eps) >= (M - nu I)^{-1}, up to the factor 4 nu that ``bottom`` carries."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        M = definite(rng, 4, 10.0 ** rng.integers(0, 8))
        values, vectors = np.linalg.eigh(M)
        shift = 0.75 * float(values[0])
        (found,) = inverses_of(M, values, vectors, np.array([shift]))
        V = exact(found.vectors)
        Y = V @ np.diag(exact(found.omega)) @ V.T
        assert np.all(exact(found.size) >= np.abs(Y))
        inverse = solve(exact(M) - Fraction(shift) * exact(np.eye(4)), exact(np.eye(4)))
        scaled = Y * (4 * Fraction(shift) / Fraction(found.bottom))
        assert semidefinite(scaled - inverse)
        assert semidefinite(inverse * (1 + Fraction(1, 10**5)) - scaled)


def test_wrong_eigenvectors_cost_accuracy_but_never_truth() -> None:
    rng = np.random.default_rng(5)
    M = definite(rng, 4, 100.0)
    values, vectors = np.linalg.eigh(M)
    shift = np.array([0.5 * float(values[0])])
    identity = exact(np.eye(4))
    inverse = solve(exact(M) - Fraction(float(shift[0])) * identity, identity)
    for amount in (1e-6, 1e-4, 1e-3):
        bent = vectors + amount * rng.standard_normal((4, 4))
        (found,) = inverses_of(M, values, bent, shift)
        Y = exact(bent) @ np.diag(exact(found.omega)) @ exact(bent).T
        assert semidefinite(Y * (4 * Fraction(float(shift[0])) / Fraction(found.bottom)) - inverse)
        assert not semidefinite(Y - inverse)
    assert inverses_of(M, values, np.zeros((4, 4)), shift) == ()
    assert inverses_of(M, values, vectors, 2 * np.abs(values[:1])) == ()


def test_pair_constants_bound_the_exact_quadratic_form_and_match_plain_floats() -> None:
    checked = 0
    for kind, seed, slope in cases(4):
        one = instance(kind, seed, slope=slope)
        if kind == "scaled":
            continue
        rounded, rng = rounded_of(one), np.random.default_rng(seed)
        uncertain = rng.random((one.m, one.n)) < 0.4
        gates, M = gates_of(rounded, uncertain), definite(rng, one.n, 1e3)
        values, vectors = np.linalg.eigh(M)
        shift = 0.6 * float(values[0])
        found = pair_kappa(
            rounded, gates, factor_of(rounded), inverses_of(M, values, vectors, np.array([shift])), ALL
        )
        K = exact(one.X) @ exact(one.X).T
        inverse = solve(exact(M) - Fraction(shift) * exact(np.eye(one.n)), exact(np.eye(one.n)))
        for _ in range(3):
            drawn = np.array([[Fraction(int(v)) for v in row] for row in rng.integers(0, 2, uncertain.shape)])
            D = np.where(
                uncertain, Fraction(slope) + drawn * (1 - Fraction(slope)), exact(gates.certain(ALL))
            )
            for k, i in np.ndindex(uncertain.shape):
                b = D[k] * K[i]
                assert b @ inverse @ b <= 4 * Fraction(shift) * Fraction(float(found[k, i])) ** 2, (
                    kind,
                    seed,
                )
        geometry = geometry_of(one)
        plain = constants.pair_constants(
            geometry, plain_gates(geometry, uncertain), constants.spectrum_of(M), np.array([shift])
        )
        assert np.all(found >= plain * (1 - 1e-9)), (kind, seed)
        assert np.all(found <= plain * (1 + 1e-6) + 1e-9 * np.max(plain)), (kind, seed)
        reach = pair_reach(gates, ALL, rounded.K_up**2)
        least = np.array(
            [
                [float(np.sqrt(float(sum(x * x for x in D[k] * K[i])))) for i in range(one.n)]
                for k in range(one.m)
            ]
        )
        assert np.all(reach >= least * (1 - 1e-12)), (kind, seed)
        checked += 1
    assert checked == 4 * (len(KINDS) - 1)


def test_uncertain_entries_cannot_be_left_out_of_a_pair_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong() -> int:
        count = 0
        for seed in range(10):
            one, rng = instance("generic", seed), np.random.default_rng(seed)
            rounded, M = rounded_of(one), definite(rng, 4, 100.0)
            gates = gates_of(rounded, np.ones((one.m, one.n), dtype=bool))
            values, vectors = np.linalg.eigh(M)
            shift = 0.5 * float(values[0])
            inverses = inverses_of(M, values, vectors, np.array([shift]))
            found = pair_kappa(rounded, gates, factor_of(rounded), inverses, ALL)
            b = one.X @ one.X.T
            squares = np.sum(b * np.linalg.solve(M - shift * np.eye(4), b), axis=0) / (4 * shift)
            count += int(np.sum(found[0] ** 2 < squares))
        return count

    assert wrong() == 0
    monkeypatch.setattr(rounded_constants, "_uncertain_part", lambda *_: 0.0)
    assert wrong() > 0


def test_output_constants_bound_the_exact_quadratic_form() -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        low = rng.standard_normal((3, 4)) * 10.0 ** rng.integers(-4, 4, (3, 4))
        high = low + np.abs(rng.standard_normal((3, 4))) * 10.0 ** rng.integers(-8, 1, (3, 4))
        M = definite(rng, 4, 1e4)
        values, vectors = np.linalg.eigh(M)
        shift = 0.5 * float(values[0])
        kappa, reach = output_kappa(low, high, inverses_of(M, values, vectors, np.array([shift])))
        inverse = solve(exact(M) - Fraction(shift) * exact(np.eye(4)), exact(np.eye(4)))
        for corner in range(16):
            ends = np.array([(corner >> i) & 1 for i in range(4)], dtype=bool)
            for k in range(3):
                b = np.where(ends, exact(high[k]), exact(low[k]))
                assert b @ inverse @ b <= 4 * Fraction(shift) * Fraction(float(kappa[k])) ** 2
                assert b @ b <= Fraction(float(reach[k])) ** 2
    assert np.all(np.isinf(output_kappa(low, high, ())[0]))


def test_features_stay_in_their_range() -> None:
    rng = np.random.default_rng(8)
    for slope in (0.0, 0.1, 1.0, -0.7, 2.0):
        low = rng.standard_normal(200) * 10.0 ** rng.integers(-5, 3, 200)
        high = low + np.abs(rng.standard_normal(200)) * 10.0 ** rng.integers(-5, 3, 200)
        least, greatest = phi_range(slope, low, high)
        for part in (Fraction(0), Fraction(1, 3), Fraction(1)):
            z = exact(low) + part * (exact(high) - exact(low))
            value = exact_phi(z, slope)
            assert np.all((exact(least) <= value) & (value <= exact(greatest)))
        inside = (low <= 0) & (high >= 0)
        assert np.all((least[inside] <= 0) & (greatest[inside] >= 0))


def test_an_entrywise_error_is_below_its_diagonal() -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        alpha, beta = np.abs(rng.standard_normal((2, 4))) * 10.0 ** rng.integers(-8, 8, (2, 4))
        E = exact(rng.uniform(-1, 1, (4, 4)))
        E = (E + E.T) / 2 * (np.outer(exact(alpha), exact(beta)) + np.outer(exact(beta), exact(alpha)))
        shift = np.diag(exact(outer_shift(alpha, beta)))
        assert semidefinite(shift + E)
        assert semidefinite(shift - E)


def test_rates_leave_room_and_stop_at_a_thousandth() -> None:
    assert rate_up(2.0**-53) >= 2.0**-53 * (1 + 2.0**-40) + 2.0**-99
    assert rate_up(1e-3, 1e-3) == np.inf
    assert not rate_up(np.nan) <= 1
    assert np.all(at_least(np.zeros(3)) == 2.0**-200)
