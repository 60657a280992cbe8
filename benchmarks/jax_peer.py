"""JAX at its best: one compiled loop over all steps, ``vmap`` for batches, donated weights."""

from __future__ import annotations

from typing import Any

from benchmarks.descent import Data
from benchmarks.measure import Contender
from benchmarks.peers import load

__all__ = ["batched_descent", "descent"]


def descent(data: Data, steps: int) -> Contender:
    """One network."""
    jax = load("jax")
    return _loop(data, steps, jax, jax.grad(_loss(jax), argnums=(0, 1)), batched=False)


def batched_descent(data: Data, steps: int) -> Contender:
    """A batch by ``vmap``."""
    jax = load("jax")
    gradient = jax.vmap(jax.grad(_loss(jax), argnums=(0, 1)), in_axes=(0, 0, 0, None))
    return _loop(data, steps, jax, gradient, batched=True)


def _loss(jax: Any) -> Any:
    def loss(W: Any, a: Any, y: Any, X: Any) -> Any:
        return 0.5 * jax.numpy.sum((jax.nn.relu(X @ W.T) @ a - y) ** 2)

    return loss


def _loop(data: Data, steps: int, jax: Any, gradient: Any, batched: bool) -> Contender:
    def all_steps(W: Any, a: Any, y: Any, X: Any) -> Any:
        def step(_: Any, weights: Any) -> Any:
            by_W, by_a = gradient(*weights, y, X)
            return weights[0] - data.rate_W * by_W, weights[1] - data.rate_a * by_a

        return jax.lax.fori_loop(0, steps, step, (W, a))

    kind = "vmap(grad)" if batched else "grad"
    compiled = jax.jit(all_steps, donate_argnums=(0, 1))
    W, a, y = (part if batched else part[0] for part in (data.W, data.a, data.y))
    X, y = jax.device_put(data.X), jax.device_put(y)
    return Contender(
        name="jax vmap jit" if batched else "jax jit",
        peer="jax",
        call=f"jit(lambda: fori_loop(0, {steps}, step, (W, a)))  # step by {kind}",
        start=lambda: jax.block_until_ready((jax.numpy.array(W), jax.numpy.array(a))),
        run=lambda state: jax.block_until_ready(compiled(*state, y, X)),
        result=lambda done: done if batched else tuple(weight[None] for weight in done),
        steps=steps,
    )
