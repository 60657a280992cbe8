"""``python -m experiments NAME [--check | --regenerate] [--out DIR]``."""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments import EXPERIMENTS

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw an experiment from its committed data, recompute and compare them, or write them anew.

    Returns
    -------
    int
        0 when all is well, 1 when the recomputed numbers differ, 2 for a usage error.
    """
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__, epilog=_listing())
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("name", nargs="?", help="the experiment")
    task = parser.add_mutually_exclusive_group()
    task.add_argument(
        "--check", action="store_true", help="recompute, compare with the committed data, draw nothing"
    )
    task.add_argument(
        "--regenerate", action="store_true", help="recompute and replace the committed data, then draw"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("build/figures"), help="where figures go (build/figures)"
    )
    chosen = parser.parse_args(arguments)
    if chosen.name not in EXPERIMENTS:
        print(_unknown(chosen.name), file=sys.stderr)
        return 2
    experiment = importlib.import_module(f"experiments.{chosen.name}")
    if chosen.check:
        differences = experiment.check()
        print(
            "\n".join(differences) or f"{chosen.name}: the recomputed numbers agree with the committed data"
        )
        return 1 if differences else 0
    if chosen.regenerate:
        print(f"wrote {experiment.make()}")
    for path in experiment.draw(chosen.out):
        print(f"wrote {path}")
    return 0


def _listing() -> str:
    width = max(map(len, EXPERIMENTS)) + 2
    return "experiments:\n" + "\n".join(f"  {name:<{width}}{line}" for name, line in EXPERIMENTS.items())


def _unknown(name: str | None) -> str:
    if name is None:
        return f"name an experiment\n{_listing()}"
    close = difflib.get_close_matches(name, EXPERIMENTS, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(EXPERIMENTS)}"
    return f"no experiment {name!r}; {hint}"


if __name__ == "__main__":
    raise SystemExit(main())
