"""Which method runs a case: the cheapest that does not refuse."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass

from shallow.compute import capabilities
from shallow.compute.case import Case, Machine
from shallow.compute.methods import METHODS

__all__ = ["Choice", "Offer", "choose", "explain"]


@dataclass(frozen=True)
class Offer:
    """One method's answer to a case: a predicted cost in seconds, or why it refuses."""

    method: str
    seconds: float
    refusal: str | None = None


@dataclass(frozen=True)
class Choice:
    """The chosen method and every offer it was chosen from, cheapest first."""

    method: str
    offers: tuple[Offer, ...]

    def __str__(self) -> str:
        lines = []
        for offer in self.offers:
            mark = "->" if offer.method == self.method else "  "
            answer = f"refuses: {offer.refusal}" if offer.refusal else f"about {offer.seconds:.3g} s"
            lines.append(f"{mark} {offer.method}: {answer}")
        return "\n".join(lines)


def explain(case: Case, steps: int, machine: Machine | None = None, method: str | None = None) -> Choice:
    """Which method runs ``steps`` steps of ``case``, and what each would cost.

    The answer depends on the case, the steps and the ``Machine`` value, never on a timing, so it is the
    same in every run.

    Parameters
    ----------
    case : Case
    steps : int
    machine : Machine, optional
        This machine by default.
    method : str, optional
        Forces a method.

    Raises
    ------
    ValueError
        For an unknown method, or a forced one that refuses.
    """
    here = machine or Machine.here()
    if method is not None and method not in METHODS:
        close = difflib.get_close_matches(method, METHODS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"method {method!r} is unknown, known are {', '.join(METHODS)}{hint}")
    offers = tuple(sorted((_offer(name, case, here, steps) for name in METHODS), key=lambda o: o.seconds))
    if method is None:
        return Choice(offers[0].method, offers)
    refusal = next(offer.refusal for offer in offers if offer.method == method)
    if refusal:
        raise ValueError(f"method {method!r} refuses: {refusal}")
    return Choice(method, offers)


def choose(case: Case, steps: int, machine: Machine | None = None, method: str | None = None) -> str:
    """The name of the method that :func:`explain` chooses."""
    return explain(case, steps, machine, method).method


def _offer(name: str, case: Case, machine: Machine, steps: int) -> Offer:
    refusal = capabilities.refuses(name, case)
    seconds = math.inf if refusal else capabilities.cost(name, case, machine, steps)
    return Offer(name, seconds, refusal)
