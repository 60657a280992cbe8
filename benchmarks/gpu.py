"""Absolute times on a CUDA device, as shares of what it was measured to do, beside PyTorch and JAX there.

``python -m benchmarks.gpu [--quick] [--save FILE]``. Without a device it says so and measures nothing. A
share is the time that the row's operations would take at the measured rate of a large product of its own
floating type, or its bytes at the measured rate of a copy, over the time it took; the larger one binds.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import descent, jax_peer, kernels
from benchmarks.measure import Agreement, Contender, Timing, compete, ratio
from benchmarks.peers import Absent, load
from shallow.compute.device import device_state, device_versions
from shallow.compute.device_kernels import arc_cosine_on_device, pattern_kernel_on_device
from shallow.compute.methods.cuda_launch import Library, cupy_for
from shallow.compute.methods.cupy_steps import CupySteps
from shallow.setting.arrays import host

__all__ = ["ROWS", "Ceilings", "Row", "main", "measure_ceilings", "measure_row"]


@dataclass(frozen=True)
class Ceilings:
    """Bytes a second of a copy, reads and writes both counted, and operations a second of a product."""

    copy: float
    float64: float
    float32: float

    def products(self, dtype: Any) -> float:
        """Operations a second in numbers of this type."""
        return self.float64 if np.dtype(dtype) == np.float64 else self.float32


@dataclass(frozen=True)
class Row:
    """What is measured: the work of one step or kernel, and who does it.

    ``operations`` and ``bytes`` are the least that any way must do; ``build`` makes the contenders, reasons
    for those that are absent, and the check of their results.
    """

    name: str
    dtype: str
    operations: float
    bytes: float
    build: Callable[[Library, bool], tuple[list[Contender], dict[str, str], Callable[[Any], Agreement]]]


def _descent_row(n: int, d: int, m: int, dtype: str, batch: int = 1) -> Row:
    size = np.dtype(dtype).itemsize

    def build(library: Library, quick: bool) -> Any:
        steps = 5 if quick else 50
        data = descent.draw(n, d, m, np.dtype(dtype), batch)
        contenders, absent = [_ours(data, steps, library)], {}
        for peer, make in (("torch", _torch), ("jax", _jax)):
            try:
                contenders.append(make(data, steps))
            except Absent as reason:
                absent[peer] = str(reason)
        return contenders, absent, descent.agreement(data, steps)

    members = f"-batch-{batch}" if batch > 1 else ""
    return Row(
        f"gpu-gd-{dtype}{members}-{n}x{d}x{m}",
        dtype,
        operations=4.0 * batch * n * d * m,
        bytes=batch * size * 5.0 * m * (n + d),
        build=build,
    )


def _ours(data: descent.Data, steps: int, library: Library) -> Contender:
    cupy = library(data.W.dtype)
    case = descent.case(data)
    case = dataclasses.replace(
        case, **{name: cupy.asarray(getattr(case, name)) for name in ("W", "a", "X", "y")}
    )
    method = CupySteps(library)

    def run(state: Any) -> Any:
        done = method.advance(state, steps)
        cupy.cuda.runtime.deviceSynchronize()
        return done

    def result(state: Any) -> Any:
        frame = method.snapshot(state)
        return host(frame.W), host(frame.a)

    return Contender(
        name="shallow (cupy)",
        peer="ours",
        call=f'load_method("cupy").advance(state, {steps})',
        start=lambda: method.start(case),
        run=run,
        result=result,
        steps=steps,
    )


def _torch(data: descent.Data, steps: int) -> Contender:
    torch = load("torch")
    if not torch.cuda.is_available():
        raise Absent("not run: torch finds no CUDA device")
    torch.backends.cuda.matmul.allow_tf32 = False
    X, y = torch.from_numpy(data.X).cuda(), torch.from_numpy(data.y).cuda()

    def loss(W: Any, a: Any, labels: Any) -> Any:
        return 0.5 * ((torch.relu(X @ W.T) @ a - labels) ** 2).sum()

    gradients = torch.func.vmap(torch.func.grad(loss, argnums=(0, 1)))

    def run(state: Any) -> Any:
        W, a = state
        for _ in range(steps):
            by_W, by_a = gradients(W, a, y)
            W.sub_(by_W, alpha=data.rate_W)
            a.sub_(by_a, alpha=data.rate_a)
        torch.cuda.synchronize()
        return state

    return Contender(
        name="torch vmap",
        peer="torch",
        call="vmap(grad(loss))(W, a, y); W.sub_(...)",
        start=lambda: (torch.from_numpy(data.W.copy()).cuda(), torch.from_numpy(data.a.copy()).cuda()),
        run=run,
        result=lambda state: (state[0].cpu().numpy(), state[1].cpu().numpy()),
        steps=steps,
    )


def _jax(data: descent.Data, steps: int) -> Contender:
    jax = load("jax")
    if jax.default_backend() != "gpu":
        raise Absent("not run: jax finds no CUDA device; pip install 'jax[cuda12]'")
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_default_matmul_precision", "highest")
    return jax_peer.batched_descent(data, steps) if len(data.W) > 1 else jax_peer.descent(data, steps)


def _pattern_row(n: int, d: int, m: int) -> Row:
    def build(library: Library, quick: bool) -> Any:
        network, X = kernels.draw_network(n, d, m, np.float32, equal=True)
        cupy = library(np.dtype("float32"))
        here = network.replace(W=cupy.asarray(network.W), a=cupy.asarray(network.a))
        inputs = cupy.asarray(X)
        made = _kernel(cupy, lambda: pattern_kernel_on_device(here, inputs, 1.0, 0.0, library))
        return [made], {}, kernels.empirical_agreement(network, X, "first")

    return Row(f"gpu-entk-{n}x{d}x{m}", "float32", 2.0 * n * d * m, 4.0 * (2 * n * m + 3 * n * n), build)


def _arc_cosine_row(n: int, d: int) -> Row:
    def build(library: Library, quick: bool) -> Any:
        X = kernels.draw_inputs(n, d)
        cupy = library(np.dtype("float64"))
        inputs = cupy.asarray(X)
        made = _kernel(cupy, lambda: arc_cosine_on_device(inputs, 1.0, 1.0, 0.0, library))
        return [made], {}, kernels.limit_agreement(X)

    return Row(f"gpu-ntk-{n}x{d}", "float64", 1.0 * n * n * d, 8.0 * 3 * n * n, build)


def _kernel(cupy: Any, form: Callable[[], Any]) -> Contender:
    def run(_: Any) -> Any:
        made = form()
        cupy.cuda.runtime.deviceSynchronize()
        return made

    return Contender("shallow (cupy)", "ours", "the kernel on the device", lambda: None, run, host)


ROWS: Sequence[Row] = (
    _descent_row(1000, 100, 10_000, "float64"),
    _descent_row(1000, 100, 10_000, "float32"),
    _descent_row(4000, 1000, 16_000, "float64"),
    _descent_row(50, 20, 200, "float64", batch=1024),
    _descent_row(50, 20, 200, "float32", batch=1024),
    _pattern_row(4000, 100, 65_536),
    _arc_cosine_row(16_000, 200),
)


def measure_ceilings(cupy: Any, side: int, length: int) -> Ceilings:
    """The device's rates: products of two matrices of this side, a copy of this many float64 numbers."""
    rates = {}
    for dtype in (np.float64, np.float32):
        A = cupy.full((side, side), 1.5, dtype=dtype)
        out = cupy.empty_like(A)
        rates[dtype] = 2.0 * side**3 / _best(cupy, lambda A=A, out=out: cupy.matmul(A, A, out=out))  # type: ignore[misc]
    source = cupy.ones((length,), dtype=np.float64)
    target = cupy.empty_like(source)
    copy = 16.0 * length / _best(cupy, lambda: cupy.copyto(target, source))
    return Ceilings(copy, rates[np.float64], rates[np.float32])


def _best(cupy: Any, work: Callable[[], Any], times: int = 10) -> float:
    work()
    spent = []
    for _ in range(times):
        cupy.cuda.runtime.deviceSynchronize()
        began = time.perf_counter()
        work()
        cupy.cuda.runtime.deviceSynchronize()
        spent.append(time.perf_counter() - began)
    return min(spent)


def measure_row(
    row: Row, ceilings: Ceilings, library: Library, quick: bool, pause: float = 0.25
) -> dict[str, Any]:
    """One row of the record: seconds, shares of the ceilings, ratios, and reasons for what is missing."""
    contenders, reasons, check = row.build(library, quick)
    timings = compete(contenders, check, rounds=3 if quick else 11, clock=time.perf_counter, pause=pause)
    ours = timings[0]
    by_peer = {timing.contender.peer: timing for timing in timings}
    reasons |= {peer: timing.trouble for peer, timing in by_peer.items() if timing.trouble}
    seconds = ours.median
    shares = {
        "product": row.operations / ceilings.products(row.dtype),
        "copy": row.bytes / ceilings.copy,
    }
    return {
        "name": row.name,
        "seconds": seconds,
        "share_of_product_peak": None if not seconds else round(shares["product"] / seconds, 3),
        "share_of_copy_peak": None if not seconds else round(shares["copy"] / seconds, 3),
        "ratio_vs_torch": _ratio(by_peer.get("torch"), ours),
        "ratio_vs_jax": _ratio(by_peer.get("jax"), ours),
        "spread": None if not seconds else round(statistics.pstdev(ours.seconds) / seconds, 3),
        "reasons": reasons,
    }


def _ratio(peer: Timing | None, ours: Timing) -> float | None:
    found = None if peer is None else ratio(peer, ours)
    return None if found is None else round(found, 2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every row, print them, and write JSON when asked; 0 also where there is no device."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few steps and rounds")
    parser.add_argument("--save", type=Path, help="write the record to this file")
    asked = parser.parse_args(arguments)
    usable, state = device_state()
    if not usable:
        print(f"not run: no CUDA device here ({state})")
        return 0
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # JAX would take the memory of all others
    cupy = cupy_for(np.dtype("float32"))
    side = 4096 if asked.quick else 8192
    ceilings = measure_ceilings(cupy, side, 1 << (26 if asked.quick else 28))
    print(
        f"{state}: copy {ceilings.copy:.3g} bytes/s, "
        f"products {ceilings.float64:.3g} (float64) and {ceilings.float32:.3g} (float32) operations/s"
    )
    rows = []
    for row in ROWS:
        rows.append(measure_row(row, ceilings, cupy_for, asked.quick))
        print(json.dumps(rows[-1]))
    if asked.save:
        record = {"versions": device_versions("cupy"), "ceilings": dataclasses.asdict(ceilings), "rows": rows}
        asked.save.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
