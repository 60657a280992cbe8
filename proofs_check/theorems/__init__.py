"""Published statements as executable objects, one file each.

``THEOREMS`` is a read-only mapping from key to Statement. A statement's module is imported when its key is
first used; the table below is literal, so what exists can be read without running anything.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterator, Mapping

from proofs_check.statement import Statement

__all__ = ["THEOREMS"]

# Key -> "module below proofs_check.theorems:attribute", family by family.
_TABLE: dict[str, str] = {
    "du2019/theorem-4.1": "du2019.du2019_descent:STATEMENT",
    "du2019/flow-explicit": "du2019.du2019_flow:FLOW",
    "du2019/lemma-3.1": "du2019.du2019_gram:GRAM",
    "du2019/lemma-3.2": "du2019.du2019_flips:FLIPS",
    "du2019/lemma-3.3": "du2019.du2019_travel:TRAVEL",
    "arora2019/theorem-4.1": "arora2019.arora2019_spectrum:NORM",
    "arora2019/per-eigenvector": "arora2019.arora2019_spectrum:MODES",
    "certificates/cert-a": "certificates.lazy:FIRST_LAYER",
    "certificates/cert-b": "certificates.lazy:BOTH_LAYERS",
    "certificates/cert-b-gd": "certificates.descent:DESCENT",
    "certificates/cert-f": "certificates.features:FEATURES",
    "certificates/cert-f-integrated": "certificates.features_integrated:INTEGRATED",
    "certificates/lmin-1": "certificates.lmin:STATEMENT",
    "oymak2020/relu-width": "oymak2020.oymak2020_width:STATEMENT",
    "frei2022/kkt": "frei2022.frei2022_kkt:STATEMENT",
    "frei2022/kkt-sharp": "frei2022.derived_sharp:STATEMENT",
    "frei2022/kkt-orthogonal": "frei2022.derived_orthogonal:STATEMENT",
    "frei2022/dynamics": "frei2022.frei2022_dynamics:STATEMENT",
    "frei2022/loss-ratio": "frei2022.frei2022_loss_ratio:STATEMENT",
    "frei2022/loss-ratio-explicit": "frei2022.derived_loss_ratio:STATEMENT",
    "frei2022/benign-overfitting": "frei2022.frei2022_benign:STATEMENT",
}


class _Theorems(Mapping[str, Statement]):
    """Keys to statements, imported on first use."""

    def __getitem__(self, key: str) -> Statement:
        if key not in _TABLE:
            raise KeyError(self._explain(key))
        module, _, attribute = _TABLE[key].partition(":")
        found = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
        if not isinstance(found, Statement):
            raise TypeError(f"{_TABLE[key]} is a {type(found).__name__}, not a Statement")
        if found.key != key:
            raise ValueError(f"{_TABLE[key]} calls itself {found.key!r}, but the table calls it {key!r}")
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(_TABLE)

    def __len__(self) -> int:
        return len(_TABLE)

    def __contains__(self, key: object) -> bool:
        return key in _TABLE

    def __repr__(self) -> str:
        return f"THEOREMS({', '.join(_TABLE)})"

    @staticmethod
    def _explain(key: str) -> str:
        close = difflib.get_close_matches(str(key), _TABLE, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]!r}?" if close else f"the keys are {', '.join(_TABLE) or 'none'}"
        return f"no statement {key!r}; {hint}"


THEOREMS: Mapping[str, Statement] = _Theorems()
