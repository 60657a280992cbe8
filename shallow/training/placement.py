"""Where a run computes: on the host, where its arrays already live, or on a CUDA device."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from shallow.setting.arrays import Array, host, library_of
from shallow.setting.problem import Problem
from shallow.training.gated import GatedModel
from shallow.training.model import Model
from shallow.training.tangent import TangentModel
from shallow.training.trajectory import Trajectory

__all__ = ["BACKENDS", "mover", "place_model", "place_problem", "place_run", "require_one_home"]

BACKENDS = ("auto", "numpy", "cupy")

Mover = Callable[[Array], Array]


def mover(backend: str) -> Mover:
    """The function that brings an array where ``backend`` computes.

    "auto" leaves arrays where they are, "numpy" brings them to the host, "cupy" to the current CUDA device.

    Raises
    ------
    ValueError
        For another word.
    RuntimeError
        For "cupy" where CuPy is not installed or finds no CUDA device.
    """
    if backend == "auto":
        return _itself
    if backend == "numpy":
        return host
    if backend == "cupy":
        from shallow.compute.device import require_device

        to_device: Mover = require_device().asarray
        return to_device
    raise ValueError(f"backend {backend!r} is unknown; use {', '.join(map(repr, BACKENDS))}")


def _itself(array: Array) -> Array:
    return array


def place_model(model: Model, move: Mover) -> Model:
    """The model with its arrays moved; itself when nothing moves."""
    if isinstance(model, TangentModel):
        at = place_model(model.at, move)
        return model if at is model.at else model.replace(at=at, W=move(model.W), a=move(model.a))
    W, a = move(model.W), move(model.a)
    if W is model.W and a is model.a:
        return model
    psi = {"psi": move(model.psi)} if isinstance(model, GatedModel) else {}
    return model.replace(W=W, a=a, **psi)


def place_problem(problem: Problem, move: Mover) -> Problem:
    """The problem with its arrays moved; itself when nothing moves."""
    X, y = move(problem.X), move(problem.y)
    return problem if X is problem.X and y is problem.y else problem.replace(X=X, y=y)


def place_run(run: Trajectory, move: Mover) -> Trajectory:
    """A run that can go on elsewhere."""
    network = place_model(run.network, move)
    if network is run.network:
        return run
    return dataclasses.replace(
        run,
        problem=place_problem(run.problem, move),
        initial=place_model(run.initial, move),
        network=network,
        snapshots={step: place_model(model, move) for step, model in run.snapshots.items()},
        memory={
            name: {key: values if key == "value" else move(values) for key, values in memory.items()}
            for name, memory in run.memory.items()
        },
    )


def require_one_home(model: Model, problem: Problem) -> None:
    """Raise unless the arrays of model and problem are of one library.

    Raises
    ------
    TypeError
        Saying which is where.
    """
    here, there = library_of(model.W), library_of(problem.X)
    if here != there:
        raise TypeError(
            f"the network's arrays are {here}'s and the problem's {there}'s; give both one home, "
            "or say backend='numpy' or backend='cupy'"
        )
