"""The activation phi and its derivative, the gate phi'."""

from __future__ import annotations

from shallow.setting.arrays import Array, namespace

__all__ = ["activation", "gate"]


def activation(z: Array, slope: float = 0.0, smoothing: float = 0.0) -> Array:
    """The (smoothed, leaky) ReLU ``phi(z)``, with ``phi(0) = 0``.

    With ``s = slope`` and ``h = smoothing``, ``phi(z)`` is ``z - (1-s) h/4`` for ``z >= h``,
    ``s z - (1-s) h/4`` for ``z <= -h``, and ``(1+s) z/2 + (1-s) z^2/(4h)`` in between; for ``h = 0`` it is
    ``z`` right and ``s z`` left of the kink. Frei, Chatterji and Bartlett (2022), eq. 1, has ``h = 1/H``.

    Parameters
    ----------
    z : array
        Pre-activations, any shape and floating type.
    slope, smoothing : float
        As in :class:`shallow.Network`.

    Returns
    -------
    array
        Same shape and type as ``z``.
    """
    xp = namespace(z)
    if smoothing == 0.0:
        return xp.where(z > 0, z, slope * z)
    offset = (1.0 - slope) * smoothing / 4.0
    # z / smoothing is formed first, on clipped z: nothing under- or overflows.
    near = xp.clip(z, -smoothing, smoothing)
    inside = near * ((1.0 + slope) / 2.0 + (1.0 - slope) / 4.0 * (near / smoothing))
    return xp.where(z >= smoothing, z - offset, xp.where(z <= -smoothing, slope * z - offset, inside))


def gate(z: Array, slope: float = 0.0, smoothing: float = 0.0) -> Array:
    """The derivative ``phi'(z)``: ``slope`` on the left, 1 on the right.

    With ``smoothing = 0`` the kink itself is gated by ``z > 0``, so ``phi'(0) = slope``; otherwise ``phi'``
    rises linearly on ``|z| <= smoothing``.

    Parameters
    ----------
    z : array
        Pre-activations, any shape and floating type.
    slope, smoothing : float
        As in :class:`shallow.Network`.

    Returns
    -------
    array
        Same shape and type as ``z``.
    """
    xp = namespace(z)
    one = xp.ones_like(z)
    if smoothing == 0.0:
        return xp.where(z > 0, one, slope * one)
    near = xp.clip(z, -smoothing, smoothing)
    rising = (1.0 + slope) / 2.0 + (1.0 - slope) / 2.0 * (near / smoothing)
    return xp.where(z >= smoothing, one, xp.where(z <= -smoothing, slope * one, rising))
