"""``shallow ntk``: the infinite-width tangent kernel of a data set and its spectrum."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from shallow.cli.shell import document, refuse_laws_beside_data

__all__ = ["ntk"]

_FEW = 500  # rows


def ntk(
    *,
    n: int = 20,
    d: int = 10,
    inputs: str = "gaussian",
    layer: Literal["both", "first", "second"] = "both",
    slope: float = 0.0,
    bias: float = 0.0,
    m: int | None = None,
    seed: int = 0,
    data: Path | None = None,
    out: Path | None = None,
    json: bool = False,
) -> int:
    """Print the extreme eigenvalues of the tangent kernel (NTK) of a data set.

    Parameters
    ----------
    n, d, inputs
        The law of X.
    layer
        Which layers are trained.
    slope, bias
        phi' on the negative side; the constant appended to every input.
    m
        Also draw one network of this width (NTK initialisation) and compare its kernel with the limit.
    seed
        Seed of all randomness.
    data
        Your own X and y (NPZ or CSV) in place of the law.
    out
        An NPZ file for the kernel matrix.
    json
        Print one JSON document on standard output.
    """
    from shallow.compute import spectrum
    from shallow.configuration.build import problem_of
    from shallow.configuration.model import read_run
    from shallow.setting.archive import write_archive
    from shallow.setting.data import find_duplicates
    from shallow.setting.streams import Streams

    refuse_laws_beside_data(data, ntk, {"n": n, "d": d, "inputs": inputs})
    model = read_run({"seed": seed, "problem": {"n": n, "d": d, "inputs": inputs, "data": data}})
    problem = problem_of(model.problem, Streams(seed))
    ntk_gram, kernel_by = _kernel_for(problem.X)
    H = ntk_gram(problem.X, layer=layer, slope=slope, bias=bias)
    report: dict[str, Any] = {
        "schema": "shallow-ntk/1",
        "n": problem.n,
        "d": problem.d,
        "layer": layer,
        "lambda_min": spectrum.smallest_eigenvalue(H),
        "lambda_max": spectrum.largest_eigenvalue(H),
        "trace": float(np.trace(H)),
        "duplicates": [str(pair) for pair in find_duplicates(problem)],
        "kernel_by": kernel_by,
        "lambda_min_by": spectrum.method_for_smallest(problem.n),
        "lambda_max_by": spectrum.method_for_largest(problem.n),
    }
    if m is not None:
        report |= _at_width(m, problem, H, layer, slope, bias, seed)
    if out is not None:
        write_archive(out, kind="kernel", H=H, X=problem.X)
    print(
        document(report) if json else "\n".join(f"{key:14} {_shown(value)}" for key, value in report.items())
    )
    return 0


def _kernel_for(X: Any) -> tuple[Any, str]:
    """The kernel's function for this many rows, and its name: few do not pay for loading the compiler."""
    if len(X) <= _FEW:
        from shallow.exact.ntk import ntk_gram as exact_ntk_gram

        return exact_ntk_gram, "exact"
    from shallow.compute.limit_kernel import method_of, ntk_gram

    return ntk_gram, method_of(X)


def _at_width(
    m: int, problem: Any, H: Any, layer: str, slope: float, bias: float, seed: int
) -> dict[str, Any]:
    from shallow.compute.spectrum import smallest_eigenvalue
    from shallow.compute.tangent_kernel import empirical_ntk
    from shallow.setting.initialization import ntk_signs
    from shallow.setting.streams import Streams

    lifted = problem.with_bias(bias) if bias else problem
    network = ntk_signs(slope=slope).draw(m, lifted, Streams(seed))
    rates = {"both": (1.0, 1.0), "first": (1.0, 0.0), "second": (0.0, 1.0)}[layer]
    H_m = empirical_ntk(network, lifted.X, *rates)
    return {
        "m": m,
        "lambda_min_m": smallest_eigenvalue(H_m),
        "kernel_gap": float(np.linalg.norm(H_m - H) / np.linalg.norm(H)),
    }


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6e}"
    return "; ".join(value) or "none" if isinstance(value, list) else str(value)
