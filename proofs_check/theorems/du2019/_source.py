"""The paper, its symbols, and the start that its statements share."""

from __future__ import annotations

import math

from proofs_check.statement import Source
from proofs_check.theorems._first_layer import FirstLayer

__all__ = ["SYMBOLS", "gram_width", "source"]

_BIBTEX = r"""@inproceedings{du2019gradient,
  author    = {Du, Simon S. and Zhai, Xiyu and P{\'o}czos, Barnab{\'a}s and Singh, Aarti},
  title     = {Gradient Descent Provably Optimizes Over-parameterized Neural Networks},
  booktitle = {International Conference on Learning Representations},
  year      = {2019},
  eprint    = {1810.02054}
}"""

SYMBOLS = {
    "n, d, m": "samples, inputs, neurons",
    "f(x)": "m^{-1/2} sum_r a_r relu(w_r . x), of which W alone is trained",
    "u(k)": "the network's outputs on the n samples after k steps (u(t): at time t of the flow)",
    "H^infty": "the first layer's infinite-width kernel, x_i.x_j (pi - angle)/(2 pi)",
    "lambda_0": "its smallest eigenvalue",
    "H(k)": "the first layer's kernel after k steps",
    "delta": "the allowed probability of failure over the initialisation",
    "eta": "the step size (rate of the first layer)",
}


def source(item: str) -> Source:
    """The paper with the theorem or lemma that is meant."""
    return Source(
        authors="Du, Zhai, Poczos, Singh",
        title="Gradient Descent Provably Optimizes Over-parameterized Neural Networks",
        year=2019,
        item=item,
        arxiv="1810.02054",
        bibtex=_BIBTEX,
    )


def gram_width(instance: FirstLayer, delta: float) -> float:
    """Lemma 3.1 with its constant: the number of independent neurons that keeps H(0) near its mean.

    Each entry of H(0) is a mean of m terms in an interval of length at most 1. Hoeffding and a union over
    n^2 entries leave every entry within sqrt(ln(2 n^2/delta)/(2 m)) of its mean, and the Frobenius norm is
    at most n times that: lambda0/4 once m >= 8 n^2 ln(2 n^2/delta)/lambda0^2.
    """
    if instance.lambda0 == 0:
        return math.inf
    return 8 * instance.n**2 * math.log(2 * instance.n**2 / delta) / instance.lambda0**2
