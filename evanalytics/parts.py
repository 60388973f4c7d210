"""Array work in parts, on all cores: kernels hold no lock, so threads run them side by side."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import polars as pl

T = TypeVar("T")

EVENTS_PER_THREAD = 400_000
"""So many events are worth a thread where each costs some nanoseconds."""


def parts_for(items: int, worth: int) -> int:
    """Return into how many parts to cut work: as many as there are cores, if each has enough to do.

    Args:
        items: How many items there are.
        worth: How many of them are worth a thread.
    """
    return min(pl.thread_pool_size(), items // worth + 1)


def in_parts(work: Callable[[int, int], T], size: int, parts: int) -> list[T]:
    """Return what `work(first, end)` returns for ranges that together are 0 to `size`, in their order.

    Example:
        >>> in_parts(lambda first, end: (first, end), 10, 3)
        [(0, 3), (3, 6), (6, 10)]
    """
    if parts == 1:
        return [work(0, size)]
    ends = [size * part // parts for part in range(parts + 1)]
    with ThreadPoolExecutor(parts) as threads:
        return list(threads.map(work, ends[:-1], ends[1:]))
