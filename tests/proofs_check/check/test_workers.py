"""Trials shared out over worker processes give the result of one process, whole."""

from __future__ import annotations

import dataclasses
import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("distributed", reason="not run: needs distributed")

from proofs_check import THEOREMS, Claim, Statement, check
from proofs_check.check.draw import Cell, _at_place, _place_of, run_trial
from proofs_check.cli import main
from proofs_check.report.document import document
from shallow.cli.shell import document as as_text
from shallow.sweep.clusters import local
from shallow.sweep.dask_executor import DaskExecutor

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def pair() -> Iterator[DaskExecutor]:
    """Two workers."""
    with local(2) as executor:
        yield executor


def scaling(decaying: Callable[..., Statement]) -> Statement:
    """A law over a grid of n: the mean of n draws lies within 4 / sqrt(n) of 0."""

    def law(parameters: Any, points: Any) -> list[Claim]:
        means = np.array([max(abs(x) for x in point.summaries) for point in points])
        n = np.array([float(point.parameters.n) for point in points])
        return [Claim.from_arrays("mean", means, upper=4 / np.sqrt(n), index=n)]

    return decaying(
        key="toy/scaling",
        kind="scaling",
        claims=None,
        grid=lambda p: [dataclasses.replace(p, n=n) for n in (4, 16, 64)],
        law=law,
        instance=lambda p, streams, problem: (p, streams.generator("W", n=p.n).standard_normal(p.n)),
        hypotheses=lambda instance: [],
        evidence=lambda instance: float(instance[1].mean()),
        requirement=None,
        mutants=tuple,
    )


def told(result: Any) -> str:
    """All that a report says of a result but its seconds."""
    return as_text(document([dataclasses.replace(result, seconds=0.0)], 0))


def test_a_scaling_statement_is_the_same_on_workers(
    decay: Callable[..., Statement], pair: DaskExecutor
) -> None:
    statement, seen = scaling(decay), []
    here = check(statement, trials=4)
    there = check(
        statement, trials=4, executor=pair.map, progress=lambda done, total: seen.append((done, total))
    )
    assert told(here) == told(there)
    assert seen == [(i, 12) for i in range(1, 13)]


def test_trials_are_the_same_on_workers(pair: DaskExecutor) -> None:
    for key in ("du2019/lemma-3.1", "du2019/lemma-3.2"):
        here = check(THEOREMS[key], trials=6)
        there = check(THEOREMS[key], trials=6, executor=pair.map)
        assert told(here) == told(there)


def test_every_statement_of_the_library_has_a_place() -> None:
    places = [_place_of(statement) for statement in THEOREMS.values()]
    assert [_at_place(place) for place in places if place] == list(THEOREMS.values())


def test_a_statement_of_the_library_is_sent_by_its_place() -> None:
    statement = THEOREMS["du2019/lemma-3.2"]
    cell = Cell(statement, statement.presets["quick"], 0, 1)
    sent = pickle.dumps(cell)
    assert len(sent) < 2000
    back = pickle.loads(sent)
    assert back.statement is statement
    assert run_trial(back).judgements == run_trial(cell).judgements


def test_the_command_prints_the_same_document(capsys: pytest.CaptureFixture[str]) -> None:
    documents = []
    for workers in ([], ["--workers", "2"]):
        assert main(["run", "du2019/lemma-3.2", "--json", "--trials", "5", *workers]) == 0
        printed = json.loads(capsys.readouterr().out)
        for result in printed["results"]:
            result.pop("seconds")
        documents.append(printed)
    assert documents[0] == documents[1]
    assert main(["run", "du2019/lemma-3.2", "--workers", "0"]) == 2
    assert "--workers 0: at least 1" in capsys.readouterr().err
