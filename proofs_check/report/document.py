"""``results.json``: its schema, its writing and its checking. No NaN and no infinity ever reaches it."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from enum import Enum
from importlib import metadata
from typing import Any

from proofs_check.check.result import Result
from proofs_check.report.crosstable import cross_table
from proofs_check.verdict import Evidence, HypothesisStatus, Outcome, Regime, Verdict

__all__ = ["SCHEMA", "document", "validate", "versions"]

SCHEMA = "proofs-check/1"

_DISTRIBUTIONS = ("shallow-relu", "numpy", "scipy", "numba", "matplotlib")
_NULL = type(None)
_DOCUMENT: Mapping[str, tuple[type, ...]] = {
    "versions": (Mapping,),
    "seed": (int,),
    "results": (list,),
    "beyond": (list,),
}
# Every field a reader may count on. A null needs its reason under the same name in `missing`.
_RESULT: Mapping[str, tuple[type, ...]] = {
    "key": (str,),
    "kind": (str,),
    "verdict": (str,),
    "evidence": (str,),
    "outside": (bool,),
    "regime": (str, _NULL),
    "tightness": (int, float, _NULL),
    "trials": (int,),
    "held": (int,),
    "hypotheses": (list,),
    "evaluated": (int,),
}
_HYPOTHESIS: Mapping[str, tuple[type, ...]] = {
    "name": (str,),
    "text": (str,),
    "status": (str,),
    "variable": (str,),
    "have": (int, float, _NULL),
    "need": (int, float, _NULL),
    "ratio": (int, float, _NULL),
}
_WORDS: Mapping[str, type[Enum]] = {"verdict": Verdict, "evidence": Evidence, "regime": Regime}


def versions() -> dict[str, str | None]:
    """Versions of Python and of what computes; None for a package that is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def document(results: Sequence[Result], seed: int, beyond: Sequence[Result] = ()) -> dict[str, Any]:
    """The document that ``results.json`` holds.

    Parameters
    ----------
    results : sequence of Result
        What ``check`` returned, in the order to be shown.
    seed : int
        The seed all of them were drawn from.
    beyond : sequence of Result
        Checks past the hypotheses, at most one a statement; the cross-table counts both kinds.

    Raises
    ------
    ValueError
        If the document does not pass :func:`validate`.
    """
    found = {
        "schema": SCHEMA,
        "versions": versions(),
        "seed": seed,
        "results": [result.to_json() for result in results],
        "beyond": [result.to_json() for result in beyond],
        "cross_table": [
            {
                "hypotheses": cell.reach.value,
                "regime": cell.regime.name if cell.regime else None,
                "trials": {seen.value: count for seen, count in cell.trials.items()},
                "keys": list(cell.keys),
            }
            for cell in cross_table([*results, *beyond])
        ],
    }
    validate(found)
    return found


def validate(found: Any) -> None:
    """Check a document against the schema.

    Raises
    ------
    ValueError
        At the first thing that is wrong, with the path to it.
    """
    if not isinstance(found, Mapping):
        raise ValueError(f"the document is a {type(found).__name__}; it must be an object")
    if found.get("schema") != SCHEMA:
        raise ValueError(f"schema is {found.get('schema')!r}; this version reads {SCHEMA!r}")
    _require(found, _DOCUMENT, "the document")
    _refuse_unwritable(found, "")
    for kind in ("results", "beyond"):
        for place, result in enumerate(found[kind]):
            _validate_result(result, f"{kind}[{place}]")
        _require_one_a_key(found[kind], kind)


def _require_one_a_key(results: Sequence[Any], kind: str) -> None:
    keys = [result["key"] for result in results]
    for place, key in enumerate(keys):
        if key in keys[:place]:
            raise ValueError(f"{kind}[{place}] is a second entry for {key!r}")


def _validate_result(result: Any, path: str) -> None:
    _require(result, _RESULT, path)
    for name, words in _WORDS.items():
        _require_word(result[name], words, f"{path}.{name}")
    for name in _RESULT:
        if result[name] is None and not result.get("missing", {}).get(name):
            raise ValueError(f"{path}.{name} is null without a reason under {path}.missing.{name}")
    if not 0 <= result["held"] <= result["trials"]:
        raise ValueError(f"{path}: held is {result['held']} of {result['trials']} trials")
    for place, item in enumerate(result["hypotheses"]):
        where = f"{path}.hypotheses[{place}]"
        _require(item, _HYPOTHESIS, where)
        _require_word(item["status"], HypothesisStatus, f"{where}.status")
    for place, outcome in enumerate(result.get("outcomes", ())):
        _require_word(outcome, Outcome, f"{path}.outcomes[{place}]")


def _require(value: Any, fields: Mapping[str, tuple[type, ...]], path: str) -> None:
    if not isinstance(value, Mapping):
        raise ValueError(f"{path} is a {type(value).__name__}; it must be an object")
    for name, kinds in fields.items():
        if name not in value:
            raise ValueError(f"{path} lacks {name!r}")
        item = value[name]
        # A bool is an int to Python, but not to a reader of the document.
        if not isinstance(item, kinds) or (isinstance(item, bool) and bool not in kinds):
            expected = " or ".join("null" if kind is _NULL else kind.__name__ for kind in kinds)
            raise ValueError(f"{path}: {name} is {item!r}; expected {expected}")


def _require_word(value: Any, words: type[Enum], path: str) -> None:
    if value is not None and value not in words.__members__:
        raise ValueError(f"{path} is {value!r}; expected one of {', '.join(words.__members__)}")


def _refuse_unwritable(value: Any, path: str) -> None:
    if isinstance(value, Mapping):
        for name, item in value.items():
            _refuse_unwritable(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            _refuse_unwritable(item, f"{path}[{place}]")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{path} is {value}; write null and a reason")
    elif value is not None and not isinstance(value, str | int | bool):
        raise ValueError(f"{path} is a {type(value).__name__}, which JSON does not have")
