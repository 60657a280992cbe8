"""Nouns and laws: network, problem, initialisations, inputs, labels, losses, streams, data."""

from __future__ import annotations

from shallow.setting.data import Duplicate, find_duplicates, read_problem, unit_rows
from shallow.setting.initialization import (
    Initialization,
    Moments,
    balanced,
    doubled,
    he,
    lecun,
    mean_field,
    mup,
    ntk,
    ntk_signs,
    oymak,
    power_law,
)
from shallow.setting.inputs import (
    ClusterSample,
    Gaussian,
    NearOrthogonal,
    NormalizedGaussian,
    Orthonormal,
    Sphere,
    TwoClusters,
    linear_clean_error,
    orthogonality_ratio,
)
from shallow.setting.labels import GaussianLabels, RandomSigns, Teacher, with_label_scale
from shallow.setting.losses import LOSSES, Loss
from shallow.setting.network import Network
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = [
    "LOSSES",
    "ClusterSample",
    "Duplicate",
    "Gaussian",
    "GaussianLabels",
    "Initialization",
    "Loss",
    "Moments",
    "NearOrthogonal",
    "Network",
    "NormalizedGaussian",
    "Orthonormal",
    "Problem",
    "RandomSigns",
    "Sphere",
    "Streams",
    "Teacher",
    "TwoClusters",
    "balanced",
    "doubled",
    "find_duplicates",
    "he",
    "lecun",
    "linear_clean_error",
    "mean_field",
    "mup",
    "ntk",
    "ntk_signs",
    "orthogonality_ratio",
    "oymak",
    "power_law",
    "read_problem",
    "unit_rows",
    "with_label_scale",
]
