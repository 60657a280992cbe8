"""Proofs about one instance: that the training of a given network converges, with radii and a decay."""

from __future__ import annotations

from proofs_check.certificates.certificate import Certificate
from proofs_check.certificates.descent import certify_descent
from proofs_check.certificates.flow import certify_flow
from proofs_check.certificates.initial import INITIAL, InitialCertificate, certify_initial
from proofs_check.certificates.refusals import merge_equal_inputs
from proofs_check.certificates.search import Plan
from proofs_check.certificates.verify import verify_certificate

__all__ = [
    "INITIAL",
    "Certificate",
    "InitialCertificate",
    "Plan",
    "certify_descent",
    "certify_flow",
    "certify_initial",
    "merge_equal_inputs",
    "verify_certificate",
]
