"""From a log to the rows of the sources: one read of the columns needed, and the watermarks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import narwhals.stable.v2 as nw
import polars as pl
from polars.io.plugins import register_io_source

from evanalytics.filters.filter import Filter
from evanalytics.logs.engines import Frame, FrameEngine
from evanalytics.logs.log import EventLog
from evanalytics.logs.matching import matching_seqs
from evanalytics.logs.schema import SEQ, TS, TYPE, column_of
from evanalytics.streams.columns import LEFT_SEQ, RIGHT_SEQ, is_hidden, watermark_column
from evanalytics.streams.graph import Graph
from evanalytics.streams.memory_nodes import AggregatorNode, DedupeNode
from evanalytics.streams.nodes import (
    FilterNode,
    Node,
    PythonColumn,
    SourceNode,
    TransformColumn,
    TransformNode,
)
from evanalytics.streams.upstream import passes_events
from evanalytics.streams.watermark import NEVER, Watermark
from evanalytics.streams.windows import Span

_OF_SOURCE = "__of_source"


@dataclass(frozen=True, slots=True)
class Staged:
    """The rows of all sources, held.

    Attributes:
        sources: The rows of each source, with its columns and every source's watermark.
        span: The earliest instant that a window may be asked for, and the latest.
        rows: How many events the log has, and how many some source takes.
        latest: Each source's watermark at the end.
    """

    sources: dict[str, Frame]
    span: Span
    rows: tuple[int, int]
    latest: dict[str, int]


def stage(graph: Graph, log: EventLog, engine: FrameEngine) -> Staged:
    """Read what the graph needs of a log, once, and compute the watermarks."""
    columns = needed_columns(graph, log)
    frame = engine.scan(log.lazy, log.plain)
    if (types := all_types(graph)) is not None:
        frame = frame.filter(nw.col(TYPE).is_in(types))
    frame = engine.in_order(frame.select(*columns))
    rows = _with_source_flags(graph, frame, log, engine)
    frame = engine.hold_in_order(lambda: _with_watermarks(graph, rows, engine))
    marks = [nw.col(watermark_column(number)).max() for number in range(len(graph.sources))]
    ends = frame.select(nw.len(), nw.col(TS).min().alias("low"), nw.col(TS).max().alias("high"), *marks)
    figures = engine.collect(ends).row(0)
    lateness = max(s.watermark.allowed_lateness_us for s in graph.sources.values())
    low, high = (figures[1] or 0) - lateness, figures[2] or 0
    latest = {name: NEVER if at is None else at for name, at in zip(graph.sources, figures[3:], strict=True)}
    flags = [f"{_OF_SOURCE}{i}" for i in range(len(graph.sources))]
    sources = {
        name: (frame if _takes_all(graph) else frame.filter(nw.col(flag))).drop(flags)
        for flag, name in zip(flags, graph.sources, strict=True)
    }
    return Staged(sources, (low, high), (len(log), figures[0]), latest)


def needed_columns(graph: Graph, log: EventLog) -> list[str]:
    """Return the columns of the log that the graph reads, `seq`, `ts` and `type` among them.

    Polars' own optimizer is asked: it plans each reading of events over a source without rows, and
    that source is told which columns it is to deliver.
    """
    needed = {SEQ, TS, TYPE}
    for name, node in graph.in_order():
        for port in [port for ports in graph.inputs(name).values() for port in ports]:
            if passes_events(graph, port):
                needed |= _columns_read(node, log)
        if isinstance(node, SourceNode) and node.filter is not None:
            needed |= _columns_of_filter(node.filter, log)
    return [column for column in log.schema.columns if column in needed]


def condition(wanted: Filter | nw.Expr, name: str, frame: Frame, log: EventLog, engine: FrameEngine) -> Frame:
    """Return a frame with a boolean column, never null: whether a row meets a condition.

    What only the events themselves can decide is decided by the log, and comes back by `seq`.
    """
    if isinstance(wanted, nw.Expr):
        return frame.with_columns(nw.coalesce(wanted, nw.lit(False)).alias(name))
    split = wanted.compile(log.schema)
    if split.residual is None:
        expression = nw.lit(True) if split.expression is None else split.expression
        return frame.with_columns(nw.coalesce(expression, nw.lit(False)).alias(name))
    marks = matching_seqs(log, split, engine).with_columns(nw.lit(True).alias(name))
    return engine.hold(
        frame.join(marks, on=SEQ, how="left")
        .with_columns(nw.coalesce(nw.col(name), nw.lit(False)).alias(name))
        .sort(SEQ)
    )


def transformed(node: TransformNode, frame: Frame, log: EventLog, engine: FrameEngine) -> Frame:
    """Return the columns of a transform, with those that say when a row arrived."""
    kept = [c for c in frame.collect_schema() if c in (SEQ, TS, LEFT_SEQ, RIGHT_SEQ) or is_hidden(c)]
    plain: dict[str, nw.Expr] = {}
    marks: dict[str, str] = {}
    for number, (name, column) in enumerate(node.columns.items()):
        if isinstance(column, Filter):
            marks[name] = f"__mark{number}"
            frame = condition(column, marks[name], frame, log, engine)
            plain[name] = nw.col(marks[name])
        elif not isinstance(column, PythonColumn):
            plain[name] = nw.col(column_of(column)) if isinstance(column, str) else column
    slow = {name: column for name, column in node.columns.items() if isinstance(column, PythonColumn)}
    out = frame.select(*kept, **plain)
    return out if not slow else _with_python(out, frame, node, slow, engine)


def _with_python(
    out: Frame, frame: Frame, node: TransformNode, slow: dict[str, PythonColumn], engine: FrameEngine
) -> Frame:
    reads = list(dict.fromkeys(column_of(path) for column in slow.values() for path in column.reads))
    rows = engine.collect(
        frame.select(nw.col(SEQ).alias("__row"), *(nw.col(c).alias(f"__in_{c}") for c in reads))
    )
    inputs = rows.rename({f"__in_{c}": c for c in reads})
    values = rows.select("__row").with_columns(
        column.values(inputs).alias(name) for name, column in slow.items()
    )
    joined = out.join(engine.load(values), left_on=SEQ, right_on="__row", how="left")
    names = [name for name in out.collect_schema() if name not in node.columns]
    return engine.hold(joined.select(*names, *node.columns).sort(SEQ))


def all_types(graph: Graph) -> list[str] | None:
    """Return the event types that some source takes; None if one takes all."""
    found: list[str] = []
    for source in graph.sources.values():
        if source.types is None:
            return None
        found += source.types
    return list(dict.fromkeys(found))


def _takes_all(graph: Graph) -> bool:
    """Return whether there is one source, and what was read is just what it takes."""
    return len(graph.sources) == 1 and next(iter(graph.sources.values())).filter is None


def _with_source_flags(graph: Graph, frame: Frame, log: EventLog, engine: FrameEngine) -> Frame:
    for number, source in enumerate(graph.sources.values()):
        flag = f"{_OF_SOURCE}{number}"
        takes = nw.lit(True)
        if source.filter is not None:
            frame = condition(source.filter, flag, frame, log, engine)
            takes = nw.col(flag)
        if source.types is not None and not _takes_all(graph):
            takes = takes & nw.col(TYPE).is_in(source.types)
        frame = frame.with_columns(takes.alias(flag))
    return frame


def _with_watermarks(graph: Graph, frame: Frame, engine: FrameEngine) -> Frame:
    for number, source in enumerate(graph.sources.values()):
        flag = None if _takes_all(graph) else f"{_OF_SOURCE}{number}"
        frame = with_watermark(frame, source.watermark, watermark_column(number), flag, engine)
    return frame


def with_watermark(
    frame: Frame,
    watermark: Watermark,
    name: str,
    flag: str | None,
    engine: FrameEngine,
    *,
    before: str | None = None,
) -> Frame:
    """Return rows with the watermark of a source at their arrival.

    Args:
        frame: In the order of `seq`.
        watermark: The source's.
        name: The new column's.
        flag: A boolean column: which rows the source takes; None: all.
        engine: Whose frame it is.
        before: A column with the `ts` of the source's row before the first one; None: there was none.
    """
    earlier = nw.col(TS).shift(1).over(*([] if flag is None else [flag]), order_by=SEQ)
    seen = watermark.reached(earlier if before is None else nw.coalesce(earlier, nw.col(before)))
    if flag is not None:
        seen = nw.when(nw.col(flag)).then(seen).otherwise(nw.lit(NEVER, nw.Int64))
    return engine.running_max(frame.with_columns(seen.alias(name)), name, name)


def _columns_read(node: Node, log: EventLog) -> set[str]:
    """Return the columns of events that a node reads; a join and a sink hand on what they get."""
    if isinstance(node, AggregatorNode):
        return {*node.key_columns, *node.read_columns}
    if isinstance(node, DedupeNode):
        return set(node.key)
    if isinstance(node, FilterNode | TransformNode):
        values = node.filters.values() if isinstance(node, FilterNode) else node.columns.values()
        return set().union(*(_columns_of_value(value, log) for value in values))
    return set(log.schema.columns)


def _columns_of_value(value: Filter | TransformColumn, log: EventLog) -> set[str]:
    if isinstance(value, Filter):
        return _columns_of_filter(value, log)
    if isinstance(value, PythonColumn):
        return {column_of(path) for path in value.reads}
    if isinstance(value, str):
        return {column_of(value)}
    return _columns_of_expression(value, log)


def _columns_of_filter(wanted: Filter, log: EventLog) -> set[str]:
    split = wanted.compile(log.schema)
    return set() if split.expression is None else _columns_of_expression(split.expression, log)


def _columns_of_expression(expression: nw.Expr, log: EventLog) -> set[str]:
    asked: set[str] = set()
    schema = dict(log.schema.columns)

    def nothing(
        columns: Sequence[str] | None, predicate: object, rows: int | None, size: int | None
    ) -> Iterator[pl.DataFrame]:
        asked.update(schema if columns is None else columns)
        yield pl.DataFrame(schema=schema).select(schema if columns is None else list(columns))

    source = register_io_source(nothing, schema=schema)
    nw.from_native(source).select(out=expression).to_native().collect()
    return asked
