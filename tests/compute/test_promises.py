"""What `Method` promises, held against every method."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

import shallow
from shallow.compute.capabilities import CAPABILITIES
from shallow.compute.case import Case, Frame
from shallow.compute.methods import METHODS, load_method
from shallow.training.assemble import case_of

# A device's method has weaker promises, tested in tests/nvrtc and tests/gpu.
every_method = pytest.mark.parametrize(
    "method", [name for name in METHODS if CAPABILITIES[name].arrays in ((), ("numpy",))]
)


def batch(method: str, count: int = 3, rate: float = 0.1, n: int = 11, d: int = 6, m: int = 17) -> Case:
    """A case that the method runs: squared loss, ReLU, one output, constant rates, both layers if it can."""
    networks, problems = [], []
    rate_a = 0.0 if CAPABILITIES[method].first_layer_only else rate
    for seed in range(count):
        rng = np.random.default_rng(seed)
        problems.append(shallow.Problem(rng.standard_normal((n, d)), rng.standard_normal(n)))
        networks.append(shallow.Network(rng.standard_normal((m, d)), rng.standard_normal(m), m**-0.5))
    return case_of(networks, problems, shallow.GradientDescent(rate, rate_a), networks)


def member(case: Case, b: int) -> Case:
    one = slice(b, b + 1)
    return replace(
        case,
        W=case.W[one],
        a=case.a[one],
        X=case.X[one],
        y=case.y[one],
        factor=case.factor[one],
        time=case.time[one],
        limit=case.limit[one],
    )


def frame_after(method: str, case: Case, *blocks: int) -> Frame:
    chosen = load_method(method)
    state = chosen.start(case)
    for steps in blocks:
        state = chosen.advance(state, steps)
    return chosen.snapshot(state)


def bits(frame: Frame) -> list[bytes]:
    return [
        np.ascontiguousarray(x).tobytes() for x in (frame.W, frame.a, frame.outputs, frame.time, frame.step)
    ]


@every_method
def test_blocks_add_up(method: str) -> None:
    whole = bits(frame_after(method, batch(method), 12))
    assert bits(frame_after(method, batch(method), 5, 0, 7)) == whole
    assert bits(frame_after(method, batch(method), *[1] * 12)) == whole


@every_method
def test_a_start_from_a_frame_goes_on_with_the_same_bits(method: str) -> None:
    case = batch(method)
    middle = frame_after(method, case, 5)
    # The memory is the reader's to keep; the other arrays may be views.
    later = replace(
        case, W=middle.W.copy(), a=middle.a.copy(), step=5, time=middle.time.copy(), memory=middle.memory
    )
    assert bits(frame_after(method, later, 7)) == bits(frame_after(method, case, 12))


@every_method
def test_a_members_bits_do_not_depend_on_its_batch(method: str) -> None:
    case = batch(method, count=4)
    together = frame_after(method, case, 9)
    alone = [frame_after(method, member(case, b), 9) for b in range(4)]
    assert [one.W[0].tobytes() for one in alone] == [together.W[b].tobytes() for b in range(4)]
    assert [one.outputs[0].tobytes() for one in alone] == [together.outputs[b].tobytes() for b in range(4)]


@every_method
def test_a_diverged_member_stays_at_its_last_finite_step(method: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = frame_after(method, batch(method, rate=4.0), 300)
        later = frame_after(method, batch(method, rate=4.0), 300, 50)
    assert (frame.diverged > 0).all()
    assert (frame.step == frame.diverged - 1).all()
    assert np.isfinite(frame.W).all()
    assert np.isfinite(frame.outputs).all()
    assert bits(later) == bits(frame)


@every_method
def test_the_case_is_never_written_to(method: str) -> None:
    case = batch(method)
    before = [x.copy() for x in (case.W, case.a, case.X, case.y)]
    frame_after(method, case, 4)
    assert [np.array_equal(x, y) for x, y in zip(before, (case.W, case.a, case.X, case.y))] == [True] * 4


@every_method
def test_a_frame_shows_the_outputs_of_its_own_weights(method: str) -> None:
    frame = frame_after(method, batch(method), 6)
    case = batch(method)
    for b in range(3):
        network = shallow.Network(frame.W[b], frame.a[b], case.scale)
        np.testing.assert_allclose(frame.outputs[b], shallow.predict(network, case.X[b]), rtol=0, atol=1e-13)
    assert frame.step.tolist() == [6, 6, 6]
    assert frame.time.tolist() == [6.0, 6.0, 6.0]


@every_method
def test_whole_trajectories_agree_with_numpy_relative_to_the_labels(method: str) -> None:
    case, steps = batch(method, rate=0.05), 60
    ours, theirs = frame_after(method, case, steps), frame_after("numpy", case, steps)
    # A step errs by (n + m + d) eps of the outputs, |f| <= 10 ||y|| here; small steps stretch it by O(1).
    bound = 10 * steps * (case.n + case.m + case.d) * float(np.finfo(float).eps)
    for b in range(case.batch):
        assert np.abs(ours.outputs[b] - theirs.outputs[b]).max() <= bound * np.linalg.norm(case.y[b])
    assert np.abs(theirs.outputs - frame_after("numpy", case, 0).outputs).max() > 0.1
