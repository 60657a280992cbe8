"""Loss against steps with the bounds that apply, over widths and over initialisation scales.

Two rows: the first layer alone (Du et al.'s network, a = +-1) and both layers at rates 0.01 : 1. Inputs are
on the sphere, labels random signs times 0.001, networks antisymmetrically doubled, so that r_0 = -y; the step
is the largest that CERT-B-GD allows. Du et al.'s bound and CERT-F speak of the flow: they are drawn at time =
the sum of the steps.

The initialisation scale alpha multiplies W and a. Training (alpha W, alpha a) towards y is training (W, a)
towards y/alpha^2 with the step multiplied by alpha^2, step for step, so it is run as a label scale.
"""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from proofs_check.statement import Requirement, Statement
from proofs_check.theorems.certificates.descent import DESCENT
from proofs_check.theorems.certificates.features import FEATURES
from proofs_check.theorems.du2019.du2019_flow import FLOW
from proofs_check.verdict import HypothesisStatus
from shallow.figures.curves import Bound, Curve, draw_curves
from shallow.figures.look import new_figure, save_pdf, style
from shallow.figures.tables import write_csv
from shallow.setting.streams import Streams
from shallow.training import GradientDescent, train_many

__all__ = ["DATA", "Line", "check", "compute", "draw", "make", "read"]

DATA = Path(__file__).parent / "data" / "convergence.csv"
SEED = 0
LABEL_SCALE = 1e-3
WIDTHS = (16, 128, 1024, 16384)
SCALES = (10.0, 0.1, 0.01, 0.002)
MIDDLE_WIDTH = 1024

_LEGEND = (
    "Steps on the horizontal axes. Letters after a run: every hypothesis of CERT-B-GD [B], of CERT-F [F],\n"
    "of Du et al.'s theorem with constants [D] is true of it. A bound is drawn for the last run that it\n"
    "applies to; a dotted one applies to none of the runs."
)
_FLOOR = 1e-14  # of the loss: residuals of 1e-7, far above rounding in every run
EPS = float(np.finfo(np.float64).eps)

_COMMON: Mapping[str, Any] = {"n": 5, "d": 20, "inputs": "sphere", "labels": "signs", "delta": 0.5}
_ROWS: Mapping[str, Mapping[str, Any]] = {
    "first layer": {"rate_W": 1.0, "rate_a": 0.0, "initialization": "doubled-ntk-signs", "steps": 120},
    "both layers": {"rate_W": 0.01, "rate_a": 1.0, "initialization": "doubled-ntk", "steps": 400},
}
_LETTERS = {"Du et al., flow": "D", "CERT-B-GD": "B", "CERT-F, flow": "F"}


@dataclass(frozen=True, eq=False)
class Line:
    """One line of a panel: what ``kind`` of line, of which run, and whether its hypotheses all hold.

    ``values`` are ||r_k||/||y|| (or bounds on it) at ``steps``; ``tolerance`` bounds what rounding can do
    to them.
    """

    panel: str
    run: str
    kind: str
    applies: bool
    steps: Any
    values: Any
    tolerance: float

    @property
    def name(self) -> tuple[str, str, str]:
        """Panel, run and kind: unique in the data."""
        return self.panel, self.run, self.kind


def compute() -> list[Line]:
    """Train every run and work out the bounds on it."""
    lines: list[Line] = []
    for panel, run, parameters in _runs():
        lines.extend(_lines(panel, run, parameters))
    return lines


def make(path: Path = DATA) -> Path:
    """Recompute and write the data."""
    rows = [
        (*line.name, line.applies, line.tolerance, int(step), value)
        for line in compute()
        for step, value in zip(line.steps, line.values)
    ]
    return write_csv(path, ("panel", "run", "kind", "applies", "tolerance", "step", "value"), rows)


def read(path: Path = DATA) -> list[Line]:
    """The data as committed."""
    grouped: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            grouped.setdefault((row["panel"], row["run"], row["kind"]), []).append(row)
    return [
        Line(
            *name,
            applies=rows[0]["applies"] == "True",
            steps=np.array([int(row["step"]) for row in rows]),
            values=np.array([float(row["value"]) for row in rows]),
            tolerance=float(rows[0]["tolerance"]),
        )
        for name, rows in grouped.items()
    ]


def check(path: Path = DATA) -> list[str]:
    """Recompute and compare with the data: one sentence a difference.

    Whole trajectories agree relative to ||y||, not to the residual they have come down to; the tolerance is
    the larger of the two computed bounds on what rounding can do.
    """
    stored = {line.name: line for line in read(path)}
    found = {line.name: line for line in compute()}
    differences = [f"{_say(name)} is not in {path.name}" for name in found if name not in stored]
    differences += [f"{_say(name)} is no longer computed" for name in stored if name not in found]
    for name in stored.keys() & found.keys():
        differences += _compare(stored[name], found[name])
    return sorted(differences)


def draw(directory: Path, path: Path = DATA) -> list[Path]:
    """Write the figure as PDF and PNG, and the CSV behind it, into ``directory``."""
    lines = read(path)
    directory.mkdir(parents=True, exist_ok=True)
    pdf = directory / "convergence.pdf"
    with style():
        figure = new_figure(6.9, 6.6)
        axes = figure.subplots(2, 2, sharey="row")
        for place, panel in zip(axes.flat, dict.fromkeys(line.panel for line in lines)):
            _draw_panel(place, panel, [line for line in lines if line.panel == panel])
        figure.supxlabel(_LEGEND, fontsize=8)
        for place in axes[:, 0]:
            place.set_ylabel("loss $L_k/L_0$")
        save_pdf(figure, pdf)
        figure.savefig(pdf.with_suffix(".png"), dpi=160, metadata={"Software": None})
    rows = [
        (*line.name, line.applies, int(k), v * v) for line in lines for k, v in zip(line.steps, line.values)
    ]
    numbers = write_csv(
        pdf.with_suffix(".csv"), ("panel", "run", "kind", "applies", "step", "relative_loss"), rows
    )
    return [pdf, pdf.with_suffix(".png"), numbers]


def _runs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for row, layer in _ROWS.items():
        for m in WIDTHS:
            yield f"{row}, over widths", f"m = {m}", {**_COMMON, **layer, "m": m, "label_scale": LABEL_SCALE}
        for alpha in SCALES:
            tau = LABEL_SCALE / alpha**2
            parameters = {**_COMMON, **layer, "m": MIDDLE_WIDTH, "label_scale": tau}
            yield f"{row}, over scales", f"alpha = {alpha:g}", parameters


def _lines(panel: str, run: str, parameters: Mapping[str, Any]) -> Iterator[Line]:
    streams, steps = Streams(SEED), parameters["steps"]
    descent = _speak(DESCENT, parameters, streams)
    instance, h = descent.instance, descent.requirement.step
    rule = GradientDescent(rate_W=h * instance.rate_W, rate_a=h * instance.rate_a)
    size = float(np.linalg.norm(instance.problem.y))
    nudged = instance.network.replace(W=np.nextafter(instance.network.W, math.inf))
    trained, beside = train_many(
        [instance.network, nudged],
        instance.problem,
        rule,
        steps=steps,
        record="residual_norm",
        at=_recorded(steps),
    )
    values = trained.series["residual_norm"] / size
    # Each step adds about one unit in the last place, which grows no further than one added at the start.
    spread = float(np.max(np.abs(values - beside.series["residual_norm"] / size)))
    tolerance = _rounding(instance, steps) / size + steps * spread
    yield Line(panel, run, "trajectory", True, trained.steps, values, tolerance)
    # Requirements state exponents of ||r||^2 (a factor for descent), except CERT-F's, which is of ||r||.
    bounds = [("CERT-B-GD", descent, 0.5 * math.log1p(-descent.requirement.decay))]
    if parameters["rate_a"] == 0:
        flow = _speak(FLOW, parameters, streams)
        bounds.append(("Du et al., flow", flow, -0.5 * h * flow.requirement.decay))
    else:
        features = _speak(FEATURES, parameters, streams)
        bounds.append(("CERT-F, flow", features, -h * features.requirement.decay))
    for kind, speech, exponent in bounds:
        if not speech.instance.network.equals(instance.network):
            raise ValueError(f"{kind} speaks of another network than the one that is trained")
        # An eigenvalue errs by a few (n + m) eps of the largest, which is at most 1/h; so does each exponent.
        tolerance = steps * 8 * (instance.problem.n + instance.network.m) * EPS
        yield Line(
            panel, run, kind, speech.applies, trained.steps, np.exp(exponent * trained.steps), tolerance
        )


@dataclass(frozen=True, eq=False)
class _Speech:
    """What a statement says of one drawn instance."""

    instance: Any
    requirement: Requirement
    applies: bool


def _speak(statement: Statement, parameters: Mapping[str, Any], streams: Streams) -> _Speech:
    """Draw the statement's own instance at those of our parameters that it has."""
    preset = statement.presets["quick"]
    names = {field.name for field in dataclasses.fields(preset)}
    own = {name: value for name, value in parameters.items() if name in names}
    instance = statement.instance(dataclasses.replace(preset, **own), streams, None)
    if statement.requirement is None:
        raise ValueError(f"{statement.key} states no decay")
    statuses = {hypothesis.status for hypothesis in statement.hypotheses(instance)}
    return _Speech(instance, statement.requirement(instance), statuses == {HypothesisStatus.TRUE})


def _recorded(steps: int) -> list[int]:
    """Every step at first, then ever fewer."""
    return [int(k) for k in np.unique(np.round(np.geomspace(1, steps + 1, 60)).astype(int) - 1)]


def _rounding(instance: Any, steps: int) -> float:
    """A first-order bound on the rounding error of ||f - y|| after ``steps`` steps that do not let it grow.

    One evaluation errs by (m + d + 2) eps times scale sum_k |a_k| ||w_k|| ||X||_F + ||y||; a step rounds each
    weight by eps of itself, which moves f by twice that.
    """
    network, problem = instance.network, instance.problem
    total = abs(network.scale) * float(np.abs(network.a) @ np.linalg.norm(network.W, axis=1))
    size = total * float(np.linalg.norm(problem.X)) + float(np.linalg.norm(problem.y))
    return float((network.m + network.d + 2 + 2 * steps) * EPS * size)


def _compare(stored: Line, found: Line) -> list[str]:
    if stored.applies != found.applies:
        return [f"{_say(found.name)}: hypotheses hold was {stored.applies}, is {found.applies}"]
    if not np.array_equal(stored.steps, found.steps):
        return [f"{_say(found.name)}: recorded at other steps"]
    gap = np.abs(stored.values - found.values)
    allowed = max(stored.tolerance, found.tolerance)
    if bool((gap <= allowed).all()):
        return []
    worst = int(np.argmax(gap))
    return [
        f"{_say(found.name)}: differs by {gap[worst]:.2e} of ||y|| at step {found.steps[worst]}, "
        f"where rounding explains {allowed:.2e}"
    ]


def _say(name: tuple[str, str, str]) -> str:
    return ", ".join(name)


def _draw_panel(axes: Any, panel: str, lines: Sequence[Line]) -> None:
    runs = [line for line in lines if line.kind == "trajectory"]
    curves = [Curve(_label(run, lines), run.steps, run.values**2) for run in runs]
    bounds = [
        _shown(kind, lines) for kind in dict.fromkeys(line.kind for line in lines) if kind != "trajectory"
    ]
    draw_curves(axes, curves, bounds)
    title = panel.replace("scales", f"initialisation scales, $m = {MIDDLE_WIDTH}$")
    axes.set(title=title, ylim=(_FLOOR, 3.0))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, handlelength=2.6, columnspacing=1.0)


def _shown(kind: str, lines: Sequence[Line]) -> Bound:
    """The bound on the last run to which it applies; where it applies to none, on the last run."""
    bounds = [line for line in lines if line.kind == kind]
    last = next((line for line in reversed(bounds) if line.applies), bounds[-1])
    return Bound(f"{kind}, {_tex(last.run)}", last.steps, last.values**2, last.applies)


def _label(run: Line, lines: Sequence[Line]) -> str:
    letters = [
        _LETTERS[line.kind]
        for line in lines
        if line.run == run.run and line.kind in _LETTERS and line.applies
    ]
    return _tex(run.run) + (f"  [{', '.join(letters)}]" if letters else "")


def _tex(run: str) -> str:
    return "$" + run.replace("alpha", r"\alpha") + "$"
