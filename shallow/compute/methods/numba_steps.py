"""Gradient descent in compiled tiles and panels: one network or many at once.

Threads are Python's (the routines run without the GIL): members of a batch are shared out, or the chunks of
one network. A member's sums never depend on the sharing, so its bits do not either; and no threading library
is left behind that would abort a forked child.
"""

from __future__ import annotations

from shallow.compute import capabilities
from shallow.compute.case import Case, Frame, Machine
from shallow.compute.jit import threads
from shallow.compute.methods import binary_form, dense_form
from shallow.compute.methods.binary_form import BinaryState
from shallow.compute.methods.dense_form import DenseState
from shallow.compute.registers import unavailable

__all__ = ["METHOD", "NumbaSteps"]

_WORTH_SHARING = 2e7  # operations of all steps below which starting another thread costs more than it saves
_AT_A_TIME = 5e10  # operations between two moments at which an interrupt is noticed


class NumbaSteps:
    """The compiled method; see :class:`shallow.compute.case.Method` for what it promises.

    Exact gates and one output take the binary form, everything else the dense form. With a gate of two values
    phi(z) = phi'(z) z, so the gradient of an outer weight needs no pre-activations:
    dL/da_k = scale sum_i c_i phi(z_ki) = scale <w_k, G_k> with G_k = sum_i c_i phi'(z_ki) x_i, which the
    first layer needs anyway. The binary form keeps their signs only.

    Errors, with u = eps / 2, E = sum_i |c_i| |x_i| max(1, |1 - slope| + |slope|) entry by entry, c as given,
    and to first order in u: z errs by d u <|w|, |x|>; G_k by (n / 4 + 6) u E when the slope is 0 and by
    (n + 6) u E otherwise; dL/da_k by (n + d + 6) u scale <|w_k|, E>, where the sum over phi itself would err
    by as much, (n + d + 2) u scale sum_i |c_i| <|w_k|, |x_i|>; and f by (m + 2) u scale sum_k |a_k phi(z_k)|
    beyond what it inherits from z. A gate is that of the computed z. Cost of a step: n m d multiply-adds
    forward, and n m d / 4 additions from tables backward.

    In the dense form dL/da_k is the sum over phi, products are chains of multiply-adds, and a smooth gate
    passes the error of z on: phi' errs by (|1 - slope| / 2h) d u <|w|, |x|> + 12 u max(1, |slope|). Cost of a
    step: 2 n m d multiply-adds and n m k for the outputs.
    """

    name = "numba"

    def refuses(self, case: Case) -> str | None:
        """Why this method cannot run the case, or None."""
        return unavailable() or capabilities.refuses(self.name, case)

    def cost(self, case: Case, machine: Machine, steps: int) -> float:
        """Predicted seconds for this many steps."""
        return capabilities.cost(self.name, case, machine, steps)

    def start(self, case: Case) -> BinaryState | DenseState:
        """A state at the case's own step."""
        exact_gates = case.smoothing == 0 and case.k == 1
        return binary_form.start(case) if exact_gates else dense_form.start(case)

    def advance(self, state: BinaryState | DenseState, steps: int) -> BinaryState | DenseState:
        """The state ``steps`` steps later; the old one is recycled."""
        case = state.case
        work = 4.0 * case.n * case.m * case.d * case.batch
        most = max(1, int(_AT_A_TIME / work))
        while steps > 0:
            block = min(steps, most)
            workers = threads() if work * block > _WORTH_SHARING else 1
            if isinstance(state, BinaryState):
                binary_form.advance(state, block, workers)
            else:
                dense_form.advance(state, block, workers)
            steps -= block
        return state

    def snapshot(self, state: BinaryState | DenseState) -> Frame:
        """Where the batch stands."""
        return binary_form.snapshot(state) if isinstance(state, BinaryState) else dense_form.snapshot(state)


METHOD = NumbaSteps()
