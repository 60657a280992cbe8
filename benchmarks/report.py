"""From timings to the JSON record, and from the record to the tables that people read."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.measure import Timing, clock_for, compete, paired_ratio, ratio
from benchmarks.rows import Comparison, Row, Setting

__all__ = [
    "PAGE", "PEERS", "PICTURES", "RESULTS", "markdown", "measure_row", "merged", "read", "record_of",
    "render", "saved", "text", "write",
]  # fmt: skip

RESULTS = Path(__file__).resolve().parent / "results"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
PICTURES = {
    "scaling_steps.png": "Time and peak memory of a step against samples, inputs, neurons, networks, threads",
    "scaling_kernels.png": "Time and peak memory of both kernels against samples, neurons and inputs",
}
"""Beside the page, where :mod:`benchmarks.scaling` has drawn them."""
PEERS = ("torch", "jax", "numpy", "torch.compile", "neural-tangents")
"""Peers that have a ratio in every row; null where it has no meaning."""
_START, _END = "<!-- table: python -m benchmarks --render -->", "<!-- end of table -->"


def measure_row(row: Row, setting: Setting) -> dict[str, Any]:
    """One row of the record. A peer that is absent, failed or wrong has a null ratio and a reason.

    What goes wrong before anything is timed is ours, and costs this row alone.
    """
    try:
        comparison = row.build(setting)
    except Exception as error:
        told = f"failed: {type(error).__name__}: {' '.join(str(error).split())[:160]}"
        return record_of(row, setting, Comparison(absent={"ours": told}), [])
    timings = compete(
        comparison.contenders,
        comparison.check,
        rounds=comparison.rounds,
        clock=clock_for(setting.threads),
    )
    return record_of(row, setting, comparison, timings)


def record_of(row: Row, setting: Setting, comparison: Comparison, timings: list[Timing]) -> dict[str, Any]:
    """The record of one row from its timings."""
    ours = next((timing for timing in timings if timing.contender.peer == "ours"), None)
    made: dict[str, Any] = {
        "name": row.name,
        "what": row.what,
        "quick": setting.quick,
        "threads": setting.threads,
        "clock": "CPU time of one pinned thread" if setting.threads == 1 else "wall",
        "measured": datetime.date.today().isoformat(),
    }
    reasons = dict(comparison.absent)
    by_peer = {timing.contender.peer: timing for timing in timings}
    for peer in PEERS:
        timing = by_peer.get(peer)
        found = ratio(timing, ours) if timing and ours else None
        paired = paired_ratio(timing, ours) if timing and ours else None
        made[f"ratio_vs_{_key(peer)}"] = _rounded(found)
        made[f"paired_ratio_vs_{_key(peer)}"] = _rounded(paired)
        if timing and timing.trouble:
            reasons[peer] = timing.trouble
        elif found is None and peer not in reasons:
            reasons[peer] = "not a peer of this row" if timing is None else "ours has no time"
    if ours is not None and ours.trouble:
        reasons["ours"] = ours.trouble
    seconds = ours.median if ours else None
    made |= {
        "ours_seconds": seconds,
        "ours_minimum": ours.minimum if ours else None,
        "limit_seconds": comparison.limit,
        "limit": comparison.limit_words,
        "share_of_limit": _rounded(comparison.limit / seconds if comparison.limit and seconds else None),
        "method": ours.contender.name if ours else None,
        "reasons": reasons,
        "contenders": [_contender(timing) for timing in timings],
    }
    if comparison.errors:
        made["errors_in_eps"] = {peer: _rounded(error) for peer, error in comparison.errors.items()}
        made["errors_of_norms"] = {
            peer: _rounded(error) for peer, error in comparison.errors_of_norms.items()
        }
    return made


def _contender(timing: Timing) -> dict[str, Any]:
    contender, agreement = timing.contender, timing.agreement
    return {
        "name": contender.name,
        "peer": contender.peer,
        "call": contender.call,
        "steps": contender.steps,
        "seconds": timing.median,
        "minimum": timing.minimum,
        "rounds": len(timing.seconds),
        "error": _finite(agreement.error) if agreement else None,
        "bound": _finite(agreement.bound) if agreement else None,
        "trouble": timing.trouble,
    }


def _key(peer: str) -> str:
    return peer.replace(".", "_").replace("-", "_")


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _finite(value: float) -> float | str:
    return value if abs(value) < float("inf") else str(value)


def merged(old: Mapping[str, Any] | None, new: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """``new`` with the rows that only ``old`` has, in the order of ``names``; each row has its own date."""
    rows = {row["name"]: row for record in (old or {"rows": []}, new) for row in record["rows"]}
    return {**new, "rows": [rows[name] for name in names if name in rows]}


def read(path: Path) -> dict[str, Any] | None:
    """A record, or None where there is no such file."""
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def saved() -> list[dict[str, Any]]:
    """The committed records, one a machine."""
    found = [read(path) for path in sorted(RESULTS.glob("*.json"))]
    return [record for record in found if record and "rows" in record]


def write(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n")


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def _ratio(row: Mapping[str, Any], peer: str) -> str:
    value = row.get(f"ratio_vs_{_key(peer)}")
    if value is not None:
        return f"{value:.3g}x"
    errors = row.get("errors_in_eps", {})
    if peer in errors:
        return f"{errors[peer]:.2g} eps"
    reason = row["reasons"].get(peer, "")
    return "not run" if reason.startswith("not run") else reason.split(":")[0] if _is_trouble(reason) else "-"


def _is_trouble(reason: str) -> bool:
    return reason.startswith(("failed", "wrong"))


def _cells(row: Mapping[str, Any]) -> list[str]:
    errors = row.get("errors_in_eps", {})
    ours = f"{errors['ours']:.2g} eps" if "ours" in errors else _time(row["ours_seconds"])
    if row["ours_seconds"] is None and "ours" in row["reasons"]:
        ours = row["reasons"]["ours"].split(":")[0]
    share = row["share_of_limit"]
    return [
        row["name"],
        ours,
        *(_ratio(row, peer) for peer in PEERS),
        _time(row["limit_seconds"]),
        "-" if share is None else f"{share:.0%}",
    ]


_HEAD = ["row", "ours", *(f"vs {peer}" for peer in PEERS), "limit", "share"]


def text(record: Mapping[str, Any]) -> str:
    """The record for a terminal: machine, ratios, each peer's call, and why what is missing is missing."""
    table = [_HEAD, *(_cells(row) for row in record["rows"])]
    widths = [max(len(line[i]) for line in table) for i in range(len(_HEAD))]
    lines = [*_about(record), ""]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in table]
    for row in record["rows"]:
        lines += ["", f"{row['name']}: {row['what']}"]
        for found in row["contenders"]:
            outcome = found["trouble"] or f"{_time(found['seconds'])} (least {_time(found['minimum'])})"
            lines.append(f"    {found['name']}: {outcome}   {found['call']}")
        for peer, error in row.get("errors_of_norms", {}).items():
            lines.append(
                f"    {peer}: {row['errors_in_eps'][peer]:.2g} eps of the terms, {error:.1e} of |x||z|"
            )
        lines += [f"    {peer}: {reason}" for peer, reason in row["reasons"].items() if _worth_saying(reason)]
    return "\n".join(lines)


def _worth_saying(reason: str) -> bool:
    return reason != "not a peer of this row" and not _is_trouble(reason)


def _about(record: Mapping[str, Any]) -> list[str]:
    machine, versions, rates = record["machine"], record["versions"], record["hardware"]
    shown = ", ".join(f"{name} {version}" for name, version in versions.items() if version != "not installed")
    return [
        f"{machine['processor']}, {machine['threads']} of {machine['cpus']} CPUs, {machine['system']}; "
        f"load {machine['load_at_start']} at the start",
        f"BLAS: {'; '.join(machine['blas'])}",
        shown,
        f"multiply-adds {rates['float64'] / 1e9:.0f} (float64) and {rates['float32'] / 1e9:.0f} (float32) "
        f"Gop/s, lookups {rates['lookups64'] / 1e9:.0f} and {rates['lookups32'] / 1e9:.0f}, "
        f"bits {rates['bits'] / 1e12:.1f} T/s, copy {rates['copy'] / 1e9:.0f} GB/s",
    ]


def markdown(record: Mapping[str, Any]) -> str:
    """The record as the documentation shows it."""
    lines = [*(f"{line}  " for line in _about(record)), ""]
    lines += ["| " + " | ".join(_HEAD) + " |", "|" + "---|" * len(_HEAD)]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in record["rows"]]
    lines += ["", "The calls that were timed:", ""]
    for row in record["rows"]:
        calls = "; ".join(f"{found['name']}: `{found['call']}`" for found in row["contenders"])
        if calls:
            lines.append(f"- {row['name']} ({row['what']}; limit: {row['limit']}). {calls}")
    return "\n".join(lines)


def render(page: Path, records: Iterable[Mapping[str, Any]]) -> bool:
    """Put the records' tables, and what pictures there are, between the marks; whether anything changed."""
    before = page.read_text()
    head, _, rest = before.partition(_START)
    _, found, tail = rest.partition(_END)
    if not found:
        raise ValueError(f"{page} has no lines {_START!r} and {_END!r} to put the table between")
    shown = [f"![{words}]({name})" for name, words in PICTURES.items() if (page.parent / name).exists()]
    tables = "\n\n".join([*(markdown(record) for record in records), *shown])
    after = f"{head}{_START}\n{tables}\n{_END}{tail}"
    page.write_text(after)
    return after != before
