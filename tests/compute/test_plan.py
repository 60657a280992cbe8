"""The plan: cheapest that does not refuse, by the case and the machine alone."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import shallow
from shallow.compute import capabilities, plan
from shallow.compute.capabilities import CAPABILITIES
from shallow.compute.case import Case, Machine
from shallow.compute.methods import METHODS
from shallow.training.assemble import case_of


def case(n: int = 5, d: int = 3, m: int = 7, loss: str = "squared", slope: float = 0.0) -> Case:
    rng = np.random.default_rng(0)
    problem = shallow.Problem(rng.standard_normal((n, d)), rng.choice([-1.0, 1.0], n))
    network = shallow.Network(rng.standard_normal((m, d)), rng.standard_normal(m), slope=slope)
    return case_of([network], [problem], shallow.GradientDescent(0.1, 0.1, loss=loss), [network])


@pytest.fixture
def two_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table with a second method: dear to start, cheap to run, squared loss only."""
    slow = CAPABILITIES["numpy"]
    fast = replace(
        slow, losses=("squared",), startup=3.0, overhead=slow.overhead / 10, rate=slow.rate * 10, entry=0.1
    )
    monkeypatch.setattr(capabilities, "CAPABILITIES", {"numpy": slow, "fast": fast})
    monkeypatch.setattr(plan, "METHODS", {"numpy": "", "fast": ""})
    monkeypatch.setattr(plan, "load_method", lambda name: SimpleNamespace(refuses=lambda case: None))


@pytest.mark.usefixtures("two_methods")
def test_short_runs_avoid_the_start_up_and_long_ones_repay_it() -> None:
    assert plan.choose(case(), 100, Machine(1)) == "numpy"
    assert plan.choose(case(), 10**7, Machine(1)) == "fast"


@pytest.mark.usefixtures("two_methods")
def test_a_method_that_refuses_is_never_chosen_and_says_why() -> None:
    choice = plan.explain(case(loss="hinge"), 10**9, Machine(1))
    assert choice.method == "numpy"
    assert [offer.method for offer in choice.offers] == ["numpy", "fast"]
    assert choice.offers[1].seconds == math.inf
    assert "fast: refuses: the loss is hinge" in str(choice)
    assert "-> numpy: about" in str(choice)


@pytest.mark.usefixtures("two_methods")
def test_a_forced_method_is_taken_or_refused_in_words() -> None:
    assert plan.choose(case(), 1, Machine(1), method="fast") == "fast"
    with pytest.raises(ValueError, match="'fast' refuses: the loss is hinge"):
        plan.choose(case(loss="hinge"), 1, Machine(1), method="fast")
    with pytest.raises(ValueError, match="did you mean 'numpy'"):
        plan.choose(case(), 1, Machine(1), method="numpie")


@pytest.mark.usefixtures("two_methods")
def test_a_method_may_refuse_for_reasons_no_table_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"numpy": None, "fast": "its compiler is off"}
    monkeypatch.setattr(plan, "load_method", lambda name: SimpleNamespace(refuses=lambda case: answers[name]))
    choice = plan.explain(case(), 10**9, Machine(1))
    assert choice.method == "numpy"
    assert "fast: refuses: its compiler is off" in str(choice)
    with pytest.raises(ValueError, match="compiler is off"):
        plan.choose(case(), 1, Machine(1), method="fast")


@pytest.mark.usefixtures("two_methods")
def test_only_the_method_that_is_taken_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []

    def load(name: str) -> SimpleNamespace:
        loaded.append(name)
        return SimpleNamespace(refuses=lambda case: None)

    monkeypatch.setattr(plan, "load_method", load)
    assert plan.choose(case(), 10, Machine(1)) == "numpy"
    assert loaded == ["numpy"]


def test_the_choice_is_the_same_every_time() -> None:
    answers = {plan.explain(case(), 1000, Machine(2)) for _ in range(3)}
    assert len(answers) == 1


def test_numpy_refuses_nothing_that_can_be_asked_for() -> None:
    assert capabilities.refuses("numpy", case(loss="hinge", slope=0.4)) is None
    assert "numpy" in METHODS


def test_costs_grow_with_every_size_and_with_the_steps() -> None:
    base = capabilities.cost("numpy", case(), Machine(1), 1000)
    larger = [case(n=50), case(d=300), case(m=700)]
    assert [capabilities.cost("numpy", other, Machine(1), 1000) > base for other in larger] == [True] * 3
    assert capabilities.cost("numpy", case(), Machine(1), 2000) == pytest.approx(2 * base)
    assert capabilities.cost("numpy", replace(case(), pace="flow"), Machine(1), 1000) > base


def test_the_machine_has_at_least_one_core() -> None:
    assert Machine.here().cores >= 1


def test_the_printed_table_has_one_row_a_method_and_all_its_words() -> None:
    lines = capabilities.describe().splitlines()
    assert len(lines) == 2 + len(CAPABILITIES)
    numpy_row = next(line for line in lines if line.startswith("| numpy"))
    words = {
        word for word in (*CAPABILITIES["numpy"].losses, *CAPABILITIES["numpy"].models) if word in numpy_row
    }
    assert words == {"squared", "logistic", "exponential", "hinge", "network", "gated", "tangent"}
