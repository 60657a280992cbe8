"""Where does the certificate of the flow first fire? Residual norms over a table, and the cost in n and m.

    python -m benchmarks.certificate_firing [--rigour numeric|verified] [--stages 10] [ROW ...]
    python -m benchmarks.certificate_firing --cost docs/certificate_cost.png

Each row trains one network by gradient descent (step 0.8/lambda_max(H), refreshed every 20 steps, seed 0),
keeps the weights at every 5 % of residual, and finds the largest certified residual by bisection over them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from proofs_check.certificates import Certificate, Plan, certify_flow
from shallow.setting.network import Network
from shallow.setting.problem import Problem


@dataclass(frozen=True)
class Row:
    """One setting; ``floor`` is the residual at which Theorem F1's prototype fired."""

    m: int
    label_scale: float
    start: str
    rates: tuple[float, float]
    floor: float
    n: int = 50
    d: int = 20


ROWS = {
    "first-2000": Row(2000, 1, "signs", (1, 0), 1.16),
    "first-200": Row(200, 1, "signs", (1, 0), 0.39),
    "first-50": Row(50, 1, "signs", (1, 0), 0.16),
    "first-10": Row(10, 1, "signs", (1, 0), 0.058),
    "first-200-labels-10": Row(200, 10, "signs", (1, 0), 0.65),
    "first-200-labels-100": Row(200, 100, "signs", (1, 0), 5.4),
    "both-200": Row(200, 1, "ntk", (1, 1), 0.61),
    "both-50": Row(50, 1, "ntk", (1, 1), 0.18),
    "both-20": Row(20, 1, "ntk", (1, 1), 0.11),
    "both-200-labels-10": Row(200, 10, "ntk", (1, 1), 1.8),
    "rates-1-0.01": Row(200, 1, "ntk", (1, 0.01), 0.24),
    "rates-0.01-1": Row(200, 1, "ntk", (0.01, 1), 7.45),
    "lecun-200": Row(200, 1, "lecun", (1, 1), 0.15),
}


def draw(row: Row, seed: int = 0) -> tuple[Problem, Network]:
    """Gaussian rows of expected norm 1, labels +-label_scale, weights of the row's law."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((row.n, row.d)) / np.sqrt(row.d)
    y = row.label_scale * rng.choice([-1.0, 1.0], row.n)
    W = rng.standard_normal((row.m, row.d))
    a = rng.choice([-1.0, 1.0], row.m) if row.start == "signs" else rng.standard_normal(row.m)
    return Problem(X, y), Network(W / np.sqrt(row.d) if row.start == "lecun" else W, a / np.sqrt(row.m))


def trajectory(
    row: Row, problem: Problem, network: Network, steps: int = 9000
) -> Iterator[tuple[int, Network]]:
    """The network at the start and whenever the residual has fallen by another 5 %."""
    X, y, (rate_W, rate_a) = problem.X, problem.y, row.rates
    W, a, K, last, h = network.W.copy(), network.a.copy(), X @ X.T, np.inf, 0.0
    for t in range(steps + 1):
        Z = W @ X.T
        features, gates = np.maximum(Z, 0), (Z > 0).astype(float)
        r = features.T @ a - y
        size = float(np.linalg.norm(r))
        if size <= 0.95 * last:
            last = size
            yield t, Network(W, a)
        if size < 1e-3 * row.label_scale:
            return
        if t % 20 == 0:
            H = rate_W * K * ((gates * a[:, None] ** 2).T @ gates) + rate_a * features.T @ features
            h = 0.8 / float(np.linalg.eigvalsh(H)[-1])
        W, a = W - h * rate_W * a[:, None] * ((gates * r) @ X), a - h * rate_a * (features @ r)


def first_firing(row: Row, rigour: Any, plan: Plan) -> tuple[int, Certificate] | None:
    """Step and certificate of the earliest snapshot that is certified, by bisection."""
    problem, network = draw(row)
    kept = list(trajectory(row, problem, network))

    def certified(i: int) -> Certificate:
        return certify_flow(kept[i][1], problem, row.rates, rigour, plan=plan)

    low, high = 0, len(kept) - 1
    best = certified(low)
    if best.certified:
        return kept[low][0], best
    best = certified(high)
    if not best.certified:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        found = certified(middle)
        low, high, best = (low, middle, found) if found.certified else (middle, high, best)
    return kept[high][0], best


def firing(names: list[str], rigour: str, stages: int) -> None:
    """Print a line a row."""
    print(f"{'row':22s} {'step':>5s} {'fires at':>9s} {'floor':>7s} {'ratio':>6s} {'seconds':>8s}")
    for name in names or list(ROWS):
        row, began = ROWS[name], time.perf_counter()
        found = first_firing(row, rigour, Plan(stages=stages))
        seconds = time.perf_counter() - began
        if found is None:
            print(f"{name:22s} {'-':>5s} {'never':>9s} {row.floor:7.3g} {'-':>6s} {seconds:8.1f}", flush=True)
            continue
        size = found[1].residual_norm
        line = f"{name:22s} {found[0]:5d} {size:9.4g} {row.floor:7.3g} {size / row.floor:6.2f} {seconds:8.1f}"
        print(line, flush=True)


SIZES = {
    "m (n = 50)": [(50, 125), (50, 250), (50, 500), (50, 1000), (50, 2000)],
    "n (m = 500)": [(12, 500), (25, 500), (50, 500), (100, 500), (200, 500)],
}
"""Sizes (n, m) at d = 20, by what grows."""


def seconds(n: int, m: int, rigour: Any) -> float:
    """CPU seconds of search and proof near zero loss, both layers trained at one rate."""
    rng = np.random.default_rng(0)
    problem, network = draw(Row(m, 1, "ntk", (1, 1), 1.0, n, 20))
    noise = rng.standard_normal(n)
    f = np.maximum(problem.X @ network.W.T, 0) @ network.a
    near = Problem(problem.X, f + 1e-3 * noise / np.linalg.norm(noise))
    began = time.process_time()
    certificate = certify_flow(network, near, (1, 1), rigour)
    spent = time.process_time() - began
    print(f"n={n} d=20 m={m} {rigour}: {spent:.2f} s of CPU, certified {certificate.certified}", flush=True)
    return spent


def cost(picture: str) -> None:
    """CPU seconds of search and proof against m and against n, printed and drawn. Set OMP_NUM_THREADS=1."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3), layout="constrained")
    for axes, (title, sizes) in zip(figure.subplots(1, 2, sharey=True), SIZES.items()):
        at = [m if title.startswith("m") else n for n, m in sizes]
        for rigour, marker in (("numeric", "o"), ("verified", "s")):
            spent = [seconds(n, m, rigour) for n, m in sizes]
            axes.loglog(at, spent, marker=marker, color="black", mfc="white", label=rigour.upper())
        for power in (1, 2):
            line = spent[-1] * (np.array(at) / at[-1]) ** power
            axes.loglog(at, line, ls=(":", "--")[power - 1], color="0.6", label=f"slope {power}")
        axes.set_xticks(at, [str(size) for size in at])
        axes.minorticks_off()
        axes.set_xlabel(title)
        axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.supylabel("seconds of CPU")
    figure.savefig(picture, dpi=120)


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--rigour", default="numeric")
    parser.add_argument("--stages", type=int, default=10)
    parser.add_argument("--cost", metavar="PICTURE")
    options = parser.parse_args()
    if options.cost:
        cost(options.cost)
    else:
        firing(options.rows, options.rigour, options.stages)


if __name__ == "__main__":
    main()
