"""Array work in parts, on all cores: kernels hold no lock, so threads run them side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Protocol, TypeVar

import polars as pl

Item = TypeVar("Item")
T = TypeVar("T")


class Each(Protocol):
    """What `map` is."""

    def __call__(self, work: Callable[[Item], T], items: Iterable[Item], /) -> Iterator[T]:
        """Yield what `work` returns for each item, in their order."""
        ...


_PER_CORE = 4
"""Parts for each core: enough that none waits for long for the last of another."""


def parts_of(items: int, worth: int) -> list[tuple[int, int]]:
    """Return into which ranges to cut work, in their order: one if it is little, else some for each core.

    Args:
        items: How many items there are.
        worth: How many of them are worth a part.

    Example:
        >>> parts_of(10, 8)
        [(0, 10)]
    """
    parts = min(_PER_CORE * pl.thread_pool_size(), max(items // worth, 1))
    ends = [items * part // parts for part in range(parts + 1)]
    return list(pairwise(ends))


@contextmanager
def workers(parts: int) -> Iterator[Each]:
    """Give what maps a function over items like `map`, but on all cores if there are several parts.

    Items are worked on from the moment they are there: their source may still be making the
    next. For a single part there are no threads, and it is `map`.

    Example:
        >>> with workers(2) as each:
        ...     list(each(abs, [1, -2, 3]))
        [1, 2, 3]
    """
    if parts <= 1:
        yield map
        return
    with ThreadPoolExecutor(min(parts, pl.thread_pool_size())) as pool:
        yield pool.map
