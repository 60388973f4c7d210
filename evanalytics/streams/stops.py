"""Durations to try one by one: evenly spaced on a logarithmic scale, and those that people would name."""

from __future__ import annotations

import numpy as np

_SECOND = 1_000_000
_NAMED_S = (1, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400, 604_800, 2_592_000)
_POINTS = 160


def durations_to_try(shortest_us: int, longest_us: int, *also_us: int) -> list[int]:
    """Return rising durations in microseconds, from the shortest to the longest and `also_us` among them.

    Example:
        >>> stops = durations_to_try(1_000_000, 3_600_000_000, 90_000_000)
        >>> {1_000_000, 90_000_000, 600_000_000, 3_600_000_000} <= set(stops)
        True
    """
    low, high = max(shortest_us, 1), max(longest_us, shortest_us, 1)
    spaced = np.geomspace(low, high, _POINTS).round().astype(np.int64).tolist()
    named = [second * _SECOND for second in _NAMED_S if low < second * _SECOND < high]
    return sorted({low, high, *spaced, *named, *also_us})
