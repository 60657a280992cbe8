"""Bibliography of the family, and how its texts are known."""

from __future__ import annotations

from proofs_check.statement import Source

__all__ = ["fcb22", "frei22"]

_FREI22_BIBTEX = """@inproceedings{frei2023implicit,
  author    = {Frei, Spencer and Vardi, Gal and Bartlett, Peter L. and Srebro, Nathan and Hu, Wei},
  title     = {Implicit Bias in Leaky {ReLU} Networks Trained on High-Dimensional Data},
  booktitle = {International Conference on Learning Representations},
  year      = {2023},
  eprint    = {2210.07082},
  archivePrefix = {arXiv},
}"""
_FCB22_BIBTEX = """@inproceedings{frei2022benign,
  author    = {Frei, Spencer and Chatterji, Niladri S. and Bartlett, Peter L.},
  title     = {Benign Overfitting without Linearity: Neural Network Classifiers Trained by
               Gradient Descent for Noisy Linear Data},
  booktitle = {Conference on Learning Theory},
  series    = {Proceedings of Machine Learning Research},
  volume    = {178},
  year      = {2022},
  eprint    = {2202.05928},
  archivePrefix = {arXiv},
}"""


def frei22(item: str) -> Source:
    """Implicit bias in leaky ReLU networks trained on high-dimensional data."""
    return Source(
        "Frei, Vardi, Bartlett, Srebro, Hu",
        "Implicit Bias in Leaky ReLU Networks Trained on High-Dimensional Data",
        2022,
        item,
        "2210.07082",
        _FREI22_BIBTEX,
    )


def fcb22(item: str) -> Source:
    """Benign overfitting without linearity."""
    return Source(
        "Frei, Chatterji, Bartlett",
        "Benign Overfitting without Linearity: Neural Network Classifiers Trained by Gradient Descent "
        "for Noisy Linear Data",
        2022,
        item,
        "2202.05928",
        _FCB22_BIBTEX,
    )
