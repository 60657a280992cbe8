"""What users may import is a list we keep; a change to it is a change they notice."""

from __future__ import annotations

import ast
from pathlib import Path

import proofs_check
import shallow

SHALLOW = """
Fixed FlowScaled FlowTrajectory GatedModel Gradient GradientDescent KernelScaled LossScaled Network
Outcome Problem Streams TangentModel Trajectory __version__ empirical_ntk flow gradient jacobian
largest_eigenvalue limit_kernel load_sweep loss ntk_gram per_sample_gradient predict residual
smallest_eigenvalue train train_many
"""

PROOFS_CHECK = """
Certificate Claim ClaimSummary Comparison Constant Evidence FitPoints Grade Hypothesis
HypothesisStatus Mutant MutantResult Outcome Point Probability Quantifier Regime Requirement Result
Source Statement THEOREMS Verdict certify_descent certify_flow certify_initial check check_mutants
check_sweep compare explain lambda_min_bracket lambda_min_lower_bound
proves_lambda_min_at_least replay tightened verify_certificate
"""


def test_the_public_names_are_those_written_down_here() -> None:
    assert sorted(shallow.__all__) == sorted(SHALLOW.split())
    assert sorted(proofs_check.__all__) == sorted(PROOFS_CHECK.split())


def stub_names() -> set[str]:
    tree = ast.parse((Path(shallow.__file__).parent / "__init__.pyi").read_text())
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    declared = {
        node.target.id
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    return imported | declared


def test_the_stub_tells_type_checkers_the_same_names() -> None:
    assert stub_names() == set(shallow.__all__)


def test_every_public_name_can_be_imported() -> None:
    assert [name for name in shallow.__all__ if not hasattr(shallow, name)] == []
    assert [name for name in proofs_check.__all__ if not hasattr(proofs_check, name)] == []
