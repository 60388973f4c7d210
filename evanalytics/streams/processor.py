"""`StreamProcessor`: build a graph, check it, replay a log through it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import polars as pl

from evanalytics.exceptions import StreamError
from evanalytics.logs.engines import DuckDBEngine, FrameEngine, PolarsEngine
from evanalytics.logs.log import EventLog
from evanalytics.logs.sources import ReadLimits
from evanalytics.streams.batch import BatchReplay
from evanalytics.streams.checks import check
from evanalytics.streams.explain import explain
from evanalytics.streams.graph import GraphBuilder
from evanalytics.streams.picture import picture_of
from evanalytics.streams.result import StreamResult
from evanalytics.streams.staging import needed_columns

if TYPE_CHECKING:
    import plotly.graph_objects as go

EngineName = Literal["auto", "polars", "duckdb"]

_BYTES_A_CELL = 24  # of a staged column, texts and what is made of them on the way included


class StreamProcessor(GraphBuilder):
    """A graph of sources, filters, transforms, joins, aggregators, dedupes and sinks.

    The graph says what is meant; a replay of a log and a live run give the same rows. Build it with
    `add_source`, `add_node` and `connect_to`, then `run` it over a log.

    Example:
        >>> from evanalytics.streams.aggregators import WindowedCounter
        >>> from evanalytics.streams.nodes import AggregatorNode
        >>> from evanalytics.streams.windows import TumblingWindow
        >>> processor = StreamProcessor("traffic")
        >>> events = processor.add_source("events")
        >>> counts = AggregatorNode(windows=TumblingWindow("1h"), keys=["type"], aggregator=WindowedCounter())
        >>> events.connect_to(processor.add_node("by type", counts))
        <aggregator 'by type'>
        >>> processor.validate()
    """

    def validate(self, log: EventLog | None = None) -> None:
        """Look for all that is wrong with the graph.

        Args:
            log: The log that it will run on. Without one, connections and the names behind transforms
                are checked; with one, every column and dtype.

        Raises:
            StreamError: Names the node, what was found and what would do.
        """
        check(self.graph, None if log is None else log.schema)

    def run(
        self,
        log: EventLog,
        *,
        engine: EngineName = "auto",
        sinks: bool = False,
        keep: bool = True,
        close: bool = True,
    ) -> StreamResult:
        """Replay a log through the graph as one plan, and return what it brought.

        Args:
            log: The events, in the order in which they arrived (`seq`).
            engine: "polars" (in memory), "duckdb" (larger than memory), or "auto": polars unless the
                columns that are read would take more than a quarter of the memory.
            sinks: Whether sinks get their rows; by default a replay only computes.
            keep: Whether the pairs of a join with a hot key are kept. False: they go to the sinks slice
                by slice and are forgotten, where only sinks take them.
            close: Whether the end of the log closes every window and every wait for a partner. False:
                only what the watermark has closed comes out.

        Raises:
            StreamError: Something is wrong with the graph.
        """
        schemas = check(self.graph, log.schema)
        chosen = self._engine(log, engine)
        replay = BatchReplay(self.graph, log, chosen, schemas, keep=keep, close=close)
        replay.run(sinks=sinks)
        return StreamResult(self.graph, log, chosen, replay)

    def explain(self, log: EventLog) -> pl.DataFrame:
        """Return what would run on a log, node by node: columns `node`, `kind`, `reads`, `columns`, `remark`.

        Raises:
            StreamError: Something is wrong with the graph.
        """
        return explain(self.graph, log)

    def figure(self, log: EventLog | None = None) -> go.Figure:
        """Return a picture of the graph; with a log, hovering over a node also tells its columns' dtypes.

        Raises:
            StreamError: Something is wrong with the graph.
        """
        from evanalytics.plots.stream_graph import stream_graph

        schemas = check(self.graph, None if log is None else log.schema)
        picture = picture_of(self.graph, schemas)
        return stream_graph(picture.nodes, picture.edges, picture.losses)

    def _engine(self, log: EventLog, name: EngineName) -> FrameEngine:
        if name not in ("auto", "polars", "duckdb"):
            raise StreamError(f"engine: needs 'auto', 'polars' or 'duckdb', got {name!r}")
        if name == "auto":
            estimate = len(log) * len(needed_columns(self.graph, log)) * _BYTES_A_CELL
            name = "duckdb" if estimate > ReadLimits().memory_budget() else "polars"
        return DuckDBEngine() if name == "duckdb" else PolarsEngine()
