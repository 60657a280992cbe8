"""Bibliography of the family."""

from __future__ import annotations

from proofs_check.statement import Source

__all__ = ["OYMAK2020"]

_BIBTEX = """@article{oymak2020moderate,
  author  = {Oymak, Samet and Soltanolkotabi, Mahdi},
  title   = {Toward Moderate Overparameterization: Global Convergence Guarantees for Training
             Shallow Neural Networks},
  journal = {IEEE Journal on Selected Areas in Information Theory},
  volume  = {1},
  number  = {1},
  pages   = {84--105},
  year    = {2020},
  eprint  = {1902.04674},
  archivePrefix = {arXiv},
}"""

OYMAK2020 = Source(
    "Oymak, Soltanolkotabi",
    "Toward Moderate Overparameterization: Global Convergence Guarantees for Training Shallow "
    "Neural Networks",
    2020,
    "the ReLU theorem and its corollary for the sphere",
    "1902.04674",
    _BIBTEX,
)
