"""Initialisations: their scalings, their nesting and pairing, and what doubling keeps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shallow.exact.gradient import predict
from shallow.setting import initialization as laws
from shallow.setting.inputs import Gaussian
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

EPS = np.finfo(np.float64).eps

# name -> (law, gamma, gamma'), from the table of Luo, Xu, Ma and Zhang and the definitions
PHASE_POINTS = {
    "ntk": (laws.ntk(), 0.5, 0.0),
    "ntk_signs": (laws.ntk_signs(0.3), 0.5, 0.0),
    "lecun": (laws.lecun(), 0.5, 0.5),
    "he": (laws.he(), 0.5, 0.5),
    "mean_field": (laws.mean_field(), 1.0, 0.0),
    "mup": (laws.mup(), 1.0, 0.0),
    "oymak": (laws.oymak(), 0.5, 0.5),
    "balanced": (laws.balanced(1e-3), 0.0, 0.0),
}
ALL_LAWS = [law for law, _, _ in PHASE_POINTS.values()]
names = [law.name for law in ALL_LAWS]


def problem(n: int = 5, d: int = 3, outputs: int = 0, seed: int = 1) -> Problem:
    X = Gaussian().draw(n, d, Streams(seed))
    shape = (n, outputs) if outputs else (n,)
    return Problem(X, np.random.default_rng(seed).standard_normal(shape))


def hidden(net: object, X: np.ndarray) -> np.ndarray:
    """phi(w_k . x_i), each entry summed in the same order, so that equal neurons give equal numbers."""
    z = np.array([[math.fsum(w * x) for w in net.W] for x in X])
    return np.where(z > 0, z, net.slope * z)


@pytest.mark.parametrize("key", PHASE_POINTS)
def test_the_phase_coordinates_are_those_of_the_table(key: str) -> None:
    law, gamma, gamma_prime = PHASE_POINTS[key]
    assert (law.gamma, law.gamma_prime) == (gamma, gamma_prime)


@given(*[st.floats(-2, 2) for _ in range(3)], st.floats(0.1, 10), st.floats(0.1, 10))
@settings(max_examples=30)
def test_moments_follow_gamma_and_gamma_prime(p: float, q: float, r: float, c_W: float, c_a: float) -> None:
    law = laws.power_law(p=p, q=q, r=r, c_W=c_W, c_a=c_a)
    small, large = law.moments(4, 7), law.moments(4**6, 7)
    log_m = math.log(4**6) - math.log(4)
    product = math.log(math.prod(large) / math.prod(small)) / log_m
    ratio = math.log(large.sigma_a / large.sigma_W * small.sigma_W / small.sigma_a) / log_m
    # each moment is one power and one product: relative error 4 eps, twelve of them, divided by log m
    tolerance = 64 * EPS * (1 + abs(p) + abs(q) + abs(r))
    assert abs(-product - law.gamma) <= tolerance
    assert abs(-ratio - law.gamma_prime) <= tolerance


@pytest.mark.parametrize("law", ALL_LAWS, ids=names)
def test_the_first_neurons_do_not_depend_on_the_width(law: laws.Initialization) -> None:
    data, streams = problem(), Streams(3)
    small, large = law.draw(4, data, streams), law.draw(10, data, streams)
    for net, m in ((small, 4), (large, 10)):
        moments = law.moments(m, data.d, data)
        assert net.scale == moments.scale
    back_W = small.W / law.moments(4, 3, data).sigma_W, large.W[:4] / law.moments(10, 3, data).sigma_W
    back_a = small.a / law.moments(4, 3, data).sigma_a, large.a[:4] / law.moments(10, 3, data).sigma_a
    np.testing.assert_allclose(*back_W, rtol=4 * EPS)
    np.testing.assert_allclose(*back_a, rtol=4 * EPS)


def test_ntk_networks_are_nested_bit_for_bit() -> None:
    data, streams = problem(), Streams(3)
    for law in (laws.ntk(), laws.ntk_signs(), laws.doubled(laws.ntk()), laws.mean_field()):
        small, large = law.draw(6, data, streams), law.draw(20, data, streams)
        assert np.array_equal(small.W, large.W[:6])
        assert np.array_equal(small.a, large.a[:6])


def test_different_laws_share_their_standard_neurons() -> None:
    data, streams = problem(), Streams(3)
    reference = laws.ntk().draw(6, data, streams)
    lecun = laws.lecun().draw(6, data, streams)
    assert np.array_equal(lecun.W, reference.W * (1 / math.sqrt(data.d)))


@pytest.mark.parametrize("law", ALL_LAWS, ids=names)
def test_the_drawn_entries_have_the_declared_second_moments(law: laws.Initialization) -> None:
    data, m = problem(d=4), 4000
    net, moments = law.draw(m, data, Streams(0)), law.moments(m, 4, data)
    # a mean of N squares of unit normals has standard deviation sqrt(2/N); six of them
    assert abs(np.mean(net.W**2) / moments.sigma_W**2 - 1) <= 6 * math.sqrt(2 / (4 * m))
    assert abs(np.mean(net.a**2) / moments.sigma_a**2 - 1) <= 6 * math.sqrt(2 / m)


@pytest.mark.parametrize("outputs", [0, 3])
@pytest.mark.parametrize("law", ALL_LAWS, ids=names)
def test_doubling_starts_at_zero_exactly(law: laws.Initialization, outputs: int) -> None:
    data = problem(outputs=outputs)
    net = laws.doubled(law).draw(8, data, Streams(5))
    assert np.array_equal(net.W[0::2], net.W[1::2])
    assert np.array_equal(net.a[0::2], -net.a[1::2])
    phi = hidden(net, data.X)
    columns = net.a.reshape(8, -1)
    sums = [math.fsum(row * column) for row in phi for column in columns.T]
    assert sums == [0.0] * len(sums)


@pytest.mark.parametrize("m", [2, 6, 30, 2002])
@pytest.mark.parametrize("outputs", [0, 3])
def test_a_doubled_network_predicts_zero_exactly_for_signs_and_to_rounding_else(m: int, outputs: int) -> None:
    data = problem(n=40, d=7, outputs=outputs)
    signs = laws.doubled(laws.ntk_signs()).draw(m, data, Streams(0))
    assert np.all(predict(signs, data.X) == 0.0)
    net = laws.doubled(laws.ntk()).draw(m, data, Streams(0))
    terms = net.scale * np.abs(data.X @ net.W.T)[:, :, None] * np.abs(net.a.reshape(1, m, -1))
    assert np.max(np.abs(predict(net, data.X))) <= 2 * EPS * np.max(np.sum(terms, axis=1))


def test_doubling_keeps_the_expected_kernel() -> None:
    data, m = problem(n=4), 20_000
    kernels = []
    for law in (laws.ntk(), laws.doubled(laws.ntk())):
        net = law.draw(m, data, Streams(5))
        z = data.X @ net.W.T
        gates = (z > 0) * net.a
        phi = np.maximum(z, 0)
        kernels.append(net.scale**2 * ((gates @ gates.T) * (data.X @ data.X.T) + phi @ phi.T))
    # both are means of at least m/2 independent terms whose standard deviation is at most 4 times ||x||^2
    tolerance = 6 * 4 * np.max(np.sum(data.X**2, axis=1)) / math.sqrt(m / 2)
    assert np.max(np.abs(kernels[0] - kernels[1])) <= tolerance
    assert laws.doubled(laws.ntk()).moments(m, 3) == laws.ntk().moments(m, 3)


def test_mup_is_mean_field_with_both_layers_divided_by_sqrt_m() -> None:
    data, m = problem(), 16
    mup, mean_field = laws.mup().draw(m, data, Streams(2)), laws.mean_field().draw(m, data, Streams(2))
    assert np.array_equal(mup.W * math.sqrt(m), mean_field.W)
    assert np.array_equal(mup.a * math.sqrt(m), mean_field.a)
    assert mup.scale == mean_field.scale * m
    assert (laws.mup().rate_multiplier(m), laws.mean_field().rate_multiplier(m)) == (1.0, float(m))


def test_oymak_weights_are_half_plus_and_half_minus_the_label_norm() -> None:
    data, m = problem(), 10
    net = laws.oymak().draw(m, data, Streams(2))
    size = np.linalg.norm(data.y) / math.sqrt(m * data.n)
    np.testing.assert_allclose(np.sort(net.a), np.repeat([-size, size], 5), rtol=8 * EPS)
    with pytest.raises(ValueError, match="needs the problem"):
        laws.oymak().moments(m, data.d)


@pytest.mark.parametrize("outputs", [0, 2])
def test_balanced_neurons_have_equal_norms_in_both_layers(outputs: int) -> None:
    data = problem(outputs=outputs)
    net = laws.balanced(1e-4).draw(9, data, Streams(2))
    outer = np.linalg.norm(net.a.reshape(9, -1), axis=1)
    np.testing.assert_allclose(outer, np.linalg.norm(net.W, axis=1), rtol=8 * EPS)


@pytest.mark.parametrize("law", [laws.oymak(), laws.doubled(laws.ntk())], ids=["oymak", "doubled"])
def test_an_odd_width_is_refused_where_signs_must_cancel(law: laws.Initialization) -> None:
    with pytest.raises(ValueError, match="m = 3 is odd"):
        law.draw(3, problem(), Streams(0))


@pytest.mark.parametrize("m", [0, -2, 2.0, True])
def test_a_width_that_is_no_positive_integer_is_refused(m: object) -> None:
    with pytest.raises(ValueError, match="positive integer number of neurons"):
        laws.ntk().draw(m, problem(), Streams(0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"p": math.nan}, "p is nan"),
        ({"c_W": -1.0}, "c_W is -1.0"),
        ({"law_a": "uniform"}, "choose gaussian"),
    ],
)
def test_a_law_that_makes_no_sense_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        laws.power_law(**change)


def test_doubling_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="doubled already"):
        laws.doubled(laws.doubled(laws.ntk()))


def test_the_network_has_the_floating_type_and_shape_of_the_data() -> None:
    data = problem(outputs=2)
    single = Problem(data.X.astype(np.float32), data.y.astype(np.float32))
    net = laws.ntk(slope=0.1, smoothing=0.5).draw(1, single, Streams(0))
    assert (net.W.dtype, net.a.dtype, net.a.shape) == (np.float32, np.float32, (1, 2))
    assert (net.slope, net.smoothing) == (0.1, 0.5)
