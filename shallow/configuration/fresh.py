"""Fresh samples of a run's own laws, or of a file, for its test error."""

from __future__ import annotations

import numpy as np

from shallow.configuration.catalogue import INPUTS, LABELS
from shallow.configuration.model import ProblemModel, RunModel
from shallow.setting.arrays import host
from shallow.setting.data import read_problem
from shallow.setting.inputs import TwoClusters
from shallow.setting.problem import Problem
from shallow.setting.streams import Streams

__all__ = ["no_test_set", "test_problem_of"]

_FRESH_INPUTS = ("gaussian", "normalized-gaussian", "sphere", "two-clusters")
_FRESH_LABELS = ("signs", "gaussian", "teacher", "clusters")


def no_test_set(model: ProblemModel) -> str:
    """Why this problem has no fresh samples, in words; empty if it has."""
    if model.test_data is not None:
        return ""
    if model.data is not None:
        return "problem.test_data: test_error on a data file needs a second one; name it"
    if model.inputs not in _FRESH_INPUTS:
        return f"problem.inputs: test_error needs fresh inputs, and {model.inputs!r} has none"
    if model.labels not in _FRESH_LABELS:
        return f"problem.labels: test_error needs labels of fresh inputs, and {model.labels!r} has none"
    return ""


def test_problem_of(model: RunModel, streams: Streams, problem: Problem) -> Problem:
    """The test problem of a run whose training problem is ``problem``.

    Fresh inputs come from a stream of their own, and do not depend on n. Their labels are those that the law
    gives to rows after the training rows, in the same units: the teacher is the same network with the same
    factor in front.

    Raises
    ------
    ValueError
        If there are no fresh samples: see :func:`no_test_set`.
    """
    about = model.problem
    missing = no_test_set(about)
    if missing:
        raise ValueError(missing)
    if about.test_data is not None:
        test = read_problem(about.test_data)
    else:
        test = _fresh(about, streams, host(problem.y))
    test = test.with_bias(about.bias) if about.bias else test
    if test.d != problem.d or test.y.shape[1:] != problem.y.shape[1:]:
        raise ValueError(
            f"problem.test_data: its samples have {test.d} inputs and labels {test.y.shape[1:]}; "
            f"training has {problem.d} and {problem.y.shape[1:]}"
        )
    return test


test_problem_of.__test__ = False  # type: ignore[attr-defined]  # not a test, whatever pytest thinks of its name


def _fresh(about: ProblemModel, streams: Streams, y: np.ndarray) -> Problem:
    law = INPUTS[about.inputs](about)
    if isinstance(law, TwoClusters):
        sample = law.test_sample(about.test_n, about.d, streams).problem
        if about.labels == "clusters":
            return sample
        X = host(sample.X)
    else:
        X = law.draw(about.test_n, about.d, Streams(streams.seed, (*streams.independent, "test")))
    labels = LABELS[about.labels]
    assert labels is not None
    rows = np.concatenate([law.draw(about.n, about.d, streams), X])
    both = labels(about)(rows, streams)
    size = float(np.linalg.norm(both[: about.n]))
    return Problem(X, both[about.n :] * (float(np.linalg.norm(y)) / size if size > 0 else 0.0), name="test")
