"""Names for the objects that a configuration can ask for: literal tables, and nothing registers itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from shallow.observe import Observable, kernel_gap
from shallow.setting import initialization as laws_of_networks
from shallow.setting import inputs as laws_of_inputs
from shallow.setting import labels as laws_of_labels
from shallow.setting.initialization import Initialization
from shallow.setting.streams import Streams

if TYPE_CHECKING:
    from shallow.configuration.model import NetworkModel, ProblemModel

__all__ = ["FROM_LAW", "INITIALIZATIONS", "INPUTS", "LABELS", "RULES"]

Matrix = np.ndarray[Any, np.dtype[np.float64]]
Draw = Callable[[Matrix, Streams], Matrix]


def _worst(p: ProblemModel) -> Draw:
    from shallow.adversary import worst_labels
    from shallow.exact.ntk import ntk_gram

    return lambda X, streams: np.asarray(worst_labels(ntk_gram(X), p.label_scale))


INPUTS: Mapping[str, Callable[[ProblemModel], Any]] = MappingProxyType(
    {
        "gaussian": lambda p: laws_of_inputs.Gaussian(),
        "normalized-gaussian": lambda p: laws_of_inputs.NormalizedGaussian(),
        "sphere": lambda p: laws_of_inputs.Sphere(),
        "orthonormal": lambda p: laws_of_inputs.Orthonormal(),
        "near-orthogonal": lambda p: laws_of_inputs.NearOrthogonal(p.orthogonality_ratio),
        "two-clusters": lambda p: laws_of_inputs.TwoClusters(p.mean_norm, p.flip),
    }
)

# "clusters" are the labels that come with two-clusters inputs; "worst" is the bottom eigenvector of the
# limiting kernel.
LABELS: Mapping[str, Callable[[ProblemModel], Draw] | None] = MappingProxyType(
    {
        "signs": lambda p: laws_of_labels.RandomSigns(p.label_scale).draw,
        "gaussian": lambda p: laws_of_labels.GaussianLabels(p.label_scale).draw,
        "teacher": lambda p: laws_of_labels.Teacher(p.teacher_width, p.label_scale).draw,
        "worst": _worst,
        "clusters": None,
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
            c_s=n.init_scale, p=n.p, q=n.q, r=n.r, slope=n.slope, smoothing=n.smoothing
        ),
    }
)

RULES: Mapping[str, str] = MappingProxyType({"gradient-descent": "shallow.training:GradientDescent"})

# Observables that need the run's own initialisation as an argument; a configuration names them like others.
FROM_LAW: Mapping[str, Callable[[Initialization], Observable]] = MappingProxyType({"kernel_gap": kernel_gap})
