"""The example on the certificates' page runs as it stands and says what the page says."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "certificates.md").read_text()


def test_the_page_has_one_example_and_its_figures_are_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "example.py"
    script.write_text(source)
    names = runpy.run_path(str(script), run_name="example")
    flow, descent = names["c"], names["d"]
    assert flow.certified
    assert descent.certified
    stated = [float(number) for number in re.findall(r"# True, (0\.\d+)(?:, (0\.\d+))?", source)[0]]
    assert stated == pytest.approx([flow.residual_norm, flow.decay], rel=0.05)
    assert names["lower"] < names["upper"]
    assert "True" in capsys.readouterr().out


def test_every_inequality_the_page_labels_is_one_a_proof_checks() -> None:
    from proofs_check.certificates import proposal

    labels = set(re.findall(r"\b(?:L[1-3]|F[4-8]|D[3-8])\b", PAGE))
    listed = set(re.findall(r"^(L[1-3]|F[4-8]|D[3-8])\b", proposal.__doc__ or "", flags=re.MULTILINE))
    assert listed <= labels
    assert len(listed) >= 12
