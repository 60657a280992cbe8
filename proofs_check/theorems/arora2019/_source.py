"""The paper, its symbols, and false relatives of its statements."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from proofs_check.statement import Claim, Constant, Mutant, Source, Statement
from proofs_check.theorems._mutation import with_claims, without

__all__ = ["CONSTANTS", "MODES_TEX", "NORM_TEX", "SETTING_TEX", "SYMBOLS", "false_relatives", "source"]

_BIBTEX = r"""@inproceedings{arora2019fine,
  author    = {Arora, Sanjeev and Du, Simon S. and Hu, Wei and Li, Zhiyuan and Wang, Ruosong},
  title     = {Fine-Grained Analysis of Optimization and Generalization for Overparameterized Two-Layer
               Neural Networks},
  booktitle = {International Conference on Machine Learning},
  year      = {2019},
  eprint    = {1901.08584}
}"""

SYMBOLS = {
    "n, d, m": "samples, inputs, neurons",
    "u(k)": "the network's outputs on the n samples after k steps",
    "lambda_i, v_i": "eigenpairs of H^infty, the first layer's infinite-width kernel",
    "lambda_0": "its smallest eigenvalue",
    "kappa": "standard deviation of the entries of W(0)",
    "epsilon": "the allowed distance from the kernel's prediction",
    "delta": "the allowed probability of failure over the initialisation",
    "eta": "the step size (rate of the first layer)",
}

SETTING_TEX = (
    r"\|x_i\| = 1,\quad \lambda_0 > 0,\quad w_r(0) \sim \mathcal{N}(0, \kappa^2 I),"
    r"\quad a_r \in \{-1, 1\}\ \text{uniform} \\"
    r"\kappa = O\left(\frac{\epsilon \delta}{\sqrt{{n}}}\right),\quad"
    r" {m} = \Omega\left(\frac{{n}^7}{\lambda_0^4 \kappa^2 \delta^4 \epsilon^2}\right),"
    r"\quad \eta = O\left(\frac{\lambda_0}{{n}^2}\right) \\"
)
NORM_TEX = (
    r"\mathbb{P}\left[\, \|y - u(k)\| = \sqrt{\sum_i (1 - \eta \lambda_i)^{2k} (v_i^\top y)^2} \pm \epsilon"
    r"\ \text{for all}\ k \,\right] \ge 1 - \delta"
)
MODES_TEX = (
    r"\mathbb{P}\left[\, v_i^\top (y - u(k)) = (1 - \eta \lambda_i)^k v_i^\top y \pm \epsilon"
    r"\ \text{for all}\ i, k \,\right] \ge 1 - \delta"
)
CONSTANTS = (
    Constant("C_kappa", "in front of kappa"),
    Constant("C_m", "in front of the width"),
    Constant("C_eta", "in front of the step"),
)


def source(item: str) -> Source:
    """The paper with the theorem that is meant."""
    return Source(
        authors="Arora, Du, Hu, Li, Wang",
        title="Fine-Grained Analysis of Optimization and Generalization for Overparameterized Two-Layer "
        "Neural Networks",
        year=2019,
        item=item,
        arxiv="1901.08584",
        bibtex=_BIBTEX,
    )


def false_relatives(statement: Statement) -> list[Mutant]:
    """Of both forms of Theorem 4.1; for the slip, the first claim alone is kept."""
    original = statement.claims
    assert original is not None

    def half_rate(instance: Any, evidence: Any) -> Sequence[Claim]:
        return [_half_rate(original(instance, evidence)[0])]

    quick = statement.presets["quick"]
    return [
        Mutant(
            "large kappa",
            "at kappa = 1 the network's own outputs at the start exceed epsilon",
            without(statement, "kappa"),
            dataclasses.replace(quick, kappa=1.0),
            trials=8,
        ),
        Mutant(
            "narrow",
            "eight neurons do not have the infinite-width kernel",
            without(statement, "width"),
            dataclasses.replace(quick, m=8),
            trials=8,
        ),
        Mutant(
            "half the rate",
            "(1 - eta lambda/2)^k bounds the decay from above (Du et al.); a mode follows (1 - eta lambda)^k",
            with_claims(statement, "half-rate", half_rate),
            quick,
            trials=8,
        ),
    ]


def _half_rate(claim: Claim) -> Claim:
    """The same interval around the square root of the predicted decay."""
    half, centre = (claim.upper - claim.lower) / 2, np.maximum((claim.upper + claim.lower) / 2, 0.0)
    slow = np.sqrt(claim.trivial * centre)
    return dataclasses.replace(claim, lower=slow - half, upper=slow + half)
