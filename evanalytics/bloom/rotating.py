"""A filter that forgets: live dedupe over a time window, in memory that stays the same."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl

from evanalytics.bloom.bits import Flags
from evanalytics.bloom.columns import Id, IdType, dtype_named, refuse_unfit
from evanalytics.bloom.index import BloomFilterIndex
from evanalytics.durations import Duration, duration_us, parse_duration
from evanalytics.exceptions import BloomError


class RotatingBloomFilterIndex:
    """Remembers ids for a window of time, and forgets them a part of the window later.

    Time is cut into parts of window / (generations - 1), each with a filter of its own; when a
    part begins that is `generations` after another, the older one is dropped. Time is the
    running maximum of the `ts` that are passed in, so a late event counts as arriving now: it
    is remembered for a window like any other. Nothing depends on a wall clock.

    Each filter gets `error_rate / generations`, so that all together keep the error rate; each
    is made for `capacity / (generations - 1)` ids.

    Attributes:
        error_rate: Share of absent ids that may be claimed to be there.
        capacity: How many different ids come in one window.
        dtype: What ids are, as in `BloomFilterIndex`.
        window: How long an id is remembered at least.

    Example:
        >>> seen = RotatingBloomFilterIndex("1h", capacity=1_000)
        >>> hour = 3_600_000_000
        >>> seen.add("order-1", ts=0), seen.add("order-1", ts=hour), seen.add("order-1", ts=5 * hour)
        (True, False, True)
    """

    def __init__(
        self,
        window: Duration,
        error_rate: float = 0.001,
        capacity: int = 1_000_000,
        *,
        generations: int = 5,
        dtype: IdType | pl.DataType = pl.String,
    ) -> None:
        """Make an empty index.

        Args:
            window: How long an id is remembered at least; at most a part of it longer.
            error_rate: Share of absent ids that may be claimed to be there.
            capacity: How many different ids come in one window.
            generations: How many filters there are, from 2: more forget sooner and take longer.
            dtype: What ids are.

        Raises:
            BloomError: A value makes no sense.
            DurationError: The window cannot be read.
        """
        if not isinstance(generations, int) or not 2 <= generations <= 1_000:
            raise BloomError(f"generations: needs a whole number from 2 to 1000, got {generations!r}")
        self.window = parse_duration(window, name="window", allow_zero=False)
        self.error_rate = error_rate
        self.capacity = capacity
        self.dtype = dtype_named(dtype)
        self._generations = generations
        self._part_us = -(-duration_us(self.window) // (generations - 1))
        self._newest: int | None = None
        self._parts: dict[int, BloomFilterIndex] = {}
        self._part()  # so that an error rate or capacity that makes no sense is refused now

    def add(self, id: Id, *, ts: int) -> bool:
        """Add one id at an instant (microseconds); return whether it was surely not remembered.

        An id that was is remembered anew.

        Raises:
            BloomError: The id is not of the index's dtype.
        """
        current = self._advance(ts // self._part_us)
        is_new = not any(part.might_contain(id) for part in self._parts.values() if part is not current)
        return current.add(id) and is_new

    def add_many(self, ids: pl.Series, ts: pl.Series) -> pl.Series:
        """Add a column of ids in order of arrival; return for each whether it was surely not remembered.

        `frame.filter(seen.add_many(frame["id"], frame["ts"]))` drops what came within the window.

        Args:
            ids: The ids.
            ts: Their instants in microseconds (Int64), in any order.

        Raises:
            BloomError: A column has another dtype, or nulls, or they differ in length.
        """
        refuse_unfit(ids, self.dtype)
        if ts.dtype != pl.Int64 or ts.null_count() or len(ts) != len(ids):
            raise BloomError(
                f"ts: needs an Int64 of microseconds for each of {len(ids):,} ids, got {len(ts):,} values "
                f"of {ts.dtype} with {ts.null_count():,} nulls"
            )
        part_of_row = np.maximum.accumulate(ts.to_numpy() // self._part_us)
        if self._newest is not None:
            part_of_row = np.maximum(part_of_row, self._newest)
        borders = [0, *(np.flatnonzero(np.diff(part_of_row)) + 1).tolist(), len(ids)]
        flags = [np.empty(0, np.bool_)]
        for begin, end in pairwise(borders):
            if begin < end:
                flags.append(self._add_rows(ids.slice(begin, end - begin), int(part_of_row[begin])))
        return pl.Series(ids.name, np.concatenate(flags))

    def might_contain(self, id: Id) -> bool:
        """Return False if the id surely did not come within the window, True if it perhaps did.

        Raises:
            BloomError: The id is not of the index's dtype.
        """
        return any(part.might_contain(id) for part in self._parts.values())

    __contains__ = might_contain

    @property
    def bytes(self) -> int:
        """Memory of the bits, in bytes."""
        return sum(part.bytes for part in self._parts.values())

    @property
    def error_rate_now(self) -> float:
        """Share of absent ids that the bits as they are claim to hold."""
        return float(1 - np.prod([1 - part.error_rate_now for part in self._parts.values()]))

    def _add_rows(self, ids: pl.Series, part: int) -> Flags:
        current = self._advance(part)
        older = [p.might_contain_many(ids).to_numpy() for p in self._parts.values() if p is not current]
        is_new = current.add_many(ids).to_numpy()
        return is_new & ~np.logical_or.reduce(older) if older else is_new

    def _advance(self, part: int) -> BloomFilterIndex:
        """Go on to a part of time, drop what is too old, and return the filter that takes ids now."""
        if self._newest is None or part > self._newest:
            self._newest = part
            oldest = part - self._generations + 1
            self._parts = {number: kept for number, kept in self._parts.items() if number >= oldest}
            self._parts[part] = self._part()
        return self._parts[self._newest]

    def _part(self) -> BloomFilterIndex:
        capacity = -(-self.capacity // (self._generations - 1))
        return BloomFilterIndex(self.error_rate / self._generations, capacity, dtype=self.dtype)
