"""Every compute method makes the rule's own step, cell by cell of the capability table."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from shallow.compute import capabilities
from shallow.compute.capabilities import CAPABILITIES
from shallow.compute.methods import METHODS, load_method
from shallow.exact.gradient import predict
from shallow.setting.losses import LOSSES
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.training.assemble import case_of
from shallow.training.rules import GradientDescent
from shallow.training.schedules import Fixed, FlowScaled, KernelScaled, LossScaled, Schedule

SLOPES = (0.0, 0.3, -0.5, 1.7)
SMOOTHINGS = (0.0, 0.25)
OUTPUTS = (None, 1, 3)
DTYPES = ("float64", "float32")
SCHEDULES: tuple[Schedule, ...] = (Fixed(), KernelScaled(0.5), FlowScaled(0.4), LossScaled(0.1))
CELLS = tuple(itertools.product(LOSSES, OUTPUTS, SLOPES, SMOOTHINGS, DTYPES, SCHEDULES))


def instance(
    k: int | None, slope: float, smoothing: float, dtype: str, seed: int = 0
) -> tuple[Network, Problem]:
    rng = np.random.default_rng(seed)
    n, d, m = 7, 4, 9
    shape = () if k is None else (k,)
    W, a = rng.standard_normal((m, d)).astype(dtype), rng.standard_normal((m, *shape)).astype(dtype)
    X, y = rng.standard_normal((n, d)).astype(dtype), rng.choice([-1.0, 1.0], (n, *shape)).astype(dtype)
    return Network(W, a, 0.4, slope, smoothing), Problem(X, y)


def rounding_bound(network: Network, problem: Problem, rule: GradientDescent, factor: float) -> float:
    """A bound on |fast - literal| for every weight after one step from the same start.

    Each side's sums have at most N = n + m + d + k terms and 40 elementary operations, so an entry errs by
    at most gamma_(N+40) times its formula with absolute values (Higham, section 3.1). An error delta in f
    changes dL/df by at most |dL/df| delta (|ell''| <= |ell'| for the classification losses, away from the
    hinge) or delta itself (squared loss), and 1/L and 1/lambda_max by as much again. There are two sides.
    """
    eps = float(np.finfo(network.W.dtype).eps)
    W, columns = np.abs(network.W).astype(float), np.abs(network.a).astype(float).reshape(network.m, -1)
    X, top = np.abs(problem.X).astype(float), max(1.0, abs(network.slope))
    features = top * (X @ W.T + network.smoothing)
    reach = network.scale * features @ columns
    derivative = LOSSES[rule.loss].derivative(predict(network, problem.X), problem.y)
    c = np.abs(derivative).astype(float).reshape(reach.shape)
    c = c * (1 + reach.max()) if LOSSES[rule.loss].classification else c + reach
    in_W = network.scale * top * (columns @ c.T) @ X + rule.decay_W * W
    in_a = network.scale * features.T @ c + rule.decay_a * columns
    moved = factor * max(rule.rate_W * float(in_W.max()), rule.rate_a * float(in_a.max()))
    operations = network.m + network.d + problem.n + columns.shape[1] + 40
    return 2 * operations * eps * ((2 + float(reach.max())) * moved + float(W.max()) + float(columns.max()))


@pytest.mark.parametrize("method", [name for name in METHODS if CAPABILITIES[name].arrays != ("cupy",)])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_method_makes_the_rules_step_in_the_cells_of_its_row_and_refuses_the_others(
    method: str, loss: str
) -> None:
    cells = [cell for cell in CELLS if cell[0] == loss]
    ran = [_runs_as_the_rule(method, *cell) for cell in cells]
    assert ran == [_in_row(method, *cell) for cell in cells]
    assert len(ran) == len(CELLS) // len(LOSSES)
    assert sum(ran) >= (8 if loss in CAPABILITIES[method].losses else 0)


def _in_row(
    method: str, loss: str, k: int | None, slope: float, smoothing: float, dtype: str, schedule: Schedule
) -> bool:
    row = CAPABILITIES[method]
    pace = {FlowScaled: "flow", LossScaled: "loss"}.get(type(schedule), "constant")
    known = loss in row.losses and pace in row.paces and dtype in row.dtypes
    shaped = row.outputs == np.inf or k is None
    return known and shaped and (slope == 0 or row.leaky) and (smoothing == 0 or row.smooth)


def _runs_as_the_rule(
    method: str,
    loss: str,
    k: int | None,
    slope: float,
    smoothing: float,
    dtype: str,
    schedule: Schedule,
) -> bool:
    """Whether the cell is accepted; raises when it is and the step is not the rule's."""
    network, problem = instance(k, slope, smoothing, dtype)
    both = GradientDescent(0.05, 0.03, decay_W=0.2, decay_a=0.1, loss=loss, schedule=schedule)
    first = GradientDescent(0.05, 0.0, loss=loss, schedule=schedule)
    rule = first if CAPABILITIES[method].first_layer_only else both
    chosen = load_method(method)
    case = case_of([network], [problem], rule, [network])
    if chosen.refuses(case) is not None:
        return False
    factor = rule.factor(network, problem, network)
    literal = rule.step(network, problem, factor)
    frame = chosen.snapshot(chosen.advance(chosen.start(case), 1))
    bound = rounding_bound(network, problem, rule, factor)
    error = max(
        float(np.abs(frame.W[0].astype(float) - literal.W).max()),
        float(np.abs(frame.a[0].astype(float) - literal.a).max()),
    )
    travelled = float(np.abs(literal.W - network.W).max())
    assert frame.W.dtype == network.W.dtype
    assert bound <= 1e7 * float(np.finfo(dtype).eps) * travelled, "the bound would let anything pass"
    assert error <= bound, (method, loss, k, slope, smoothing, dtype, schedule, error, bound)
    assert abs(float(frame.time[0]) / factor - 1) <= 200 * float(np.finfo(network.W.dtype).eps)
    return True


def test_the_capability_table_names_every_method() -> None:
    assert set(CAPABILITIES) == set(METHODS)


def test_a_refusal_is_one_sentence_that_says_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    network, problem = instance(3, 0.0, 0.0, "float64")
    rule = GradientDescent(0.1, 0.1, loss="hinge", schedule=FlowScaled(0.1))
    case = case_of([network], [problem], rule, [network])
    table = dict(CAPABILITIES)
    narrow = replace(table["numpy"], losses=("squared",), outputs=1)
    monkeypatch.setattr(capabilities, "CAPABILITIES", {"numpy": narrow})
    assert capabilities.refuses("numpy", case) == "the loss is hinge, it knows squared"


def test_every_path_agrees_where_the_kink_is_hit_exactly() -> None:
    network = Network(np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 1.0]]), np.array([1.0, -2.0, 0.5]), slope=0.2)
    problem = Problem(np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]), np.array([1.0, -1.0, 0.5]))
    rule = GradientDescent(0.25, 0.5)
    literal = rule.step(network, problem)
    chosen = load_method("numpy")
    frame = chosen.snapshot(chosen.advance(chosen.start(case_of([network], [problem], rule, [network])), 1))
    np.testing.assert_allclose(frame.W[0], literal.W, rtol=0, atol=16 * np.finfo(float).eps)
    np.testing.assert_allclose(frame.a[0], literal.a, rtol=0, atol=16 * np.finfo(float).eps)
