"""A filter that grows: for logs whose number of ids nobody knows beforehand."""

from __future__ import annotations

import json
import os
from typing import Self

import numpy as np
import polars as pl

from evanalytics.bloom.bits import Flags
from evanalytics.bloom.columns import Id, IdType, dtype_named, refuse_unfit
from evanalytics.bloom.index import BloomFilterIndex
from evanalytics.bloom.sidecar import read_sidecar, write_sidecar
from evanalytics.exceptions import BloomError


class ScalableBloomFilterIndex:
    """Holds any number of ids at one error rate, by adding a larger filter whenever one is full.

    Filter i gets error rate P * (1 - r) * r^i, which sums up to P over all that can ever come
    (Almeida et al. 2007, whose own series lets the sum reach P / (1 - r)). The price is memory,
    more bits for each later id, and time, a look into each filter.

    Attributes:
        error_rate: Share of absent ids that may be claimed to be there, however many are added.
        dtype: What ids are, as in `BloomFilterIndex`.
        growth: How many times the capacity of the last filter the next one has.
        tightening: r, how the error rate of the next filter relates to the last one's.
        filters: The filters so far, the one that still takes ids last.

    Example:
        >>> index = ScalableBloomFilterIndex(error_rate=0.01, capacity=100)
        >>> is_new = index.add_many(pl.Series([f"order-{n}" for n in range(1_000)]))
        >>> len(index.filters), index.might_contain("order-999")
        (4, True)
    """

    def __init__(
        self,
        error_rate: float = 0.01,
        capacity: int = 1_000_000,
        *,
        dtype: IdType | pl.DataType = pl.String,
        growth: int = 2,
        tightening: float = 0.5,
    ) -> None:
        """Make an empty index whose first filter holds `capacity` ids.

        Raises:
            BloomError: A value makes no sense.
        """
        if not isinstance(growth, int) or growth < 1:
            raise BloomError(f"growth: needs a whole number of at least 1, got {growth!r}")
        if not 0 < tightening < 1:
            raise BloomError(f"tightening: needs a share between 0 and 1, got {tightening!r}")
        self.error_rate = error_rate
        self.dtype = dtype_named(dtype)
        self.growth = growth
        self.tightening = tightening
        self._capacity = capacity
        self.filters: list[BloomFilterIndex] = []
        self._grow()

    def add(self, id: Id) -> bool:
        """Add one id; return whether it was surely not there before.

        Raises:
            BloomError: The id is not of the index's dtype.
        """
        if any(full.might_contain(id) for full in self.filters[:-1]):
            return False
        is_new = self.filters[-1].add(id)
        if is_new:
            self._grow_if_full()
        return is_new

    def might_contain(self, id: Id) -> bool:
        """Return False if the id was surely never added, True if it perhaps was.

        Raises:
            BloomError: The id is not of the index's dtype.
        """
        return any(part.might_contain(id) for part in reversed(self.filters))

    __contains__ = might_contain

    def add_many(self, ids: pl.Series) -> pl.Series:
        """Add a column of ids; return for each whether it was surely not there before.

        Raises:
            BloomError: The column has another dtype, or nulls; nothing was added then.
        """
        refuse_unfit(ids, self.dtype)
        parts, begin = [np.empty(0, np.bool_)], 0
        while begin < len(ids):
            room = self.filters[-1].capacity - self.filters[-1].count
            rows = ids.slice(begin, room)
            is_new = ~_found(self.filters[:-1], rows)
            is_new[is_new] = self.filters[-1].add_many(rows.filter(pl.Series(is_new))).to_numpy()
            parts.append(is_new)
            begin += len(rows)
            self._grow_if_full()
        return pl.Series(ids.name, np.concatenate(parts))

    def might_contain_many(self, ids: pl.Series) -> pl.Series:
        """Return for each id of a column False if it was surely never added, else True.

        Raises:
            BloomError: The column has another dtype, or nulls.
        """
        refuse_unfit(ids, self.dtype)
        return pl.Series(ids.name, _found(self.filters, ids))

    @property
    def count(self) -> int:
        """How many ids found a bit of theirs unset."""
        return sum(part.count for part in self.filters)

    @property
    def error_rate_now(self) -> float:
        """Share of absent ids that the bits as they are claim to hold, in any of the filters."""
        return float(1 - np.prod([1 - part.error_rate_now for part in self.filters]))

    @property
    def bytes(self) -> int:
        """Memory of the bits, in bytes."""
        return sum(part.bytes for part in self.filters)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all filters to one file, whole or not at all.

        Raises:
            BloomError: The file cannot be written.
        """
        series = {"error_rate": self.error_rate, "capacity": self._capacity}
        note = json.dumps(series | {"growth": self.growth, "tightening": self.tightening})
        write_sidecar(path, [part.to_stored(note=note) for part in self.filters])

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read an index that `save` wrote; it goes on growing where it was.

        Raises:
            BloomError: There is no such file, it is damaged, or it holds something else.
        """
        stored = read_sidecar(path)
        try:
            self = cls(**json.loads(stored[0].note), dtype=stored[0].dtype)
        except (IndexError, TypeError, ValueError) as error:
            raise BloomError(
                f"{path}: holds no filter that grows; BloomFilterIndex.load reads others"
            ) from error
        self.filters = [BloomFilterIndex.from_stored(part) for part in stored]
        return self

    def __len__(self) -> int:
        return self.count

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return (
            f"<ScalableBloomFilterIndex of {self.count:,} ids ({self.dtype}) at {self.error_rate:g}: "
            f"{len(self.filters)} filters, {self.bytes:,} bytes>"
        )

    def _grow_if_full(self) -> None:
        if self.filters[-1].count >= self.filters[-1].capacity:
            self._grow()

    def _grow(self) -> None:
        step = len(self.filters)
        error_rate = self.error_rate * (1 - self.tightening) * self.tightening**step
        capacity = self._capacity * self.growth**step
        self.filters.append(BloomFilterIndex(error_rate, capacity, dtype=self.dtype))


def _found(filters: list[BloomFilterIndex], ids: pl.Series) -> Flags:
    """Return which ids any of the filters may hold, asking each only for what is still open."""
    found = np.zeros(len(ids), np.bool_)
    for part in filters:
        open_rows = ~found
        found[open_rows] = part.might_contain_many(ids.filter(pl.Series(open_rows))).to_numpy()
    return found
