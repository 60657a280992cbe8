"""The rows of the table: what each one measures, who takes part, and the limit that the hardware sets."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from benchmarks import (
    accuracy,
    descent,
    eigenvalue,
    jax_peer,
    kernels,
    neural_tangents,
    numpy_peer,
    torch_peer,
)
from benchmarks.hardware import Hardware
from benchmarks.measure import Agreement, Contender
from benchmarks.peers import Absent

__all__ = ["ROWS", "Comparison", "Row", "Setting"]


@dataclass(frozen=True)
class Setting:
    """How to measure: threads, few repeats or many, and what the machine can do."""

    threads: int
    quick: bool
    hardware: Hardware


@dataclass
class Comparison:
    """Who takes part in a row, how they are checked, and the limit in seconds per step.

    ``absent`` has a reason for each peer that does not take part; ``accuracy`` is for the row that measures
    errors and no time: each one's largest error in units of eps, relative to an entry's terms; beside it the
    error relative to ``|x||z|``.
    """

    contenders: list[Contender] = field(default_factory=list)
    check: Callable[[Any], Agreement] = lambda result: Agreement(0.0, 0.0)
    rounds: int = 7
    limit: float | None = None
    limit_words: str = ""
    absent: dict[str, str] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    errors_of_norms: dict[str, float] = field(default_factory=dict)

    def invite(self, peer: str, make: Callable[[], Contender]) -> None:
        """Add a contender, or why it is not here."""
        try:
            self.contenders.append(make())
        except Absent as reason:
            self.absent[peer] = str(reason)


@dataclass(frozen=True)
class Row:
    """A row by name."""

    name: str
    what: str
    build: Callable[[Setting], Comparison]


def _descent(n: int, d: int, m: int, dtype: Any, steps: int) -> Callable[[Setting], Comparison]:
    def build(setting: Setting) -> Comparison:
        count = max(1, steps // 2) if setting.quick else steps
        data = descent.draw(n, d, m, dtype)
        made = Comparison(
            [descent.ours(data, count)],
            descent.agreement(data, count),
            rounds=5 if setting.quick else 11,
            limit=4.0 * n * d * m / setting.hardware.multiply_adds(dtype),
            limit_words="4 n d m operations at the peak of multiply-adds",
        )
        made.invite("torch", lambda: torch_peer.descent(data, count, setting.threads))
        if setting.quick:
            made.absent["torch.compile"] = "not run: it compiles for half a minute; the full run has it"
        else:
            made.invite("torch.compile", lambda: torch_peer.compiled_descent(data, count, setting.threads))
        made.invite("jax", lambda: jax_peer.descent(data, count))
        made.invite("numpy", lambda: numpy_peer.descent(data, count))
        return made

    return build


def _batch(batch: int, n: int, d: int, m: int) -> Callable[[Setting], Comparison]:
    def build(setting: Setting) -> Comparison:
        count = 10 if setting.quick else 20
        data = descent.draw(n, d, m, np.float64, batch)
        made = Comparison(
            [descent.ours(data, count)],
            descent.agreement(data, count),
            rounds=5 if setting.quick else 11,
            limit=4.0 * batch * n * d * m / setting.hardware.float64,
            limit_words="4 B n d m operations at the peak of multiply-adds",
        )
        made.invite("torch", lambda: torch_peer.batched_descent(data, count, setting.threads))
        made.invite("jax", lambda: jax_peer.batched_descent(data, count))
        made.invite("numpy", lambda: numpy_peer.descent(data, count))
        return made

    return build


def _gram(n: int, d: int, m: int, quick_steps: int) -> Callable[[Setting], Comparison]:
    def build(setting: Setting) -> Comparison:
        data = descent.draw(n, d, m)
        ours, theirs = (quick_steps, 5) if setting.quick else (1000, 20)
        long, short = descent.agreement(data, ours), descent.agreement(data, theirs)
        contenders = [_checked(descent.followed(data, ours), long)]
        made = Comparison(
            contenders,
            rounds=3 if setting.quick else 5,
            limit=2.0 * n * n * m / setting.hardware.lookups(np.float64),
            limit_words="2 n n m operations by lookups",
            check=lambda found: found,
        )
        for peer, make in (
            ("torch", lambda: torch_peer.descent(data, theirs, setting.threads)),
            ("jax", lambda: jax_peer.descent(data, theirs)),
            ("numpy", lambda: numpy_peer.descent(data, theirs)),
        ):
            made.invite(peer, lambda make=make: _checked(make(), short))  # type: ignore[misc]
        return made

    return build


def _checked(contender: Contender, check: Callable[[Any], Agreement]) -> Contender:
    """The contender with an oracle of its own: here ours makes more steps than the peers."""
    plain = contender.result
    return dataclasses.replace(contender, result=lambda done: check(plain(done)))


def _empirical(n: int, d: int, m: int, layers: str) -> Callable[[Setting], Comparison]:
    def build(setting: Setting) -> Comparison:
        first = layers == "first"
        dtype = np.float32
        network, X = kernels.draw_network(n, d, m, dtype, equal=first)
        W, a = np.array(network.W), np.array(network.a)
        rates = setting.hardware
        forward = 2.0 * n * d * m / rates.multiply_adds(dtype)
        pairs = 0.5 * n * n * m
        if first:
            limit = forward + pairs / rates.bits
            words = "2 n d m operations at the peak, and n n m / 2 pairs of bits counted"
        else:
            limit = forward + 2.0 * pairs / rates.lookups(dtype) + 2.0 * pairs / rates.multiply_adds(dtype)
            words = "2 n d m + n n m operations at the peak, and n n m by lookups"
        made = Comparison(
            [kernels.our_empirical(network, X, layers)],
            kernels.empirical_agreement(network, X, layers),
            rounds=5 if setting.quick else 11,
            limit=limit,
            limit_words=words,
        )
        made.invite(
            "torch", lambda: _at_most(torch_peer.jacobian_kernel(W, a, X, layers, setting.threads),
                                      1 if setting.quick else 3)
        )  # fmt: skip
        peer = numpy_peer.first_layer_kernel if first else numpy_peer.general_kernel
        made.invite("numpy", lambda: peer(W, a, X))
        made.absent["jax"] = "not compared: torch.func makes the same contraction"
        return made

    return build


def _limit(n: int, d: int) -> Callable[[Setting], Comparison]:
    def build(setting: Setting) -> Comparison:
        X = kernels.draw_inputs(n, d)
        few = setting.quick and n > 4000
        made = Comparison(
            [kernels.our_limit(X)],
            kernels.limit_agreement(X),
            rounds=2 if few else 5 if setting.quick else 7,
            limit=float(n * n * d / setting.hardware.float64 + 2.5e-9 * n * n / 2 / setting.threads),
            limit_words="a rank-k update, n n d operations, and 2.5 ns for each of n n / 2 entries a thread",
        )
        made.invite("numpy", lambda: _at_most(numpy_peer.limit_kernel(X), 1 if few else 7))
        made.invite("neural-tangents", lambda: neural_tangents.limit_kernel(X))
        for peer in ("torch", "jax"):
            made.absent[peer] = "not compared: the peers are NumPy and neural-tangents, which is JAX"
        return made

    return build


def _at_most(contender: Contender, rounds: int) -> Contender:
    return dataclasses.replace(contender, rounds=rounds)


def _accuracy(setting: Setting) -> Comparison:
    X = accuracy.hard_rows()
    eps = float(np.finfo(np.float64).eps)
    made = Comparison(limit_words="2 eps: the products x.z themselves are rounded")
    words = "not compared: this row measures errors, which `errors_in_eps` has"
    made.absent |= {"torch": words, "jax": words, "numpy": words}
    try:
        exact = accuracy.oracle(X)
    except Absent as reason:
        made.absent["ours"] = str(reason)
        return made
    found = {"ours": kernels.our_limit_kernel(X), "numpy": numpy_peer.limit_kernel(X).run(None)}
    try:
        found["neural-tangents"] = neural_tangents.kernel(X)
    except Absent as reason:
        made.absent["neural-tangents"] = str(reason)
    for peer, K in found.items():
        of_terms, of_norms = accuracy.largest_errors(K, exact)
        made.errors[peer], made.errors_of_norms[peer] = of_terms / eps, of_norms
    return made


def _smallest(n: int, d: int) -> Callable[[Setting], Comparison]:
    def build(setting: Setting) -> Comparison:
        H = kernels.our_limit_kernel(kernels.draw_inputs(n, d))
        made = Comparison(
            [eigenvalue.proof(H, eigenvalue.CLAIM), eigenvalue.eigenvalues(H)],
            eigenvalue.agreement(eigenvalue.CLAIM),
            rounds=2 if setting.quick else 5,
            limit=n**3 / 3.0 / setting.hardware.float64,
            limit_words="one Cholesky factor, n n n / 3 operations at the peak",
        )
        for peer in ("torch", "jax"):
            made.absent[peer] = "not compared: the peer is LAPACK as NumPy calls it"
        return made

    return build


_STEP = "one step of gradient descent on both layers"
_GRAM = "a step of 1,000, K, Z0 and the recovery of W included; peers 20 steps"

ROWS: Mapping[str, Row] = MappingProxyType(
    {
        row.name: row
        for row in (
            Row("gd-f64-500x100x4000", _STEP, _descent(500, 100, 4000, np.float64, 20)),
            Row("gd-f64-1000x200x2000", _STEP, _descent(1000, 200, 2000, np.float64, 20)),
            Row("gd-f64-50x20x200", f"{_STEP}, small network", _descent(50, 20, 200, np.float64, 1000)),
            Row("gd-f32-500x100x4000", f"{_STEP}, float32", _descent(500, 100, 4000, np.float32, 20)),
            Row("gd-batch-256x50x20x100", "a step of 256 independent networks", _batch(256, 50, 20, 100)),
            Row("gram-100x10000x1000", _GRAM, _gram(100, 10000, 1000, 1000)),
            Row("gram-200x5000x500", _GRAM, _gram(200, 5000, 500, 1000)),
            Row("gram-1000x200x2000", f"{_GRAM}; n = 5 d", _gram(1000, 200, 2000, 100)),
            Row(
                "entk-1000x50x10000",
                "first-layer kernel of a network from X and W, all a of one size, float32",
                _empirical(1000, 50, 10000, "first"),
            ),
            Row(
                "entk-general-1000x50x10000",
                "kernel of both layers from X, W and any a, float32",
                _empirical(1000, 50, 10000, "both"),
            ),
            Row("ntk-2000x100", "infinite-width kernel of both layers, float64", _limit(2000, 100)),
            Row("ntk-8000x200", "infinite-width kernel of both layers, float64", _limit(8000, 200)),
            Row(
                "ntk-accuracy",
                "largest relative error of an entry, near-parallel and antipodal rows included",
                _accuracy,
            ),
            Row("lmin-8000", "a proof that lambda_min >= s, n = 8000", _smallest(8000, 200)),
        )
    }
)
