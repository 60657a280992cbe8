"""results.json says everything, in JSON's own types, and its reader can rely on its schema."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from proofs_check.check.result import Result
from proofs_check.report.document import SCHEMA, document, validate, versions


def _strict(text: str) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} in the document")

    return json.loads(text, parse_constant=refuse)


def test_the_document_survives_a_strict_reader(results: Sequence[Result]) -> None:
    found = document(results, seed=7)
    read = _strict(json.dumps(found, allow_nan=False))
    assert read == found
    assert read["schema"] == SCHEMA
    assert read["seed"] == 7
    assert [item["key"] for item in read["results"]] == [result.key for result in results]


def test_every_result_has_the_promised_fields(results: Sequence[Result]) -> None:
    promised = {"key", "kind", "verdict", "evidence", "outside", "regime", "tightness", "trials"}
    promised |= {"held", "hypotheses", "evaluated"}
    for item in document(results, seed=0)["results"]:
        assert promised <= set(item)


def test_an_infinite_need_is_null(results: Sequence[Result]) -> None:
    items = [
        h
        for r in document(results, seed=0)["results"]
        for h in r["hypotheses"]
        if h["status"] == "UP_TO_CONSTANT"
    ]
    assert [item["need"] for item in items] == [None]


def test_a_null_has_its_reason(results: Sequence[Result]) -> None:
    absent = [item for item in document(results, seed=0)["results"] if item["tightness"] is None]
    assert len(absent) == 2
    assert {bool(item["missing"]["tightness"]) for item in absent} == {True}


def test_every_trial_stands_in_the_cross_table(results: Sequence[Result]) -> None:
    table = document(results, seed=0)["cross_table"]
    assert sum(sum(cell["trials"].values()) for cell in table) == sum(result.trials for result in results)
    assert {key for cell in table for key in cell["keys"]} == {result.key for result in results}


def test_checks_past_the_hypotheses_stand_beside_the_results_and_count_in_the_table(
    results: Sequence[Result],
) -> None:
    found = document(results, seed=0, beyond=results[1:2])
    assert [item["key"] for item in found["results"]] == [result.key for result in results]
    assert [item["key"] for item in found["beyond"]] == [results[1].key]
    counted = sum(sum(cell["trials"].values()) for cell in found["cross_table"])
    assert counted == sum(result.trials for result in results) + results[1].trials


def test_versions_name_what_computes() -> None:
    found = versions()
    assert set(found) == {"python", "shallow-relu", "numpy", "scipy", "numba", "matplotlib"}
    assert found["numpy"]


def _without_schema(found: dict[str, Any]) -> None:
    del found["schema"]


def _wrong_verdict(found: dict[str, Any]) -> None:
    found["results"][0]["verdict"] = "PROVED"


def _nan(found: dict[str, Any]) -> None:
    found["results"][1]["tightness"] = math.nan


def _missing_field(found: dict[str, Any]) -> None:
    del found["results"][2]["evaluated"]


def _bool_for_number(found: dict[str, Any]) -> None:
    found["results"][0]["trials"] = True


def _more_held_than_run(found: dict[str, Any]) -> None:
    found["results"][0]["held"] = 31


def _null_without_reason(found: dict[str, Any]) -> None:
    found["results"][0]["tightness"] = None


def _wrong_status(found: dict[str, Any]) -> None:
    found["results"][0]["hypotheses"][0]["status"] = "MAYBE"


def _without_beyond(found: dict[str, Any]) -> None:
    del found["beyond"]


def _wrong_beyond(found: dict[str, Any]) -> None:
    found["beyond"][0]["verdict"] = "PROVED"


def _twice(found: dict[str, Any]) -> None:
    found["results"].append(found["results"][0])


def _an_object(found: dict[str, Any]) -> None:
    found["results"][0]["extra"] = object()


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (_without_schema, "schema is None"),
        (_wrong_verdict, "results[0].verdict is 'PROVED'"),
        (_nan, "results[1].tightness is nan"),
        (_missing_field, "results[2] lacks 'evaluated'"),
        (_bool_for_number, "trials is True"),
        (_more_held_than_run, "held is 31 of 30"),
        (_null_without_reason, "null without a reason"),
        (_wrong_status, "hypotheses[0].status is 'MAYBE'"),
        (_an_object, "results[0].extra is a object"),
        (_without_beyond, "lacks 'beyond'"),
        (_wrong_beyond, "beyond[0].verdict is 'PROVED'"),
        (_twice, "results[6] is a second entry for 'made2024/theorem-1'"),
    ],
)
def test_a_spoiled_document_is_refused_with_the_place(
    results: Sequence[Result], spoil: Callable[[dict[str, Any]], None], named: str
) -> None:
    found = copy.deepcopy(document(results, seed=0, beyond=results[1:2]))
    spoil(found)
    with pytest.raises(ValueError) as caught:
        validate(found)
    assert named in str(caught.value)


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(ValueError, match="must be an object"):
        validate([])
