"""``proofs-check certify``: prove that training converges from given weights, or prove a file again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from cyclopts import Parameter

from proofs_check.certificates.certificate import Certificate
from proofs_check.certificates.descent import certify_descent
from proofs_check.certificates.flow import certify_flow
from proofs_check.cli.options import Rows, framed, read_data
from shallow.cli.shell import document
from shallow.setting.network import Network

__all__ = ["certify_command"]


def certify_command(
    *,
    data: Path | None = None,
    weights: Path | None = None,
    rows: Rows = "raw",
    rate_W: Annotated[float, Parameter(name="--rate-W")] = 1.0,
    rate_a: Annotated[float, Parameter(name="--rate-a")] = 1.0,
    descent: Annotated[bool, Parameter(negative=())] = False,
    rigour: Literal["enclosed", "verified", "numeric"] = "verified",
    out: Path | None = None,
    verify: Path | None = None,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Prove that training converges to zero loss from the given weights, with a decay and radii.

    The exit code is 0 whether or not it is certified (not certified is no violation), and 1 if a
    certificate's file cannot be proved again.

    Parameters
    ----------
    data
        X and y (NPZ or CSV); labels are real numbers, one a sample.
    weights
        W and a (NPZ), and scale and slope where they are not 1 and 0.
    rows
        Take the rows of X raw, or scaled to unit norm.
    rate_W
        Rate of the first layer; 0 freezes it. With --descent, its step size.
    rate_a
        The same of the second layer.
    descent
        Gradient descent with these steps instead of the gradient flow.
    rigour
        Ball arithmetic, float64 with every rounding bounded, or plain float64 (no proof).
    out
        Write the certificate, with its data and weights, to this NPZ file.
    verify
        Prove the certificate in this file again, from scratch; with --data or --weights, for these.
    json
        Print one JSON document on standard output.
    """
    if verify is not None:
        return _verify(verify, data, weights, rows, json)
    if data is None or weights is None:
        missing = "--data" if data is None else "--weights"
        raise ValueError(f"{missing}: a file is needed; give --data X.npz --weights W.npz, or --verify FILE")
    problem = read_data(data, rows)
    assert problem is not None
    network = _read_weights(weights)
    if out is not None and not out.absolute().parent.is_dir():
        raise ValueError(f"--out {out}: there is no folder {out.absolute().parent}; make it first")
    certify = certify_descent if descent else certify_flow
    certificate = certify(network, problem, (rate_W, rate_a), rigour)
    if out is not None and certificate.certified:
        certificate.save(out)
    print(_told(certificate, json))
    return 0


def _read_weights(path: Path) -> Network:
    if not path.is_file():
        raise ValueError(f"--weights {path}: no such file")
    try:
        return Network.load(path)
    except (ValueError, TypeError) as error:
        text = str(error) if str(path) in str(error) else f"{path}: {error}"
        raise ValueError(f"--weights {text}") from error


def _verify(path: Path, data: Path | None, weights: Path | None, rows: Rows, json: bool) -> int:
    from proofs_check.certificates.verify import verify_certificate

    if not path.is_file():
        raise ValueError(f"--verify {path}: no such file")
    certificate = verify_certificate(path)
    problem = read_data(data, rows)
    if problem is not None and not problem.equals(certificate.instance.problem):
        raise ValueError(f"--data {data}: these are not the data that {path} speaks of")
    network = None if weights is None else _read_weights(weights)
    if network is not None and not network.equals(certificate.instance.network):
        raise ValueError(f"--weights {weights}: these are not the weights that {path} speaks of")
    print(_told(certificate, json))
    return 0 if certificate.certified else 1


def _told(certificate: Certificate, json: bool) -> str:
    content = _content(certificate)
    if json:
        return document(framed("certificate", 0, **content))
    if not certificate.certified:
        return f"not certified: {certificate.reason}"
    moved = content["travel_W"], content["travel_a"]
    what = {"flow": "gradient flow", "descent": "gradient descent"}[certificate.theorem]
    proof = "no proof: plain float64" if certificate.evidence.name == "NUMERIC" else "proved"
    lines = [
        f"certified ({certificate.evidence.name}, {proof}): {what} from here converges to zero loss",
        f"  residual norm now   {certificate.residual_norm:.6g}",
        f"  decay               {certificate.decay:.6g}",
        f"  ||W(t) - W||_F   <= {moved[0]:.6g}",
        f"  ||a(t) - a||     <= {moved[1]:.6g}",
        f"  ||w_k(t) - w_k|| <= {content['radius_W_max']:.6g} for every neuron",
        f"  undecided patterns  {content['undecided_patterns']} of {certificate.radius_pairs.size} pairs",
    ]
    return "\n".join(lines)


def _content(certificate: Certificate) -> dict[str, Any]:
    content: dict[str, Any] = {
        "certified": certificate.certified,
        "theorem": certificate.theorem,
        "evidence": certificate.evidence.name,
        "residual_norm": certificate.residual_norm,
        "decay": certificate.decay,
        "reason": certificate.reason,
        "fingerprint": certificate.instance.fingerprint(),
    }
    if certificate.certified:
        content |= {
            "travel_W": certificate.travel[0],
            "travel_a": certificate.travel[1],
            "radius_W_max": float(np.max(certificate.radius_W)),
            "radius_a_max": float(np.max(certificate.radius_a)),
            "radius_W": certificate.radius_W,
            "radius_a": certificate.radius_a,
            "undecided_patterns": int(np.sum(certificate.limit_patterns == 0)),
            "stable_rank": list(certificate.limit_stable_rank),
        }
    return content
