"""The observables by name, and how a user's request becomes a list of them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from shallow.observe import curvature, fit, kernels, lockstep, patterns, weights
from shallow.observe.observable import Observable, infimum, supremum
from shallow.observe.snapshot import Snapshot

__all__ = ["OBSERVABLES", "known", "observable"]

_ALL = (
    Observable("loss", "loss", "O(n k)", ("outputs",), fit.loss),
    Observable("log_loss", "log loss", "O(n k)", ("outputs",), fit.log_loss),
    Observable("residual_norm", "output", "O(n k)", ("residual",), fit.residual_norm),
    Observable("loss_ratio", "1", "O(n k)", ("outputs",), fit.loss_ratio),
    Observable("margin_min", "output", "O(n k)", ("outputs",), fit.margin_min),
    Observable("margin_ratio", "1", "O(n k)", ("outputs",), fit.margin_ratio),
    Observable("smoothed_margin", "output / weight^p", "O(m d)", ("outputs", "W", "a"), fit.smoothed_margin),
    Observable("lambda_min", "kernel", "O(n^2 m + n^3)", ("tangent_kernel",), kernels.lambda_min),
    Observable("lambda_max", "kernel", "O(n^2 m + n^3)", ("tangent_kernel",), kernels.lambda_max),
    Observable("kernel_drift", "1", "O(n^2 m)", ("tangent_kernel",), kernels.kernel_drift),
    kernels.eigen_residual(),
    Observable("flip_fraction", "1", "O(n m)", ("patterns",), patterns.flip_fraction),
    Observable("flip_max", "1", "O(n m)", ("patterns",), patterns.flip_max),
    Observable("ever_flipped", "1", "O(n m) a step", ("patterns",), accumulate=patterns.ever_flipped),
    Observable("ever_flipped_max", "1", "O(n m) a step", ("patterns",), accumulate=patterns.ever_flipped_max),
    Observable("near_kinks", "pairs", "O(n m d)", ("preactivations", "W"), patterns.near_kinks),
    Observable("travel_W", "weight", "O(m d)", ("W",), weights.travel_W),
    Observable("travel_W_max", "weight", "O(m d)", ("W",), weights.travel_W_max),
    Observable("travel_a", "weight", "O(m k)", ("a",), weights.travel_a),
    Observable("relative_travel_W", "1", "O(m d)", ("W",), weights.relative_travel_W),
    Observable("relative_travel_a", "1", "O(m k)", ("a",), weights.relative_travel_a),
    Observable(
        "path_length", "weight / rate^(1/2)", "O(m d) a step", ("W", "a"), accumulate=weights.path_length
    ),
    Observable(
        "tangent_distance",
        "1",
        "O(n^2 k^2) a step",
        ("outputs", "tangent_kernel"),
        accumulate=lockstep.tangent_distance,
    ),
    Observable("stable_rank", "1", "O(m d min(m, d))", ("W",), weights.stable_rank),
    Observable("balance", "rate weight^2", "O(m d)", ("W", "a"), weights.balance),
    Observable("sharpness", "loss / weight^2", "O(n m d) times 10 to 100", ("W", "a"), curvature.sharpness),
    Observable(
        "rate_sharpness", "1 / factor", "O(n m d) times 10 to 100", ("W", "a"), curvature.rate_sharpness
    ),
)

OBSERVABLES: Mapping[str, Observable] = MappingProxyType({entry.name: entry for entry in _ALL})

_WITH_ARGUMENTS = MappingProxyType(
    {
        "kernel_gap": "kernel_gap(initialization)",
        "test_error": "test_error(problem)",
    }
)


def known(name: str) -> Observable | None:
    """The observable called ``name``, where ``sup_`` or ``inf_`` may stand before one without memory."""
    if name in OBSERVABLES:
        return OBSERVABLES[name]
    word, _, rest = name.partition("_")
    inner = OBSERVABLES.get(rest)
    if word not in ("sup", "inf") or inner is None or inner.accumulates:
        return None
    return supremum(inner) if word == "sup" else infimum(inner)


def observable(entry: Any) -> Observable:
    """The observable that ``entry`` means: a name, an Observable, or a function of a snapshot.

    ``sup_`` or ``inf_`` before a name is its extremum over every step so far. A function is
    recorded under its ``__name__`` and may return a float or a 1-D array.

    Raises
    ------
    ValueError
        For an unknown name (with the closest one), or a name that needs an argument.
    TypeError
        For anything else.
    """
    if isinstance(entry, Observable):
        return entry
    if isinstance(entry, str):
        return _named(entry)
    if callable(entry):
        return _from_function(entry)
    raise TypeError(f"cannot record {entry!r}; give a name, an Observable or a function of a snapshot")


def _named(name: str) -> Observable:
    found = known(name)
    if found is not None:
        return found
    if name in _WITH_ARGUMENTS:
        call = f"shallow.observe.{_WITH_ARGUMENTS[name]}"
        raise ValueError(f"{name} needs an argument: record {call} instead of its name")
    close = difflib.get_close_matches(name, [*OBSERVABLES, *_WITH_ARGUMENTS], n=1)
    hint = f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(OBSERVABLES)}"
    raise ValueError(f"cannot record {name!r}: no such series{hint}")


def _from_function(function: Any) -> Observable:
    name = getattr(function, "__name__", type(function).__name__)

    def call(now: Snapshot, start: Snapshot) -> Any:
        return function(now)

    return Observable(name, "user's own", "user's own", (), call)
