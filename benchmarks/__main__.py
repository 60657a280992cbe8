"""``python -m benchmarks [--quick] [--json [FILE]] [--save] [--render] [--rows NAME ...] [--list]``."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import environment

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report.

    Returns
    -------
    int
        0 when every row of ours was measured and right, 1 when one was not, 2 for a mistake in the call.
    """
    chosen = _parser().parse_args(arguments)
    if chosen.render:
        return _render()
    if not chosen.list:
        environment.prepare(chosen.threads)
    from benchmarks.rows import ROWS  # after the environment is right, since it loads NumPy

    if chosen.list:
        print("\n".join(f"{name}: {row.what}" for name, row in ROWS.items()))
        return 0
    unknown = [name for name in chosen.rows or () if name not in ROWS]
    if unknown:
        close = difflib.get_close_matches(unknown[0], ROWS, n=1)
        hint = f"did you mean {close[0]}?" if close else "--list shows them"
        print(f"there is no row {unknown[0]!r}; {hint}", file=sys.stderr)
        return 2
    record = _measure([name for name in ROWS if not chosen.rows or name in chosen.rows], chosen)
    _report(record, chosen)
    return int(any("ours" in row["reasons"] for row in record["rows"]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer steps and rounds, the same shapes")
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="FILE", help="write JSON to FILE, or to standard output"
    )
    parser.add_argument(
        "--save", action="store_true", help="merge into benchmarks/results/<machine>.json, redraw the page"
    )
    parser.add_argument(
        "--render", action="store_true", help="put the saved table into docs/performance.md, measure nothing"
    )
    parser.add_argument("--rows", nargs="+", metavar="NAME", help="only these rows")
    parser.add_argument("--threads", type=int, default=2, help="threads of every contender (2)")
    parser.add_argument("--list", action="store_true", help="name the rows")
    return parser


def _measure(names: list[str], chosen: argparse.Namespace) -> dict[str, Any]:
    from benchmarks.hardware import measure_hardware
    from benchmarks.report import measure_row
    from benchmarks.rows import ROWS, Setting

    machine = environment.machine(chosen.threads)
    if machine["load_at_start"] > environment.BUSY:
        print(
            f"warning: the load is {machine['load_at_start']}, above {environment.BUSY}: something else is "
            "running, and wall clocks of several threads are not to be trusted",
            file=sys.stderr,
        )
    setting = Setting(chosen.threads, chosen.quick, measure_hardware(chosen.threads))
    rows = []
    for name in names:
        print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
        began = time.perf_counter()
        rows.append(measure_row(ROWS[name], setting))
        print(f"{time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    machine["load_at_end"] = environment.machine(chosen.threads)["load_at_start"]
    machine["blas"] = environment.blas()  # the peers have loaded theirs by now
    return {
        "rows": rows,
        "machine": machine,
        "versions": environment.versions(),
        "hardware": setting.hardware.asdict(),
    }


def _report(record: dict[str, Any], chosen: argparse.Namespace) -> None:
    from benchmarks import report
    from benchmarks.rows import ROWS

    print(report.text(record), file=sys.stderr if chosen.json == "-" else sys.stdout)
    if chosen.json == "-":
        print(json.dumps(record, allow_nan=False))
    elif chosen.json:
        report.write(Path(chosen.json), record)
    if chosen.save:
        path = report.RESULTS / f"{environment.machine_name(record['machine'])}.json"
        report.write(path, report.merged(report.read(path), record, ROWS))
        _render()


def _render() -> int:
    from benchmarks import report

    records = report.saved()
    if not records:
        print("nothing has been measured yet: make bench", file=sys.stderr)
        return 2
    report.render(report.PAGE, records)
    return 0


if __name__ == "__main__":
    sys.exit(main())
