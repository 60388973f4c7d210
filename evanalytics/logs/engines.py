"""Engines: the few things that each does in its own way, and polars'; all else is narwhals.

DuckDB's and Spark's are in files of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import narwhals.stable.v2 as nw
import polars as pl
import pyarrow.compute as pc

from evanalytics.logs.plain_files import PlainFiles
from evanalytics.logs.schema import ENVELOPE, SEQ, TIME

_COMPARED = 1_000_000

Frame = nw.LazyFrame[Any]
Words = Mapping[str, pl.Series]
"""The values of coded columns, by number."""
FrameFunction = Callable[[pl.DataFrame], pl.DataFrame]


class FrameEngine(Protocol):
    """What a plan of narwhals expressions needs of an engine besides running it.

    Attributes:
        name: What users call it.
        spills: Whether what it holds may be larger than this process's memory.
    """

    name: str
    spills: bool

    def scan(self, lazy: pl.LazyFrame, plain: PlainFiles | None) -> Frame:
        """Return a log's rows, not yet read.

        Args:
            lazy: The log.
            plain: The log's own files, if they hold just its rows.
        """
        ...

    def in_order(self, frame: Frame) -> Frame:
        """Return rows ready for `running_max`: on polars read now, in the order of `seq`."""
        ...

    def hold(self, frame: Frame) -> Frame:
        """Return a frame that is computed now and kept, for those who will ask several times."""
        ...

    def hold_in_order(self, make: Callable[[], Frame]) -> Frame:
        """Return what a function makes, held; in it `running_max` need not sort rows that are in order.

        Args:
            make: Makes the frame; perhaps twice.
        """
        ...

    def hold_marked(self, frame: Frame, key: Sequence[str], name: str) -> Frame:
        """Return a frame that says of each row whether its key was there already, ready to be asked often.

        Args:
            frame: With `seq`.
            key: The key's columns; a row with a null in one of them is never marked.
            name: The new column's.
        """
        ...

    def keep(self, frame: Frame) -> Frame:
        """Return a frame that is computed now, if keeping it is cheaper than computing it again."""
        ...

    def share(self, frame: Frame) -> Frame:
        """Return a frame of which several others will be made, computed now if that is cheaper."""
        ...

    def running_max(self, frame: Frame, column: str, name: str, by: Sequence[str] = ()) -> Frame:
        """Return a frame with the highest value of a column up to each row, in the order of `seq`.

        Args:
            frame: With `seq`; on polars in that order.
            column: Whose values.
            name: The new column's.
            by: Columns; each combination of their values (null is one) by itself.
        """
        ...

    def join_key(self, frame: Frame, columns: Sequence[str], name: str) -> Frame:
        """Return a frame with one column that is equal wherever all the columns are; not only there."""
        ...

    def join_slices(self, cells: int) -> int:
        """Return into how many spans of time to cut a join whose smaller side has so many cells."""
        ...

    def coded(self, frame: Frame, columns: Sequence[str]) -> tuple[Frame, Words]:
        """Return a frame with small numbers in place of values, and the values by number.

        Only columns that are quicker to group by as numbers are changed; the others have no words.
        """
        ...

    def spelled(self, frame: Frame, words: Words) -> Frame:
        """Return a frame with values in place of their numbers again."""
        ...

    def instants(self, frame: Frame, columns: Sequence[str]) -> Frame:
        """Return a frame with columns of microseconds since 1970 turned into instants in UTC."""
        ...

    def collect(self, frame: Frame) -> pl.DataFrame:
        """Return the rows, in no particular order."""
        ...

    def batches(self, frame: Frame, rows: int) -> Iterator[pl.DataFrame]:
        """Yield the rows in frames of at most so many, without holding them all."""
        ...

    def load(self, frame: pl.DataFrame) -> Frame:
        """Return rows that were computed elsewhere as a frame of this engine."""
        ...

    def close(self) -> None:
        """Give back what was held."""
        ...


class PolarsEngine:
    """Frames in memory."""

    name = "polars"
    spills = False

    def scan(self, lazy: pl.LazyFrame, plain: PlainFiles | None) -> Frame:
        """Return a log's rows, not yet read."""
        return nw.from_native(lazy)

    def in_order(self, frame: Frame) -> Frame:
        """Return rows read now, in the order of `seq`."""
        rows = self.collect(frame)
        return self.load(rows if rows[SEQ].is_sorted() else rows.sort(SEQ))

    def hold(self, frame: Frame) -> Frame:
        """Return a frame that is computed now and kept."""
        return self.load(self.collect(frame))

    def hold_in_order(self, make: Callable[[], Frame]) -> Frame:
        """Return the frame, computed now: its rows are in order."""
        return self.hold(make())

    def hold_marked(self, frame: Frame, key: Sequence[str], name: str) -> Frame:
        """Return the frame, computed now, with the rows marked whose key was there already."""
        return self.hold(frame.with_columns(was_there(key).alias(name)))

    def keep(self, frame: Frame) -> Frame:
        """Return a frame that is computed now: in memory, columns that do not change are not copied."""
        return self.hold(frame)

    def share(self, frame: Frame) -> Frame:
        """Return the frame as it is: choosing rows in memory again is quick, and a copy takes memory."""
        return frame

    def running_max(self, frame: Frame, column: str, name: str, by: Sequence[str] = ()) -> Frame:
        """Return a frame with the highest value so far; rows must stand in the order of `seq`."""
        highest = pl.col(column).cum_max()
        highest = highest.over(list(by)) if by else highest
        lazy: pl.LazyFrame = frame.to_native()
        return nw.from_native(lazy.with_columns(highest.alias(name)))

    def join_key(self, frame: Frame, columns: Sequence[str], name: str) -> Frame:
        """Return a frame with a hash of the columns: a join of 64-bit numbers is 4x one of texts."""
        key = pl.col(columns[0]) if len(columns) == 1 else pl.struct(list(columns))
        lazy: pl.LazyFrame = frame.to_native()
        return nw.from_native(lazy.with_columns(key.hash().alias(name)))

    def join_slices(self, cells: int) -> int:
        """Return 1: what does not fit into memory is not for this engine."""
        return 1

    def coded(self, frame: Frame, columns: Sequence[str]) -> tuple[Frame, Words]:
        """Return rows, read now, with numbers for texts and integers."""
        rows, words = self.collect(frame), {}
        for column in columns:
            if (found := dictionary_of(rows[column])) is not None:
                rows, words[column] = rows.with_columns(found[0].alias(column)), found[1]
        return self.load(rows), words

    def spelled(self, frame: Frame, words: Words) -> Frame:
        """Return a frame with the values instead of their numbers."""
        lazy: pl.LazyFrame = frame.to_native()
        values = (pl.lit(words[c]).gather(pl.col(c)).alias(c) for c in words)
        return nw.from_native(lazy.with_columns(values))

    def instants(self, frame: Frame, columns: Sequence[str]) -> Frame:
        """Return a frame with columns of microseconds since 1970 turned into instants in UTC."""
        lazy: pl.LazyFrame = frame.to_native()
        return nw.from_native(lazy.with_columns(pl.col(c).cast(ENVELOPE[TIME]) for c in columns))

    def collect(self, frame: Frame) -> pl.DataFrame:
        """Return the rows."""
        rows: pl.DataFrame = frame.to_native().collect()
        return rows

    def batches(self, frame: Frame, rows: int) -> Iterator[pl.DataFrame]:
        """Yield the rows in frames of at most so many."""
        yield from frame.to_native().collect_batches(chunk_size=rows, maintain_order=False)

    def load(self, frame: pl.DataFrame) -> Frame:
        """Return rows as a frame."""
        return nw.from_native(frame.lazy())

    def close(self) -> None:
        """Do nothing: memory goes with the frames."""


def was_there(key: Sequence[str]) -> nw.Expr:
    """Return whether a row has a key without nulls that a row before it has as well."""
    has_null = nw.any_horizontal(*(nw.col(column).is_null() for column in key), ignore_nulls=False)
    return (nw.col(SEQ).min().over(*key) < nw.col(SEQ)) & ~has_null


def dictionary_of(values: pl.Series) -> tuple[pl.Series, pl.Series] | None:
    """Return the number of each value (Int32), and the values by number; null is a value too.

    Values are told apart by 64-bit hashes, and then compared. None: the dtype is none of texts, integers
    and booleans, or two different values have one hash.
    """
    if not (values.dtype == pl.String or values.dtype == pl.Boolean or values.dtype.is_integer()):
        return None
    hashes = values.hash().rechunk().to_arrow()
    numbers = pl.Series(pc.dictionary_encode(hashes).indices)
    known = values.gather(numbers.arg_unique().sort())  # numbers count up in the order in which they appear
    parts = (slice(at, at + _COMPARED) for at in range(0, len(values), _COMPARED))  # all at once take memory
    same = all(known.gather(numbers[part]).eq_missing(values[part]).all() for part in parts)
    return (numbers, known) if same else None
