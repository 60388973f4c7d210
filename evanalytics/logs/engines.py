"""Engines: the few things that polars and DuckDB do each in its own way; all else is narwhals.

Spark's is in a file of its own, which needs PySpark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

import narwhals.stable.v2 as nw
import numpy as np
import polars as pl
import pyarrow.compute as pc

from evanalytics.logs.connection import connect, connect_spilling, quote_name
from evanalytics.logs.plain_files import PlainFiles
from evanalytics.logs.schema import ENVELOPE, SEQ, TIME

if TYPE_CHECKING:
    import duckdb

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


class DuckDBEngine:
    """Frames as relations of one connection; what is held lies in its temporary tables, which spill."""

    name = "duckdb"
    spills = True

    def __init__(
        self, connection: duckdb.DuckDBPyConnection | None = None, *, memory_bytes: int | None = None
    ) -> None:
        """Use a connection, or one of its own that spills past so many bytes."""
        self.connection = connection or connect_spilling(memory_bytes)
        self._numbers = count()

    def scan(self, lazy: pl.LazyFrame, plain: PlainFiles | None) -> Frame:
        """Return a log's rows: from its files, or else pulled through polars' scan."""
        return nw.from_native(to_duckdb(lazy, self.connection, plain=plain))

    def in_order(self, frame: Frame) -> Frame:
        """Return the rows as they are: `running_max` sorts."""
        return frame

    def hold(self, frame: Frame) -> Frame:
        """Return a frame that is computed now and kept in a temporary table."""
        name = f"held_{id(self)}_{next(self._numbers)}"
        self.connection.execute(f"CREATE TEMP TABLE {quote_name(name)} AS {frame.to_native().sql_query()}")
        return nw.from_native(self.connection.table(name))

    def keep(self, frame: Frame) -> Frame:
        """Return the frame as it is: writing a table costs more than its few expressions."""
        return frame

    def share(self, frame: Frame) -> Frame:
        """Return the frame in a table of its own."""
        return self.hold(frame)

    def running_max(self, frame: Frame, column: str, name: str, by: Sequence[str] = ()) -> Frame:
        """Return a frame with the highest value so far."""
        highest = nw.col(column).cum_max()
        return frame.with_columns(highest.over(*by, order_by=SEQ).alias(name))

    def join_key(self, frame: Frame, columns: Sequence[str], name: str) -> Frame:
        """Return a frame with the first column again: DuckDB hashes for itself."""
        return frame.with_columns(nw.col(columns[0]).alias(name))

    def coded(self, frame: Frame, columns: Sequence[str]) -> tuple[Frame, Words]:
        """Return the frame as it is: DuckDB groups by texts as quickly."""
        return frame, {}

    def spelled(self, frame: Frame, words: Words) -> Frame:
        """Return the frame as it is."""
        return frame

    def instants(self, frame: Frame, columns: Sequence[str]) -> Frame:
        """Return a frame with columns of microseconds since 1970 turned into instants in UTC."""
        made = (f"to_timestamp(0) + to_microseconds({quote_name(c)}) AS {quote_name(c)}" for c in columns)
        relation: duckdb.DuckDBPyRelation = frame.to_native()
        return nw.from_native(relation.select(f"* REPLACE ({', '.join(made)})"))

    def collect(self, frame: Frame) -> pl.DataFrame:
        """Return the rows."""
        rows: pl.DataFrame = frame.to_native().pl()
        return rows

    def batches(self, frame: Frame, rows: int) -> Iterator[pl.DataFrame]:
        """Yield the rows in frames of at most so many."""
        for batch in frame.to_native().to_arrow_reader(rows):
            yield pl.DataFrame(batch)

    def load(self, frame: pl.DataFrame) -> Frame:
        """Return rows as a frame."""
        name = f"loaded_{id(self)}_{next(self._numbers)}"
        self.connection.register(name, frame)
        return nw.from_native(self.connection.table(name))

    def close(self) -> None:
        """Drop what was held, by closing the connection."""
        self.connection.close()


def to_duckdb(
    lazy: pl.LazyFrame,
    connection: duckdb.DuckDBPyConnection | None = None,
    *,
    plain: PlainFiles | None = None,
) -> duckdb.DuckDBPyRelation:
    """Return a polars frame as a DuckDB relation that reads it lazily.

    DuckDB pulls only the columns and rows that a query needs: from the log's files by itself where
    they hold just its rows, else through polars' own scan.
    """
    connection = connection or connect()
    if plain is not None:
        return connection.sql(plain.sql())
    name = f"log_{id(lazy)}"
    connection.register(name, lazy)
    return connection.table(name)


def dictionary_of(values: pl.Series) -> tuple[pl.Series, pl.Series] | None:
    """Return the number of each value (Int32), and the values by number; null is a value too.

    Values are told apart by 64-bit hashes, and then compared. None: the dtype is none of texts, integers
    and booleans, or two different values have one hash.
    """
    if not (values.dtype == pl.String or values.dtype == pl.Boolean or values.dtype.is_integer()):
        return None
    hashes = values.hash().rechunk().to_arrow()
    numbers = pl.Series(pc.dictionary_encode(hashes).indices)
    first = np.empty(numbers.n_unique(), dtype=np.int64)
    backwards = np.arange(len(numbers) - 1, -1, -1)
    first[numbers.to_numpy()[::-1]] = backwards  # of equal numbers the last one written stays
    known = values.gather(first)
    same = known.gather(numbers).eq_missing(values).all()
    return (numbers, known) if same else None
