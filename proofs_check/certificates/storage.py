"""Certificates as files: one NPZ archive with a JSON header, the numbers, the data and the weights."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from proofs_check.certificates.instance import Instance
from proofs_check.certificates.proposal import Finding, Proposal, Stage
from proofs_check.verdict import Evidence
from shallow.setting.archive import read_archive, write_archive
from shallow.setting.network import Network
from shallow.setting.problem import Problem

__all__ = ["Stored", "read_stored", "write_stored"]

SCHEMA = "proofs-check/certificate/1"
_ARRAYS = ("X", "y", "W", "a")
_NUMBERS = ("scale", "slope", "rate_W", "rate_a")
_STAGE_NUMBERS = ("end", "decay", "spread", "share", "split")
_STAGE_ARRAYS = ("radius", "radius_a", "multiplier", "shifts")
_STACKED = tuple(field.name for field in dataclasses.fields(Stage))


@dataclass(frozen=True, eq=False)
class Stored:
    """The fields of a certificate, as a file holds them."""

    theorem: str
    evidence: Evidence
    instance: Instance
    proposal: Proposal | None
    finding: Finding | None
    reason: str


def write_stored(stored: Stored, path: str | Path, **also: float) -> None:
    """Write a certificate with its instance; numbers in ``also`` go to the header, for readers."""
    instance, proposal, finding = stored.instance, stored.proposal, stored.finding
    proved = finding is not None and finding.proved
    header: dict[str, Any] = {
        "schema": SCHEMA,
        "theorem": stored.theorem,
        "evidence": stored.evidence.name,
        "certified": proved,
        "reason": stored.reason,
        "fingerprint": instance.fingerprint(),
        "path": finding.path if finding is not None and proved and np.isfinite(finding.path) else None,
        **{name: value if np.isfinite(value) else None for name, value in also.items()},
    }
    fields: dict[str, Any] = {name: getattr(instance, name) for name in (*_ARRAYS, *_NUMBERS)}
    if proposal is not None:
        fields["start"] = proposal.start
        m, n = instance.m, instance.n
        for name in _STACKED:
            values = [np.asarray(getattr(stage, name)) for stage in proposal.stages]
            if name == "multiplier":
                values = [np.where(stage.uncertain, stage.multiplier, 0.0) for stage in proposal.stages]
            if name == "uncertain":
                values = [np.packbits(value.reshape(m, n), axis=1) for value in values]
            fields[f"stage_{name}"] = np.stack(values)
    text = json.dumps(header, sort_keys=True, allow_nan=False)
    write_archive(path, kind="certificate", header=text, **fields)


def read_stored(path: str | Path) -> Stored:
    """What a certificate's file holds, as it was written: nothing is proved again here.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, or it holds no certificate whose data and weights carry their own hash.
    """
    fields = read_archive(path, kind="certificate", required=("header", *_ARRAYS, *_NUMBERS))
    try:
        header = json.loads(str(fields["header"]))
        instance = _instance(fields)
        schema, fingerprint = header["schema"], header["fingerprint"]
        theorem, evidence = header["theorem"], Evidence[header["evidence"]]
        certified, reason = bool(header["certified"]), str(header["reason"])
        moved = header["path"]
        proposal = _proposal(fields, instance) if "start" in fields else None
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"{path} is no certificate this version can read: {error!r}") from None
    if schema != SCHEMA or theorem not in ("flow", "descent"):
        raise ValueError(
            f"{path} has schema {schema!r} and theorem {theorem!r}; this version reads {SCHEMA!r}"
        )
    if instance.fingerprint() != fingerprint:
        raise ValueError(
            f"{path}: data, weights or rates do not have the hash in its header: the file was changed "
            "after it was written"
        )
    finding = None
    if certified and proposal is not None:
        decay = min(stage.decay for stage in proposal.stages)
        finding = Finding(True, decay, np.inf if moved is None else float(moved))
    return Stored(theorem, evidence, instance, proposal, finding, reason)


def _instance(fields: dict[str, Any]) -> Instance:
    """The instance in a file, through the checks that every network, problem and rate passes."""
    X, y, W, a = (_read_only(fields[name]) for name in _ARRAYS)
    scale, slope, rate_W, rate_a = (float(fields[name]) for name in _NUMBERS)
    network, problem = Network(W, a, scale=scale, slope=slope), Problem(X, y)
    return Instance.of(network, problem, (rate_W, rate_a))


def _read_only(value: Any) -> Any:
    array = np.ascontiguousarray(value, dtype=np.float64)
    array.setflags(write=False)
    return array


def _proposal(fields: dict[str, Any], instance: Instance) -> Proposal:
    stages = []
    for j in range(len(fields["stage_end"])):
        values = {name: fields[f"stage_{name}"][j] for name in _STACKED}
        unpacked = np.unpackbits(values["uncertain"], axis=1, count=instance.n).astype(bool)
        numbers: dict[str, Any] = {name: float(values[name]) for name in _STAGE_NUMBERS}
        numbers |= {name: _read_only(values[name]) for name in _STAGE_ARRAYS}
        stages.append(Stage(uncertain=unpacked, **numbers))
    return Proposal(float(fields["start"]), tuple(stages))
