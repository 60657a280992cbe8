"""``shallow train``: draw or read a problem, train one network on it, and say what became of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from shallow.cli.shell import document, refuse_laws_beside_data

__all__ = ["train"]


def train(
    *,
    n: int = 20,
    d: int = 10,
    m: int = 100,
    inputs: str = "gaussian",
    labels: str = "signs",
    label_scale: float = 1.0,
    initialization: str = "ntk",
    doubled: bool = False,
    loss: str = "squared",
    slope: float = 0.0,
    rate_W: Annotated[float | None, Parameter(name="--rate-W")] = None,
    rate_a: Annotated[float | None, Parameter(name="--rate-a")] = None,
    steps: int = 1000,
    record: tuple[str, ...] = ("residual_norm",),
    method: str | None = None,
    seed: int = 0,
    data: Path | None = None,
    out: Path | None = None,
    json: bool = False,
) -> int:
    """Train one depth-2 network by gradient descent on both layers.

    Parameters
    ----------
    n, d, m
        Samples, input dimension, neurons.
    inputs, labels, label_scale
        The laws of X and y, and the root mean square of y.
    initialization, doubled
        The law of the first network; doubled pairs the neurons so that f_0 = 0.
    loss, slope
        squared, logistic, exponential or hinge; phi' on the negative side.
    rate_W, rate_a
        Step sizes of the two layers, 0 freezes one; without them both are 0.5 / lambda_max(H_0).
    steps, record
        How long, and which series to record.
    method
        The compute method; by default the plan chooses.
    seed
        Seed of all randomness.
    data
        Your own X and y (NPZ or CSV) in place of the laws.
    out
        An NPZ file for the whole trajectory.
    json
        Print one JSON document on standard output.
    """
    from shallow.configuration.build import train_run
    from shallow.configuration.model import read_run

    _require_new(out)
    drawn = {"n": n, "d": d, "inputs": inputs, "labels": labels, "label-scale": label_scale}
    refuse_laws_beside_data(data, train, drawn)
    rates = {"rate_W": rate_W, "rate_a": rate_a}
    model = read_run(
        {
            "seed": seed,
            "problem": {
                "n": n, "d": d, "inputs": inputs, "labels": labels, "label_scale": label_scale, "data": data,
            },
            "network": {"m": m, "initialization": initialization, "doubled": doubled, "slope": slope},
            "training": {"steps": steps, "record": record, "method": method, "loss": loss, **rates},
        }
    )  # fmt: skip
    run = train_run(model)
    if out is not None:
        run.save(out)
    print(document(_summary(run, model.model_dump(mode="json"))) if json else _table(run, out))
    return 0


def _require_new(out: Path | None) -> None:
    if out is not None and out.suffix != ".npz":
        raise ValueError(f"--out {out}: a trajectory is an NPZ file; let the name end in .npz")
    if out is not None and not out.parent.is_dir():
        raise ValueError(f"--out {out}: there is no folder {out.parent}")


def _summary(run: Any, configuration: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema": "shallow-train/1",
        "configuration": configuration,
        "method": run.method,
        "outcome": run.outcome.name,
        "steps": run.steps,
        "time": run.time,
        "series": dict(run.series),
        "versions": dict(run.versions),
    }


def _table(run: Any, out: Path | None) -> str:
    names = list(run.series)
    shown = sorted({round(i * (len(run.steps) - 1) / 14) for i in range(15)})
    lines = [" ".join([f"{'step':>9}", f"{'time':>11}", *(f"{name:>18}" for name in names)])]
    for row in shown:
        values = (_cell(run.series[name][row]) for name in names)
        lines.append(" ".join([f"{int(run.steps[row]):9d}", f"{float(run.time[row]):11.4g}", *values]))
    lines.append(f"{run.outcome.name} after {int(run.steps[-1])} steps by the method {run.method!r}")
    if out is not None:
        lines.append(f"trajectory saved in {out}")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    return f"{float(value):18.6e}" if getattr(value, "ndim", 0) == 0 else f"{'(vector)':>18}"
