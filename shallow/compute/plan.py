"""Which method runs a case: the cheapest that does not refuse."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass

from shallow.compute import capabilities
from shallow.compute.case import Case, Machine
from shallow.compute.methods import METHODS, load_method

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
    offers = [_offer(name, case, here, steps) for name in METHODS]
    offers = _ask(offers, case, method)
    ranked = tuple(sorted(offers, key=lambda offer: offer.seconds))
    if method is None:
        return Choice(ranked[0].method, ranked)
    refusal = next(offer.refusal for offer in ranked if offer.method == method)
    if refusal:
        raise ValueError(f"method {method!r} refuses: {refusal}")
    return Choice(method, ranked)


def _ask(offers: list[Offer], case: Case, method: str | None) -> list[Offer]:
    """The offers after the method about to be taken was asked itself; only then is its module loaded."""
    while True:
        taken = method or min(offers, key=lambda offer: offer.seconds).method
        index = next(i for i, offer in enumerate(offers) if offer.method == taken)
        refusal = offers[index].refusal or load_method(taken).refuses(case)
        if refusal is None or offers[index].refusal:
            return offers
        offers = [*offers[:index], Offer(taken, math.inf, refusal), *offers[index + 1 :]]


def choose(case: Case, steps: int, machine: Machine | None = None, method: str | None = None) -> str:
    """The name of the method that :func:`explain` chooses."""
    return explain(case, steps, machine, method).method


def _offer(name: str, case: Case, machine: Machine, steps: int) -> Offer:
    refusal = capabilities.refuses(name, case)
    seconds = math.inf if refusal else capabilities.cost(name, case, machine, steps)
    return Offer(name, seconds, refusal)
