"""DuckDB as an engine: frames are relations of one connection, and what is held may spill to disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

import narwhals.stable.v2 as nw
import polars as pl

from evanalytics.logs.connection import connect, connect_spilling, quote_name
from evanalytics.logs.engines import Frame, Words, was_there
from evanalytics.logs.plain_files import PlainFiles
from evanalytics.logs.schema import SEQ
from evanalytics.logs.sources import ReadLimits
from evanalytics.logs.stage import TemporaryFolder

if TYPE_CHECKING:
    import duckdb

_CELL_BYTES = 24


class _Span(NamedTuple):
    """Rows by their `seq`: from the first on, up to the end."""

    first: int
    end: int


_OUT_OF_ORDER = "evanalytics: rows are not in the order of seq"


class DuckDBEngine:
    """Frames as relations of one connection; what is held lies in its temporary tables, which spill."""

    name = "duckdb"
    spills = True

    def __init__(
        self, connection: duckdb.DuckDBPyConnection | None = None, *, memory_bytes: int | None = None
    ) -> None:
        """Use a connection, or one of its own that spills past so many bytes."""
        self.connection = connection or connect_spilling(memory_bytes)
        self._memory_bytes = memory_bytes
        self._numbers = count()
        self._may_stream = False
        self._span: _Span | None = None
        self._sees_python = False
        self._folder: TemporaryFolder | None = None

    def scan(self, lazy: pl.LazyFrame, plain: PlainFiles | None) -> Frame:
        """Return a log's rows: from its files, or else pulled through polars' scan."""
        self._sees_python |= plain is None
        return nw.from_native(to_duckdb(lazy, self.connection, plain=plain))

    def in_order(self, frame: Frame) -> Frame:
        """Return the rows as they are: `running_max` sorts."""
        return frame

    def hold(self, frame: Frame) -> Frame:
        """Return a frame that is computed now and kept in a temporary table."""
        return nw.from_native(self.connection.table(self._table(frame.to_native().sql_query())))

    def hold_in_order(self, make: Callable[[], Frame]) -> Frame:
        """Return what a function makes, held; a large frame in a file, where DuckDB compresses it.

        A running maximum over rows as they come takes a third of the time that sorting them takes, and no
        memory. The queries themselves look whether they come in order; if not, they are sorted after all.
        """
        import duckdb

        self._may_stream = True
        try:
            held = self._in_file(make)
            return self.hold(make()) if held is None else held
        except duckdb.InvalidInputException as error:
            if _OUT_OF_ORDER not in str(error):
                raise
        finally:
            self._may_stream, self._span = False, None
        return self.hold(make())

    def hold_marked(self, frame: Frame, key: Sequence[str], name: str) -> Frame:
        """Return the frame with the rows marked whose key was there already; what is held is their `seq`s.

        Only rows whose key's hash occurs twice are compared, for they are few, and hashes are smaller than
        keys. Of floats equal ones may have different hashes (0.0 and -0.0): these are compared all.
        """
        if any(frame.collect_schema()[column].is_float() for column in key):
            return self.hold(frame.with_columns(was_there(key).alias(name)))
        rows, keys = frame.to_native().sql_query(), ", ".join(map(quote_name, key))
        complete = " AND ".join(f"{quote_name(column)} IS NOT NULL" for column in key)
        hashes = self._table(
            f"SELECT hash({keys}) AS h FROM ({rows}) WHERE {complete} GROUP BY h HAVING count(*) > 1"
        )
        seq = quote_name(SEQ)
        again = self._table(
            f"SELECT {seq} FROM (SELECT {seq}, min({seq}) OVER (PARTITION BY {keys}) AS first FROM ({rows}) "
            f"WHERE {complete} AND hash({keys}) IN (SELECT h FROM {hashes})) WHERE first < {seq}"
        )
        marked = self.connection.sql(
            f"SELECT r.*, a.{seq} IS NOT NULL AS {quote_name(name)} "
            f"FROM ({rows}) AS r LEFT JOIN {again} AS a ON r.{seq} = a.{seq}"
        )
        return nw.from_native(marked)

    def keep(self, frame: Frame) -> Frame:
        """Return the frame as it is: writing a table costs more than its few expressions."""
        return frame

    def share(self, frame: Frame) -> Frame:
        """Return the frame in a table of its own."""
        return self.hold(frame)

    def running_max(self, frame: Frame, column: str, name: str, by: Sequence[str] = ()) -> Frame:
        """Return a frame with the highest value so far."""
        if by or not self._may_stream:
            highest = nw.col(column).cum_max()
            return frame.with_columns(highest.over(*by, order_by=SEQ).alias(name))
        return nw.from_native(self._running_max(frame, column, name))

    def join_key(self, frame: Frame, columns: Sequence[str], name: str) -> Frame:
        """Return a frame with the first column again: DuckDB hashes for itself."""
        return frame.with_columns(nw.col(columns[0]).alias(name))

    def join_slices(self, cells: int) -> int:
        """Return so many that a slice's smaller side takes a third of the memory.

        A join whose hash table does not fit writes both sides to disk; slices read what is there once more
        at their borders, and took 28 s instead of 49 s at 50M events.
        """
        budget = ReadLimits().memory_budget() if self._memory_bytes is None else self._memory_bytes // 3
        return cells * _CELL_BYTES // budget + 1

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
        self._sees_python = True
        self.connection.register(name, frame)
        return nw.from_native(self.connection.table(name))

    def close(self) -> None:
        """Drop what was held, by closing the connection."""
        self.connection.close()

    def _table(self, query: str) -> str:
        """Write what a query brings into a temporary table, and return its name."""
        name = f"held_{id(self)}_{next(self._numbers)}"
        self.connection.execute(f"CREATE TEMP TABLE {name} AS {query}")
        return name

    def _running_max(self, frame: Frame, column: str, name: str) -> duckdb.DuckDBPyRelation:
        """Return a frame with the highest value so far of rows as they come: those of the span, if any."""
        seq, value = quote_name(SEQ), quote_name(column)
        relation: duckdb.DuckDBPyRelation = frame.to_native()
        highest = f"max({value}) OVER (ROWS UNBOUNDED PRECEDING)"
        if self._span is not None:
            is_before = f"{seq} < {self._span.first}"
            ((before,),) = relation.filter(is_before).aggregate(f"max({value})").fetchall()
            relation = relation.filter(f"{seq} >= {self._span.first} AND {seq} < {self._span.end}")
            highest = highest if before is None else f"greatest({highest}, {before})"
        running = f"CASE WHEN {seq} < lag({seq}) OVER () THEN error('{_OUT_OF_ORDER}') ELSE {highest} END"
        others = [quote_name(c) for c in frame.collect_schema() if c != name]
        return relation.select(f"{', '.join(others)}, {running} AS {quote_name(name)}")

    def _in_file(self, make: Callable[[], Frame]) -> Frame | None:
        """Return what a function makes, in tables of a file, a span in each; None: it is small.

        Each thread writes a span. What is read through Python one connection alone can read: it is not cut.
        """
        frame = make()
        ((last,),) = frame.to_native().aggregate(f"max({quote_name(SEQ)})").fetchall()
        rows = 0 if last is None else last + 1
        if self._sees_python or self.join_slices(rows * len(frame.collect_schema())) == 1:
            return None
        queries, count = [], pl.thread_pool_size()
        for number in range(count):
            self._span = _Span(rows * number // count, rows * (number + 1) // count)
            queries.append(make().to_native().sql_query())
        tables = [f"{self._file()}.span_{next(self._numbers)}" for _ in queries]

        def write(table: str, query: str) -> None:
            with self.connection.cursor() as connection:
                connection.execute(f"CREATE TABLE {table} AS {query}")

        with ThreadPoolExecutor(count) as threads:
            list(threads.map(write, tables, queries))
        return nw.from_native(self.connection.sql(" UNION ALL ".join(f"FROM {table}" for table in tables)))

    def _file(self) -> str:
        """Return the name of a database in a temporary file, which goes with this engine."""
        if self._folder is None:
            self._folder = TemporaryFolder()
            path = str(self._folder.path / "held.duckdb").replace("'", "''")
            self.connection.execute(f"ATTACH '{path}' AS held_in_file")
            self.connection.execute("SET checkpoint_threshold = '1TB'")  # nothing is to outlive this process
        return "held_in_file"


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
