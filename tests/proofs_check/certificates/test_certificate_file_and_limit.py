"""Certificates as files, and what they say of the limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from proofs_check.certificates import Certificate, certify_flow
from proofs_check.certificates.limit import singular_ratio, singular_values, stable_rank
from proofs_check.certificates.numeric import prove_flow
from shallow.exact.gradient import predict
from shallow.setting.archive import read_archive, write_archive
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.training.flow import flow


@pytest.fixture(scope="module")
def edge(flow_edge: Any) -> Any:
    found = flow_edge(4, 4, 4, 15)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def end(edge: Any) -> Any:
    """The network after 30 decay times of the exact flow."""
    rate_W, rate_a = edge.rates
    time = 30 / edge.certificate.decay
    return flow(edge.network, edge.problem, rate_W=rate_W, rate_a=rate_a, time=time, method="exact").network


def test_a_certificate_survives_its_file(edge: Any, tmp_path: Path) -> None:
    c = edge.certificate
    c.save(tmp_path / "c.npz")
    again = Certificate.load(tmp_path / "c.npz")
    assert again.certified
    assert again.evidence is c.evidence
    assert again.decay == c.decay
    np.testing.assert_array_equal(again.radius_W, c.radius_W)
    np.testing.assert_array_equal(again.radius_pairs, c.radius_pairs)
    assert again.instance.fingerprint() == c.instance.fingerprint()
    assert prove_flow(again.instance, again.proposal).proved  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["X", "y", "W", "a", "rate_W"])
def test_a_file_whose_numbers_were_changed_is_refused(edge: Any, tmp_path: Path, name: str) -> None:
    edge.certificate.save(tmp_path / "c.npz")
    fields = read_archive(tmp_path / "c.npz", kind="certificate", required=())
    fields[name] = np.nextafter(fields[name], np.inf)
    write_archive(tmp_path / "d.npz", kind="certificate", **fields)
    with pytest.raises(ValueError, match="changed after it was written"):
        Certificate.load(tmp_path / "d.npz")


def test_a_refusal_survives_its_file(edge: Any, tmp_path: Path) -> None:
    far = edge.problem.replace(y=edge.problem.y + 100)
    c = certify_flow(edge.network, far, edge.rates, "numeric")
    c.save(tmp_path / "c.npz")
    again = Certificate.load(tmp_path / "c.npz")
    assert not again.certified
    assert again.reason == c.reason
    with pytest.raises(ValueError, match="nothing was certified"):
        again.limit_prediction(edge.problem.X)


def test_predictions_of_the_limit_are_enclosed(edge: Any, end: Any) -> None:
    X = np.random.default_rng(1).standard_normal((50, edge.problem.d))
    lower, upper = edge.certificate.limit_prediction(X)
    f = np.asarray(predict(end, X))
    assert np.all(lower <= f)
    assert np.all(f <= upper)
    at_data = edge.certificate.limit_prediction(edge.problem.X)
    assert np.all(at_data[0] <= edge.problem.y)
    assert np.all(edge.problem.y <= at_data[1])


def test_the_limit_lies_in_every_interval(edge: Any, end: Any) -> None:
    c = edge.certificate
    moved_W, moved_a = c.travel
    assert np.linalg.norm(end.W - edge.network.W) <= moved_W
    assert np.linalg.norm(end.a - edge.network.a) <= moved_a
    (low_W, high_W), (low_a, high_a) = c.limit_norms
    assert low_W <= np.linalg.norm(end.W) <= high_W
    assert low_a <= np.linalg.norm(end.a) <= high_a
    sigma = np.linalg.svd(end.W, compute_uv=False)
    low, high = c.limit_stable_rank
    assert low <= np.sum(sigma**2) / sigma[0] ** 2 <= high
    for r in range(1, len(sigma)):
        assert sigma[r] / sigma[0] <= c.limit_singular_ratio(r)
    Z = end.W @ edge.problem.X.T
    below, above = c.limit_margins
    size = np.abs(Z) / np.linalg.norm(edge.problem.X, axis=1)
    assert np.all((below <= size) & (size <= above))
    decided = c.limit_patterns != 0
    assert np.any(decided)
    assert np.all(np.sign(Z)[decided] == c.limit_patterns[decided])


def test_rows_that_do_not_fit_are_an_error(edge: Any) -> None:
    with pytest.raises(ValueError, match="X_new"):
        edge.certificate.limit_prediction(np.ones((2, edge.problem.d + 1)))
    with pytest.raises(ValueError, match="X_new"):
        edge.certificate.limit_prediction(np.full((1, edge.problem.d), np.nan))


def test_a_large_radius_says_nothing_of_rank() -> None:
    W = np.random.default_rng(0).standard_normal((6, 4))
    assert singular_ratio(W, 1e6, 2) == 1.0
    assert stable_rank(W, 1e6) == (1.0, 4.0)
    with pytest.raises(ValueError, match="sigma"):
        singular_ratio(W, 0.1, 4)


@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_singular_values_carry_an_error_near_rounding(scale: float) -> None:
    U = np.linalg.qr(np.random.default_rng(0).standard_normal((8, 3)))[0]
    values, error = singular_values(U * np.array([3.0, 2.0, 1.0]) * scale)
    assert np.all(np.abs(values - np.array([3.0, 2.0, 1.0]) * scale) <= error)
    assert error <= 1e-11 * scale


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1e-100, 1e100, 1e300])
def test_predictions_at_small_and_large_inputs_are_those_at_one_to_scale(edge: Any, size: float) -> None:
    """f(c x) = c f(x): an interval that forgets the radii where squares underflow is a false one."""
    X = np.random.default_rng(1).standard_normal((20, edge.problem.d))
    with np.errstate(all="raise", under="ignore"):
        lower, upper = edge.certificate.limit_prediction(X)
        low, high = edge.certificate.limit_prediction(X * size)
    np.testing.assert_allclose(low / size, lower, rtol=1e-6)
    np.testing.assert_allclose(high / size, upper, rtol=1e-6)


def test_small_weights_move_and_have_a_norm_where_their_squares_underflow() -> None:
    """Balls certify numbers whose squares are below every float; what is said of the limit holds for them."""
    pytest.importorskip("flint")
    rng = np.random.default_rng(0)
    X, W, a = rng.standard_normal((3, 3)), rng.standard_normal((8, 3)), rng.standard_normal(8)
    f = 8**-0.5 * np.maximum(W @ X.T, 0).T @ a
    large = certify_flow(Network(W, a, scale=8**-0.5), Problem(X, f * (1 + 1e-4)), (1.0, 0.0), "enclosed")
    small, size = Network(W * 1e-165, a * 1e-10, scale=8**-0.5), 1e100
    problem = Problem(X * size, f * 1e-75 * (1 + 1e-4))
    c = certify_flow(small, problem, (1e-180, 0.0), "enclosed")
    assert large.certified
    assert c.certified
    np.testing.assert_allclose(c.travel[0] / 1e-165, large.travel[0], rtol=1e-2)
    np.testing.assert_allclose(np.array(c.limit_norms[0]) / 1e-165, large.limit_norms[0], rtol=1e-6)
    np.testing.assert_allclose(c.limit_stable_rank, large.limit_stable_rank, rtol=1e-6)
