"""The noun network: what fits together, what is equal, and the way to disk and back."""

from __future__ import annotations

import math
from pathlib import Path

import array_api_strict
import numpy as np
import pytest

from shallow.setting.network import Network


def network(**changes: object) -> Network:
    fields = {
        "W": np.arange(6.0).reshape(3, 2),
        "a": np.ones(3),
        "scale": 0.5,
        "slope": 0.1,
        "smoothing": 0.2,
    }
    return Network(**{**fields, **changes})


def test_sizes_are_read_from_W() -> None:
    assert (network().m, network().d) == (3, 2)
    assert network(a=np.ones((3, 4))).a.shape == (3, 4)
    assert (Network([[2]], [1]).m, Network([[2]], [1]).W.dtype) == (1, np.float64)


def test_a_network_cannot_be_changed_from_outside() -> None:
    W = np.ones((3, 2))
    net = network(W=W)
    W[0, 0] = 9.0
    assert net.W[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        net.W[0, 0] = 2.0
    with pytest.raises(AttributeError):
        net.scale = 2.0


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"a": np.ones(4)}, ValueError, "3 neurons"),
        ({"a": np.ones(3, dtype=np.float32)}, TypeError, "one floating type"),
        ({"W": np.ones(3)}, ValueError, "W has 1 axes"),
        ({"W": [[math.nan, 1.0]] * 3}, ValueError, r"W\[0, 0\] is nan"),
        ({"scale": math.inf}, ValueError, "scale is inf"),
        ({"smoothing": -0.1}, ValueError, "cannot be negative"),
        ({"a": array_api_strict.ones(3)}, TypeError, "namespaces"),
    ],
)
def test_fields_that_do_not_fit_are_refused(
    changes: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        network(**changes)


def test_equality_is_bit_for_bit() -> None:
    assert network().equals(network())
    assert not network().equals(network(scale=0.25))
    assert not network(W=np.zeros((3, 2))).equals(network(W=-np.zeros((3, 2))))
    single = network(W=np.ones((3, 2), dtype=np.float32), a=np.ones(3, dtype=np.float32))
    assert not single.equals(network(W=np.ones((3, 2))))
    assert not network().equals("a network")
    assert network().replace(slope=0.3).equals(network(slope=0.3))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_survives_the_disk(tmp_path: Path, dtype: type) -> None:
    net = network(W=np.arange(6, dtype=dtype).reshape(3, 2) / 7, a=np.ones((3, 2), dtype=dtype))
    net.save(tmp_path / "net.npz")
    assert Network.load(tmp_path / "net.npz").equals(net)


def test_plain_arrays_load_with_default_numbers(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", W=np.ones((2, 2)), a=np.ones(2))
    assert Network.load(tmp_path / "net.npz").equals(Network(np.ones((2, 2)), np.ones(2)))
    np.savez(tmp_path / "bad.npz", W=np.ones((2, 2)))
    with pytest.raises(ValueError, match="lacks a"):
        Network.load(tmp_path / "bad.npz")
