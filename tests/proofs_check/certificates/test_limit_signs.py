"""A sign is reported for the limit only where it is there and decided."""

from __future__ import annotations

import numpy as np

from proofs_check.certificates import certify_flow
from shallow.setting.network import Network
from shallow.setting.problem import Problem


def test_a_neuron_exactly_on_a_kink_has_no_sign_although_the_first_layer_is_frozen() -> None:
    rng = np.random.default_rng(0)
    X = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.3, 0.4, 1.0]])
    W, a = rng.standard_normal((12, 3)), rng.standard_normal(12)
    W[0], W[1] = [0.0, 1.0, 0.5], [0.0, -1.0, 0.7]
    network = Network(W=W, a=a, scale=0.3)
    labels = 0.3 * np.maximum(X @ W.T, 0) @ a + 0.01
    certificate = certify_flow(network, Problem(X=X, y=labels), rates=(0.0, 1.0))
    assert certificate.certified
    assert certificate.limit_patterns[:2].tolist() == [[0, 1, 1], [0, -1, 1]]
