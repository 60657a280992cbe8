"""What a method runs (a Case), what it runs on (a Machine), and what it must offer (a Method)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from shallow.compute.deferred import Deferred
from shallow.setting.arrays import Array, dtype_name, library_of

__all__ = ["Case", "Frame", "Machine", "Memory", "Method", "Model", "Pace", "State"]

HostArray = np.ndarray[Any, Any]
Memory = Mapping[str, HostArray]  # what a method knows beyond W and a; every array has a first axis B
State = Any  # a method's own; opaque to everyone else

Pace = Literal["constant", "flow", "loss"]
Model = Literal["network", "gated", "tangent"]


@dataclass(frozen=True, eq=False)
class Case:
    """Gradient descent on a batch of B networks of one shape, as arrays of one floating type.

    The arrays are NumPy's, or all of one other array-API namespace and device; the clocks and limits
    (``factor``, ``time``, ``limit``) are always NumPy's.

    One step is ``W <- W - h rate_W (dL/dW + decay_W W)`` and ``a <- a - h rate_a (dL/da + decay_a a)``,
    both gradients taken before either update. The factor h of a member is ``factor[b]`` at the pace
    "constant", ``constant / lambda_max(rate_W H_W + rate_a H_a)`` of the current network at "flow", and
    ``constant / L`` of the current network at "loss" (0 where that is not finite because lambda_max or
    the loss is zero).

    Parameters
    ----------
    W : (B, m, d) array
    a : (B, m) or (B, m, k) array
    X : (B, n, d) or (1, n, d) array
        With a first axis of 1 all members share the inputs.
    y : (B, n) or (1, n), or the same with a last axis k
    scale, slope, smoothing : float
        As in :class:`shallow.setting.network.Network`.
    loss : str
        A name in ``shallow.setting.losses.LOSSES``; the loss is the sum over samples.
    rate_W, rate_a, decay_W, decay_a : float
        Rates (0 freezes a layer) and weight decays.
    pace, constant, factor
        How long a step is, see above. ``factor`` has shape (B,).
    step : int
        Steps already made: where a continued run stands.
    time : (B,) array
        Sum of the factors so far.
    limit : (B,) array
        A member whose residual f - y has an entry beyond this, or that is not finite, has diverged.
    model : str
        "network"; "gated", whose gates are ``gates`` for ever; "tangent", the linearisation at
        ``anchor_W, anchor_a``: then W and a are the offsets from there (a small offset keeps its digits),
        and weight decay acts on anchor plus offset.
    gates : (B, m, n) array, optional
    anchor_W, anchor_a : arrays shaped as W and a, optional
    memory : mapping of name to array, optional
        The ``memory`` of the frame that the run goes on from, made by the same method; without it a method
        starts from W.
    """

    W: Array
    a: Array
    X: Array
    y: Array
    scale: float
    slope: float
    smoothing: float
    loss: str
    rate_W: float
    rate_a: float
    decay_W: float
    decay_a: float
    pace: Pace
    constant: float
    factor: HostArray
    step: int
    time: HostArray
    limit: HostArray
    model: Model = "network"
    gates: Array | None = None
    anchor_W: Array | None = None
    anchor_a: Array | None = None
    memory: Memory | None = None

    @property
    def batch(self) -> int:
        """Number of members, B."""
        return int(self.W.shape[0])

    @property
    def n(self) -> int:
        """Number of samples."""
        return int(self.X.shape[1])

    @property
    def d(self) -> int:
        """Input dimension."""
        return int(self.W.shape[2])

    @property
    def m(self) -> int:
        """Number of neurons."""
        return int(self.W.shape[1])

    @property
    def k(self) -> int:
        """Number of outputs; 1 also when a has no output axis."""
        return int(self.a.shape[2]) if self.a.ndim == 3 else 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """The floating type of all arrays."""
        return np.dtype(dtype_name(self.W))

    @property
    def arrays(self) -> str:
        """Whose arrays they are: "numpy", "cupy", ..."""
        return library_of(self.W)


@dataclass(frozen=True, eq=False)
class Frame:
    """Where a batch stands. The arrays may be views, and deferred ones be unread, until the state advances.

    The clocks are NumPy's; weights, outputs and pre-activations are of the case's own namespace and device.

    Parameters
    ----------
    step : (B,) integers
        Steps made; a diverged member stays at its last finite step.
    time, factor : (B,) float64 arrays
        Sum of the factors, and the factor of the last step (0 before the first).
    diverged : (B,) integers
        The step whose result was not finite or beyond the limit, or -1.
    W, a : arrays as in the Case
        W may be given as a function: a method that does not keep it makes it when it is read.
    outputs : (B, n) or (B, n, k) array
        f at W, a.
    preactivations : (B, n, m) array or None
        X W^T where the method has it at hand.
    memory : mapping of name to array, or a function that makes it
        What the method needs besides W, a, step and time to go on with the same bits; mostly nothing. Made
        before the state advances, its arrays are the reader's to keep: nobody writes to them.
    """

    step: HostArray
    time: HostArray
    factor: HostArray
    diverged: HostArray
    a: Array
    outputs: Array
    W: Deferred[Array] = Deferred()
    preactivations: Array | None = None
    memory: Deferred[Memory] = Deferred(dict)


@dataclass(frozen=True)
class Machine:
    """What a plan may know about the machine; never a timing."""

    cores: int = 1

    @staticmethod
    def here() -> Machine:
        """The machine this runs on."""
        try:
            return Machine(len(os.sched_getaffinity(0)))
        except AttributeError:  # not every system has affinities
            return Machine(os.cpu_count() or 1)


class Method(Protocol):
    """A fast way to make the steps of a Case.

    A method keeps these promises, and tests hold every one of them to it:

    - ``advance(state, p + q)`` and ``advance(advance(state, p), q)`` have the same bits, and so has a
      ``start`` from the frame between them (W, a, step, time, memory) followed by q steps.
    - A member's bits do not depend on the batch it is in, nor on the number of threads. (On a device they may
      depend on the shape of the batch: there the same batch has the same bits.)
    - A member stops at the step that diverges: its frame keeps the last finite network for ever, and
      no warning escapes.
    - ``start`` never writes to the arrays of its Case; ``advance`` may recycle the state it is given.
    """

    @property
    def name(self) -> str:
        """The key in ``shallow.compute.methods.METHODS``."""

    def refuses(self, case: Case) -> str | None:
        """Why this method cannot run the case, in one sentence, or None."""

    def cost(self, case: Case, machine: Machine, steps: int) -> float:
        """Predicted seconds for this many steps, start-up included."""

    def start(self, case: Case) -> State:
        """A state at the case's own step."""

    def advance(self, state: State, steps: int) -> State:
        """The state ``steps`` steps later."""

    def snapshot(self, state: State) -> Frame:
        """Where the batch stands."""
