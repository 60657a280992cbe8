"""A configuration names every fault at once, and its defaults stand in one place."""

from __future__ import annotations

import pytest

from shallow.configuration.catalogue import INITIALIZATIONS, INPUTS, LABELS
from shallow.configuration.model import RunModel, read_run


def test_every_fault_is_named_with_its_path_and_a_suggestion() -> None:
    tree = {
        "seed": 3,
        "problem": {"n": -5, "inputs": "gausian", "label_scale": "nan"},
        "network": {"widht": 10, "slope": float("nan")},
        "training": {"steps": True, "rate": {"kernel": 0.5, "flow": 0.1}},
    }
    with pytest.raises(ValueError) as caught:
        read_run(tree)
    text = str(caught.value)
    for path in (
        "problem.n:", "problem.inputs:", "problem.label_scale:", "network.widht:", "network.slope:",
        "training.steps:", "training.rate:",
    ):  # fmt: skip
        assert path in text, (path, text)
    assert "did you mean 'gaussian'?" in text
    assert "exactly one of kernel, flow and loss" in text
    assert "pydantic" not in text


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"rate_W": -0.1, "rate_a": 0.1}, "training.rate_W: Input should be greater than or equal to 0"),
        ({"rate_W": 0.1}, "rate_a is missing"),
        ({"rate_W": 0.1, "rate_a": 0.1, "rate": {"kernel": 0.5}}, "exclude each other"),
        ({"rate": {}}, "exactly one of kernel, flow and loss, not 0"),
        ({"rule": "gradient-decent"}, "did you mean 'gradient-descent'?"),
    ],
)
def test_rates_are_literal_or_scaled_and_never_negative(training: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_run({"training": training})
    assert message in str(caught.value)


def test_a_misspelt_key_gets_the_nearest_key_of_its_own_table() -> None:
    with pytest.raises(ValueError, match=r"training\.recrod: unknown key; did you mean 'record'\?"):
        read_run({"training": {"recrod": ["loss"]}})


def test_a_configuration_survives_json() -> None:
    model = read_run({"problem": {"n": 7}, "training": {"rate": {"flow": 0.2}, "at": [0, 5, 10]}})
    assert RunModel.model_validate_json(model.model_dump_json()) == model


def test_the_default_rate_is_half_of_the_largest_stable_kernel_rate_over_two() -> None:
    rate = read_run({}).training.rate
    assert rate is not None
    assert (rate.kernel, rate.flow, rate.loss) == (0.5, None, None)


def test_an_odd_width_cannot_be_doubled() -> None:
    with pytest.raises(ValueError, match=r"network: m is 5; antisymmetric doubling needs an even width"):
        read_run({"network": {"m": 5, "doubled": True}})


@pytest.mark.parametrize("inputs", sorted(INPUTS))
@pytest.mark.parametrize("labels", sorted(LABELS))
def test_every_pair_of_laws_draws_a_problem_or_says_why_not(inputs: str, labels: str) -> None:
    from shallow.configuration.build import problem_of
    from shallow.setting.streams import Streams

    model = read_run(
        {"problem": {"inputs": inputs, "labels": labels, "n": 4, "d": 9, "label_scale": 0.5}}
    ).problem
    if labels == "clusters" and inputs != "two-clusters":
        with pytest.raises(ValueError, match="belong to inputs 'two-clusters'"):
            problem_of(model, Streams(0))
    else:
        problem = problem_of(model, Streams(0))
        assert (problem.n, problem.d) == (4, 9)
        assert labels == "clusters" or problem.label_scale == pytest.approx(0.5, rel=1e-14)


@pytest.mark.parametrize("initialization", sorted(INITIALIZATIONS))
def test_every_initialization_trains(initialization: str) -> None:
    from shallow.configuration.build import train_run

    run = train_run(
        read_run(
            {
                "problem": {"n": 3, "d": 5},
                "network": {"initialization": initialization, "m": 6, "doubled": True},
                "training": {"steps": 3},
            }
        )
    )
    assert run.series["residual_norm"].shape == run.steps.shape
    assert run.series["residual_norm"][-1] <= run.series["residual_norm"][0]
