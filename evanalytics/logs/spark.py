"""The Spark engine: a log's columns as a PySpark frame, in a session that the user gives."""

from __future__ import annotations

import atexit
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import polars as pl

from evanalytics.exceptions import EngineError
from evanalytics.logs.engines import Frame, FrameFunction, Words, was_there
from evanalytics.logs.plain_files import PlainFiles
from evanalytics.logs.schema import SEQ, TIME, TS

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

Spark = Any
"""A `pyspark.sql.SparkSession`, or the address of a Spark Connect server such as "sc://host:15002"."""

_BLOCK = 1_000_000  # rows whose running highest value one task computes
_THROUGH_DRIVER = 500_000  # rows that go to Spark by Arrow; more of them by way of a file
_SPARKS_OWN = "200"  # shuffle partitions, where nobody has said how many
_PART, _BEFORE = "__part", "__before"


class SparkEngine:
    """Frames of a Spark session; what is held lies in the memory and on the disks of its executors.

    The session is the user's: it is neither started nor stopped here, and its settings stay. Plans run
    in a new session beside it, in UTC, with case-sensitive names, and with twice as many shuffle
    partitions as there are cores unless the user has set another number than Spark's 200.

    Attributes:
        session: The session that plans run in.
    """

    name = "spark"
    spills = True

    def __init__(self, spark: Spark, *, folder: str | None = None) -> None:
        """Work beside a session.

        Args:
            spark: The session, or a Spark Connect address.
            folder: Where a log is copied to that Spark cannot read as it lies: this process and every
                executor must see it. By default a folder for temporary files, which does on one machine.

        Raises:
            EngineError: PySpark is not installed, or this is no session.
        """
        self.session = _beside(_session(spark))
        self._folder = folder
        self._held: list[DataFrame] = []
        self._copies: list[tempfile.TemporaryDirectory[str]] = []
        weakref.finalize(self, _give_back, self._held, self._copies).atexit = False  # the session ends, too

    def scan(self, lazy: pl.LazyFrame, plain: PlainFiles | None) -> Frame:
        """Return a log's rows: from its files, or else from a copy."""
        if plain is not None:
            return _frame(self._as_they_lie(plain))
        if int(lazy.select(pl.len()).collect().item()) <= _THROUGH_DRIVER:
            return self.load(lazy.collect())
        copy = tempfile.TemporaryDirectory(prefix="evanalytics-", dir=self._folder)
        self._copies.append(copy)
        path = Path(copy.name) / "log.parquet"
        lazy.sink_parquet(path)
        path.parent.chmod(0o755)  # executors may run as somebody else
        return _frame(self.session.read.parquet(path.as_uri()))

    def in_order(self, frame: Frame) -> Frame:
        """Return the rows as they are: `running_max` sorts."""
        return frame

    def hold(self, frame: Frame) -> Frame:
        """Return a frame that is computed once and kept; a part that is lost is computed again."""
        native: DataFrame = frame.to_native().persist()
        self._held.append(native)
        return _frame(native)

    def hold_in_order(self, make: Callable[[], Frame]) -> Frame:
        """Return the frame, kept: `running_max` has ways of its own."""
        return self.hold(make())

    def hold_marked(self, frame: Frame, key: Sequence[str], name: str) -> Frame:
        """Return the frame, kept, with the rows marked whose key was there already."""
        return self.hold(frame.with_columns(was_there(key).alias(name)))

    def keep(self, frame: Frame) -> Frame:
        """Return the frame as it is: to keep it costs more than its few expressions."""
        return frame

    def share(self, frame: Frame) -> Frame:
        """Return the frame, kept."""
        return self.hold(frame)

    def running_max(self, frame: Frame, column: str, name: str, by: Sequence[str] = ()) -> Frame:
        """Return a frame with the highest value so far.

        Without keys it is computed for blocks of rows by themselves, and the blocks before are brought
        in afterwards: one window over the whole log would be the work of a single task.
        """
        if by:
            return frame.with_columns(nw.col(column).cum_max().over(*by, order_by=SEQ).alias(name))
        native: DataFrame = frame.to_native().selectExpr("*", f"{SEQ} div {_BLOCK} AS {_PART}")
        highest = native.groupBy(_PART).agg({column: "max"}).toDF(_PART, _BEFORE)
        until = "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
        before = highest.selectExpr(_PART, f"max({_BEFORE}) OVER (ORDER BY {_PART} {until}) AS {_BEFORE}")
        within = f"max({_quoted(column)}) OVER (PARTITION BY {_PART} ORDER BY {SEQ} ROWS UNBOUNDED PRECEDING)"
        others = [_quoted(c) for c in frame.collect_schema() if c != name]
        joined = native.join(before.hint("broadcast"), on=_PART, how="left")
        return _frame(joined.selectExpr(*others, f"greatest({within}, {_BEFORE}) AS {_quoted(name)}"))

    def join_key(self, frame: Frame, columns: Sequence[str], name: str) -> Frame:
        """Return a frame with the first column again: Spark hashes for itself."""
        return frame.with_columns(nw.col(columns[0]).alias(name))

    def join_slices(self, cells: int) -> int:
        """Return 1: Spark cuts joins by their keys."""
        return 1

    def coded(self, frame: Frame, columns: Sequence[str]) -> tuple[Frame, Words]:
        """Return the frame as it is: to number values takes a shuffle, as grouping by them does."""
        return frame, {}

    def spelled(self, frame: Frame, words: Words) -> Frame:
        """Return the frame as it is."""
        return frame

    def instants(self, frame: Frame, columns: Sequence[str]) -> Frame:
        """Return a frame with columns of microseconds since 1970 turned into instants in UTC."""
        made = [
            f"timestamp_micros({_quoted(c)}) AS {_quoted(c)}" if c in columns else _quoted(c)
            for c in frame.collect_schema()
        ]
        return _frame(frame.to_native().selectExpr(*made))

    def collect(self, frame: Frame) -> pl.DataFrame:
        """Return the rows, which come over as Arrow."""
        return pl.DataFrame(frame.to_native().toArrow())

    def batches(self, frame: Frame, rows: int) -> Iterator[pl.DataFrame]:
        """Yield the rows partition by partition, so that one of them at a time is here."""
        native: DataFrame = frame.to_native().selectExpr("*", f"spark_partition_id() AS {_PART}").persist()
        try:
            for (part,) in native.select(_PART).distinct().orderBy(_PART).collect():
                found = pl.DataFrame(native.filter(f"{_PART} = {part}").drop(_PART).toArrow())
                yield from found.iter_slices(rows)
        finally:
            native.unpersist()

    def load(self, frame: pl.DataFrame) -> Frame:
        """Return rows as a frame."""
        table = _arrow(frame)
        if len(table):
            return _frame(self.session.createDataFrame(table))
        from pyspark.sql.pandas.types import from_arrow_schema  # Spark Connect infers none of no rows

        return _frame(self.session.createDataFrame([], from_arrow_schema(table.schema)))

    def mapped(self, frame: Frame, function: FrameFunction, columns: dict[str, str]) -> Frame:
        """Return what a function makes of the rows, some thousand at a time, where they lie.

        Args:
            frame: The rows.
            function: Goes to the executors, which need this package.
            columns: What it returns: column name to SQL type.
        """

        def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                yield from _arrow(function(pl.DataFrame(batch))).to_batches()

        schema = ", ".join(f"{_quoted(name)} {kind}" for name, kind in columns.items())
        return _frame(frame.to_native().mapInArrow(run, schema))

    def close(self) -> None:
        """Give back what is held."""
        _give_back(self._held, self._copies)

    def _as_they_lie(self, plain: PlainFiles) -> DataFrame:
        """Return the rows of files, numbered by their place in them."""
        columns = [f"{_quoted(column)} AS {_quoted(name)}" for name, column in plain.columns.items()]
        ts = f"unix_micros({_quoted(plain.columns[TIME])}) AS {TS}"
        parts = [
            self.session.read.parquet(path if "://" in path else Path(path).resolve().as_uri()).selectExpr(
                f"_metadata.row_index + {start} AS {SEQ}", ts, *columns
            )
            for path, start in plain.files
        ]
        every = parts[0]
        for part in parts[1:]:
            every = every.union(part)
        return every.select(*(_quoted(name) for name in plain.names))


def _session(spark: Spark) -> SparkSession:
    try:
        import pyspark  # noqa: F401
    except ImportError as error:
        raise EngineError(
            "spark: PySpark is not installed; install evanalytics[spark] (it also needs Java 17 or newer)"
        ) from error
    if isinstance(spark, str):
        return _connected(spark)
    if not hasattr(spark, "createDataFrame"):
        raise EngineError(f"spark: needs a SparkSession or a Spark Connect address, got {spark!r}")
    session: SparkSession = spark
    return session


@cache
def _connected(address: str) -> SparkSession:
    """Return a session of a Spark Connect server, one for as long as this process lives."""
    from pyspark.sql.connect.session import SparkSession as ConnectSession

    session: SparkSession = ConnectSession.builder.remote(address).create()
    _stop_at_exit(session)
    return session


def _stop_at_exit(session: SparkSession) -> None:
    """End a session of our own while Python still runs; later, PySpark waits for threads that are gone."""
    atexit.register(session.stop)


def _beside(session: SparkSession) -> SparkSession:
    """Return a new session on the same cluster, set up for our plans."""
    given = session.conf.get("spark.sql.shuffle.partitions")
    beside = session.newSession()
    if type(beside).__module__.startswith("pyspark.sql.connect"):  # others share the user's own context
        _stop_at_exit(beside)
    beside.conf.set("spark.sql.session.timeZone", "UTC")
    beside.conf.set("spark.sql.caseSensitive", "true")
    partitions = str(2 * _cores(beside)) if given in (None, _SPARKS_OWN) else str(given)
    beside.conf.set("spark.sql.shuffle.partitions", partitions)
    return beside


def _cores(session: SparkSession) -> int:
    """Return into how many parts Spark cuts what has no parts of its own: one for each core."""
    return int(session.range(0, 100_000).selectExpr("spark_partition_id() AS p").distinct().count())


def _give_back(held: list[DataFrame], copies: list[tempfile.TemporaryDirectory[str]]) -> None:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    while held:
        try:
            held.pop().unpersist()
        except (Py4JError, PySparkException, OSError, AttributeError):
            held.clear()  # the session is gone, and all that it held
    while copies:
        copies.pop().cleanup()


def _arrow(frame: pl.DataFrame) -> pa.Table:
    """Return rows in types that Spark knows: it has no unsigned numbers, and no categories."""
    numbers = [c for c, t in frame.schema.items() if t.is_unsigned_integer()]
    texts = [c for c, t in frame.schema.items() if isinstance(t, pl.Categorical | pl.Enum)]
    frame = frame.cast(dict.fromkeys(numbers, pl.Int64)).cast(dict.fromkeys(texts, pl.String))
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


def _frame(native: Any) -> Frame:
    frame: Frame = nw.from_native(native)
    return frame


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
