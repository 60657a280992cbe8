"""A certificate's file is proved again from its numbers; a changed file is refused, whatever was changed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from proofs_check import Certificate, certify_descent, certify_flow, verify_certificate
from proofs_check.certificates import enclosed, flow, numeric, search, verified
from proofs_check.certificates.instance import Instance
from proofs_check.certificates.proposal import Proposal
from proofs_check.verdict import Evidence

pytest.importorskip("flint", reason="balls need python-flint (extra `rigour`)")

Draw = Callable[..., Instance]


@pytest.fixture(scope="module", name="certificate")
def _certificate(drawn: Draw) -> Certificate:
    instance = drawn(np.random.default_rng(0), 5, 3, 8, residual=1e-2)
    found = certify_flow(instance.network, instance.problem, rigour="verified")
    assert found.certified
    return found


@pytest.fixture(name="file")
def _file(certificate: Certificate, tmp_path: Path) -> Path:
    path = tmp_path / "certificate.npz"
    certificate.save(path)
    return path


def rewritten(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> Path:
    """The file with its arrays and its header changed."""
    with np.load(path, allow_pickle=False) as archive:
        fields = {name: archive[name] for name in archive.files}
    header = json.loads(str(fields["header"]))
    change(fields, header)
    fields["header"] = np.asarray(json.dumps(header))
    np.savez_compressed(path, allow_pickle=False, **fields)
    return path


@pytest.mark.parametrize("rigour", ["numeric", "verified", "enclosed"])
@pytest.mark.parametrize("theorem", ["flow", "descent"])
def test_a_file_is_proved_again(rigour: Any, theorem: str, drawn: Draw, tmp_path: Path) -> None:
    """A NUMERIC one is proved for the first time, by VERIFIED floats."""
    instance = drawn(np.random.default_rng(1), 5, 3, 8, residual=1e-4)
    certify, rate = (certify_flow, 1.0) if theorem == "flow" else (certify_descent, 0.05)
    certificate = certify(instance.network, instance.problem, (rate, rate), rigour)
    certificate.save(tmp_path / "c.npz")
    again = verify_certificate(tmp_path / "c.npz")
    assert again.certified
    assert again.theorem == theorem
    assert again.evidence is (Evidence.ENCLOSED if rigour == "enclosed" else Evidence.VERIFIED)
    assert again.decay == certificate.decay
    assert again.instance.fingerprint() == certificate.instance.fingerprint()


def test_nothing_of_the_search_is_used(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any, **__: Any) -> Any:
        raise AssertionError("a search was made")

    monkeypatch.setattr(search, "search_flow", forbidden)
    monkeypatch.setattr(flow, "search_flow", forbidden)
    assert verify_certificate(file).certified


@pytest.mark.parametrize("name", ["X", "y", "W", "a", "scale", "slope", "rate_W", "rate_a"])
def test_data_weights_and_rates_carry_a_hash(name: str, file: Path) -> None:
    """The last bit of any entry counts."""
    original = file.read_bytes()
    rng = np.random.default_rng(2)
    for _ in range(12):
        file.write_bytes(original)

        def change(fields: dict[str, Any], _: dict[str, Any]) -> None:
            values = np.array(fields[name])
            at = rng.integers(values.size)
            values.flat[at] = np.nextafter(values.flat[at], rng.choice([-np.inf, np.inf]))
            fields[name] = values

        with pytest.raises(ValueError, match="was changed"):
            verify_certificate(rewritten(file, change))


def test_weights_that_were_perturbed_and_hashed_again_are_proved_again_or_refused(file: Path) -> None:
    """The proof, not the hash, is what protects: whoever changes the weights can change the hash."""
    original, verdicts = file.read_bytes(), []
    for size in (1e-1, 1e-2, 1e-3):
        for seed in range(6):
            file.write_bytes(original)

            def change(
                fields: dict[str, Any], header: dict[str, Any], size: float = size, seed: int = seed
            ) -> None:
                noise = np.random.default_rng(seed).normal(size=fields["W"].shape)
                fields["W"] = fields["W"] + size * noise
                arrays = [np.ascontiguousarray(fields[key]) for key in ("X", "y", "W", "a")]
                numbers = [float(fields[key]) for key in ("scale", "slope", "rate_W", "rate_a")]
                header["fingerprint"] = Instance(*arrays, *numbers).fingerprint()
                header["certified"] = False

            verdicts.append(verify_certificate(rewritten(file, change)).certified)
    assert verdicts == [False] * len(verdicts)


CLAIMS: dict[str, Callable[[dict[str, Any]], None]] = {
    "a faster decay": lambda fields: fields.update(stage_decay=fields["stage_decay"] * 1.01),
    "smaller radii": lambda fields: fields.update(stage_radius=fields["stage_radius"] * 0.5),
    "smaller output radii": lambda fields: fields.update(stage_radius_a=fields["stage_radius_a"] * 0.5),
    "decided patterns": lambda fields: fields.update(stage_uncertain=fields["stage_uncertain"] * 0),
    "one stage less": lambda fields: fields.update(
        {key: value[1:] for key, value in fields.items() if key.startswith("stage_")}
    ),
    "a smaller start": lambda fields: fields.update(start=fields["start"] * 0.5),
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_stronger_claim_is_not_proved(claim: str, drawn: Draw, tmp_path: Path) -> None:
    certificate = certify_flow(*_near_the_edge(drawn), rigour="verified")
    assert certificate.certified
    assert np.any(certificate.limit_patterns == 0)
    path = tmp_path / "c.npz"
    certificate.save(path)
    found = verify_certificate(rewritten(path, lambda fields, _: CLAIMS[claim](fields)))
    assert not found.certified
    assert "could not be proved again" in found.reason


def _near_the_edge(drawn: Draw) -> tuple[Any, Any]:
    for seed in range(40):
        instance = drawn(np.random.default_rng(seed), 5, 3, 8, residual=2e-2)
        found = certify_flow(instance.network, instance.problem, rigour="numeric")
        if found.certified and np.any(found.limit_patterns == 0):
            return instance.network, instance.problem
    raise AssertionError("no instance with an uncertain pair was certified")


@pytest.mark.parametrize(("name", "factor"), [("decay", 1.01), ("residual_norm", 0.9), ("decay", None)])
def test_a_header_that_says_more_than_was_proved_is_refused(
    name: str, factor: float | None, file: Path
) -> None:
    def change(_: dict[str, Any], header: dict[str, Any]) -> None:
        header[name] = None if factor is None else header[name] * factor

    with pytest.raises(ValueError, match="was changed"):
        verify_certificate(rewritten(file, change))


def test_bytes_changed_at_random_are_refused_or_change_nothing(certificate: Certificate, file: Path) -> None:
    """Every array carries a checksum; a few bytes of the container (times, padding) mean nothing."""
    original, rng, refused = file.read_bytes(), np.random.default_rng(3), 0
    for _ in range(120):
        changed = bytearray(original)
        changed[rng.integers(len(changed))] ^= 1 << int(rng.integers(8))
        file.write_bytes(changed)
        try:
            again = verify_certificate(file)
        except ValueError:
            refused += 1
            continue
        assert again.instance.fingerprint() == certificate.instance.fingerprint()
        assert again.decay == certificate.decay
    assert refused > 90


def test_what_is_cut_short_or_no_certificate_is_refused(
    certificate: Certificate, file: Path, tmp_path: Path
) -> None:
    original = file.read_bytes()
    for length in (0, 3, len(original) // 2, len(original) - 1):
        file.write_bytes(original[:length])
        with pytest.raises(ValueError, match=r"empty|no zip|not a readable|lacks"):
            verify_certificate(file)
    certificate.instance.network.save(tmp_path / "network.npz")
    with pytest.raises(ValueError, match=r"not a certificate|lacks"):
        verify_certificate(tmp_path / "network.npz")
    with pytest.raises(FileNotFoundError):
        verify_certificate(tmp_path / "none.npz")


def test_a_file_without_a_certificate_says_so(drawn: Draw, tmp_path: Path) -> None:
    instance = drawn(np.random.default_rng(0), 5, 3, 8, residual=10.0)
    found = certify_flow(instance.network, instance.problem, rigour="numeric")
    assert not found.certified
    found.save(tmp_path / "c.npz")
    again = verify_certificate(tmp_path / "c.npz")
    assert not again.certified
    assert "holds no certificate" in again.reason


@pytest.mark.parametrize("bad", [np.nan, -1.0, np.inf, -np.inf])
@pytest.mark.parametrize("frozen", ["rate_W", "rate_a"])
@pytest.mark.parametrize("rigour", ["verified", "enclosed"])
def test_a_rate_that_is_no_rate_does_not_pass_for_a_frozen_layer(
    bad: float, frozen: str, rigour: Any, drawn: Draw, tmp_path: Path
) -> None:
    """NaN is not above 0: read as frozen, a file with a right hash would have been proved for no flow."""
    rates = {"rate_W": (0.0, 1.0), "rate_a": (1.0, 0.0)}[frozen]
    base = drawn(np.random.default_rng(0), 3, 3, 8, residual=1e-4)
    certificate = certify_flow(base.network, base.problem, rates, rigour)
    assert certificate.certified
    assert certificate.proposal is not None
    instance = dataclasses.replace(certificate.instance, **{frozen: bad})
    prove = {"verified": verified, "enclosed": enclosed}[rigour].prove_flow
    assert not prove(instance, certificate.proposal).proved
    path = tmp_path / "c.npz"
    certificate.save(path)

    def change(fields: dict[str, Any], header: dict[str, Any]) -> None:
        fields[frozen] = np.asarray(bad)
        header["fingerprint"] = instance.fingerprint()

    with pytest.raises(ValueError, match=f"{frozen} is"):
        verify_certificate(rewritten(path, change))


@pytest.mark.parametrize("prover", [numeric, verified, enclosed])
def test_masked_radii_are_no_radii(prover: Any, certificate: Certificate) -> None:
    """Comparisons of masked arrays leave entries out, and ``np.all`` calls what is left true."""
    proposal = certificate.proposal
    assert proposal is not None
    stages = tuple(
        dataclasses.replace(stage, radius=np.ma.MaskedArray(stage.radius * 1e-6, mask=True))
        for stage in proposal.stages
    )
    found = prover.prove_flow(certificate.instance, Proposal(proposal.start, stages))
    assert not found.proved
    assert found.inequality == "numbers"


@pytest.mark.parametrize("name", ["X", "y", "W", "a"])
def test_arrays_of_another_shape_are_refused(name: str, file: Path) -> None:
    original = file.read_bytes()
    for shaped in (lambda v: v[:1], lambda v: v[..., None, None], lambda v: np.concatenate([v, v])):
        file.write_bytes(original)

        def change(fields: dict[str, Any], header: dict[str, Any], shaped: Any = shaped) -> None:
            fields[name] = shaped(fields[name])
            arrays = [np.ascontiguousarray(fields[key]) for key in ("X", "y", "W", "a")]
            numbers = [float(fields[key]) for key in ("scale", "slope", "rate_W", "rate_a")]
            header["fingerprint"] = Instance(*arrays, *numbers).fingerprint()

        with pytest.raises(ValueError, match=r"no certificate this version can read|was changed"):
            verify_certificate(rewritten(file, change))
