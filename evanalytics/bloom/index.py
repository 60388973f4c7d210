"""`BloomFilterIndex`: a set of ids that may answer "perhaps", in ten bits an id."""

from __future__ import annotations

import os
import warnings
from typing import Any, Self

import numpy as np
import polars as pl

from evanalytics.bloom.bits import Words, bits_over, error_rate_of, set_bits, unset_words
from evanalytics.bloom.columns import Id, IdType, dtype_named, encoder, refuse_unfit
from evanalytics.bloom.sidecar import StoredFilter, read_sidecar, write_sidecar
from evanalytics.bloom.sizing import Shape, capacity_of, shape_for
from evanalytics.exceptions import BloomError, CapacityWarning


class BloomFilterIndex:
    """Holds ids so that "no" is certain and "perhaps" is wrong at a known rate.

    From an error rate of 0.1 % up, the bits are those of Parquet's split-block Bloom filter
    with xxHash64 (seed 0), bit for bit: the same that DuckDB and pyarrow use. Below, a classic
    layout is used, which needs fewer bits there. With numba installed an id of a column costs
    15 to 50 ns and a single one 0.5 us; without, numpy sets the same bits at 160 to 1,200 ns and
    35 us. The first use of all compiles for some seconds, and keeps the result on disk.

    For a one-off dedupe in memory a semi join is simpler and exact. A filter earns its place as
    a saved index, and as live dedupe in bounded memory. Add from one thread at a time; asking
    from several is fine.

    Attributes:
        error_rate: Share of absent ids that may be claimed to be there, once full.
        capacity: How many different ids it is made for; past it there is one `CapacityWarning`.
        dtype: pl.String, pl.Binary, pl.Int64 or pl.Int32; integers of another width hash differently.
        shape: The layout and its size.
        count: How many ids found a bit of theirs unset: the different ones, less a few that
            were taken for one already there.

    Example:
        >>> index = BloomFilterIndex(error_rate=0.01, capacity=1_000)
        >>> index.add("order-1")
        True
        >>> index.might_contain("order-1"), index.might_contain("order-2")
        (True, False)
    """

    count: int

    def __init__(
        self, error_rate: float = 0.01, capacity: int = 1_000_000, *, dtype: IdType | pl.DataType = pl.String
    ) -> None:
        """Make an empty index.

        Raises:
            BloomError: A value makes no sense, or the filter would pass its format's limit.
        """
        self._start(shape_for(error_rate, capacity), error_rate, capacity, dtype)

    @classmethod
    def of_shape(
        cls,
        shape: Shape,
        *,
        error_rate: float = 0.01,
        capacity: int | None = None,
        dtype: IdType | pl.DataType = pl.String,
        words: Words | None = None,
        count: int | None = None,
    ) -> Self:
        """Make an index of a given size, empty or with given bits.

        Args:
            shape: The layout and its size.
            error_rate: What it promises.
            capacity: How many ids that holds for; found from the two above if left out.
            dtype: What ids are.
            words: The bits, as uint32 that are copied; none are set if left out.
            count: How many ids they hold; estimated from them if left out.

        Raises:
            BloomError: The words do not fit the shape, or a value makes no sense.
        """
        self = cls.__new__(cls)
        self._start(shape, error_rate, capacity or capacity_of(shape, error_rate), dtype)
        if words is not None:
            if words.nbytes != shape.bytes:
                raise BloomError(f"bits: {shape} has {shape.bytes:,} bytes, got {words.nbytes:,}")
            self._words[:] = words
            self.count = self.estimated_count if count is None else count
            self._has_warned = self.count > self.capacity
        return self

    def add(self, id: Id) -> bool:
        """Add one id; return whether it was surely not there before.

        Raises:
            BloomError: The id is not of the index's dtype.
        """
        try:
            is_new = self._add_one(self._encode(id))
        except (TypeError, ValueError, OverflowError) as error:
            raise self._unfit(id, error) from error
        if is_new:
            self.count += 1
            if self.count > self.capacity:
                self._warn()
        return is_new

    def might_contain(self, id: Id) -> bool:
        """Return False if the id was surely never added, True if it perhaps was.

        Raises:
            BloomError: The id is not of the index's dtype.
        """
        try:
            return self._find_one(self._encode(id))
        except (TypeError, ValueError, OverflowError) as error:
            raise self._unfit(id, error) from error

    __contains__ = might_contain

    def add_many(self, ids: pl.Series) -> pl.Series:
        """Add a column of ids; return for each whether it was surely not there before.

        Ids are taken one after the other, so that of two equal ones in a column only the first
        is new: `frame.filter(index.add_many(frame["id"]))` drops redelivered events.

        Returns:
            A Boolean column as long as `ids`.

        Raises:
            BloomError: The column has another dtype, or nulls; nothing was added then.
        """
        refuse_unfit(ids, self.dtype)
        is_new = self._bits.add(ids)
        self.count += int(np.count_nonzero(is_new))
        if self.count > self.capacity:
            self._warn()
        return pl.Series(ids.name, is_new)

    def might_contain_many(self, ids: pl.Series) -> pl.Series:
        """Return for each id of a column False if it was surely never added, else True.

        Raises:
            BloomError: The column has another dtype, or nulls.
        """
        refuse_unfit(ids, self.dtype)
        return pl.Series(ids.name, self._bits.find(ids))

    @property
    def error_rate_now(self) -> float:
        """Share of absent ids that the bits as they are claim to hold; reads all of them."""
        return error_rate_of(self._words, self.shape)

    @property
    def estimated_count(self) -> int:
        """About how many different ids set these bits; past capacity closer than `count`."""
        return round(self.shape.items(set_bits(self._words)))

    @property
    def bytes(self) -> int:
        """Memory of the bits, in bytes."""
        return self.shape.bytes

    @property
    def words(self) -> Words:
        """The bits, as uint32 that cannot be written to."""
        words = self._words.view()
        words.flags.writeable = False
        return words

    def union(self, other: BloomFilterIndex) -> BloomFilterIndex:
        """Return the index that holds what either holds: the one that adding both would have made.

        Its count is estimated from its bits. `|` does the same.

        Raises:
            BloomError: They differ in shape or dtype.
        """
        if (other.shape, other.dtype) != (self.shape, self.dtype):
            raise BloomError(
                f"union: needs equal shapes and dtypes, got {self.shape} of {self.dtype} and {other.shape} "
                f"of {other.dtype}; make both with the same error rate and capacity"
            )
        return BloomFilterIndex.of_shape(
            self.shape,
            error_rate=self.error_rate,
            capacity=self.capacity,
            dtype=self.dtype,
            words=self._words | other._words,
        )

    __or__ = union

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to a file, whole or not at all; `evanalytics.bloom.sidecar` says what is in it.

        Raises:
            BloomError: The file cannot be written.
        """
        write_sidecar(path, [self.to_stored()])

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read an index that `save` wrote.

        Raises:
            BloomError: There is no such file, it is damaged, or it holds several filters.
        """
        found = read_sidecar(path)
        if len(found) != 1:
            raise BloomError(f"{path}: holds {len(found):,} filters; read it with read_sidecar")
        return cls.from_stored(found[0])

    def to_stored(
        self, *, file: str | None = None, row_group: int | None = None, note: str = ""
    ) -> StoredFilter:
        """Return the index as a row of a sidecar, with what it is of."""
        return StoredFilter(
            shape=self.shape,
            words=self.words,
            rows=self.count,
            capacity=self.capacity,
            error_rate=self.error_rate,
            dtype=self.dtype,
            file=file,
            row_group=row_group,
            note=note,
        )

    @classmethod
    def from_stored(cls, stored: StoredFilter) -> Self:
        """Return the index that a row of a sidecar holds."""
        return cls.of_shape(
            stored.shape,
            error_rate=stored.error_rate,
            capacity=stored.capacity,
            dtype=stored.dtype,
            words=stored.words,
            count=stored.rows,
        )

    def __len__(self) -> int:
        return self.count

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        """Equal indexes give equal answers: same shape, dtype and bits."""
        if not isinstance(other, BloomFilterIndex):
            return NotImplemented
        same = (self.shape, self.dtype) == (other.shape, other.dtype)
        return same and bool(np.array_equal(self._words, other._words))

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return (
            f"<BloomFilterIndex of {self.count:,} ids ({self.dtype}), made for {self.capacity:,} "
            f"at {self.error_rate:g}: {self.shape}>"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_stored, (self.to_stored(),)

    def _start(self, shape: Shape, error_rate: float, capacity: int, dtype: Any) -> None:
        self.error_rate = error_rate
        self.capacity = capacity
        self.dtype = dtype_named(dtype)
        self.shape = shape
        self.count = 0
        self._has_warned = False
        self._words: Words = unset_words(shape)
        self._bits = bits_over(self._words, shape)
        self._encode = encoder(self.dtype)
        self._find_one, self._add_one = self._bits.find_one, self._bits.add_one

    def _unfit(self, id: Any, error: Exception) -> BloomError:
        return BloomError(f"id {id!r}: this index holds {self.dtype}: {error}")

    def _warn(self) -> None:
        if not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"the Bloom filter was made for {self.capacity:,} ids and holds {self.count:,}: its error "
                "rate rises, see error_rate_now; make a larger one, or a ScalableBloomFilterIndex",
                CapacityWarning,
                stacklevel=3,
            )
