"""Training and its models: gradient descent, recorded runs, tangent and frozen-gate models."""

from __future__ import annotations

from shallow.training.gated import GatedModel
from shallow.training.outcome import Outcome
from shallow.training.rules import GradientDescent
from shallow.training.schedules import Fixed, FlowScaled, KernelScaled, LossScaled
from shallow.training.tangent import TangentModel
from shallow.training.train import explain, train, train_many
from shallow.training.trajectory import Trajectory

__all__ = [
    "Fixed",
    "FlowScaled",
    "GatedModel",
    "GradientDescent",
    "KernelScaled",
    "LossScaled",
    "Outcome",
    "TangentModel",
    "Trajectory",
    "explain",
    "train",
    "train_many",
]
