"""What each method can run and what it costs, as one literal table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from shallow.compute.case import Case, Machine

__all__ = ["CAPABILITIES", "Capability", "cost", "describe", "refuses"]

_LOSSES = ("squared", "logistic", "exponential", "hinge")
_PACES = ("constant", "flow", "loss")
_MODELS = ("network", "gated", "tangent")
_DTYPES = ("float64", "float32")
_BLAS = 60.0  # 10^9 operations a second and core in a large product of NumPy


@dataclass(frozen=True)
class Capability:
    """The cases a method runs, and the numbers behind its predicted cost.

    Parameters
    ----------
    losses, paces, models, dtypes : tuple of str
        The names it accepts.
    outputs : float
        Largest number of outputs k.
    leaky, smooth : bool
        Whether it accepts slope != 0, and smoothing > 0.
    startup : float
        Seconds before the first step, between loading compiled code (0.5) and compiling it (about 6).
    overhead : float
        Seconds a step of one member costs at any size.
    entry : float
        Nanoseconds for each of the n m entries of the pre-activations.
    still_entry : float or None
        The same when the first layer does not move, for a method that then makes no products; None for one
        that makes them all the same.
    rate : float
        10^9 operations a second and core in the products, float64.
    shared_above : float
        Operations of a step above which one network is spread over the cores. Unless it is infinite, the
        members of a batch are spread too.
    arrays : tuple of str
        The libraries whose arrays it takes; empty for any that follows the array API standard.
    in_gram_space : bool
        Whether a step costs 2 n^2 m operations and the products with X come once, instead of 4 n m d a step.
    first_layer_only : bool
        Whether it needs rate_a = 0, and no decay of W.
    """

    losses: tuple[str, ...]
    paces: tuple[str, ...]
    models: tuple[str, ...]
    dtypes: tuple[str, ...]
    outputs: float
    leaky: bool
    smooth: bool
    startup: float
    overhead: float
    entry: float
    still_entry: float | None
    rate: float
    shared_above: float
    arrays: tuple[str, ...] = ("numpy",)
    in_gram_space: bool = False
    first_layer_only: bool = False


CAPABILITIES: Mapping[str, Capability] = MappingProxyType(
    {
        "numpy": Capability(
            losses=_LOSSES,
            paces=_PACES,
            models=_MODELS,
            dtypes=_DTYPES,
            outputs=math.inf,
            leaky=True,
            smooth=True,
            startup=0.0,
            overhead=11e-6,
            entry=1.6,
            still_entry=0.27,
            rate=60.0,
            shared_above=math.inf,
        ),
        "numba": Capability(
            losses=_LOSSES,
            paces=("constant",),
            models=("network",),
            dtypes=_DTYPES,
            outputs=math.inf,
            leaky=True,
            smooth=True,
            startup=2.0,
            overhead=0.6e-6,
            entry=0.3,
            still_entry=None,
            rate=170.0,
            shared_above=2.5e6,
        ),
        "gram": Capability(
            losses=_LOSSES,
            paces=("constant",),
            models=("network",),
            dtypes=_DTYPES,
            outputs=1,
            leaky=True,
            smooth=False,
            startup=2.0,
            overhead=2e-6,
            entry=0.35,
            still_entry=0.35,
            rate=230.0,
            shared_above=1e6,
            in_gram_space=True,
        ),
        "frozen": Capability(
            losses=("squared",),
            paces=("constant",),
            models=("network",),
            dtypes=("float64",),
            outputs=1,
            leaky=True,
            smooth=False,
            startup=2.0,
            overhead=5e-6,
            entry=0.6,
            still_entry=None,
            rate=100.0,  # of a run whose gates still flip; nobody knows beforehand when that ends
            shared_above=1e6,
            in_gram_space=True,
            first_layer_only=True,
        ),
        "portable": Capability(
            losses=_LOSSES,
            paces=_PACES,
            models=_MODELS,
            dtypes=_DTYPES,
            outputs=math.inf,
            leaky=True,
            smooth=True,
            startup=0.0,
            overhead=45e-6,
            entry=12.0,
            still_entry=None,
            rate=50.0,
            shared_above=math.inf,
            arrays=(),
        ),
        "cupy": Capability(
            losses=_LOSSES,
            paces=("constant",),
            models=("network",),
            dtypes=_DTYPES,
            outputs=1,
            leaky=True,
            smooth=True,
            startup=0.0,
            overhead=40e-6,
            entry=0.02,
            still_entry=None,
            rate=20_000.0,
            shared_above=math.inf,
            arrays=("cupy",),
        ),
    }
)


def refuses(name: str, case: Case) -> str | None:
    """Why the method called ``name`` cannot run ``case``, in one sentence, or None."""
    table = CAPABILITIES[name]
    reasons = (
        (
            bool(table.arrays) and case.arrays not in table.arrays,
            f"the arrays are {case.arrays}'s, it takes {' and '.join(table.arrays)}'s",
        ),
        (case.loss not in table.losses, f"the loss is {case.loss}, it knows {', '.join(table.losses)}"),
        (case.pace not in table.paces, f"the pace is {case.pace}, it knows {', '.join(table.paces)}"),
        (case.model not in table.models, f"the model is {case.model}, it knows {', '.join(table.models)}"),
        (str(case.dtype) not in table.dtypes, f"the numbers are {case.dtype}"),
        (
            case.k > table.outputs or (table.outputs == 1 and case.a.ndim == 3),
            "there is an output axis, it knows a of shape (m,)",
        ),
        (case.slope != 0 and not table.leaky, f"the slope is {case.slope}, it knows 0"),
        (case.smoothing != 0 and not table.smooth, f"the smoothing is {case.smoothing}, it knows 0"),
        (
            table.first_layer_only and (case.rate_a != 0 or case.decay_W != 0),
            "it knows a first layer trained alone, rate_a = 0, without weight decay",
        ),
    )
    found = [reason for applies, reason in reasons if applies]
    return found[0] if found else None


def cost(name: str, case: Case, machine: Machine, steps: int) -> float:
    """Predicted seconds of ``steps`` steps of the whole batch, start-up included. A model, not a timing."""
    table = CAPABILITIES[name]
    half = 0.5 if str(case.dtype) == "float32" else 1.0
    operations = (2.0 * case.n if table.in_gram_space else 4.0 * case.d) * case.n * case.m
    still = case.rate_W == 0 and table.still_entry is not None
    products = 0.0 if still else operations * half / (table.rate * 1e9)
    entry = table.still_entry if still and table.still_entry is not None else table.entry
    passes = case.n * case.m * case.k * half * entry * 1e-9
    kernel = 0.0
    if case.pace == "flow":
        rows = case.n * case.k
        kernel = (2.0 * rows**2 * case.m + 4.0 * rows**3) / (table.rate * 1e9)
    spread = (operations > table.shared_above and not still) or (
        case.batch > 1 and table.shared_above < math.inf
    )
    cores = machine.cores if spread else 1
    once = 0.0
    if table.in_gram_space:  # K, the first pre-activations, and W at the end
        once = case.batch * (2.0 * case.n + 4.0 * case.m) * case.n * case.d * half / (_BLAS * 1e9) / cores
    each = table.overhead + (products + passes + kernel) / cores
    return table.startup + once + steps * case.batch * each


def describe() -> str:
    """The table in Markdown, one row a method, as the documentation prints it."""
    head = "| method | arrays | losses | paces | models | outputs k | slope | smoothing | numbers | layers |"
    rows = [head, "|" + "---|" * 10]
    for name, table in CAPABILITIES.items():
        cells = (
            name,
            ", ".join(table.arrays) or "any",
            ", ".join(table.losses),
            ", ".join(table.paces),
            ", ".join(table.models),
            "any" if math.isinf(table.outputs) else f"{table.outputs:g}",
            "any" if table.leaky else "0",
            "any" if table.smooth else "0",
            ", ".join(table.dtypes),
            "first, no decay" if table.first_layer_only else "any",
        )
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)
