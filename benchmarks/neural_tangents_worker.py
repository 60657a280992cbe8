"""Neural-tangents in a process of its own, with the old JAX that it needs.

    python -m benchmarks.neural_tangents_worker

Reads lines of JSON from standard input and answers each with one: ``{"load": FILE}`` reads X and warms up,
``{"run": true}`` gives the seconds of one kernel, ``{"save": FILE}`` writes the last one.
It needs NumPy, JAX 0.4.30 and neural-tangents, and nothing of this project.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

__all__ = ["main"]


def main() -> None:
    """Answer until the input ends."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # what the libraries say must not mix with the answers
    import jax
    import numpy as np

    jax.config.update("jax_enable_x64", True)
    import neural_tangents
    from neural_tangents import stax

    _, _, kernel_fn = stax.serial(stax.Dense(1), stax.Relu(), stax.Dense(1))
    kernel = jax.jit(lambda X: kernel_fn(X, None, "ntk"))
    X: Any = None
    K: Any = None
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any] = {"done": True}
        if "versions" in request:
            answer = {"neural-tangents": neural_tangents.__version__, "jax": jax.__version__}
        if "load" in request:
            X = jax.device_put(np.load(request["load"]))
            K = kernel(X).block_until_ready()
        if "run" in request:
            K = None
            began = time.perf_counter()
            K = kernel(X).block_until_ready()
            answer = {"seconds": time.perf_counter() - began}
        if "save" in request:
            # stax divides by d, the width of the layer below
            np.save(request["save"], np.asarray(K) * X.shape[1])
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
