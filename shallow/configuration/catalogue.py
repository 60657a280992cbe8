"""Names for the objects that a configuration can ask for: literal tables, and nothing registers itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from shallow.observe import Observable, kernel_gap, observable, test_error
from shallow.setting import initialization as laws_of_networks
from shallow.setting import inputs as laws_of_inputs
from shallow.setting import labels as laws_of_labels
from shallow.setting.initialization import Initialization
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams
from shallow.training import GatedModel, GradientDescent, TangentModel
from shallow.training.model import Model

if TYPE_CHECKING:
    from shallow.configuration.model import NetworkModel, ProblemModel

__all__ = [
    "FROM_RUN",
    "INITIALIZATIONS",
    "INPUTS",
    "LABELS",
    "LABELS_AGAINST",
    "MODELS",
    "RULES",
    "Opponent",
    "needs_a_network",
]

Matrix = np.ndarray[Any, np.dtype[np.float64]]
Draw = Callable[[Matrix, Streams], Matrix]


def _along_limit(which: str) -> Callable[[ProblemModel], Draw]:
    """Labels along an eigenvector of the limiting kernel."""

    def law(p: ProblemModel) -> Draw:
        from shallow import adversary
        from shallow.exact.ntk import ntk_gram

        return lambda X, streams: np.asarray(getattr(adversary, which)(ntk_gram(X), p.label_scale))

    return law


@dataclass(frozen=True, eq=False)
class Opponent:
    """The run that labels are chosen against.

    Parameters
    ----------
    network : Network
        At the start.
    model : Network, GatedModel or TangentModel
        What is trained.
    X, y : arrays
        The inputs, and the labels that the network was drawn for.
    rule : GradientDescent
    steps : int
    streams : Streams
    """

    network: Network
    model: Model
    X: Matrix
    y: Matrix
    rule: GradientDescent
    steps: int
    streams: Streams


def _along_start(which: str, p: ProblemModel, run: Opponent) -> Matrix:
    """f_0 + tau sqrt(n) v, v an eigenvector of the tangent kernel at the start with the run's own rates."""
    from shallow import adversary
    from shallow.exact.gradient import predict
    from shallow.exact.ntk import empirical_ntk

    kernel = empirical_ntk(run.network, run.X, run.rule.rate_W, run.rule.rate_a)
    labels = getattr(adversary, which)(kernel, p.label_scale, predict(run.network, run.X))
    return np.asarray(labels)


def _searched(p: ProblemModel, run: Opponent) -> Matrix:
    """What a search for the slowest training found."""
    from shallow.adversary import searched, slowness

    objective = slowness(run.model, run.X, run.rule, steps=p.search_steps or run.steps)
    found = searched(
        objective,
        run.y,
        evaluations=p.search_evaluations,
        rng=run.streams.generator("search"),
        move=p.search_move,
    )
    return found.labels


INPUTS: Mapping[str, Callable[[ProblemModel], Any]] = MappingProxyType(
    {
        "gaussian": lambda p: laws_of_inputs.Gaussian(),
        "normalized-gaussian": lambda p: laws_of_inputs.NormalizedGaussian(),
        "sphere": lambda p: laws_of_inputs.Sphere(p.radius),
        "orthonormal": lambda p: laws_of_inputs.Orthonormal(),
        "near-orthogonal": lambda p: laws_of_inputs.NearOrthogonal(p.orthogonality_ratio),
        "two-clusters": lambda p: laws_of_inputs.TwoClusters(p.mean_norm, p.flip),
    }
)

# "clusters" are the labels that come with two-clusters inputs; "worst" and "best" lie along the bottom and
# the top eigenvector of the limiting kernel.
LABELS: Mapping[str, Callable[[ProblemModel], Draw] | None] = MappingProxyType(
    {
        "signs": lambda p: laws_of_labels.RandomSigns(p.label_scale).draw,
        "gaussian": lambda p: laws_of_labels.GaussianLabels(p.label_scale).draw,
        "teacher": lambda p: laws_of_labels.Teacher(p.teacher_width, p.label_scale, p.teacher_slope).draw,
        "worst": _along_limit("worst_labels"),
        "best": _along_limit("best_labels"),
        "clusters": None,
    }
)

# Labels chosen against the run's own network, rates and steps; each is a function of the labels' table.
LABELS_AGAINST: Mapping[str, Callable[[ProblemModel, Opponent], Matrix]] = MappingProxyType(
    {
        "worst-start": lambda p, run: _along_start("worst_labels", p, run),
        "best-start": lambda p, run: _along_start("best_labels", p, run),
        "searched": _searched,
    }
)

INITIALIZATIONS: Mapping[str, Callable[[NetworkModel], Initialization]] = MappingProxyType(
    {
        "ntk": lambda n: laws_of_networks.ntk(slope=n.slope, smoothing=n.smoothing),
        "ntk-signs": lambda n: laws_of_networks.ntk_signs(n.init_scale, slope=n.slope, smoothing=n.smoothing),
        "lecun": lambda n: laws_of_networks.lecun(slope=n.slope, smoothing=n.smoothing),
        "he": lambda n: laws_of_networks.he(slope=n.slope, smoothing=n.smoothing),
        "mean-field": lambda n: laws_of_networks.mean_field(slope=n.slope, smoothing=n.smoothing),
        "mup": lambda n: laws_of_networks.mup(slope=n.slope, smoothing=n.smoothing),
        "oymak": lambda n: laws_of_networks.oymak(slope=n.slope, smoothing=n.smoothing),
        "balanced": lambda n: laws_of_networks.balanced(n.init_scale, slope=n.slope, smoothing=n.smoothing),
        "power-law": lambda n: laws_of_networks.power_law(
            c_s=n.init_scale,
            p=n.p,
            c_W=n.c_W,
            q=n.q,
            c_a=n.c_a,
            r=n.r,
            law_a=n.law_a,
            rate_power=n.rate_power,
            slope=n.slope,
            smoothing=n.smoothing,
        ),
    }
)

RULES: Mapping[str, str] = MappingProxyType({"gradient-descent": "shallow.training:GradientDescent"})

MODELS: Mapping[str, Callable[[Network], Model]] = MappingProxyType(
    {"network": lambda network: network, "gated": GatedModel.of, "tangent": TangentModel}
)

# Observables that need something of the run's own as an argument: its initialisation, its test problem. A
# configuration names them like others.
FROM_RUN: Mapping[str, Callable[[Initialization, Problem | None], Observable]] = MappingProxyType(
    {
        "kernel_gap": lambda law, test: kernel_gap(law),
        "test_error": lambda law, test: test_error(test) if test is not None else _no_test(),
    }
)


def _no_test() -> Observable:
    raise ValueError("test_error needs a test problem, which this configuration does not have")


_OF_A_NETWORK = frozenset({"preactivations", "patterns", "gates", "tangent_kernel"})


def needs_a_network(name: str) -> bool:
    """Whether an observable looks at what only a network has, and not a gated or tangent model."""
    if name in FROM_RUN or "sharpness" in name:
        return True
    return not _OF_A_NETWORK.isdisjoint(observable(name).needs)
