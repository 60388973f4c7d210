"""Random numbers by counter: each draw is a hash of its place, so every executor draws the same."""

from __future__ import annotations

from typing import Any

SERVICE, FAILURE, BACKOFF = 1, 2, 3
"""The streams: what a draw is for."""

FRACTION_BITS = 16
"""Shares of a duration are 16-bit fractions of it, so that the products fit into 64 bits."""

_MASK = 0xFFFF_FFFF_FFFF_FFFF
_STEP = 0x9E37_79B9_7F4A_7C15
_FIRST = 0xBF58_476D_1CE4_E5B9
_SECOND = 0x94D0_49BB_1331_11EB


def draw(seed: int, stream: int, request: Any, attempt: Any) -> Any:
    """Return 64 random bits for one attempt of one request.

    The same lines serve Python ints and numpy arrays of uint64, bit for bit; a kernel whose
    unsigned 64-bit arithmetic wraps may leave out the masks.

    Args:
        seed: From 0 to 2**64 - 1.
        stream: SERVICE, FAILURE or BACKOFF.
        request: The request's index within its operation, from 0; or a uint64 array of them.
        attempt: 0 for the first try, 1 for the first retry, ...; or a uint64 array.

    Example:
        >>> hex(draw(0, SERVICE, 0, 0)), hex(draw(0, SERVICE, 0, 1))
        ('0x80abe802ac1e182e', '0x949f48c1e9eb8a36')
    """
    return absorb(absorb(absorb(seed, stream), request), attempt)


def absorb(state: Any, value: Any) -> Any:
    """Return splitmix64's output after `value + 1` steps from a state: one round of the hash."""
    bits = (state + _STEP * (value + 1)) & _MASK
    bits = ((bits ^ (bits >> 30)) * _FIRST) & _MASK
    bits = ((bits ^ (bits >> 27)) * _SECOND) & _MASK
    return bits ^ (bits >> 31)
