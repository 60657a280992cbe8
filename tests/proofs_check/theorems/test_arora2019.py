"""Arora et al. (2019), Theorem 4.1: the norm, the modes, and when epsilon says nothing."""

from __future__ import annotations

import numpy as np
import pytest

from proofs_check.check import check, check_mutants
from proofs_check.statement import Grade
from proofs_check.theorems import THEOREMS
from proofs_check.verdict import Verdict
from shallow.setting.problem import Problem

KEYS = ("arora2019/per-eigenvector", "arora2019/theorem-4.1")


@pytest.mark.parametrize("key", KEYS)
def test_committed_setting(key: str) -> None:
    result = check(THEOREMS[key])
    assert result.verdict is Verdict.CONSISTENT, result.reason
    assert result.evaluated > 0


@pytest.mark.parametrize("key", KEYS)
def test_every_mutant_is_refuted(key: str) -> None:
    found = check_mutants(THEOREMS[key])
    assert len(found) == 3
    assert [item.name for item in found if not item.refuted] == []


@pytest.mark.parametrize("key", KEYS)
def test_an_epsilon_of_a_tenth_of_y_says_nothing(key: str) -> None:
    """||y|| = 2 at n = 4 and label scale 1."""
    assert check(THEOREMS[key], set={"epsilon": 0.201}, trials=2).verdict is Verdict.VACUOUS


def test_the_modes_are_labelled_as_coming_from_the_proof() -> None:
    assert THEOREMS["arora2019/per-eigenvector"].grade is Grade.FROM_PROOF
    assert "from the proof" in THEOREMS["arora2019/per-eigenvector"].grade.value


def test_the_slowest_labels_have_one_mode_that_is_claimed_by_itself() -> None:
    result = check(THEOREMS["arora2019/per-eigenvector"], trials=2)
    assert result.claims[0].name.startswith("mode 0")
    assert np.allclose(result.claims[0].trivial, 2.0)


@pytest.mark.parametrize("labels", ["signs", "bottom-eigenvector", "top-eigenvector"])
def test_the_norm_follows_the_kernel_for_slow_and_fast_labels(labels: str) -> None:
    result = check(THEOREMS["arora2019/theorem-4.1"], set={"labels": labels}, trials=4)
    assert result.failed == 0
    assert result.held == 4


@pytest.mark.parametrize("key", KEYS)
def test_duplicate_rows_make_lambda0_zero(key: str) -> None:
    X = np.eye(3)
    problem = Problem(np.vstack([X, X[0]]), [1.0, -1.0, 1.0, -1.0])
    result = check(THEOREMS[key], problem=problem, set={"m": 50}, trials=2)
    assert result.verdict is Verdict.NOT_APPLICABLE
    assert "lambda0 = 0: rows 0 and 3" in result.reason
    assert not result.outside


@pytest.mark.parametrize("key", KEYS)
def test_one_sample_and_one_neuron_are_handled(key: str) -> None:
    single = check(THEOREMS[key], problem=Problem([[0.0, 1.0]], [1.0]), set={"epsilon": 0.09}, trials=2)
    assert single.verdict in {Verdict.CONSISTENT, Verdict.UNDECIDED, Verdict.VACUOUS}
    assert check(THEOREMS[key], set={"m": 1}, trials=2).verdict in {Verdict.UNDECIDED, Verdict.VACUOUS}


def test_epsilon_must_be_positive() -> None:
    with pytest.raises(ValueError, match="epsilon is -1"):
        check(THEOREMS["arora2019/theorem-4.1"], set={"epsilon": -1.0}, trials=1)
