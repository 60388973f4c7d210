"""What a replay brought: the rows of every output, what became of each, and why not."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from evanalytics.event import Event
from evanalytics.exceptions import StreamError
from evanalytics.logs.engines import Frame, FrameEngine
from evanalytics.logs.log import EventLog
from evanalytics.logs.schema import SEQ
from evanalytics.streams.batch import BatchReplay
from evanalytics.streams.checks import comes_from, passes_events
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
from evanalytics.streams.graph import Graph, Port
from evanalytics.streams.nodes import AggregatorNode
from evanalytics.streams.trace import trace


class StreamResult:
    """The outcome of one run of a graph over a log.

    Attributes:
        engine: What it ran on: "polars" or "duckdb".
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

    def results(self, node: str, output: str | None = None) -> pl.DataFrame:
        """Return the rows of an output: windows by start, other rows as they arrived.

        Where rows are still events they have all columns of the log, otherwise `seq`, `ts` and those
        of the transform or join. Pairs have `left_seq` and `right_seq`.

        Args:
            node: The node's name.
            output: One of its outputs; by default the first. For a sink: what it gets.

        Raises:
            StreamError: There is no such node or output, or its rows were not kept.
        """
        port = self._port(node, output)
        frame = self._engine.collect(_visible(self._frame(port)))
        if passes_events(self._graph, port):
            frame = self._whole_events(frame)
        own = (WINDOW, KEY, START) if self._key_columns(port) is not None else ()
        order = [c for c in (*own, SEQ, LEFT_SEQ, RIGHT_SEQ, LATE_FOR, LATE_KEY) if c in frame.columns]
        return frame.sort([*order, *(self._key_columns(port) or ())], nulls_last=True)

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

    def _port(self, node: str, output: str | None) -> Port:
        if node not in self._graph.nodes:
            raise StreamError(f"{node!r}: no such node; there are {', '.join(self._graph.nodes)}")
        outputs = self._graph.nodes[node].outputs
        if not outputs:
            return next(iter(self._graph.inputs(node).values()))[0]
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
        events = self._log.lazy.join(frame.select(SEQ, *marks).lazy(), on=SEQ, how="inner")
        return events.collect()

    def _key_columns(self, port: Port) -> tuple[str, ...] | None:
        """Return the key columns of windows; None where rows are none."""
        above = comes_from(self._graph, port, (AggregatorNode,))
        node = self._graph.nodes[above] if above is not None else None
        return node.key_columns if isinstance(node, AggregatorNode) else None


def _visible(frame: Frame) -> Frame:
    return frame.select(*(c for c in frame.collect_schema() if not is_hidden(c)))
