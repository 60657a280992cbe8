"""verify_certificate: prove what a certificate's file says again, from its data and weights alone."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from proofs_check.certificates.certificate import Certificate
from proofs_check.certificates.flow import prover
from proofs_check.certificates.geometry import geometry_of
from proofs_check.certificates.refusals import refusal
from proofs_check.verdict import Evidence
from shallow.setting.archive import read_archive

__all__ = ["verify_certificate"]


def verify_certificate(path: str | Path) -> Certificate:
    """Prove a certificate's file again: every inequality, from the exact numbers in the file.

    How its decays and radii were searched plays no part: they are read as numbers, and the theorem's
    inequalities are checked for them in the file's own arithmetic (in VERIFIED for a NUMERIC file, which is
    no proof).

    Parameters
    ----------
    path : str or Path
        A file written by ``Certificate.save``.

    Returns
    -------
    Certificate
        Not certified, with a ``reason``, when the proof does not go through.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, it is no certificate, its data or weights do not have the hash in its
        header, or its header states another decay or residual norm than what is proved.
    """
    found = Certificate.load(path)
    evidence = Evidence.ENCLOSED if found.evidence is Evidence.ENCLOSED else Evidence.VERIFIED
    claimed = dataclasses.replace(found, evidence=evidence, finding=None)
    if found.proposal is None:
        return dataclasses.replace(claimed, reason=f"the file holds no certificate: {found.reason}")
    reason = refusal(found.instance)
    if reason:
        return dataclasses.replace(claimed, reason=reason)
    finding = prover(evidence.name.lower(), found.theorem)(found.instance, found.proposal)
    if not finding.proved:
        reason = f"the inequality {finding.inequality!r} of stage {finding.stage} could not be proved again"
        return dataclasses.replace(claimed, finding=finding, reason=reason)
    proved = dataclasses.replace(claimed, finding=finding, reason="")
    _compare(path, proved)
    return proved


def _compare(path: str | Path, proved: Certificate) -> None:
    """What the header tells a reader has to be what was proved. (Norms may differ by their rounding.)"""
    header = json.loads(str(read_archive(path, kind="certificate", required=("header",))["header"]))
    if not header["certified"]:
        return
    rounding = 2 * geometry_of(proved.instance).residual_error
    for name, allowed in (("decay", 0.0), ("residual_norm", rounding)):
        stated, now = header.get(name), getattr(proved, name)
        if not (isinstance(stated, float) and abs(stated - now) <= allowed):
            raise ValueError(
                f"{path}: its header states {name} = {stated}, and {now} is what is proved: the file "
                "was changed after it was written"
            )
