"""Bins of time: widths that people like to read, and a logarithmic scale of waits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SECOND, _MINUTE, _HOUR, _DAY = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
_YEAR = 364 * _DAY

READABLE_WIDTHS_US: tuple[int, ...] = (
    *(step * 10**power for power in range(6) for step in (1, 2, 5)),
    *(step * unit for unit in (_SECOND, _MINUTE) for step in (1, 2, 5, 10, 15, 30)),
    *(step * _HOUR for step in (1, 2, 3, 6, 12)),
    *(step * _DAY for step in (1, 2, 7, 14, 28, 91, 182)),
    *(step * _YEAR for step in (1, 2, 5, 10, 20, 50, 100)),
)
"""Widths such as 1 ms, 5 s, 15 min, 6 h, 7 d, in microseconds, rising."""

CODES_PER_DECADE = 16
MAX_CODE = 240
"""Waits of 31 years and more share the last code."""


def readable_width_us(span_us: int, *, max_bins: int) -> int:
    """Return the smallest readable width of which at most `max_bins` cover the span.

    Bins that lie on multiples of their width may need one more than the span alone tells.

    Example:
        >>> readable_width_us(3_600_000_000, max_bins=100)  # an hour
        60000000
    """
    for width in READABLE_WIDTHS_US:
        if -(-span_us // width) < max_bins:
            return width
    return -(-span_us // (max_bins - 1))


def wait_codes(waits_us: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the bin of each wait (zero or more microseconds) on a logarithmic scale.

    Code 0 is no wait at all; code k >= 1 holds 10**((k-1)/16) <= wait < 10**(k/16). One byte
    an event makes the histogram of any slice a matter of counting bytes.

    Example:
        >>> wait_codes(np.array([0, 1, 999_999, 1_000_000])).tolist()
        [0, 1, 96, 97]
    """
    with np.errstate(divide="ignore"):
        codes = np.floor(np.log10(waits_us) * CODES_PER_DECADE) + 1
    clipped: NDArray[np.uint8] = np.clip(codes, 0, MAX_CODE).astype(np.uint8)
    return clipped


def count_codes(codes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return how many waits have each code, from 0 to `MAX_CODE`."""
    return np.bincount(codes, minlength=MAX_CODE + 1).astype(np.int64)


def code_limits_s() -> NDArray[np.float64]:
    """Return the upper limit of each code's waits in seconds; 0 for code 0."""
    limits = 10 ** (np.arange(MAX_CODE + 1) / CODES_PER_DECADE - 6)
    limits[0] = 0.0
    return np.asarray(limits, dtype=np.float64)
