"""An event log: a lazy frame in the library's columns, what reading it found, and its payloads."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec
import narwhals.stable.v2 as nw
import polars as pl

from evanalytics.event import Event
from evanalytics.exceptions import ColumnError, EventError, PayloadUnavailableError
from evanalytics.logs.duckdb_engine import to_duckdb
from evanalytics.logs.engine_choice import engine_of
from evanalytics.logs.engines import FrameEngine
from evanalytics.logs.paths import PathPlan, TypedPath
from evanalytics.logs.payloads import FromColumns, Payloads
from evanalytics.logs.plain_files import PlainFiles
from evanalytics.logs.report import ReadReport
from evanalytics.logs.schema import (
    ENVELOPE,
    EXTENSION,
    ID,
    PAYLOAD,
    PREFIX,
    SEQ,
    SOURCE,
    SUBJECT,
    TIME,
    TS,
    TYPE,
)
from evanalytics.logs.sources import ReadLimits
from evanalytics.logs.stage import Stage
from evanalytics.logs.table import path_of_column
from evanalytics.logs.tally import Tally

if TYPE_CHECKING:
    import duckdb

Engine = Literal["polars", "duckdb", "spark"]
Order = Literal["log", "time"]

_BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class LogSchema:
    """The columns of a log, and which path each of them holds.

    Attributes:
        columns: Column name to dtype, all columns.
        paths: Dotted path to column, for the payload ("data.total") and extensions ("ext.traceparent").
        json_paths: Paths that have no column, with the reason.
        null_paths: Paths at which explicit nulls were seen, or NaN that became null.
    """

    columns: Mapping[str, pl.DataType]
    paths: Mapping[str, str]
    json_paths: Mapping[str, str] = field(default_factory=dict)
    null_paths: tuple[str, ...] = ()

    def column(self, path: str) -> str:
        """Return the column that holds a dotted path or an attribute.

        Raises:
            ColumnError: The log has no such path, or it stayed JSON; names the nearest path.
        """
        if path in ENVELOPE or (path == SUBJECT and SUBJECT in self.columns):
            return path
        if path in self.paths:
            return self.paths[path]
        if path in self.json_paths:
            raise ColumnError(f"{path}: has no column, it stayed JSON ({self.json_paths[path]})")
        known = [*ENVELOPE, *self.paths]
        near = difflib.get_close_matches(path, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known[:20])}"
        raise ColumnError(f"{path}: the log has no such path; {hint}")


@dataclass(frozen=True, slots=True)
class Split:
    """A condition taken apart: what columns decide, and what is left to each event.

    Attributes:
        expression: Boolean expression over the log's columns; a null in it leaves the row out.
            None: every row.
        residual: Decides on the rows that the expression leaves; None: they all count.
        reads: The paths that the residual looks at.
    """

    expression: nw.Expr | None
    residual: Callable[[Event], bool] | None = None
    reads: tuple[str, ...] = ()


class Compilable(Protocol):
    """Anything that can say which rows it wants: a filter."""

    def compile(self, schema: LogSchema) -> Split | nw.Expr:
        """Return a boolean narwhals expression over the log's columns, or one with a residual."""
        ...


class EventLog:
    """A log of events, ready to be asked.

    Nothing is computed before a frame is collected. `seq` numbers the events as they arrived,
    and is the only carrier of that order.
    """

    def __init__(
        self,
        lazy: pl.LazyFrame,
        *,
        schema: LogSchema,
        report: ReadReport,
        payloads: Payloads,
        keep: object = None,
        plain: PlainFiles | None = None,
    ) -> None:
        """Hold a frame with the library's columns.

        Args:
            lazy: The frame.
            schema: Its columns and paths.
            report: What reading found.
            payloads: Where payloads come from.
            keep: Is kept alive as long as the log.
            plain: The log's files, if every engine can read the same rows from them as they lie.
        """
        self.lazy = lazy
        self.plain = plain
        self.schema = schema
        self.report = report
        self._payloads = payloads
        self._keep = keep
        self._count: int | None = None

    @classmethod
    def from_frame(cls, frame: pl.DataFrame | pl.LazyFrame) -> EventLog:
        """Return the log held in a frame with `id`, `type`, `source`, `time` and `data__*` columns.

        Rows are taken in the frame's order. `time` must be a Datetime; without a zone it is UTC.

        Raises:
            ColumnError: One of the four is missing, null somewhere, or of another dtype; or two payload
                columns exclude each other (names that differ only in case; `data__a` beside `data__a__b`).
        """
        frame = frame.lazy().collect()
        _check_frame(frame)
        ts = pl.col(TIME).dt.timestamp("us")
        frame = (
            frame.drop(SEQ, TS, strict=False)
            .with_row_index(SEQ)
            .with_columns(
                pl.col(SEQ).cast(pl.Int64), ts.alias(TS), ts.cast(pl.Datetime("us", "UTC")).alias(TIME)
            )
        )
        frame = frame.select(*ENVELOPE, pl.exclude(*ENVELOPE))
        nan = {
            path_of_column(c): int(frame[c].is_nan().sum()) for c, t in frame.schema.items() if t.is_float()
        }
        frame = frame.with_columns(pl.col(c).fill_nan(None) for c, t in frame.schema.items() if t.is_float())
        paths = _paths_of(frame)
        tally = Tally()
        tally.add(frame)
        report = ReadReport(
            files=(),
            read=len(frame),
            good=len(frame),
            typed={path: str(frame.schema[c]) for path, c in paths.items()},
            nan_to_null={path: count for path, count in nan.items() if count},
            duplicate_ids=tally.duplicate_ids(),
            out_of_order=tally.out_of_order,
            start=tally.start,
            end=tally.end,
            notes=("taken from a frame",),
        )
        keys = {
            column: tuple(path.split(".")[1:]) for path, column in paths.items() if column.startswith(PREFIX)
        }
        schema = LogSchema(dict(frame.schema), paths)
        return cls(frame.lazy(), schema=schema, report=report, payloads=FromColumns(keys))

    def __len__(self) -> int:
        if self._count is None:
            self._count = int(self.lazy.select(pl.len()).collect().item())
        return self._count

    def __repr__(self) -> str:
        span = f", {self.report.start:%Y-%m-%d} to {self.report.end:%Y-%m-%d}" if self.report.start else ""
        return f"<EventLog of {len(self):,} events{span}>"

    def frame(self, engine: Engine = "polars", *, spark: Any = None) -> nw.LazyFrame[Any]:
        """Return the log as a narwhals frame on an engine: the same columns on each.

        Args:
            engine: "polars", "duckdb" (larger than memory, SQL), or "spark" (larger than a machine).
            spark: For "spark": a SparkSession, or the address of a Spark Connect server.

        Raises:
            EngineError: There is no such engine, or no Spark session.
        """
        chosen = engine_of(engine, spark=spark)
        self.keep_alive(chosen)
        return chosen.scan(self.lazy, self.plain)

    def keep_alive(self, engine: FrameEngine) -> None:
        """Keep an engine as long as the log if its frames read what it has copied; others hold themselves."""
        if engine.name == "spark":
            self._keep = (self._keep, engine)

    def to_duckdb(self, connection: duckdb.DuckDBPyConnection | None = None) -> duckdb.DuckDBPyRelation:
        """Return the log as a DuckDB relation, of a connection of its own unless one is given.

        Rows come in no particular order: `ORDER BY seq` gives the order of arrival.
        """
        return to_duckdb(self.lazy, connection, plain=self.plain)

    def where(self, condition: Compilable) -> EventLog:
        """Return the log of the events that a filter matches; `seq` keeps its values.

        What columns can decide stays lazy. What only the events themselves can decide (arrays,
        paths of mixed types) is decided here and now, on the rows that the columns leave.

        Raises:
            PayloadUnavailableError: A path has no column, and the payload is only in columns.
        """
        split = condition.compile(self.schema)
        if isinstance(split, nw.Expr):
            split = Split(split)
        log = self
        if split.expression is not None:
            lazy: pl.LazyFrame = nw.from_native(self.lazy).filter(split.expression).to_native()
            log = self._derived(lazy)
        return log if split.residual is None else log._chosen(split.residual, split.reads)

    def between(self, start: datetime | None = None, end: datetime | None = None) -> EventLog:
        """Return the events with start <= time < end (aware datetimes; None leaves a side open)."""
        lazy = self.lazy
        if start is not None:
            lazy = lazy.filter(pl.col(TIME) >= start)
        if end is not None:
            lazy = lazy.filter(pl.col(TIME) < end)
        return self._derived(lazy)

    def batches(self, size: int = _BATCH_ROWS, *, payload: bool = False) -> Iterator[pl.DataFrame]:
        """Yield the log in `seq` order, `size` rows at a time, in bounded memory.

        Args:
            size: Rows of a frame.
            payload: Whether to give the payload as one column `data` of JSON text (String) in
                place of its typed columns.
        """
        frames: Iterator[pl.DataFrame] = self.lazy.collect_batches(chunk_size=size, maintain_order=True)
        if not payload:
            yield from frames
            return
        drop = [column for column in self.schema.columns if column.startswith(PREFIX)]
        for frame in self._payloads.attach(frames):
            yield frame.drop(drop)

    def payloads(self, seqs: Iterable[int] | pl.Series | None = None) -> pl.DataFrame:
        """Return payloads as JSON text: columns `seq` (Int64) and `data` (String), by `seq`.

        For logs read from JSON the text is the producer's own; for logs whose payload came as
        typed columns it is rebuilt from them.

        Args:
            seqs: Which events; None for all.

        Raises:
            PayloadUnavailableError: The file has changed or is gone.
        """
        log = self
        if seqs is not None:
            wanted = pl.Series(SEQ, list(seqs), dtype=pl.Int64).unique()
            log = self._derived(self.lazy.filter(pl.col(SEQ).is_in(wanted.implode())))
        parts = [frame.select(SEQ, PAYLOAD) for frame in log.batches(payload=True)]
        empty = pl.DataFrame(schema={SEQ: pl.Int64, PAYLOAD: pl.String})
        return pl.concat([empty, *parts])

    def events(self, order: Order = "log") -> Iterator[Event]:
        """Yield the events one by one, as they arrived ("log") or by time ("time")."""
        if order == "log":
            frames = self.batches(payload=True)
        else:
            stage = Stage(ReadLimits().memory_budget())
            for frame in self.batches(payload=True):
                stage.add(frame)
            frames = stage.lazy().sort(TS, SEQ).collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True)
        for frame in frames:
            yield from events_of(frame)

    def _chosen(self, holds: Callable[[Event], bool], reads: Iterable[str]) -> EventLog:
        """Return the log of the events for which a function holds; it looks at these paths."""
        if self.payload_from_columns is not None:
            self.refuse_lost(reads)
        kept: list[int] = []
        for frame in self.batches(payload=True):
            events = zip(frame[SEQ], events_of(frame), strict=True)
            kept += [seq for seq, event in events if holds(event)]
        wanted = pl.Series(SEQ, kept, dtype=pl.Int64)
        return self._derived(self.lazy.filter(pl.col(SEQ).is_in(wanted.implode())))

    @property
    def payload_from_columns(self) -> Callable[[Iterable[pl.DataFrame]], Iterator[pl.DataFrame]] | None:
        """What adds the payload as JSON text to typed columns; None if its own text is to be had."""
        return self._payloads.attach if isinstance(self._payloads, FromColumns) else None

    def refuse_lost(self, reads: Iterable[str]) -> None:
        """Refuse paths that the columns of a log without payload text cannot tell.

        Raises:
            PayloadUnavailableError: One of them is such.
        """
        for path in reads:
            for lost, reason in self.schema.json_paths.items():
                if f"{path}.".startswith(f"{lost}.") or f"{lost}.".startswith(f"{path}."):
                    raise PayloadUnavailableError(
                        f"{path}: the log's columns cannot say it ({lost}: {reason}), and it has no "
                        "JSON text; give the payload as a column of JSON text named data"
                    )

    def _derived(self, lazy: pl.LazyFrame) -> EventLog:
        return EventLog(
            lazy, schema=self.schema, report=self.report, payloads=self._payloads, keep=self._keep
        )


def events_of(frame: pl.DataFrame) -> Iterator[Event]:
    """Yield the events of a frame that has the attributes and `data` as JSON text."""
    extensions = {
        c: c.removeprefix(f"{EXTENSION}__") for c in frame.columns if c.startswith(f"{EXTENSION}__")
    }
    subjects = frame[SUBJECT] if SUBJECT in frame.columns else [None] * len(frame)
    others = frame.select(list(extensions)).rows() if extensions else [()] * len(frame)
    names = list(extensions.values())
    columns = (frame[ID], frame[TYPE], frame[SOURCE], frame[TIME], frame[PAYLOAD], subjects, others)
    for identity, kind, source, time, data, subject, values in zip(*columns, strict=True):
        yield Event(
            id=identity,
            type=kind,
            source=source,
            time=time,
            data=None if data is None else decode_payload(data),
            subject=subject,
            extensions={n: v for n, v in zip(names, values, strict=True) if v is not None},
        )


def decode_payload(text: str) -> Any:
    """Return the value of a payload's JSON text; NaN becomes None, as in the typed columns."""
    try:
        return msgspec.json.decode(text)  # 2.5x as fast, but knows no NaN
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        return json.loads(text, parse_constant=lambda name: None if name == "NaN" else float(name))
    except ValueError as error:
        raise EventError(f"payload: not JSON: {error}") from error


def _paths_of(frame: pl.DataFrame) -> dict[str, str]:
    """Return the paths that a frame's columns hold, each with its column."""
    plan = PathPlan()
    for column, dtype in frame.schema.items():
        if column.startswith((PREFIX, f"{EXTENSION}__")):
            plan.add(TypedPath(path_of_column(column), column, (column,), dtype))
    for path, reason in plan.json.items():
        raise ColumnError(f"{path}: {reason}; rename or drop one of the columns")
    return {typed.path: typed.column for typed in plan.typed}


def _check_frame(frame: pl.DataFrame) -> None:
    for name in (ID, TYPE, SOURCE, TIME):
        if name not in frame.columns:
            raise ColumnError(f"{name}: the frame has no such column; it has {', '.join(frame.columns)}")
        dtype = frame.schema[name]
        if not (isinstance(dtype, pl.Datetime) if name == TIME else dtype == pl.String):
            needed = "Datetime" if name == TIME else "String"
            raise ColumnError(f"{name}: needs dtype {needed}, got {dtype}")
        if nulls := frame[name].null_count():
            raise ColumnError(f"{name}: null in {nulls:,} rows")
