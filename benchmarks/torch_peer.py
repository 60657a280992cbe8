"""PyTorch at its best: eager autograd, ``torch.compile``, and ``torch.func`` for batches and Jacobians."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.descent import Data
from benchmarks.measure import Contender
from benchmarks.peers import compiler, load

__all__ = ["batched_descent", "compiled_descent", "descent", "jacobian_kernel"]

Array = np.ndarray[Any, Any]


def descent(data: Data, steps: int, threads: int) -> Contender:
    """Eager autograd on one network."""
    return _descent(data, steps, load("torch", threads), compiled=None)


def compiled_descent(data: Data, steps: int, threads: int) -> Contender:
    """The loss compiled, its gradient by autograd; needs a C++ compiler when it runs."""
    compiler()
    torch = load("torch", threads)
    return _descent(data, steps, torch, compiled=torch.compile)


def _descent(data: Data, steps: int, torch: Any, compiled: Any) -> Contender:
    X, y = torch.from_numpy(data.X), torch.from_numpy(data.y[0])

    def loss(W: Any, a: Any) -> Any:
        return 0.5 * ((torch.relu(X @ W.T) @ a - y) ** 2).sum()

    value = loss if compiled is None else compiled(loss)

    def start() -> Any:
        weights = (torch.from_numpy(data.W[0].copy()), torch.from_numpy(data.a[0].copy()))
        return tuple(weight.requires_grad_() for weight in weights)

    def run(state: Any) -> Any:
        W, a = state
        for _ in range(steps):
            by_W, by_a = torch.autograd.grad(value(W, a), (W, a))
            with torch.no_grad():
                W.sub_(by_W, alpha=data.rate_W)
                a.sub_(by_a, alpha=data.rate_a)
        return state

    shown = "loss" if compiled is None else "torch.compile(loss)"
    name = "torch eager" if compiled is None else "torch.compile"
    return Contender(
        name=name,
        peer="torch" if compiled is None else "torch.compile",
        call=f"autograd.grad({shown}(W, a), (W, a)); W.sub_(...)",
        start=start,
        run=run,
        result=lambda state: (state[0].detach().numpy()[None], state[1].detach().numpy()[None]),
        steps=steps,
    )


def batched_descent(data: Data, steps: int, threads: int) -> Contender:
    """All members of a batch by ``vmap`` of the gradient."""
    torch = load("torch", threads)
    X, y = torch.from_numpy(data.X), torch.from_numpy(data.y)

    def loss(W: Any, a: Any, labels: Any) -> Any:
        return 0.5 * ((torch.relu(X @ W.T) @ a - labels) ** 2).sum()

    gradients = torch.func.vmap(torch.func.grad(loss, argnums=(0, 1)))

    def run(state: Any) -> Any:
        W, a = state
        for _ in range(steps):
            by_W, by_a = gradients(W, a, y)
            W.sub_(by_W, alpha=data.rate_W)
            a.sub_(by_a, alpha=data.rate_a)
        return state

    return Contender(
        name="torch.func vmap",
        peer="torch",
        call="torch.func.vmap(torch.func.grad(loss, argnums=(0, 1)))(W, a, y); W.sub_(...)",
        start=lambda: (torch.from_numpy(data.W.copy()), torch.from_numpy(data.a.copy())),
        run=run,
        result=lambda state: tuple(weight.numpy() for weight in state),
        steps=steps,
    )


def jacobian_kernel(W: Array, a: Array, X: Array, layers: str, threads: int) -> Contender:
    """``J J^T`` of the Jacobian by ``vmap(jacrev)``, for the first layer or both."""
    torch = load("torch", threads)
    weights, outer, inputs = (torch.from_numpy(array) for array in (W, a, X))

    def f(W: Any, a: Any, x: Any) -> Any:
        return torch.relu(W @ x) @ a

    wanted = (0,) if layers == "first" else (0, 1)
    jacobian = torch.func.vmap(torch.func.jacrev(f, argnums=wanted), in_dims=(None, None, 0))

    def run(_: Any) -> Any:
        total = None
        for block in jacobian(weights, outer, inputs):
            J = block.reshape(len(inputs), -1)
            total = J @ J.T if total is None else total.addmm_(J, J.T)
        return total

    return Contender(
        name="torch.func",
        peer="torch",
        call=f"J = vmap(jacrev(f, {wanted}), (None, None, 0))(W, a, X); J @ J.T",
        start=lambda: None,
        run=run,
        result=lambda H: H.numpy(),
    )
