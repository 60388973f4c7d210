"""What a replay brought: the rows of every output, what became of each, and why not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import polars as pl

from evanalytics.durations import Duration
from evanalytics.event import Event
from evanalytics.exceptions import StreamError
from evanalytics.logs.engines import Frame, FrameEngine
from evanalytics.logs.log import EventLog
from evanalytics.logs.schema import SEQ
from evanalytics.streams.batch import BatchReplay
from evanalytics.streams.checks import check
from evanalytics.streams.columns import (
    KEY,
    LATE_FOR,
    LATE_KEY,
    LEFT_SEQ,
    MISSED,
    RIGHT_SEQ,
    START,
    WINDOW,
    is_hidden,
)
from evanalytics.streams.completeness import join_completeness
from evanalytics.streams.graph import Graph, Port
from evanalytics.streams.lateness import late_shares
from evanalytics.streams.picture import Picture, picture_of
from evanalytics.streams.trace import trace
from evanalytics.streams.upstream import first_input, passes_events, window_keys
from evanalytics.streams.window_grid import window_grid

if TYPE_CHECKING:
    import plotly.graph_objects as go


class StreamResult:
    """The outcome of one run of a graph over a log.

    Attributes:
        engine: What it ran on: "polars", "duckdb" or "spark".
        seconds: How long each node took.
        notes: What was decided on the way, by node.
    """

    def __init__(self, graph: Graph, log: EventLog, engine: FrameEngine, replay: BatchReplay) -> None:
        """Take the run, which holds its rows."""
        self._graph, self._log, self._engine, self._replay = graph, log, engine, replay
        self.engine = engine.name
        self.seconds = dict(replay.seconds)
        self.notes = dict(replay.context.notes)

    @property
    def counts(self) -> pl.DataFrame:
        """What became of the rows: columns `node`, `part`, `what` (String), `rows` (Int64).

        `part` is an output of a filter, a side of a join, a window and key of an aggregator, or "".
        """
        return self._replay.context.counts.frame()

    def count(self, node: str, what: str, part: str = "") -> int:
        """Return one of the counts.

        Raises:
            StreamError: There is none such.
        """
        found = self.counts.filter(pl.col("node") == node, pl.col("part") == part, pl.col("what") == what)
        if found.is_empty():
            raise StreamError(f"{node}: no count {what!r} of {part!r}; see result.counts")
        return int(found["rows"][0])

    def results(self, node: str, output: str | None = None, *, limit: int | None = None) -> pl.DataFrame:
        """Return the rows of an output: windows by start, other rows as they arrived.

        Where rows are still events they have all columns of the log, otherwise `seq`, `ts` and those
        of the transform or join. Pairs have `left_seq` and `right_seq`.

        Args:
            node: The node's name.
            output: One of its outputs; by default the first. For a sink: what it gets.
            limit: Only so many rows, the first ones.

        Raises:
            StreamError: There is no such node or output, or its rows were not kept.
        """
        port = self._port(node, output)
        lazy = _visible(self._frame(port))
        keys = window_keys(self._graph, port)
        own = (WINDOW, KEY, START) if keys is not None else ()
        known = lazy.collect_schema()
        order = [c for c in (*own, SEQ, LEFT_SEQ, RIGHT_SEQ, LATE_FOR, LATE_KEY) if c in known]
        order += keys or ()
        if limit is not None:
            lazy = lazy.sort(order, nulls_last=True).head(limit)
        frame = self._engine.collect(lazy)
        if passes_events(self._graph, port):
            frame = self._whole_events(frame)
        return frame.sort(order, nulls_last=True)

    def trace(self, event_id: str) -> pl.DataFrame:
        """Return what became of an event, node by node: columns `seq`, `node`, `what`, `detail`.

        Raises:
            StreamError: The log has no event with this id.
        """
        return trace(self._graph, self._log, self._replay, event_id)

    def events(self, references: Iterable[int] | pl.Series) -> list[Event]:
        """Return the events behind references (`ev.original_event()`, or `seq`), by `seq`, each once."""
        wanted = pl.Series(SEQ, list(references), dtype=pl.Int64).drop_nulls().unique()
        chosen = EventLog(
            self._log.lazy.filter(pl.col(SEQ).is_in(wanted.implode())),
            schema=self._log.schema,
            report=self._log.report,
            payloads=self._log._payloads,
        )
        return list(chosen.events())

    def picture(self) -> Picture:
        """Return the graph with what flowed where, as the frames that `figure` draws."""
        schemas = check(self._graph, self._log.schema)
        return picture_of(self._graph, schemas, counts=self.counts, seconds=self.seconds, engine=self.engine)

    def figure(self) -> go.Figure:
        """Return a picture of the graph: rows on the edges, time per node, what was lost where."""
        from evanalytics.plots.stream_graph import stream_graph

        picture = self.picture()
        return stream_graph(picture.nodes, picture.edges, picture.losses, remark=picture.remark)

    def window_grid(
        self, node: str, *, figure: str | None = None, window: str | None = None, key: str | None = None
    ) -> pl.DataFrame:
        """Return a figure of an aggregator by time and key value, for `ev.plots.windows_heatmap`.

        Args:
            node: The aggregator.
            figure: Its column; by default the first.
            window: Which windows, such as "1h"; by default the finest there is room for.
            key: Which key, such as "status"; by default the one with most values there is room for.

        Raises:
            StreamError: There is no such node, column, window or key.
        """
        port = self._port(node, None)
        if window_keys(self._graph, port) is None:
            raise StreamError(f"{node}: its rows are no windows; ask an aggregator")
        windows = self._engine.collect(_visible(self._frame(port)))
        return window_grid(windows, figure=figure, window=window, key=key)

    def join_completeness(self, node: str, *, longest: Duration | None = None) -> pl.DataFrame:
        """Return how many pairs a join would find with other join windows, for `ev.plots.join_completeness`.

        The join runs once more, with the longest window; by default 24 times its own.

        Returns:
            window_s (Float64, rising), pairs (Int64), share (Float64, of the longest window's pairs),
            chosen (Boolean: the window that the join has).

        Raises:
            StreamError: The node is no join.
        """
        return join_completeness(self._graph, self._log, self._engine, node, longest)

    def lateness(self, node: str) -> pl.DataFrame:
        """Return how many rows of an aggregator would be late, for `ev.plots.allowed_lateness`.

        Returns:
            window, key (String; null where it makes no difference), lateness_s (Float64, rising from 0),
            rows, late (Int64), share (Float64), chosen (Boolean: what the sources allow).

        Raises:
            StreamError: The node is no aggregator, or stands behind a join.
        """
        return late_shares(self._replay.context, self._frame, node)

    def _port(self, node: str, output: str | None) -> Port:
        if node not in self._graph.nodes:
            raise StreamError(f"{node!r}: no such node; there are {', '.join(self._graph.nodes)}")
        outputs = self._graph.nodes[node].outputs
        if not outputs:
            return first_input(self._graph, node)
        if output is not None and output not in outputs:
            raise StreamError(f"{node}: has no output {output!r}; it has {', '.join(outputs)}")
        return Port(node, output or outputs[0])

    def _frame(self, port: Port) -> Frame:
        frame = self._replay.frame(port)
        if frame is None:
            raise StreamError(f"{port}: its rows were not kept; run with keep=True")
        return frame

    def _whole_events(self, frame: pl.DataFrame) -> pl.DataFrame:
        marks = [c for c in (LATE_FOR, LATE_KEY, MISSED) if c in frame.columns]
        low, high = frame.select(pl.col(SEQ).min().alias("low"), pl.col(SEQ).max().alias("high")).row(0)
        near = self._log.lazy.filter(pl.col(SEQ).is_between(low, high))  # the first rows are a small part
        return near.join(frame.select(SEQ, *marks).lazy(), on=SEQ, how="inner").collect()


def _visible(frame: Frame) -> Frame:
    return frame.select(*(c for c in frame.collect_schema() if not is_hidden(c)))
